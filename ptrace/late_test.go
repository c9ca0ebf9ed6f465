package ptrace

import (
	"slices"
	"strings"
	"testing"

	"tracehammer/engine"
)

// TestLateStops: what a tracer sees of stops that lie on the way to user mode, and of the same where they do not.
func TestLateStops(t *testing.T) {
	forks := func(o Option) *build {
		b := program("main", "child", "grand").victim("child").victim("grand").create("main", "child", forkFlags)
		b.ptrace("main", Seize, "child", 0, int(o|OTracesysgood)).barrier("main", "child")
		return b.clone("child", "grand", forkFlags).wait("main", "child", 0)
	}
	for name, c := range map[string]struct {
		program      *build
		late, atOnce []string // main's results
	}{
		// The stop becomes the exit's where it is.
		"SYSCALL after a fork": {
			forks(OTracefork).ptrace("main", Syscall, "child").wait("main", "child", engine.WNOHANG),
			[]string{"0 child:event-FORK 0 child:syscall-stop"}, []string{"0 child:event-FORK 0 child:syscall-stop", "0 child:event-FORK 0 none"},
		},
		// A step is a trap at once.
		"SINGLESTEP after a fork": {
			forks(OTracefork).ptrace("main", Singlestep, "child").wait("main", "child", 0),
			[]string{"0 child:event-FORK 0 child:stopped-SIGTRAP"}, []string{"0 child:event-FORK 0 child:stopped-SIGTRAP"},
		},
		// The signal that an event's stop is left with is lost, wherever the stop lies; that of the exit's is sent.
		"signal after a fork": {
			forks(OTracefork).ptrace("main", Cont, "child", 0, int(SIGUSR1)).ptrace("main", Interrupt, "child").wait("main", "child", 0),
			[]string{"0 child:event-FORK 0 0 child:event-STOP"}, []string{"0 child:event-FORK 0 0 child:event-STOP"},
		},
		"signal after the exit": {
			forks(OTracefork).ptrace("main", Syscall, "child").wait("main", "child", 0).ptrace("main", Cont, "child", 0, int(SIGUSR1)).wait("main", "child", 0),
			[]string{"0 child:event-FORK 0 child:syscall-stop 0 child:stopped-SIGUSR1"},
			[]string{"0 child:event-FORK 0 child:syscall-stop 0 child:stopped-SIGUSR1"},
		},
	} {
		for _, late := range []bool{true, false} {
			o, want := engine.Options{Check: true}, c.atOnce
			if late {
				o.Profile.Old, want = engine.SwLateStops.Set(), c.late
			}
			var got []string
			for _, l := range explore(t, c.program.done(), o).list() {
				got = append(got, strings.TrimSpace(strings.Split(l, "|")[0]))
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("%s, late %v: %q, want %q", name, late, got, want)
			}
		}
	}
}
