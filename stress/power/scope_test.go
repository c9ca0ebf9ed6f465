package power

import (
	"errors"
	"fmt"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// TestScope: an engine that checks, after each step, only what the step can have broken finds what one that checks everything
// finds, at the same step: with each planted bug, under two schedules of each seed.
func TestScope(t *testing.T) {
	broken, runs := 0, 0
	var m engine.Machine
	for b := range engine.NumBugs {
		for i, s := range corpus.Seeds() {
			if testing.Short() && i%8 != int(b)%8 {
				continue
			}
			p := corpus.LowerValid(s)
			for seed := range uint64(2) {
				part := firstBroken(t, &m, p, engine.Options{Check: true, Bugs: b.Set()}, seed)
				all := firstBroken(t, &m, p, engine.Options{Check: true, CheckAll: true, Bugs: b.Set()}, seed)
				if part != all {
					t.Errorf("%v, seed %d of %s: %s; checking everything: %s", b, seed, s.Name, part, all)
				}
				if runs++; part != "" {
					broken++
				}
			}
		}
	}
	t.Logf("%d runs, %d with a broken invariant", runs, broken)
	if broken == 0 {
		t.Error("no bug broke an invariant")
	}
}

// firstBroken makes a run and says which invariant broke at which step, "" if none did.
func firstBroken(t *testing.T, m *engine.Machine, p *engine.Program, o engine.Options, seed uint64) (what string) {
	var d schedule.Driver
	var w engine.World
	var watch engine.Watch
	d.Limit = 2000
	defer func() {
		if err, _ := recover().(error); err != nil {
			var broken *engine.InvariantError
			if !errors.As(err, &broken) {
				t.Fatal(err)
			}
			what = fmt.Sprintf("step %d: %v", d.Steps, broken)
		}
	}()
	ptrace.Load(m, p, o)
	m.Init(&w)
	random, err := schedule.Parse("random")
	if err != nil {
		t.Fatal(err)
	}
	d.Run(&w, random, seed, 1, func(c engine.Choice, e engine.Event) { watch.Step(&w, c, e) })
	return ""
}
