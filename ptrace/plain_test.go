package ptrace

import (
	"slices"
	"strings"
	"testing"

	"tracehammer/engine"
)

// TestPlainStops: what a tracer sees of group stops that are no traps, and of the same where they are.
func TestPlainStops(t *testing.T) {
	stopped := func() *build {
		return two().kill("main", "child", SIGSTOP).wait("main", "child", engine.WUNTRACED).ptrace("main", Attach, "child")
	}
	for name, c := range map[string]struct {
		program       *build
		plain, traced []string // main's results
	}{
		"the stop that an attach finds is reported": {
			stopped().wait("main", "child", 0),
			[]string{"0 child:stopped-SIGSTOP 0 child:stopped-SIGSTOP"}, []string{"0 child:stopped-SIGSTOP 0 child:stopped-SIGSTOP"},
		},
		"a request makes it a tracing stop": {
			stopped().ptrace("main", Peekdata, "child", 0, 0).kill("main", "child", SIGCONT).ptrace("main", Peekdata, "child", 0, 0),
			[]string{"0 child:stopped-SIGSTOP 0 0 0 0"}, []string{"0 child:stopped-SIGSTOP 0 0 0 0"},
		},
		"GETSIGINFO fails in it": {
			stopped().ptrace("main", Getsiginfo, "child", 0, 0),
			[]string{"0 child:stopped-SIGSTOP 0 EINVAL"}, []string{"0 child:stopped-SIGSTOP 0 EINVAL"},
		},
		"without a request SIGCONT ends it": {
			stopped().kill("main", "child", SIGCONT).ptrace("main", Kill, "child").wait("main", "child", engine.WNOHANG),
			[]string{"0 child:stopped-SIGSTOP 0 0 0 child:killed-SIGKILL", "0 child:stopped-SIGSTOP 0 0 0 child:stopped-SIGCONT", "0 child:stopped-SIGSTOP 0 0 0 none"},
			[]string{"0 child:stopped-SIGSTOP 0 0 0 child:killed-SIGKILL", "0 child:stopped-SIGSTOP 0 0 0 none"},
		},
		// The signal that such a stop is left with is lost; that of the attach comes next.
		"CONT": {
			stopped().ptrace("main", Cont, "child", 0, int(SIGUSR1)).wait("main", "child", 0).ptrace("main", Getsiginfo, "child", 0, 0),
			[]string{"0 child:stopped-SIGSTOP 0 0 child:stopped-SIGSTOP 0,0x13,0x80,0x0"}, []string{"0 child:stopped-SIGSTOP 0 0 child:stopped-SIGSTOP 0,0x13,0x80,0x0"},
		},
		// KILL resumes what an earlier request has found, and is nothing to what none has.
		"KILL": {
			stopped().ptrace("main", Kill, "child").ptrace("main", Peekdata, "child", 0, 0).ptrace("main", Kill, "child").wait("main", "child", 0),
			[]string{"0 child:stopped-SIGSTOP 0 0 0 0 child:stopped-SIGSTOP"}, []string{"0 child:stopped-SIGSTOP 0 0 ESRCH 0 child:killed-SIGKILL"},
		},
		"a tracee's own stop is reported to its tracer": {
			attached().ptrace("main", Cont, "child", 0, int(SIGSTOP)).wait("main", "child", 0).ptrace("main", Getsiginfo, "child", 0, 0),
			[]string{"0 child:stopped-SIGSTOP 0 child:stopped-SIGSTOP EINVAL"}, []string{"0 child:stopped-SIGSTOP 0 child:stopped-SIGSTOP EINVAL"},
		},
		"DETACH ends it": {
			stopped().ptrace("main", Detach, "child", 0, 0).wait("main", "child", engine.WNOHANG|engine.WUNTRACED),
			[]string{"0 child:stopped-SIGSTOP 0 0 child:stopped-SIGSTOP", "0 child:stopped-SIGSTOP 0 0 none"}, []string{"0 child:stopped-SIGSTOP 0 0 none"},
		},
	} {
		for _, plain := range []bool{true, false} {
			o, want := engine.Options{Check: true}, c.traced
			if plain {
				o.Profile.Old, want = engine.SwPlainStops.Set()|engine.SwNoSeize.Set()|engine.SwKillResumes.Set(), c.plain
			}
			var got []string
			for _, l := range explore(t, c.program.done(), o).list() {
				got = append(got, strings.TrimSpace(strings.Split(l, "|")[0]))
			}
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("%s, plain %v: %q, want %q", name, plain, got, want)
			}
		}
	}
}
