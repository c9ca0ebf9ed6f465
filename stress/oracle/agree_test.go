package oracle_test

import (
	"context"
	"testing"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
)

// TestHostAgrees runs every seed on this machine's kernel: each history is admitted. Of scenarios marked with a known bug it
// only wants that they run; that they differ as marked is what stressd check, the last step of make test, looks at.
func TestHostAgrees(t *testing.T) {
	target, err := host.New()
	if stress.IsEnv(err) {
		t.Logf("SKIPPED, not passed: %v", err)
		t.SkipNow()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	o := oracle.New(target.Profile())
	o.Log = console.Complaint
	for _, s := range corpus.Seeds() {
		if s.EngineOnly() {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			p, err := corpus.Lower(s)
			if err != nil {
				t.Fatal(err)
			}
			plan := stress.Plan{Seed: 3, Repeat: 20, Final: 5}
			for _, d := range s.Delays() {
				plan.Delays = append(plan.Delays, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
			}
			kinds := map[oracle.Kind]int{}
			err = target.Run(context.Background(), p, plan, func(h *history.History) bool {
				v := o.Judge(p, h)
				kinds[v.Kind]++
				if v.Kind != oracle.Admitted && v.Kind != oracle.HangPredicted && len(s.KnownBugs) == 0 {
					t.Errorf("run %d: %v: %s\n%s\n%s", h.Run, v.Kind, v.Title, v.Explanation, s.Print())
					render.WriteTable(testWriter{t}, p, h)
				}
				return h.Outcome == history.Complete && !t.Failed()
			})
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
			t.Logf("%v", kinds)
		})
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}
