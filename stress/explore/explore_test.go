package explore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
)

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

// small says that a scenario has at most 3 actors, and each at most 6 operations.
func small(s *corpus.Scenario) bool {
	ops := map[string]int{}
	for _, o := range s.Ops() {
		if ops[o.Actor]++; ops[o.Actor] > 6 {
			return false
		}
	}
	return len(s.Actors) <= 3
}

// TestSmallScenariosComplete walks every small scenario to its end, with reduction and without, and logs the table that
// docs/exploration.md shows: go test ./stress/explore -run TestSmallScenariosComplete -v
func TestSmallScenariosComplete(t *testing.T) {
	var b strings.Builder
	b.WriteString("| scenario | outcomes | states | all states | time | memory | complete |\n|---|---|---|---|---|---|---|\n")
	n := 0
	for _, s := range seeds() {
		if !small(s) {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		start := cpuTime()
		r, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		seconds := cpuTime() - start
		all, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 1_000_000, NoReduction: true})
		if err != nil {
			t.Fatal(err)
		}
		n++
		if !r.Complete || !all.Complete {
			t.Errorf("%s: more than %d states", s.Name, r.States)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %.1f ms | %d KiB | %v |\n", s.Name, len(r.Outcomes), r.States, all.States, seconds*1e3, r.Bytes>>10, r.Complete)
	}
	t.Logf("%d scenarios\n%s", n, b.String())
}

// TestSeedsKeepInvariants walks every seed with all invariants on, those about what must not last at its ends included.
func TestSeedsKeepInvariants(t *testing.T) {
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), p, engine.Options{Check: true}, Options{Limit: 50_000}); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestSeedsKeepInvariantsLate does so where stops are late or plain, and as the kernel that they were both in, for some states of each.
func TestSeedsKeepInvariantsLate(t *testing.T) {
	utrace, err := engine.ParseProfile("utrace-2009")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, profile := range []engine.Profile{utrace, {Old: engine.SwLateStops.Set()}, {Old: engine.SwPlainStops.Set() | engine.SwNoSeize.Set()}} {
			if _, err := Run(context.Background(), p, engine.Options{Check: true, Profile: profile}, Options{Limit: 2_000, Livelocks: true}); err != nil {
				t.Errorf("%s, %v: %v", s.Name, profile.Old.List(), err)
			}
		}
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
	p := corpustest.Program(b, crowd)
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

// TestNumbersGivenAgain: an engine that takes the number of one that was detached comes last like any newcomer (invariant 6).
func TestNumbersGivenAgain(t *testing.T) {
	p := corpustest.Program(t, `scenario again
proc main
proc p1 of main
p1:   ptrace SEIZE main
main: ptrace SEIZE p1
barrier b1 main p1
main: tkill main SIGKILL
p1:   utrace ATTACH p1 runner EXIT|DEATH|SYSCALL_ENTRY
p1:   utrace ATTACH p1 changer 0 SIGSEGV
`)
	if r, err := Run(context.Background(), p, engine.Options{Check: true}, Options{Limit: 100_000}); err != nil || !r.Complete {
		t.Errorf("%d states, complete %v: %v", r.States, r.Complete, err)
	}
}

// TestLastEngineDetaches: when the last engine detaches in the callback of a pass that others asked something of, nothing stays requested
// of a thread that nobody looks at any more (invariant 3).
func TestLastEngineDetaches(t *testing.T) {
	p := corpustest.Program(t, `scenario last
proc main
proc p1 of main
proc p2 of p1 by fork
thread t3 of p2 by clone
p1: ptrace TRACEME
p1: fork p2
p2: rt_sigqueueinfo p1 SIGUSR1
p2: utrace ATTACH p1 detacher
p2: utrace CONTROL p1 detacher DETACH
p2: clone t3 THREAD|CLONE_UNTRACED
t3: rt_sigqueueinfo main SIGUSR1
`)
	if r, err := Run(context.Background(), p, engine.Options{Check: true}, Options{Limit: 200_000}); err != nil || !r.Complete {
		t.Errorf("%d states, complete %v: %v", r.States, r.Complete, err)
	}
}
