package host

import (
	"context"
	"testing"
	"time"

	"tracehammer/corpus/corpustest"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// TestRest: a run that stands still is stuck long before its deadline if everybody sleeps, with the function that each sleeps
// in; one that a clock ends is not, nor is one whose actors are only slow.
func TestRest(t *testing.T) {
	target := open(t)
	for _, c := range []struct {
		name, body string
		stuck      bool
	}{
		{"asleep", "child: pause => 0\nmain: wait4 child", true},
		{"stopped", "main: ptrace ATTACH child\nmain: wait4 child\nmain: wait4 child", true},
		{"in vfork", "proc vforked of main by vfork\nmain: vfork vforked\nvforked: pause", true},
		{"timed", "child: nanosleep 60ms\nmain: wait4 child WNOHANG\nmain: nanosleep 80ms", false},
		{"busy", "main: repeat 1000 {\nmain: repeat 40 {\nmain: getpid\nmain: }\nmain: }\nchild: repeat 1000 {\nchild: repeat 40 {\nchild: sched_yield\nchild: }\nchild: }", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := corpustest.Program(t, "scenario rest\nproc main\nproc child of main\n"+c.body+"\n")
			// A deadline that is far beyond what the test may take: only rest ends a run that stands still.
			plan := stress.Plan{Repeat: 3, Deadline: 10 * time.Minute, Rest: 15 * time.Millisecond}
			err := target.Run(context.Background(), p, plan, func(h *history.History) bool {
				if stuck := h.Outcome == history.Stuck; stuck != c.stuck {
					t.Errorf("run %d: stuck %v, want %v", h.Run, stuck, c.stuck)
				}
				if !c.stuck {
					return true
				}
				for _, th := range h.Hang.Threads {
					if th.State == 'R' || th.State == 0 || th.Wchan == "" {
						t.Errorf("run %d: thread %+v", h.Run, th)
					}
				}
				return true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
