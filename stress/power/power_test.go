package power

import (
	"context"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
)

func seeds(t *testing.T) *Quarry {
	t.Helper()
	q, err := NewQuarry(corpus.Seeds())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestNothingToSee: without a bug no oracle sees anything, in any seed. Else a hunt would count what is there anyway.
func TestNothingToSee(t *testing.T) {
	h := NewHunter(0)
	h.checked = stress.NewEngineTarget(engine.Options{Check: true})
	h.plain = stress.NewEngineTarget(engine.Options{})
	n, err := h.Tally(context.Background(), seeds(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	if n.By != [NumOracles]int{} {
		t.Errorf("of %d schedules, seen without a bug: %v, %d times in %s", n.Schedules, n.By, n.Best, n.BestSeed)
	}
}

// TestHuntRepeats: bounded by schedules, a hunt is a function of its seed; and what it hands out shows the bug.
func TestHuntRepeats(t *testing.T) {
	q := seeds(t)
	for _, bug := range []engine.Bug{engine.BugExitkillIgnored, engine.BugListenError, engine.BugDetachNoWake} {
		var first Hunted
		for again := range 2 {
			h := NewHunter(bug)
			r, err := h.Hunt(context.Background(), q, Limits{Time: time.Hour, Minimise: time.Minute, Schedules: 5000, Seed: 3})
			if err != nil || !r.Found {
				t.Fatalf("%v: found %v, %v", bug, r.Found, err)
			}
			if again == 0 {
				first = r
				continue
			}
			if r.First != first.First || r.Schedules != first.Schedules || r.By != first.By || !corpus.Equal(r.Scenario, first.Scenario) {
				t.Errorf("%v: %+v, then %+v", bug, first, r)
			}
		}
		if first.Exact == nil || first.Drifted != "" || first.Words == "" {
			t.Errorf("%v: drifted: %q; in words: %q", bug, first.Drifted, first.Words)
		}
		p, err := corpus.Lower(first.Scenario)
		if err != nil {
			t.Fatal(err)
		}
		shown := false
		for seed := range uint64(200) {
			seen, err := NewHunter(bug).Try(context.Background(), p, seed)
			if err != nil {
				t.Fatal(err)
			}
			_, ok := seen.By(first.First)
			shown = shown || ok
		}
		if !shown {
			t.Errorf("%v: its minimal scenario does not show it:\n%s", bug, first.Scenario.Print())
		}
	}
}
