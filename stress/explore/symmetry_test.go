package explore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/ptrace"
)

// twinOps are what alike actors do: to another process (who), to the first one, to themselves, and to the next of them. Most
// of it may be done at any time.
var twinOps = []string{
	"ptrace ATTACH who", "ptrace SEIZE who TRACEEXIT", "ptrace SEIZE who EXITKILL", "wait4 who __WALL|WNOHANG", "wait4 who __WALL",
	"ptrace CONT who", "ptrace DETACH who", "ptrace INTERRUPT who", "ptrace LISTEN who", "ptrace GETSIGINFO who", "ptrace GETEVENTMSG who",
	"kill who SIGUSR1", "kill who SIGSTOP", "kill who SIGCONT", "kill who SIGKILL", "tkill main SIGUSR1", "rt_sigqueueinfo who SIGRT0",
	"sigaction SIGUSR1 HANDLER SA_RESTART", "sigprocmask SIG_BLOCK SIGUSR1|SIGCHLD", "sigpending", "kill self SIGUSR1", "tkill self SIGSTOP",
	"getppid", "gettid", "setpgid", "setsid", "getpgid who", "prctl SET_PDEATHSIG SIGUSR2", "prctl GET_DUMPABLE", "execve", "exit 3",
	"kill next SIGUSR1", "ptrace ATTACH next", "wait4 next __WALL|WNOHANG", "ptrace CONT next", "tkill next SIGCONT", "ptrace TRACEME",
	"seccomp ERRNO getppid 5", "wait4 -1 WNOHANG", "wait4 -1 __WALL|WNOHANG", "kill -main SIGUSR1", "nanosleep 1ms",
	"ptrace SEIZE next TRACECLONE", "waitid P_PID who WEXITED|WNOHANG|WNOWAIT", "exit_group 4", "prctl SET_CHILD_SUBREAPER 1",
	"sigaction SIGCHLD HANDLER", "pidfd_send_signal 3 SIGUSR1",
}

var otherOps = []string{
	"gettid", "wait4 who WNOHANG|__WALL", "kill who SIGUSR1", "kill who SIGCONT", "ptrace ATTACH who", "ptrace SEIZE who", "wait4 -1 WNOHANG",
	"kill main SIGSTOP", "kill main SIGCONT", "sigaction SIGUSR1 HANDLER", "sigaction SIGCHLD HANDLER SA_RESTART", "sigprocmask SIG_BLOCK SIGCHLD",
	"ptrace TRACEME", "exit 1", "getppid", "kill 0 SIGUSR1", "setpgid", "sigaction SIGUSR1 SIG_IGN", "execve",
	"sigaction SIGCHLD SIG_IGN",
}

// twins draws a scenario with two or three actors of alike code.
func twins(t *rapid.T) string {
	k := rapid.IntRange(2, 3).Draw(t, "alike")
	most := 6 - k
	thread := rapid.IntRange(0, 3).Draw(t, "thread") == 0
	var b strings.Builder
	b.WriteString("scenario twins\nproc main\n")
	names := []string{"t0", "t1", "t2"}[:k]
	declare := func() {
		for _, n := range names {
			if thread {
				fmt.Fprintf(&b, "thread %s of main\n", n)
			} else {
				fmt.Fprintf(&b, "proc %s of main\n", n)
			}
		}
	}
	first := rapid.Bool().Draw(t, "first")
	if first {
		declare()
	}
	fmt.Fprintf(&b, "proc who of main victim\n")
	if !first {
		declare()
	}
	switch rapid.IntRange(0, 2).Draw(t, "barrier") {
	case 0:
		fmt.Fprintf(&b, "barrier go main who %s\n", strings.Join(names, " "))
	case 1:
		fmt.Fprintf(&b, "barrier go %s\n", strings.Join(names, " "))
	}
	ops := rapid.SliceOfN(rapid.SampledFrom(twinOps), 1, most).Draw(t, "ops")
	for i, n := range names {
		for _, op := range ops {
			op = strings.NewReplacer("self", n, "next", names[(i+1)%k]).Replace(op)
			fmt.Fprintf(&b, "%s: %s\n", n, op)
			if strings.HasPrefix(op, "exit") {
				break
			}
		}
	}
	for _, who := range []string{"main", "who"} {
		for _, op := range rapid.SliceOfN(rapid.SampledFrom(otherOps), 0, 2).Draw(t, who) {
			fmt.Fprintf(&b, "%s: %s\n", who, op)
			if strings.HasPrefix(op, "exit") {
				break
			}
		}
	}
	return b.String()
}

