package oracle_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/power"
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

// huntSchedules bounds the hunt of one planted bug. Most are seen within a few hundred schedules.
const huntSchedules = 120_000

// TestPower hunts every planted bug (every eighth with -short) with all oracles: each has to be seen by one of them. Schedules are seeded, so it goes the
// same way every time.
func TestPower(t *testing.T) {
	q, err := power.NewQuarry(corpus.Seeds())
	if err != nil {
		t.Fatal(err)
	}
	for i, bug := range engine.Bugs() {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(bug.String(), func(t *testing.T) {
			t.Parallel()
			r, err := power.NewHunter(bug).Hunt(context.Background(), q, power.Limits{Time: time.Hour, Schedules: huntSchedules, FirstOnly: true, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			if !r.Found {
				t.Fatalf("no oracle saw it in %d schedules", r.Schedules)
			}
			t.Logf("%v saw it first, after %d schedules, in %s: %s", r.First, r.Schedules, r.Seed, r.Title)
		})
	}
}

// perSeed is how many schedules of each seed TestPowerTable counts.
var perSeed = flag.Int("power.table", 0, "print a table of how often each oracle sees each planted bug, with this many schedules of each seed")

// TestPowerTable prints the table of docs/checker.md.
func TestPowerTable(t *testing.T) {
	if *perSeed == 0 {
		t.Skip("no -power.table")
	}
	q, err := power.NewQuarry(corpus.Seeds())
	if err != nil {
		t.Fatal(err)
	}
	bugs := engine.Bugs()
	rows := make([]string, len(bugs))
	workers := pool.New().WithErrors().WithMaxGoroutines(runtime.GOMAXPROCS(0))
	for i, bug := range bugs {
		workers.Go(func() error {
			n, err := power.NewHunter(bug).Tally(context.Background(), q, *perSeed)
			rows[i] = fmt.Sprintf("| %v | %s | %d | %d | %d | %s | %d of %d |\n", bug, bug.Source(), n.By[power.Invariants], n.By[power.Liveness],
				n.By[power.History], n.BestSeed, n.Best, n.PerSeed)
			return err
		})
	}
	if err := workers.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("of %d schedules of each bug:\n| planted bug | source | invariants | liveness | history | best seed | there |\n|---|---|---|---|---|---|---|\n%s",
		len(corpus.Seeds())**perSeed, strings.Join(rows, ""))
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
