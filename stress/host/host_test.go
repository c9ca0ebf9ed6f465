package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// TestMain checks that the tests leave no process behind, dead or alive.
func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		victimMain()
	}
	code := m.Run()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		fmt.Fprintf(os.Stderr, "a child is left: wait4 says %d, %v\n", pid, err)
		code = 1
	}
	os.Exit(code)
}

func open(t *testing.T) *Target {
	t.Helper()
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func lower(t *testing.T, text string) *engine.Program {
	t.Helper()
	return corpustest.Program(t, "scenario test\n"+text)
}

// each runs p and calls f for every history.
func each(t *testing.T, h *Target, p *engine.Program, plan stress.Plan, f func(*history.History)) {
	t.Helper()
	n := 0
	err := h.Run(context.Background(), p, plan, func(got *history.History) bool {
		if got.Run != n {
			t.Errorf("run %d came as number %d", got.Run, n)
		}
		if got.Elapsed < 0 || got.Elapsed > time.Hour || got.Drain < 0 || got.Drain > time.Hour {
			t.Errorf("run %d took %v, and %v to clean up", n, got.Elapsed, got.Drain)
		}
		n++
		f(got)
		return !t.Failed()
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := max(plan.Repeat, 1); n != want && !t.Failed() {
		t.Fatalf("%d histories of %d runs", n, want)
	}
}

// show writes what an actor did after the prologue: results of calls, signals of handlers; tids as names.
func show(p *engine.Program, h *history.History, actor int) string {
	tids := make([]int32, len(h.Actors))
	for i, a := range h.Actors {
		tids[i] = a.Tid
	}
	var out []string
	for _, e := range h.Actors[actor].Entries {
		switch {
		case e.Kind == history.Call && p.Actors[actor].Code[e.Instr].Src < 0: // the prologue that creates actors
		case e.Kind == history.Handler:
			out = append(out, fmt.Sprintf("handler %d", e.Res.Out[0]))
		case !e.Done:
			out = append(out, "-")
		default:
			out = append(out, corpus.FormatResult(p, engine.ActorID(actor), e.Instr, e.Res, tids))
		}
	}
	return strings.Join(out, ", ")
}

// TestActors: what actors do and what of it their logs show. The program of each case is such that it has one outcome.
func TestActors(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name, text string
		want       []string // by actor
	}{
		{"fork, attach, detach, kill, reap", `proc main
proc child of main by fork
main: fork child
main: ptrace ATTACH child
main: wait4 child __WALL
main: ptrace DETACH child
main: kill child SIGKILL
main: wait4 child
main: kill child 0
`, []string{"child, 0, child stopped SIGSTOP, 0, 0, child killed SIGKILL, ESRCH"}},
		{"thread", `proc main
thread t of main
barrier b main t
main: getpid
t: getpid
t: gettid
t: getppid
`, []string{"main", "main, t, init"}},
		{"vfork: the parent waits for exit or exec", `proc main
proc v of main by vfork
main: vfork v
v: getppid
v: exit 3
main: wait4 v
`, []string{"v, v exited 3", "main, -"}},
		{"exec: the actor goes on in the new image, variables survive, handlers do not", `proc main
main: sigaction SIGUSR1 HANDLER
main: r = getpid
main: execve
main: getpid
main: kill r 0
main: execve MISSING
main: getpid
`, []string{"0, main, 0, main, 0, ENOENT, main"}},
		{"exec by a thread: it goes on under its leader's tid", `proc main
proc child of main
thread t of child
t: execve
t: gettid
t: getpid
`, []string{"", "", "0, child, child"}},
		{"handlers log in between", `proc main
main: sigaction SIGUSR1 HANDLER
main: sigaction SIGUSR2 HANDLER
main: sigprocmask SIG_BLOCK SIGUSR1
main: tkill main SIGUSR1
main: sigpending
main: tkill main SIGUSR2
main: sigprocmask SIG_UNBLOCK SIGUSR1
main: getpid
`, []string{"0, 0, 0, 0, 0 SIGUSR1, 0, handler 12, 0, handler 10, main"}},
		{"a handler interrupts a pause", `proc main
proc child of main
child: sigaction SIGUSR1 HANDLER
barrier b main child
main: ptrace SEIZE child
main: kill child SIGUSR1
child: pause
main: wait4 child
main: ptrace CONT child SIGUSR1
`, []string{"0, 0, child stopped SIGUSR1, 0", ""}},
		{"loops and variables", `proc main
main: repeat 3 {
main: getpid
main: repeat 2 {
main: gettid
main: }
main: }
`, []string{"main, main, main, main, main, main, main, main, main"}},
		{"seccomp spares the harness", `proc main
proc child of main
child: seccomp ERRNO getppid EPERM
child: getppid
child: getpid
barrier b main child
child: getppid
`, []string{"", "0, EPERM, child, EPERM"}},
		{"words of memory: copied by fork, shared by threads, gone after exec", `proc main
proc child of main by fork
main: fork child
child: ptrace TRACEME
child: tkill child SIGSTOP
main: wait4 child
main: ptrace PEEKDATA child 1
main: ptrace POKEDATA child 1 77
main: ptrace PEEKDATA child 1
main: ptrace PEEKDATA child 512
main: ptrace CONT child
child: execve
main: wait4 child
main: ptrace PEEKDATA child 1
main: ptrace DETACH child
`, []string{"child, child stopped SIGSTOP, 0 0, 0, 0 77, EIO, 0, child stopped SIGTRAP, 0 0, 0", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := lower(t, c.text)
			each(t, h, p, stress.Plan{Repeat: 20}, func(got *history.History) {
				if got.Outcome != history.Complete {
					t.Errorf("%v after %v", got.Outcome, got.Elapsed)
				}
				for i, want := range c.want {
					if s := show(p, got, i); s != want && want != "" {
						t.Errorf("run %d: %s: %s\nwant %s", got.Run, p.Actors[i].Name, s, want)
					}
				}
			})
		})
	}
}

// TestTickets: tickets order calls of different actors, are drawn once each, and the cut is the last.
func TestTickets(t *testing.T) {
	h := open(t)
	p := lower(t, `proc main
proc a of main
proc b of main
a: getpid
barrier x a b
b: getpid
race 0..5us {
main: repeat 20 {
main: getpid
main: }
a: repeat 20 {
a: getpid
a: }
b: repeat 20 {
b: getpid
b: }
}
`)
	plan := stress.Plan{Repeat: 50, Seed: 7}
	for range p.Cells {
		plan.Delays = append(plan.Delays, stress.DelayRange{Hi: 5000})
	}
	each(t, h, p, plan, func(got *history.History) {
		seen := map[uint64]bool{0: true}
		draw := func(n uint64) {
			if seen[n] || n >= got.Cut {
				t.Errorf("ticket %d twice, or not before the cut %d", n, got.Cut)
			}
			seen[n] = true
		}
		for i, a := range got.Actors {
			if !a.Parked {
				t.Errorf("%s did not park", p.Actors[i].Name)
			}
			last := uint64(0)
			for _, e := range a.Entries {
				draw(e.Begin)
				draw(e.End)
				if e.Begin < last || e.End < e.Begin {
					t.Errorf("%s: tickets %d to %d after %d", p.Actors[i].Name, e.Begin, e.End, last)
				}
				last = e.End
			}
		}
		if a, b := got.Actors[1].Entries[0], got.Actors[2].Entries[0]; b.Begin < a.End {
			t.Errorf("b went through the barrier before a came")
		}
		if len(got.Delays) != p.Cells {
			t.Errorf("%d delays of %d", len(got.Delays), p.Cells)
		}
		for _, d := range got.Delays {
			if d < 0 || d > 5000 {
				t.Errorf("delay %d out of its range", d)
			}
		}
	})
}

// TestDelays: the same seed draws the same delays, and a delay takes its time.
func TestDelays(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nproc child of main\nrace 0..20us {\nmain: getpid\nchild: getpid\n}\n")
	plan := stress.Plan{Repeat: 5, Seed: 99}
	for range p.Cells {
		plan.Delays = append(plan.Delays, stress.DelayRange{Lo: 1_000_000, Hi: 2_000_000})
	}
	var first [][]int64
	each(t, h, p, plan, func(got *history.History) {
		first = append(first, append([]int64(nil), got.Delays...))
		if got.Elapsed < time.Millisecond {
			t.Errorf("a run with a delay of %v took %v", got.Delays, got.Elapsed)
		}
	})
	each(t, h, p, plan, func(got *history.History) {
		if fmt.Sprint(got.Delays) != fmt.Sprint(first[got.Run]) {
			t.Errorf("run %d: delays %v, before %v", got.Run, got.Delays, first[got.Run])
		}
	})
}

// TestLongLog: a log goes on behind its first page; a full one is marked.
func TestLongLog(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		n     int
		trunc bool
	}{{1000, false}, {5000, true}, {10, false}} {
		p := lower(t, fmt.Sprintf("proc main\nmain: repeat 10 {\nmain: repeat %d {\nmain: getpid\nmain: }\nmain: }\n", c.n/10))
		each(t, h, p, stress.Plan{Repeat: 20}, func(got *history.History) {
			n := len(got.Actors[0].Entries)
			if got.Trunc != c.trunc || !c.trunc && n != c.n || n > c.n {
				t.Errorf("%d entries of %d, truncated %v", n, c.n, got.Trunc)
			}
		})
	}
}

// TestDead: a run whose actors are killed, or exit, ends long before its deadline.
func TestDead(t *testing.T) {
	h := open(t)
	for _, text := range []string{
		"proc main\nproc child of main\nbarrier b main child\nmain: kill child SIGKILL\nchild: pause\n",
		"proc main\nproc child of main\nmain: exit 0\nchild: getpid\n",
		"proc main\nproc child of main by fork\nmain: kill main SIGKILL\nmain: fork child\nchild: getpid\n",
		"proc main\nproc child of main\nthread t of child\nt: execve\nbarrier b main t\n",
	} {
		p := lower(t, text)
		each(t, h, p, stress.Plan{Repeat: 3, Deadline: 20 * time.Second}, func(got *history.History) {
			if got.Outcome != history.Complete || got.Elapsed > 5*time.Second {
				t.Errorf("%s\n%v after %v", text, got.Outcome, got.Elapsed)
			}
		})
	}
}

// TestStuck: a run that waits for ever is looked at before it is killed.
func TestStuck(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nproc child of main\nchild: pause\nmain: ptrace SEIZE child\nmain: wait4 child\n")
	each(t, h, p, stress.Plan{Repeat: 2, Deadline: 30 * time.Millisecond}, func(got *history.History) {
		if got.Outcome != history.Stuck || got.Hang == nil || len(got.Hang.Threads) != 2 {
			t.Fatalf("%v, %+v", got.Outcome, got.Hang)
		}
		main, child := got.Hang.Threads[0], got.Hang.Threads[1]
		if main.State != 'S' || main.Wchan != "" && main.Wchan != "do_wait" || child.TracerPid != main.Tid {
			t.Errorf("%+v", got.Hang)
		}
		if e := got.Actors[0].Entries; len(e) != 3 || e[2].Done || got.Actors[0].Parked {
			t.Errorf("%+v", got.Actors[0])
		}
	})
	p = lower(t, "proc main\nmain: getpid\n")
	each(t, h, p, stress.Plan{Repeat: 40}, func(got *history.History) {
		if got.Outcome != history.Complete || got.Hang != nil {
			t.Errorf("%v after a stuck run", got.Outcome)
		}
	})
}

// TestAttachExec: row 54 of the known bugs. Where the kernel has it, attach and exec wait for each other, and the snapshot
// shows where.
func TestAttachExec(t *testing.T) {
	h := open(t)
	p := lower(t, `proc main
proc child of main
thread t of child
t: ptrace TRACEME
barrier traced child t main
t: exit 0
child: execve
main: nanosleep 5ms
main: ptrace ATTACH child
`)
	each(t, h, p, stress.Plan{Repeat: 1}, func(got *history.History) {
		if got.Outcome != history.Stuck {
			t.Logf("%v: this kernel does not have the bug, or the race was missed", got.Outcome)
			return
		}
		main, child := got.Hang.Threads[0], got.Hang.Threads[1]
		if w := main.Wchan + " " + child.Wchan; w != " " && w != "ptrace_attach begin_new_exec" {
			t.Errorf("%+v", got.Hang)
		}
	})
}

// TestFinal: states at the cut, of every third run.
func TestFinal(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nproc a of main\nproc b of main\nmain: ptrace ATTACH a\nmain: wait4 a\nmain: kill b SIGKILL\nmain: waitid P_PID b WEXITED|WNOWAIT\nb: pause\n")
	each(t, h, p, stress.Plan{Repeat: 7, Final: 3, Deadline: 50 * time.Millisecond}, func(got *history.History) {
		for i, a := range got.Actors {
			if (a.Final != nil) != (got.Run%3 == 0) {
				t.Fatalf("run %d: final %v", got.Run, a.Final)
			}
			want := [...]string{"SR", "t", "Z"}[i] // main has said that it parks, and may not sleep yet
			if a.Final != nil && strings.IndexByte(want, a.Final.State) < 0 {
				t.Errorf("%s: %+v", p.Actors[i].Name, *a.Final)
			}
		}
		if f := got.Actors[1].Final; f != nil && f.TracerPid != got.Actors[0].Tid {
			t.Errorf("a: %+v", *f)
		}
	})
}

// TestCPUs: actors run where the plan puts them, together or apart; elsewhere is an error.
func TestCPUs(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nproc child of main\nmain: getpid\nchild: getpid\n")
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	var usable []int
	for c := range 64 {
		if all.IsSet(c) {
			usable = append(usable, c)
		}
	}
	first, last := usable[0], usable[len(usable)-1]
	for _, cpus := range [][]int{nil, {first, first}, {first, last}, {-1, last}, {first}} {
		each(t, h, p, stress.Plan{Repeat: 5, CPUs: cpus}, func(got *history.History) {
			if got.Outcome != history.Complete || show(p, got, 0) != "main" || show(p, got, 1) != "child" {
				t.Errorf("CPUs %v: %v", cpus, got.Actors)
			}
		})
	}
	if err := h.Run(context.Background(), p, stress.Plan{CPUs: []int{63}}, nil); !all.IsSet(63) && err == nil {
		t.Error("a CPU that does not exist is no error")
	}
}

// TestEarlyEnd: a consumer that has enough, or a cancelled context, ends the runs, and the target is good for more.
func TestEarlyEnd(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nmain: getpid\n")
	n := 0
	err := h.Run(context.Background(), p, stress.Plan{Repeat: 1000}, func(*history.History) bool { n++; return n < 3 })
	if err != nil || n != 3 {
		t.Errorf("%d histories, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = h.Run(ctx, p, stress.Plan{Repeat: 1000, Final: 2}, func(*history.History) bool { cancel(); return true })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	hang := lower(t, "proc main\nmain: pause\n")
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := h.Run(ctx, hang, stress.Plan{Deadline: time.Hour}, func(*history.History) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	each(t, h, p, stress.Plan{Repeat: 20}, func(got *history.History) {
		if got.Outcome != history.Complete {
			t.Error(got.Outcome)
		}
	})
}

// TestIdle: between plans init is asleep, also when each region was used before.
func TestIdle(t *testing.T) {
	h := open(t)
	each(t, h, lower(t, "proc main\nmain: getpid"), stress.Plan{Repeat: 3 * actor.MaxRuns}, func(*history.History) {})
	p := &h.w.tasks
	for deadline := time.Now().Add(10 * time.Second); p.status(1).State != 'S'; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("init is in state %c: it burns a CPU", p.status(1).State)
		}
	}
}

// TestUnreadable: who cannot be looked at is not taken for dead, and the next run has a namespace that can be.
func TestUnreadable(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nmain: getpid")
	once := func() error {
		return h.Run(t.Context(), p, stress.Plan{Repeat: 1, Final: 1}, func(*history.History) bool { return true })
	}
	if err := once(); err != nil {
		t.Fatal(err)
	}
	if h.w.tasks.status(1 << 20); h.w.tasks.err != nil {
		t.Errorf("of a task that is not there: %v", h.w.tasks.err)
	}
	h.w.tasks.dir = -1
	if err := once(); !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "/status") {
		t.Errorf("got %v, want an error that names the file", err)
	}
	if err := once(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestInitStopped: an actor that traces init ends its namespace, not the target.
func TestInitStopped(t *testing.T) {
	h := open(t)
	p := lower(t, "proc main\nmain: getppid\nmain: ptrace ATTACH main\nmain: pause\n")
	p.Vars = 1
	code := p.Actors[0].Code
	code[0].Dst, code[1].Args[1] = 0, engine.VarOf(0)
	err := h.Run(context.Background(), p, stress.Plan{Deadline: 20 * time.Millisecond}, func(*history.History) bool { return true })
	if pe := (*stress.ProgramError)(nil); !errors.As(err, &pe) {
		t.Fatalf("error %v", err)
	}
	each(t, h, lower(t, "proc main\nmain: getpid\n"), stress.Plan{Repeat: 3}, func(got *history.History) {})
}

func TestProbe(t *testing.T) {
	if err := Probe(); err != nil {
		t.Error(err)
	}
	if i := Info(); len(i.CPUs) < 1 || i.Kernel == "" {
		t.Errorf("%+v", i)
	}
}
