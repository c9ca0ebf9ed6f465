package explore

import (
	"context"
	"errors"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
)

// agree walks a program with reduction and without, and compares what the two say. full is false if the walk without
// reduction did not end within the limit.
func agree(t *testing.T, name string, p *engine.Program, o engine.Options, limit int) (reduced, whole Result, full bool) {
	t.Helper()
	whole, errWhole := Run(context.Background(), p, o, Options{Limit: limit, NoReduction: true})
	reduced, err := Run(context.Background(), p, o, Options{Limit: limit})
	var a, b *engine.InvariantError
	if broken := errors.As(errWhole, &a); broken != errors.As(err, &b) {
		t.Errorf("%s: without reduction %v, with reduction %v", name, errWhole, err)
		return reduced, whole, false
	} else if broken {
		return reduced, whole, false
	}
	if err = errors.Join(err, errWhole); err != nil {
		t.Fatal(err)
	}
	if !whole.Complete {
		return reduced, whole, false
	}
	if !reduced.Complete || reduced.States > whole.States {
		t.Errorf("%s: %d states with reduction, %d without", name, reduced.States, whole.States)
	}
	keys := map[string]int{}
	for _, o := range whole.Outcomes {
		keys[outcomeKey(o.History)] |= 1
	}
	for _, o := range reduced.Outcomes {
		keys[outcomeKey(o.History)] |= 2
	}
	for k, in := range keys {
		if in != 3 {
			t.Errorf("%s: an outcome of only one of the walks (1 without reduction, 2 with it: %d): %s", name, in, k)
		}
	}
	return reduced, whole, true
}

// seeds are those for the kernel that the zero profile is: what others are about has no end there.
func seeds() []*corpus.Scenario {
	return slices.DeleteFunc(slices.Clone(corpus.Seeds()), func(s *corpus.Scenario) bool {
		return !s.RunsOn(corpus.Machine{Release: "6.18", Arch: engine.AMD64.String(), Root: true})
	})
}

// TestReductionAgrees compares the walks with and without reduction on every seed scenario.
func TestReductionAgrees(t *testing.T) {
	states, all := 0, 0
	for _, s := range seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		reduced, whole, full := agree(t, s.Name, p, engine.Options{}, 300_000)
		if !full {
			t.Errorf("%s: more than %d states", s.Name, whole.States)
		}
		states, all = states+reduced.States, all+whole.States
	}
	t.Logf("%d of %d states", states, all)
	if states >= all*3/4 {
		t.Errorf("the reduction leaves %d of %d states", states, all)
	}
}

// TestReductionKeepsTheEndOfAnAttach: until an attach has returned, another one for the same tracee may find its cred_guard_mutex
// taken and, with a signal pending, give up.
func TestReductionKeepsTheEndOfAnAttach(t *testing.T) {
	p := corpustest.Program(t, `scenario attaches
proc main
proc child of main victim
proc other of main
proc goal of main victim
child: ptrace TRACEME
child: tkill child SIGSTOP
main: wait4 child
main: ptrace SETOPTIONS child TRACESYSGOOD
main: ptrace SYSCALL child
main: wait4 child
main: kill child SIGWINCH
barrier up main other
race 0..20us x100 {
main: ptrace SEIZE goal TRACEVFORK|TRACESECCOMP
main: ptrace SYSCALL child
other: ptrace SEIZE goal
}
child: ptrace SEIZE goal
main: wait4 child
main: ptrace GET_SYSCALL_INFO child
main: kill child SIGKILL
`)
	if _, _, full := agree(t, "attaches", p, engine.Options{}, 300_000); !full {
		t.Error("too many states")
	}
}

// TestReductionAgreesOnVariations does so on generated scenarios, with planted bugs as well: an invariant that breaks on one
// walk has to break on the other.
func TestReductionAgreesOnVariations(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 100
	}
	g := gen.New(20)
	seeds := corpus.Seeds()
	ended, states, all := 0, 0, 0
	for i := range n {
		s := g.Vary(seeds[i%len(seeds)])
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		o := engine.Options{Check: i%4 == 0}
		if i%8 == 0 {
			o.Bugs = engine.Bug(i / 8 % int(engine.NumBugs)).Set()
		}
		reduced, whole, full := agree(t, string(s.Print()), p, o, 8_000)
		if full {
			ended++
			states, all = states+reduced.States, all+whole.States
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d walks ended; %d of %d states", ended, n, states, all)
	if ended < n/2 {
		t.Errorf("only %d of %d walks ended", ended, n)
	}
}
