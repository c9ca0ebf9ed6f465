package live_test

import (
	"context"
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
