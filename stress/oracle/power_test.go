package oracle_test

import (
	"context"
	"flag"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

var clean = flag.Int("clean", 10_000, "number of clean engine histories that the checker must admit")

// TestCleanHistoriesAdmitted: what the engine does, the checker admits, whatever the schedule.
func TestCleanHistoriesAdmitted(t *testing.T) {
	seeds := corpus.Seeds()
	per := (*clean + len(seeds) - 1) / len(seeds)
	o := oracle.New(engine.Profile{})
	total, states := 0, 0
	for _, s := range seeds {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatalf("lower %s: %v", s.Name, err)
		}
		target := stress.NewEngineTarget(engine.Options{Check: true})
		err = target.Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: per}, func(h *history.History) bool {
			v := o.Judge(p, h)
			total++
			states += v.States
			if v.Kind.Finding() && hangs(s) || v.Kind == oracle.Admitted || v.Kind == oracle.HangPredicted {
				return true
			}
			t.Errorf("%s run %d: %v %s\n%s", s.Name, h.Run, v.Kind, v.Title, v.Explanation)
			return false
		})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	t.Logf("%d clean histories, %d states a history", total, states/max(total, 1))
}

// TestPower measures the checker: histories of an engine with a planted bug, seen as actors see them, are judged by the
// clean engine. Schedules are seeded, so the shares are the same in every run.
func TestPower(t *testing.T) {
	perSeed := 40
	if testing.Short() {
		perSeed = 5
	}
	seeds := corpus.Seeds()
	for bug := range engine.NumBugs {
		t.Run(bug.String(), func(t *testing.T) {
			o := oracle.New(engine.Profile{})
			runs, hits, best, bestName := 0, 0, 0, ""
			for _, s := range seeds {
				p, err := corpus.Lower(s)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				target := stress.NewEngineTarget(engine.Options{Bugs: bug.Set()})
				err = target.Run(context.Background(), p, stress.Plan{Seed: 7, Repeat: perSeed}, func(h *history.History) bool {
					runs++
					if v := o.Judge(p, h); v.Kind.Finding() && !(v.Kind == oracle.Hang && hangs(s)) {
						n++
					}
					return true
				})
				if err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				hits += n
				if n > best {
					best, bestName = n, s.Name
				}
			}
			t.Logf("%d of %d histories detected; best scenario %s: %d of %d", hits, runs, bestName, best, perSeed)
			if hits == 0 {
				t.Errorf("no seed scenario shows %v to the checker", bug)
			}
		})
	}
}

// hangs says that a known bug of real kernels shows as a hang here that the engine has too (row 54).
func hangs(s *corpus.Scenario) bool {
	for _, k := range s.KnownBugs {
		if slices.Contains(k.Shows, corpus.SignHang) {
			return true
		}
	}
	return false
}
