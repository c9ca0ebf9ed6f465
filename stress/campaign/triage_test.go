package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/stress"
	"tracehammer/stress/schedule"
)

// collected keeps events.
type collected struct{ events []Event }

func (c *collected) Report(e Event) error {
	c.events = append(c.events, e)
	return nil
}

// TestTriageOfAnything: damaged inputs, of any bytes, are some scenario each, and show nothing on an engine without planted bugs.
func TestTriageOfAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	dir, seeds := t.TempDir(), corpus.Seeds()
	const n = 150
	for range n {
		data := input.Encode(input.Input{Scenario: seeds[rng.IntN(len(seeds))], Stream: schedule.Stream{1, 2, 3, 1, 0, 1}})
		for range rng.IntN(20) {
			data[rng.IntN(len(data))] = byte(rng.Uint32())
		}
		if rng.IntN(10) == 0 {
			data = data[:rng.IntN(len(data))]
		}
		if _, err := input.Write(dir, input.Raw, data); err != nil {
			t.Fatal(err)
		}
	}
	var out collected
	sum, err := RunTriage(context.Background(), TriageConfig{Paths: []string{dir}, Minimise: time.Second, State: t.TempDir(), Reporter: &out})
	if err != nil {
		t.Fatal(err)
	}
	if sum.NewFindings > 0 || sum.Inputs < n/2 || sum.By["passes"]+sum.By["undecided"] != sum.Inputs {
		for _, e := range out.events {
			if f, ok := e.(Found); ok {
				t.Log(f.Title, f.Scenario, f.Explanation)
			}
		}
		t.Errorf("%+v", sum)
	}
}

// TestTriageEndsEarly: a context that ends in the middle of a directory leaves a summary of what was done.
func TestTriageEndsEarly(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte{0, byte(i)}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	out := reporterFunc(func(e Event) error {
		if _, ok := e.(Triaged); ok {
			if seen++; seen == 5 {
				cancel()
			}
		}
		return nil
	})
	sum, err := RunTriage(ctx, TriageConfig{Paths: []string{dir}, Minimise: time.Second, State: t.TempDir(), Bugs: engine.BugListenError.Set(), Reporter: out})
	if err == nil || sum.Inputs != 5 {
		t.Errorf("%+v, %v", sum, err)
	}
}

type reporterFunc func(Event) error

func (f reporterFunc) Report(e Event) error { return f(e) }

// TestTriageOfDrawnSchedules: what FuzzChecker finds under one of the schedules that it draws beside the input's own is found again.
func TestTriageOfDrawnSchedules(t *testing.T) {
	seeds, own, drawn := corpus.Seeds(), 0, 0
	s := seeds[slices.IndexFunc(seeds, func(s *corpus.Scenario) bool { return s.Name == "sigchld-codes" })]
	for n := range 24 {
		data := input.Encode(input.Input{Scenario: s, Stream: schedule.Stream{byte(n), 0, 1}})
		in := new(input.Decoder).Run(data)
		shows := func(stream schedule.Stream) bool {
			p := corpus.LowerValid(in.Scenario)
			r, err := newRunner(context.Background(), Open, stress.EngineName(engine.Options{Profile: in.Profile.Engine(), Bugs: engine.BugQuietNoWake.Set()}))
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			got, err := (&triage{ctx: context.Background()}).look(r, &input.Input{Scenario: in.Scenario, Stream: stream}, p, &Triaged{})
			if err != nil {
				t.Fatal(err)
			}
			return got != nil
		}
		first, any := shows(in.Stream), false
		for k := range input.Others {
			any = any || shows(input.Other(nil, data, k))
		}
		path := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		sum, err := RunTriage(context.Background(), TriageConfig{Paths: []string{path}, Minimise: time.Millisecond, State: t.TempDir(),
			Bugs: engine.BugQuietNoWake.Set(), Reporter: &collected{}})
		if err != nil {
			t.Fatal(err)
		}
		if found := sum.NewFindings > 0; found != (first || any) {
			t.Errorf("input %d: found %v; by its own schedule %v, by a drawn one %v", n, found, first, any)
		}
		if first {
			own++
		} else if any {
			drawn++
		}
	}
	if own == 24 || drawn == 0 {
		t.Errorf("of 24 inputs %d show it by their own schedule, %d by a drawn one only", own, drawn)
	}
}
