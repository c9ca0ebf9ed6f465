package oracle_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress/history/jsonl"
	"tracehammer/stress/oracle"
)

// TestRecorded: what kernels did so rarely that no test waits for it, and the engine once did not admit.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d histories: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".jsonl")
		t.Run(filepath.Base(name), func(t *testing.T) {
			scn, err := os.ReadFile(name + ".scn")
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h, err := jsonl.Read(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			p := corpustest.Program(t, string(scn))
			if v := oracle.New(engine.Profile{}).Judge(p, h); v.Kind != oracle.Admitted {
				t.Errorf("%v: %s\n%s", v.Kind, v.Title, v.Explanation)
			}
		})
	}
}
