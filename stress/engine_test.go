package stress_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
)

// text is all of a history but its place in its plan.
func text(t *testing.T, h *history.History) string {
	t.Helper()
	c := h.Clone()
	c.Run = 0
	var b strings.Builder
	if err := jsonl.Write(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestScheduleShowsRunAgain: the first run under a plan with the schedule of any run of another plan is that run.
func TestScheduleShowsRunAgain(t *testing.T) {
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		var runs []*history.History
		target := stress.NewEngineTarget(engine.Options{Check: true})
		plan := stress.Plan{Seed: 3, Strategy: "portfolio", Repeat: 12}
		if err := target.Run(context.Background(), p, plan, func(h *history.History) bool {
			runs = append(runs, h.Clone())
			return true
		}); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		for _, want := range runs {
			plan.Schedule, plan.Seed = want.Schedule, 4
			err := target.Run(context.Background(), p, plan, func(h *history.History) bool {
				if got := text(t, h); got != text(t, want) {
					t.Errorf("%s: run %d was not shown again:\n%s\nwant\n%s", s.Name, want.Run, got, text(t, want))
				}
				return false
			})
			if err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
		}
	}
}

// TestBrokenRunHasSchedule: a run that breaks an invariant leaves the stream that breaks it again.
func TestBrokenRunHasSchedule(t *testing.T) {
	p := corpustest.Program(t, `scenario wakeup
proc main
proc child of main
main: ptrace SEIZE child
main: kill child SIGKILL
main: wait4 child __WALL
`)
	o := engine.Options{Check: true, Bugs: engine.BugLostChldWakeup.Set()}
	target := stress.NewEngineTarget(o)
	more := func(*history.History) bool { return true }
	broken := target.Run(context.Background(), p, stress.Plan{Seed: 1, Strategy: "portfolio", Repeat: 500}, more)
	if broken == nil {
		t.Fatal("500 runs break no invariant")
	}
	again := stress.NewEngineTarget(o)
	got := again.Run(context.Background(), p, stress.Plan{Seed: 2, Schedule: target.Schedule(), Repeat: 1}, more)
	if !reflect.DeepEqual(got, broken) {
		t.Errorf("got %v, want %v", got, broken)
	}
}