// twinProgram lowers what twins draws; what the language refuses is drawn again.
func twinProgram(t *rapid.T) (string, *engine.Program) {
	text := twins(t)
	s, err := corpus.Parse("twins", []byte(text))
	if err != nil {
		t.Skip(err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		t.Skip(err)
	}
	return text, p
}

// TestRenamingIsNothingToSteps: in any state that renaming leaves the program alike in, the renamed step leads to the
// renamed state, and shows the renamed event. Births and lists of siblings are kept in their order by renaming: nobody
// may ask for it.
func TestRenamingIsNothingToSteps(t *testing.T) {
	steps, programs := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text, p := twinProgram(t)
		var o engine.Options
		if rapid.Bool().Draw(t, "planted") {
			o.Bugs = engine.Bug(rapid.IntRange(0, int(engine.NumBugs)-1).Draw(t, "bug")).Set()
		}
		if rapid.IntRange(0, 3).Draw(t, "profile") == 0 {
			o.Profile.Old = engine.Switch(rapid.IntRange(0, int(engine.NumSwitches)-1).Draw(t, "switch")).Set()
		}
		m := ptrace.NewMachine(p, o)
		y := m.Symmetry()
		if y == nil {
			return
		}
		programs++
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		n, err := commutes(m, y, rng)
		if steps += n; err != nil {
			t.Fatalf("%s\nbugs %v: %v", text, o.Bugs, err)
		}
	})
	t.Logf("%d steps in %d programs", steps, programs)
	if steps == 0 {
		t.Error("no program was alike")
	}
}

// commutes goes some random ways, and takes each step in a renamed World, too; it returns how many.
func commutes(m *engine.Machine, y *engine.Symmetry, rng *rand.Rand) (steps int, err error) {
	var w, next, image, imageNext engine.World
	for range 4 {
		m.Init(&w)
		for range 400 {
			choices := w.Choices(nil)
			if len(choices) == 0 {
				break
			}
			c := choices[rng.IntN(len(choices))]
			next.CopyFrom(&w)
			ev := next.Step(c)
			if y.Applies(&w) {
				steps++
				i := 1 + rng.IntN(y.Order()-1)
				y.Rename(&image, &w, i)
				imageNext.CopyFrom(&image)
				got, want := imageNext.Step(y.Choice(c, i)), y.Event(ev, i)
				created := ev.Kind != engine.EvNone && ev.Kind != engine.EvHandler && // of prologues, which need not be alike in order
					m.Program().Actors[ev.Actor].Code[ev.Instr].Creates() != engine.NoActor
				switch {
				case got != want && !created:
					return steps, fmt.Errorf("%+v shows %+v, renamed %+v", c, want, got)
				case y.Print(&imageNext, 0) != y.Print(&next, i):
					return steps, fmt.Errorf("%+v leads elsewhere when renamed: %+v", c, ev)
				case !y.Applies(&next):
					return steps, fmt.Errorf("%+v: the program was alike before the step and is not after it", c)
				}
			}
			w.CopyFrom(&next)
		}
	}
	return steps, nil
}

// alike compares walks with symmetry and without. said is what both say if it is not all outcomes.
func alike(t interface {
	Helper()
	Fatalf(string, ...any)
}, name string, p *engine.Program, o engine.Options, limit int) (with, without Result, said string) {
	t.Helper()
	without, errWithout := Run(context.Background(), p, o, Options{Limit: limit, NoSymmetry: true, Livelocks: true})
	with, errWith := Run(context.Background(), p, o, Options{Limit: limit, Livelocks: true})
	if a, b := verdict(errWithout), verdict(errWith); a != b {
		if errWithout != nil || without.Complete {
			t.Fatalf("%s\nbugs %v: without symmetry %q, with it %q", name, o.Bugs, a, b)
		}
	}
	switch {
	case errWith != nil:
		return with, without, verdict(errWith)
	case errWithout != nil || !without.Complete:
		return with, without, "too many states"
	}
	if !with.Complete {
		t.Fatalf("%s: %d states with symmetry, %d without", name, with.States, without.States)
	}
	if len(with.Outcomes) != len(without.Outcomes) {
		t.Fatalf("%s\nbugs %v: %d outcomes with symmetry, %d without", name, o.Bugs, len(with.Outcomes), len(without.Outcomes))
	}
	keys := map[string]int{}
	for _, o := range without.Outcomes {
		keys[outcomeKey(o.History)+handlerKey(o.History)] |= 1
	}
	for _, o := range with.Outcomes {
		keys[outcomeKey(o.History)+handlerKey(o.History)] |= 2
	}
	for k, in := range keys {
		if in != 3 {
			t.Fatalf("%s\nbugs %v: an outcome of only one of the walks (1 without symmetry, 2 with it: %d): %s", name, o.Bugs, in, k)
		}
	}
	return with, without, ""
}

