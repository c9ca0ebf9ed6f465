package steer

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/corpus/golden"
	"tracehammer/engine"
)

const race = `scenario race
proc main
proc child of main
proc other of main

main:  ptrace SEIZE child TRACEEXIT
other: getppid
child: getpid
child: exit 3
main:  wait4 child
main:  ptrace CONT child
main:  wait4 child
`

// all are the seeds that the engine runs in few steps.
func programs(t testing.TB) (ps []*engine.Program) {
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	return ps
}

// TestReplays: every run that is led is the run of its stream, and a run that follows one of the same program is that run.
func TestReplays(t *testing.T) {
	ps := programs(t)
	r := New(engine.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		p := rapid.SampledFrom(ps).Draw(rt, "program")
		seed := rapid.Uint64().Draw(rt, "seed")
		r.Random(context.Background(), p, 2, seed, func(run Run) bool {
			if len(run.Steps) >= maxSteps {
				return true // nobody follows such a run to its end
			}
			if again := r.Replay(p, run.Stream); again.Key() != run.Key() || len(again.Steps) != len(run.Steps) {
				rt.Errorf("%d steps, then %d", len(run.Steps), len(again.Steps))
			}
			follows := r.Follow(p, &run, All(p))
			for i := range min(len(run.Steps), len(follows.Steps)) {
				if follows.Steps[i].Choice != run.Steps[i].Choice {
					rt.Fatalf("step %d is %v, not %v", i, follows.Steps[i].Choice, run.Steps[i].Choice)
				}
			}
			if again := r.Replay(p, follows.Stream); again.Key() != follows.Key() {
				rt.Error("what follows does not replay")
			}
			return true
		})
	})
}

// TestSparse: no run comes twice, none preempts more often than it departs, and all are there where the limit allows.
func TestSparse(t *testing.T) {
	_, p := corpustest.Lower(t, race)
	r := New(engine.Options{})
	seen := map[string]bool{}
	levels := map[int]int{}
	all := r.Sparse(context.Background(), p, 2, 1e6, func(run Run, departures int) bool {
		if seen[string(run.Stream)] {
			t.Fatalf("stream %v comes twice", run.Stream)
		}
		seen[string(run.Stream)] = true
		levels[departures]++
		// Who is departed to may be preempted by whoever was there before.
		if n := run.Preemptions(); n > departures {
			t.Errorf("%d departures, %d preemptions:\n%s", departures, n, run.Words(1e6))
		}
		return true
	})
	if !all || levels[0] != 1 || levels[1] < 10 || levels[2] < 10*levels[1]/2 {
		t.Errorf("all %v, runs by departures: %v", all, levels)
	}
	// Each alternative at each decision of the first run is one of the runs with one departure.
	want := 0
	r.lead(p, func(cs []engine.Choice, before []Step) int {
		want += len(cs) - 1
		return onward(cs, before)
	})
	if levels[1] != want {
		t.Errorf("%d runs with one departure, want %d", levels[1], want)
	}
	n := 0
	if r.Sparse(context.Background(), p, 2, 7, func(Run, int) bool { n++; return true }) || n != 7 {
		t.Errorf("%d runs of at most 7", n)
	}
}

// TestFollowSkips: what is no more is skipped, and who was where keeps its place.
func TestFollowSkips(t *testing.T) {
	full, p := corpustest.Lower(t, race)
	small := full.Clone()
	small.RemoveActor(small.Actor("other"))
	small.RemoveOp(1) // getpid
	q, err := corpus.Lower(small)
	if err != nil {
		t.Fatal(err)
	}
	kept := Kept{Actors: []engine.ActorID{0, 1, engine.NoActor}, Ops: []bool{true, false, false, true, true, true, true}}
	// The child exits between the attach and the wait of its tracer, or before both.
	r := New(engine.Options{})
	order := func(run *Run) (events []string) {
		for _, s := range run.Steps {
			in := s.Event.Instr
			switch {
			case s.Event.Kind != engine.EvBegin:
			case run.Program.Actors[s.Event.Actor].Code[in].Src < 0:
			default:
				events = append(events, corpus.FormatCall(run.Program, s.Event.Actor, in))
			}
		}
		return events
	}
	shown := 0
	r.Random(context.Background(), p, 200, 1, func(run Run) bool {
		want := slices.DeleteFunc(order(&run), func(s string) bool { return s == "getppid" || s == "getpid" })
		follows := r.Follow(q, &run, kept)
		if slices.Equal(order(&follows), want) {
			shown++
		}
		return true
	})
	if shown < 190 {
		t.Errorf("%d of 200 runs keep their order", shown)
	}
}

// TestCalm: the run that it returns shows what it is asked for, and preempts nobody without need.
func TestCalm(t *testing.T) {
	_, p := corpustest.Lower(t, race)
	r := New(engine.Options{})
	calmed, before := 0, 0
	r.Random(context.Background(), p, 50, 3, func(run Run) bool {
		calm := r.Calm(run, func(Run) bool { return true })
		if calm.Preemptions() > run.Preemptions() {
			t.Errorf("%d preemptions became %d", run.Preemptions(), calm.Preemptions())
		}
		calmed += calm.Preemptions()
		before += run.Preemptions()
		same := r.Calm(run, func(Run) bool { return false })
		if !slices.Equal(same.Stream, run.Stream) {
			t.Error("changed although nothing holds")
		}
		return true
	})
	if calmed*10 > before {
		t.Errorf("%d preemptions of %d are left", calmed, before)
	}
}

// TestWords compares what is said of a run with two preemptions, a handler and a death with a golden file.
func TestWords(t *testing.T) {
	_, p := corpustest.Lower(t, `scenario words
proc main
proc child of main

child: sigaction SIGUSR1 HANDLER
child: pause
main:  ptrace SEIZE child
main:  kill child SIGUSR1
main:  wait4 child
main:  ptrace CONT child SIGUSR1
child: nanosleep 1ms
child: exit 7
main:  wait4 child
`)
	r := New(engine.Options{})
	var text string
	r.Sparse(context.Background(), p, 2, 1e5, func(run Run, departures int) bool {
		run = r.Replay(p, run.Stream)
		if departures == 0 || run.Preemptions() == 2 && text != "" {
			text += run.Words(len(run.Steps)) + "\n" + run.Words(20) + "\n"
		}
		return run.Preemptions() < 2
	})
	golden.Check(t, "testdata/words.txt", text)
}

// TestDiesWithTheEngine: a run in which the engine panics is what it did until then, and the next one is like the first.
func TestDiesWithTheEngine(t *testing.T) {
	_, p := corpustest.Lower(t, race)
	r := New(engine.Options{})
	first := r.lead(p, onward)
	n := 0
	died := r.lead(p, func(cs []engine.Choice, before []Step) int {
		if n++; n == 5 {
			panic("as the engine may")
		}
		return onward(cs, before)
	})
	if died.Done || len(died.Steps) == 0 || len(died.Steps) >= len(first.Steps) {
		t.Errorf("%d steps of %d", len(died.Steps), len(first.Steps))
	}
	if again := r.lead(p, onward); again.Key() != first.Key() {
		t.Error("another run behind it")
	}
}
