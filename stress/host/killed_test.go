package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tracehammer/stress"
	"tracehammer/stress/history"
)

// victimEnv makes the test binary a process that runs a target until it is killed.
const victimEnv = "TRACEHAMMER_TEST_VICTIM"

func victimMain() {
	h, err := New()
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.w.init.Pid))
	fmt.Println(ns, err)
	t := &testing.T{}
	p := lower(t, "proc main\nproc child of main\nmain: ptrace ATTACH child\nmain: wait4 child\nmain: ptrace DETACH child\n")
	for {
		if err := h.Run(context.Background(), p, stress.Plan{Repeat: 1000}, func(*history.History) bool { return true }); err != nil {
			os.Exit(1)
		}
	}
}

// TestKilled: kill -9 of the process that has a target leaves nothing of it.
func TestKilled(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), victimEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ns, rest string
	if _, err := fmt.Fscanln(bufio.NewReader(out), &ns, &rest); err != nil || rest != "<nil>" {
		t.Fatalf("%q %q %v", ns, rest, err)
	}
	if members(ns) == 0 {
		t.Fatalf("nobody in %s", ns)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // killed
	for deadline := time.Now().Add(10 * time.Second); members(ns) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d processes left in %s", members(ns), ns)
		}
	}
}

// members counts the processes of a PID namespace.
func members(ns string) int {
	n := 0
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, l := range links {
		if s, err := os.Readlink(l); err == nil && s == ns {
			n++
		}
	}
	return n
}