// verdict is what a walk says beside its outcomes. Which of several invariants a walk comes to first is a matter of its
// order.
func verdict(err error) string {
	var i *engine.InvariantError
	var l *LivelockError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &i):
		return "invariant"
	case errors.As(err, &l):
		return "livelock"
	}
	return err.Error()
}

// TestSymmetryAgrees compares walks with symmetry and without on scenarios with alike actors, planted bugs among them.
func TestSymmetryAgrees(t *testing.T) {
	states, all, walks := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text, p := twinProgram(t)
		o := engine.Options{Check: true}
		if rapid.Bool().Draw(t, "planted") {
			o.Bugs = engine.Bug(rapid.IntRange(0, int(engine.NumBugs)-1).Draw(t, "bug")).Set()
		}
		if ptrace.NewMachine(p, o).Symmetry() == nil {
			return
		}
		with, without, said := alike(t, text, p, o, 6_000)
		if said == "" {
			states, all, walks = states+with.States, all+without.States, walks+1
		}
	})
	t.Logf("%d walks, %d of %d states", walks, states, all)
	if states >= all {
		t.Errorf("symmetry leaves %d of %d states", states, all)
	}
}

// crowds are scenarios that any number of alike actors X play.
var crowds = []struct{ name, head, each, does, rest string }{
	{"attach", "proc who of main\n", "proc X of main\n", "X: ptrace ATTACH who\nX: wait4 who __WALL\nX: ptrace DETACH who\n", ""},
	{"own tracee", "", "proc X of main\nproc Xx of X\n", "X: ptrace SEIZE Xx\nX: ptrace INTERRUPT Xx\nX: wait4 Xx __WALL\n", ""},
	{"stop and continue", "proc who of main\n", "proc X of main\n", "X: kill who SIGSTOP\nX: kill who SIGCONT\n", ""},
	{"each other", "", "proc X of main\n", "X: ptrace SEIZE Y\nX: ptrace INTERRUPT Y\nX: wait4 Y WNOHANG|__WALL\n", ""},
	{"attach main", "", "proc X of main\n", "X: ptrace ATTACH main\nX: wait4 main WNOHANG|__WALL\n", "main: gettid\n"},
	{"exec", "", "thread X of main\n", "X: execve\nX: gettid\n", ""},
	{"wait", "proc who of main\n", "thread X of main\n", "X: wait4 who\n", "who: exit 3\n"},
	{"TRACEME", "", "proc X of main\n", "X: ptrace TRACEME\nX: tkill X SIGUSR1\n", ""},
}

// crowded is such a scenario for n of them, who meet before they begin.
func crowded(i, n int) string {
	c := crowds[i]
	head, does, meet := c.head, "", "barrier go"
	for k := range n {
		r := strings.NewReplacer("X", string(rune('a'+k)), "Y", string(rune('a'+(k+1)%n)))
		head, does, meet = head+r.Replace(c.each), does+r.Replace(c.does), meet+r.Replace(" X")
	}
	if n > 1 {
		does = meet + "\n" + does
	}
	return "scenario crowd\nproc main\n" + head + does + c.rest
}

// TestCrowds compares walks with symmetry and without for two and three alike actors, and logs the table that
// docs/exploration.md shows: go test ./stress/explore -run TestCrowds -v
func TestCrowds(t *testing.T) {
	var b strings.Builder
	b.WriteString("| X does | actors | ways | outcomes | states without | states | ratio | time without | time |\n|---|---|---|---|---|---|---|---|---|\n")
	for i := range crowds {
		for n := 2; n <= 3; n++ {
			p := corpustest.Program(t, crowded(i, n))
			const limit = 200_000
			var r [2]Result
			var seconds [2]float64
			for k, no := range []bool{true, false} {
				start := cpuTime()
				var err error
				if r[k], err = Run(context.Background(), p, engine.Options{}, Options{Limit: limit, NoSymmetry: no}); err != nil {
					t.Fatal(err)
				}
				seconds[k] = cpuTime() - start
			}
			without, with := r[0], r[1]
			switch {
			case !without.Complete || !with.Complete:
				t.Errorf("%s %d: more than %d states", crowds[i].name, n, limit)
			case len(with.Outcomes) != len(without.Outcomes):
				t.Errorf("%s %d: %d outcomes with symmetry, %d without", crowds[i].name, n, len(with.Outcomes), len(without.Outcomes))
			case with.Symmetry > 1 && with.States >= without.States:
				t.Errorf("%s %d: %d states with symmetry, %d without", crowds[i].name, n, with.States, without.States)
			}
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %.1f | %.0f ms | %.0f ms |\n", crowds[i].name, n, with.Symmetry,
				len(with.Outcomes), without.States, with.States, float64(without.States)/float64(with.States), seconds[0]*1e3, seconds[1]*1e3)
		}
	}
	t.Logf("\n%s", b.String())
}

