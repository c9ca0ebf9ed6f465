package vm

import (
	"os/exec"
	"testing"
)

// TestStarvation: of two processes that want one CPU each waits for the other; one that sleeps waits for nobody.
func TestStarvation(t *testing.T) {
	start := func(script string) *starvation {
		cmd := exec.Command("taskset", "-c", "0", "sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill() //nolint:errcheck // it is there until it is waited for
			cmd.Wait()         //nolint:errcheck // killed
		})
		return &starvation{pid: cmd.Process.Pid}
	}
	one, other := start("while :; do :; done"), start("while :; do :; done")
	if d := one.look(); d != 0 {
		t.Errorf("%v before the first look", d)
	}
	other.look()
	for waited := one.look(); waited == 0; waited = one.look() { // for ever, if that is not seen
	}
	for waited := other.look(); waited == 0; waited = other.look() {
	}
	gone := starvation{pid: 1 << 30}
	if d := gone.look() + gone.look(); d != 0 {
		t.Errorf("nobody waited for %v", d)
	}
}
