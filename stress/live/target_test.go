package live_test

import (
	"context"
	"fmt"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/live"
	"tracehammer/stress/oracle"
)

// TestAdmitted: what goroutines do to each other on the live kernel, the checker admits.
func TestAdmitted(t *testing.T) {
	runs := 40
	if testing.Short() {
		runs = 4
	}
	target := live.NewTarget("live", engine.Options{Check: true})
	o := oracle.New(engine.Profile{})
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		err = target.Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: runs}, func(h *history.History) bool {
			v := o.Judge(p, h)
			if v.Kind == oracle.Admitted || v.Kind == oracle.HangPredicted || v.Kind == oracle.Hang && v.Predicted {
				return true
			}
			t.Errorf("%s run %d: %v %s\n%s", s.Name, h.Run, v.Kind, v.Title, v.Explanation)
			return false
		})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestReplay: what goroutines did happens again, without them, from the schedule that the history carries.
func TestReplay(t *testing.T) {
	target, again := live.NewTarget("live", engine.Options{Check: true}), live.NewTarget("live", engine.Options{Check: true})
	logs := func(h *history.History) (text string) {
		for a := range h.Actors {
			for _, e := range h.Actors[a].Entries {
				text += fmt.Sprintln(a, e.Kind, e.Instr, e.Done, e.Res)
			}
		}
		return text
	}
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		err = target.Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 4}, func(h *history.History) bool {
			if h.Outcome == history.Stuck {
				return true // it may have been given up before everything had happened
			}
			err := again.Run(context.Background(), p, stress.Plan{Schedule: h.Schedule}, func(r *history.History) bool {
				if r.Outcome != h.Outcome || logs(r) != logs(h) {
					t.Errorf("%s: was\n%s, is\n%s", s.Name, logs(h), logs(r))
				}
				return true
			})
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			return !t.Failed()
		})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}