// TestCrowdsShowPlantedBugs: what breaks an invariant, or has tasks run for ever, does so with symmetry and without, and
// what changes outcomes changes them alike.
func TestCrowdsShowPlantedBugs(t *testing.T) {
	found := map[string]int{}
	for i := range crowds {
		if crowds[i].name == "own tracee" { // many states, and no more bugs
			continue
		}
		p := corpustest.Program(t, crowded(i, 2))
		clean, _, _ := alike(t, crowds[i].name, p, engine.Options{Check: true}, 10_000)
		for b := range engine.NumBugs {
			if (int(b)+i)%2 != 0 || testing.Short() && b%8 != 0 {
				continue
			}
			o := engine.Options{Check: true, Bugs: b.Set()}
			with, _, said := alike(t, crowds[i].name, p, o, 10_000)
			if said == "" && len(with.Outcomes) != len(clean.Outcomes) {
				said = "outcomes"
			}
			found[said]++
		}
	}
	t.Log(found)
	if !testing.Short() && (found["invariant"] < 5 || found["outcomes"] < 1) {
		t.Errorf("hardly any bug shows: %v", found)
	}
}

// TestSymmetryKeepsLivelocks: two tasks that run for ever, and one of them while the other ends.
func TestSymmetryKeepsLivelocks(t *testing.T) {
	p := corpustest.Program(t, `scenario blocked
proc main
proc a of main victim
proc b of main victim
a: sigprocmask SIG_BLOCK SIGUSR1
b: sigprocmask SIG_BLOCK SIGUSR1
a: tkill a SIGUSR1
b: tkill b SIGUSR1
a: sigprocmask SIG_BLOCK SIGUSR2
b: sigprocmask SIG_BLOCK SIGUSR2
a: pause
b: pause
main: gettid
`)
	for _, o := range []engine.Options{{}, {Bugs: engine.BugBlockedPending.Set()}} {
		want := ""
		if o.Bugs.Has(engine.BugBlockedPending) {
			want = "livelock"
		}
		if ptrace.NewMachine(p, o).Symmetry() == nil {
			t.Fatal("they are not alike")
		}
		for _, no := range []bool{true, false} {
			_, err := Run(context.Background(), p, o, Options{Limit: 100_000, Livelocks: true, NoSymmetry: no})
			if got := verdict(err); got != want {
				t.Errorf("no symmetry %v: %q, want %q", no, got, want)
			}
		}
	}
}

// TestHowManyAreAlike counts the scenarios that have alike actors, and the states that they save. It fails only if
// symmetry makes a walk longer on the whole.
func TestHowManyAreAlike(t *testing.T) {
	var seeds []*engine.Program
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, p)
	}
	g := gen.New(7)
	var varied, free []*engine.Program
	for i := range 1000 {
		s := corpus.Seeds()[i%len(seeds)]
		p, err := corpus.Lower(g.Vary(s))
		if err != nil {
			t.Fatal(err)
		}
		varied = append(varied, p)
		if p, err = corpus.Lower(g.Free()); err != nil {
			t.Fatal(err)
		}
		free = append(free, p)
	}
	for _, c := range []struct {
		name     string
		programs []*engine.Program
	}{{"seeds", seeds}, {"variations of them", varied}, {"free scenarios", free}} {
		found, states, without := 0, 0, 0
		for _, p := range c.programs {
			if ptrace.NewMachine(p, engine.Options{}).Symmetry() == nil {
				continue
			}
			found++
			a, b, said := alike(t, c.name, p, engine.Options{}, 5_000)
			if said == "" {
				states, without = states+a.States, without+b.States
			}
		}
		t.Logf("%s: %d of %d have alike actors; %d states instead of %d", c.name, found, len(c.programs), states, without)
		if states > without {
			t.Errorf("%s: symmetry makes more states of less", c.name)
		}
	}
}
