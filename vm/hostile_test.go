package vm

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/vm/wire"
)

// hostile does in a machine what kernels and agents gone wrong may do.
func hostile(role string) error {
	switch role {
	case "floods": // with 100 MB
		f, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		line := []byte(strings.Repeat("[   12.345678] WARNING of nothing at all\r\n", 1000))
		for n := 0; n < 100<<20; n += len(line) {
			if _, err := f.Write(line); err != nil {
				return err
			}
		}
	case "hogs": // all memory
		for {
			b, err := unix.Mmap(-1, 0, 16<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
			if err != nil {
				return err
			}
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
		}
	case "garbles": // in between the agent's messages
		agent, err := unix.PidfdOpen(os.Getppid(), 0)
		if err != nil {
			return err
		}
		link, err := unix.PidfdGetfd(agent, 1, 0)
		if err != nil {
			return err
		}
		rng := rand.NewChaCha8([32]byte{})
		b := make([]byte, 4096)
		for range 16 << 20 / len(b) {
			rng.Read(b) //nolint:errcheck // never fails
			if _, err := unix.Write(link, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestStaticHostile: whatever a machine does, it is named for what it is, the next one works, stressd needs little memory, and no
// machine is left.
func TestStaticHostile(t *testing.T) {
	if os.Getenv(staticEnv) == "" {
		t.Skip("run by TestMachines")
	}
	if os.Getenv("TRACEHAMMER_TEST_ALL") == "" {
		t.Skip("SKIPPED, not passed: it takes minutes; make test-all runs it")
	}
	if _, err := exec.LookPath(defaultUML); err != nil {
		t.Skipf("SKIPPED, not passed: %v", err)
	}
	p := seed(t, "attach-detach")
	signal := func(s syscall.Signal) func(*Target) (*wire.Exit, error) {
		return func(tg *Target) (*wire.Exit, error) {
			syscall.Kill(-tg.link.cmd.Process.Pid, s) //nolint:errcheck // what follows shows it
			return tg.Exec(t.Context(), &Program{Argv: []string{"/proc/self/exe"}, Env: []string{roleEnv + "=mute"}, Stdout: io.Discard, Stderr: io.Discard})
		}
	}
	role := func(name string) func(*Target) (*wire.Exit, error) {
		return func(tg *Target) (*wire.Exit, error) {
			return tg.Exec(t.Context(), &Program{Argv: []string{"/proc/self/exe"}, Env: []string{roleEnv + "=" + name}, Stdout: os.Stdout, Stderr: os.Stderr})
		}
	}
	for _, c := range []struct {
		name string
		do   func(*Target) (*wire.Exit, error)
		lost func(*LostError) bool // nil: it is not
		exit wire.Exit
	}{
		{name: "floods", do: role("floods")},
		{name: "hogs", do: role("hogs"), exit: wire.Exit{Code: -1, Signal: int(syscall.SIGKILL)}},
		{name: "garbles", do: role("garbles")},
		{name: "panics", do: role("panics"), lost: func(l *LostError) bool {
			return l.Report != nil && l.Report.Title == "panic: sysrq triggered crash"
		}},
		{name: "hangs", do: signal(syscall.SIGSTOP), lost: func(l *LostError) bool { return l.Loss == Silent && l.Report == nil }},
		{name: "is killed", do: signal(syscall.SIGKILL), lost: func(l *LostError) bool { return l.Killed && l.Report == nil && !l.Died }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tg, err := Open(t.Context(), "uml", Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tg.Close()
			group := tg.link.cmd.Process.Pid
			if c.name == "hangs" {
				tg.link.patience = 3 * time.Second // three beats of an agent
			}
			e, err := c.do(tg)
			var lost *LostError
			switch {
			case c.lost == nil && err != nil:
				t.Error(err)
			case c.lost == nil && (e.Code != c.exit.Code || e.Signal != c.exit.Signal):
				t.Errorf("exit %+v, want %+v", e, c.exit)
			case c.lost != nil && (!errors.As(err, &lost) || !c.lost(lost)):
				t.Errorf("exit %v, error %v: %+v", e, err, lost)
			}
			if c.lost != nil && syscall.Kill(-group, 0) != syscall.ESRCH {
				t.Error("the machine is still there")
			}
			run(t, tg, judge(tg), p)
		})
	}
	var self unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &self); err != nil || self.Maxrss > 300<<10 {
		t.Errorf("this process needed %d KiB, %v", self.Maxrss, err)
	}
	t.Logf("at most %d MiB", self.Maxrss>>10)
}
