package oracle_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
	"tracehammer/stress/oracle"
)

// TestRecorded: histories of real kernels that the oracle once did not admit, of races that are too rare for a scenario to show.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d histories: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".jsonl")
		t.Run(filepath.Base(name), func(t *testing.T) {
			p, h := recorded(t, name)
			if v := oracle.New(engine.Profile{}).Judge(p, h); v.Kind != oracle.Admitted {
				t.Errorf("%v: %s\n%s", v.Kind, v.Title, v.Explanation)
			}
		})
	}
}

// recorded reads a scenario and a history of it.
func recorded(t *testing.T, name string) (*engine.Program, *history.History) {
	t.Helper()
	scn, err := os.ReadFile(name + ".scn")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	h, err := jsonl.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return corpustest.Program(t, string(scn)), h
}
