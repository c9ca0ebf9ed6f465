package campaign

import (
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
)

// TestUnmodelled: where a skipped call returns its first argument, programs are judged whose calls have a number there.
func TestUnmodelled(t *testing.T) {
	amd, arm := engine.Profile{}, engine.Profile{Old: engine.SwEmulatedArgument.Set()}
	for _, c := range []struct {
		child, main string
		known       bool
	}{
		{"getppid", "ptrace SYSEMU child", true},
		{"sigaction SIGUSR1 HANDLER", "ptrace SYSEMU_SINGLESTEP child", true},
		{"kill main SIGUSR1", "ptrace SYSEMU child", false},
		{"execve", "ptrace SYSEMU child", false},
		{"nanosleep 1us", "ptrace SYSEMU child", false},
		{"execve", "ptrace SYSCALL child", true},
		{"ptrace SYSEMU main", "ptrace SYSEMU child", false}, // main's wait may be skipped too
	} {
		s, err := corpus.Parse("x.scn", []byte("scenario x\nproc main\nproc child of main\nchild: "+c.child+"\nmain: wait4 child\nmain: "+c.main+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		if unmodelled(p, &amd) || unmodelled(p, &arm) == c.known {
			t.Errorf("child: %s; main: %s: known is not %v", c.child, c.main, c.known)
		}
	}
}
