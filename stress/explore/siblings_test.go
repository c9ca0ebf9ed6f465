package explore

import (
	"context"
	"testing"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// TestSiblingsToldApart: of actors whose code is alike, one is told from the other by who was born first, and then what
// both can see is not what both would see with their names exchanged. A walk that took them for each other would list
// too much or too little.
func TestSiblingsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		a, b engine.ActorID // take each other's places
		text string
	}{
		// The older is found first, whenever both are dead.
		"wait for any child": {1, 2, `scenario s
proc main
proc a of main
proc b of main
main: waitid P_ALL 0 WEXITED|WNOWAIT
main: waitid P_ALL 0 WEXITED|WNOWAIT
a: exit 1
b: exit 1
`},
		"wait for the process group": {1, 2, `scenario s
proc main
proc a of main
proc b of main
main: waitid P_PGID 0 WEXITED|WNOWAIT
main: waitid P_PGID 0 WEXITED|WNOWAIT
a: exit 1
b: exit 1
`},
		// As their new parent does, which got them in that order.
		"subreaper": {2, 3, `scenario s
proc main
proc p of main
proc a of p
proc b of p
main: prctl SET_CHILD_SUBREAPER 1
barrier go main p
p: exit
main: wait4 p
main: waitid P_ALL 0 WEXITED|WNOWAIT
main: waitid P_ALL 0 WEXITED|WNOWAIT
a: exit 1
b: exit 1
`},
		// The member that joined last gets it first: who sees it pending when a has it has it as well.
		"signal to the group": {1, 2, `scenario s
proc main
proc a of main
proc b of main
a: sigprocmask SIG_BLOCK SIGUSR1
b: sigprocmask SIG_BLOCK SIGUSR1
main: sigaction SIGUSR1 SIG_IGN
barrier go main a b
main: kill 0 SIGUSR1
a: sigpending
b: sigpending
barrier again a b
a: sigpending
b: sigpending
`},
		// A process's signal goes to the older thread if the first one blocks it.
		"signal to the process": {1, 2, `scenario s
proc main
thread a of main
thread b of main
proc k of main
main: sigaction SIGUSR1 HANDLER
main: sigprocmask SIG_BLOCK SIGUSR1
barrier go main k
k: kill main SIGUSR1
a: gettid
b: gettid
`},
		"SIGCHLD": {1, 2, `scenario s
proc main
thread a of main
thread b of main
proc k of main
main: sigaction SIGCHLD HANDLER
main: sigprocmask SIG_BLOCK SIGCHLD
barrier go main k
k: exit
a: gettid
b: gettid
`},
		// TSYNC names the first thread that has another filter.
		"TSYNC": {1, 2, `scenario s
proc main
thread a of main
thread b of main
a: seccomp ALLOW getppid
b: seccomp ALLOW getppid
barrier go main a b
main: seccomp ALLOW getppid 0 TSYNC
`},
		// The oldest thread that is left adopts the children of one that ends.
		"adoption": {1, 2, `scenario s
proc main
thread a of main
thread b of main
proc k of main
main: exit
k: pause
a: wait4 k WNOHANG|__WNOTHREAD
b: wait4 k WNOHANG|__WNOTHREAD
`},
	} {
		t.Run(name, func(t *testing.T) {
			p := corpustest.Program(t, c.text)
			r, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 3_000_000, NoSymmetry: true})
			if err != nil || !r.Complete {
				t.Fatal(r.States, err)
			}
			outcomes := map[string]bool{}
			for _, o := range r.Outcomes {
				outcomes[outcomeKey(o.History)] = true
			}
			exchange := func(a engine.ActorID) engine.ActorID {
				switch a {
				case c.a:
					return c.b
				case c.b:
					return c.a
				}
				return a
			}
			told := ""
			for _, o := range r.Outcomes {
				if k := outcomeKey(exchanged(p, o.History, exchange)); !outcomes[k] {
					told = k
				}
			}
			if told == "" {
				t.Errorf("nothing tells them apart: the %d outcomes are the same with names exchanged", len(outcomes))
			}
			if y := ptrace.NewMachine(p, engine.Options{}).Symmetry(); y != nil {
				t.Errorf("they are taken for each other, but this does not happen: %s", told)
			}
			with, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 3_000_000})
			if err != nil || len(with.Outcomes) != len(r.Outcomes) {
				t.Errorf("%d outcomes instead of %d, %v", len(with.Outcomes), len(r.Outcomes), err)
			}
		})
	}
}

