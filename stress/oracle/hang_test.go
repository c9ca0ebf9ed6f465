package oracle_test

import (
	"testing"

	"tracehammer/engine"
	"tracehammer/stress/oracle"
)

// TestHangExplained: who hangs where, and what the engine would show next. The history is one of Linux 6.18.44, which has row 109.
func TestHangExplained(t *testing.T) {
	p, h := recorded(t, "testdata/hang/cont-exited-leader")
	v := oracle.New(engine.Profile{}).Judge(p, h)
	const want = `every result is admitted, but in each state that the engine can be in then, something can still happen; the kernel stands still
  main is in wait4 in do_wait
  p1 is in exit
  t2 is in kill in do_signal_stop
in the engine this comes next, or one of these:
  t2: kill p1 SIGSTOP = 0
`
	if v.Kind != oracle.Hang || v.Predicted || v.Explanation != want {
		t.Errorf("%v, predicted %v: %s\n%s", v.Kind, v.Predicted, v.Title, v.Explanation)
	}
}
