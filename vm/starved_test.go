package vm

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStarvation: of two processes that want one CPU each waits for the other, be it itself or a descendant of it that does; who is not there waits for nobody.
func TestStarvation(t *testing.T) {
	if _, err := os.ReadFile("/proc/self/schedstat"); err != nil {
		t.Skip(err)
	}
	if _, err := os.ReadFile("/proc/thread-self/children"); err != nil {
		t.Skip(err)
	}
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !may.IsSet(cpu) {
		cpu++
	}
	start := func(script string) *starvation {
		cmd := exec.Command("taskset", "-c", strconv.Itoa(cpu), "sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it is there until it is waited for
			cmd.Wait()                                      //nolint:errcheck // killed
		})
		return &starvation{pid: cmd.Process.Pid}
	}
	const busy = "while :; do :; done"
	one, other := start(busy), start("("+busy+") & wait")
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
