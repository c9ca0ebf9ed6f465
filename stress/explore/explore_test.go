package explore

import (
	"context"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/engine"
)

func lower(tb testing.TB, text string) *engine.Program {
	tb.Helper()
	s, err := corpus.Parse("test", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestSeen compares the set with a map over values that come twice, and bounds what an entry costs once there are many.
func TestSeen(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var s seen
	ref := map[engine.Fingerprint]bool{}
	var all []engine.Fingerprint
	for range 300_000 {
		f := engine.Fingerprint{Lo: rng.Uint64(), Hi: rng.Uint64()}
		switch {
		case len(all) > 0 && rng.IntN(2) == 0:
			f = all[rng.IntN(len(all))]
		case rng.IntN(50) == 0:
			f.Lo &= 0xff // beginnings of the table, where probing goes on from the end
		case rng.IntN(50) == 0:
			f.Lo |= 0xffffffffffff0000
		}
		all = append(all, f)
		if fresh := s.add(f); fresh == ref[f] {
			t.Fatalf("%x: fresh %v, seen before %v", f, fresh, ref[f])
		}
		ref[f] = true
	}
	if s.n != len(ref) {
		t.Errorf("%d entries, want %d", s.n, len(ref))
	}
	if per := float64(s.bytes()) / float64(s.n); per > 26 {
		t.Errorf("%.1f bytes a state, want at most 26", per)
	}
}

// crowd is a scenario with a million states: nobody waits for anybody, so that everything can happen in any order.
const crowd = `scenario crowd
proc main
proc one of main
proc two of main
proc three of main
main: ptrace ATTACH one
main: wait4 -1 WNOHANG|__WALL
one: kill two SIGUSR1
one: kill three SIGSTOP
two: sigprocmask SIG_BLOCK SIGUSR1
two: kill one SIGCONT
three: kill main SIGCONT
three: gettid
`

// cpuTime is the processor time of this process, in seconds.
func cpuTime() float64 {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// BenchmarkSearch is an exhaustive search without reduction. Rates are by processor time: one core, however many share it.
func BenchmarkSearch(b *testing.B) {
	p := lower(b, crowd)
	for b.Loop() {
		start := cpuTime()
		r, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 2_000_000, NoReduction: true})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.States), "states")
		b.ReportMetric(float64(r.States)/(cpuTime()-start), "states/s")
		b.ReportMetric(float64(r.Transitions)/(cpuTime()-start), "transitions/s")
		b.ReportMetric(float64(r.Bytes)/float64(r.States), "bytes/state")
	}
}