// exchanged is a history with actors' names exchanged. The entries of prologues stay.
func exchanged(p *engine.Program, h *history.History, to func(engine.ActorID) engine.ActorID) *history.History {
	x := h.Clone()
	tid := func(n *int64) {
		if a := engine.ActorOf(engine.Tid(*n)); a != engine.NoActor {
			*n = int64(to(a).Tid())
		}
	}
	for a := range h.Actors {
		entries := h.Clone().Actors[a].Entries
		for i := range entries {
			e := &entries[i]
			switch {
			case e.Kind == history.Handler:
				tid(&e.Res.Out[2])
				continue
			case p.Actors[a].Code[e.Instr].Creates() != engine.NoActor:
				continue
			case e.Res.TidMask&1 != 0:
				tid(&e.Res.Ret)
			}
			for k := range e.Res.Out {
				if e.Res.TidMask&(2<<k) != 0 {
					tid(&e.Res.Out[k])
				}
			}
		}
		x.Actors[to(engine.ActorID(a))].Entries = entries
	}
	return x
}

// TestAlikeButNotTheSame: actors that differ in anything but names do not change places.
func TestAlikeButNotTheSame(t *testing.T) {
	const head = "scenario s\nproc main\nproc a of main\nproc b of main\n"
	for name, c := range map[string]struct {
		text  string
		order int // of the group
	}{
		"alike":                 {"a: gettid\nb: gettid\n", 2},
		"named alike":           {"a: kill b SIGUSR1\nb: kill a SIGUSR1\n", 2},
		"three":                 {"proc c of main\na: gettid\nb: gettid\nc: gettid\n", 6},
		"in a circle":           {"proc c of main\na: kill b SIGUSR1\nb: kill c SIGUSR1\nc: kill a SIGUSR1\n", 3},
		"with children":         {"proc c of a\nproc d of b\na: ptrace ATTACH c\nb: ptrace ATTACH d\nc: gettid\nd: gettid\n", 2},
		"with children crossed": {"proc c of a\nproc d of b\na: ptrace ATTACH d\nb: ptrace ATTACH c\nc: gettid\nd: gettid\n", 2},
		"loops":                 {"a: repeat 3 {\na: gettid\na: }\nb: repeat 3 {\nb: gettid\nb: }\n", 2},
		"serve": {"proc c of a\nproc d of b\na: ptrace SEIZE c\nb: ptrace SEIZE d\n" +
			"a: serve c {\na: exited => end\na: }\nb: serve d {\nb: exited => end\nb: }\nc: exit\nd: exit\n", 2},
		"named by one":      {"main: tkill a SIGUSR1\na: gettid\nb: gettid\n", 1},
		"one of them named": {"a: kill b SIGUSR1\nb: kill b SIGUSR1\n", 1},
		"other number":      {"a: nanosleep 1ms\nb: nanosleep 2ms\n", 1},
		"other rounds":      {"a: repeat 3 {\na: gettid\na: }\nb: repeat 2 {\nb: gettid\nb: }\n", 1},
		"barrier of one":    {"barrier go main a\na: gettid\nb: gettid\n", 1},
		"other parent":      {"proc c of a\nproc d of c\na: gettid\nb: gettid\nc: gettid\nd: gettid\n", 1},
		"victim":            {"main: gettid\na: pause => blocks\nb: pause => -1\n", 1},
		// Who dies as their tracer releases them one after another.
		"one tracer of both": {"a: ptrace TRACEME\nb: ptrace TRACEME\n", 1},
		"their children's tracer": {"proc c of a\nproc d of b\na: ptrace ATTACH c\na: ptrace ATTACH d\n" +
			"b: ptrace ATTACH d\nb: ptrace ATTACH c\nc: gettid\nd: gettid\n", 1},
	} {
		order := 1
		if y := ptrace.NewMachine(corpustest.Program(t, head+c.text), engine.Options{}).Symmetry(); y != nil {
			order = y.Order()
		}
		if order != c.order {
			t.Errorf("%s: a group of %d, want %d", name, order, c.order)
		}
	}
}
