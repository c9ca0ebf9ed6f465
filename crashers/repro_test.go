package crashers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
)

// prog builds programs by hand: what the lowering of a scenario would give.
type prog struct{ engine.Program }

func (p *prog) actor(name string) engine.ActorID {
	p.Actors = append(p.Actors, engine.Actor{Name: name})
	return engine.ActorID(len(p.Actors) - 1)
}

func (p *prog) add(a engine.ActorID, in engine.Instr) int32 {
	p.Actors[a].Code = append(p.Actors[a].Code, in)
	return int32(len(p.Actors[a].Code) - 1)
}

func (p *prog) call(a engine.ActorID, c engine.Call, args ...engine.Arg) int32 {
	in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar}
	copy(in.Args[:], args)
	return p.add(a, in)
}

func (p *prog) clone(a, child engine.ActorID, flags int64) {
	p.call(a, engine.CallClone, engine.Imm(flags), engine.Imm(int64(child)))
}

func (p *prog) barrier(align bool, actors ...engine.ActorID) {
	p.Barriers = append(p.Barriers, engine.Barrier{Name: fmt.Sprint("b", len(p.Barriers)), Parties: len(actors), Align: align})
	for _, a := range actors {
		p.add(a, engine.Instr{Op: engine.OpBarrier, Barrier: int16(len(p.Barriers) - 1)})
	}
}

func (p *prog) ptrace(a engine.ActorID, r ptrace.Request, args ...engine.Arg) int32 {
	return p.call(a, engine.CallPtrace, append([]engine.Arg{engine.Imm(int64(r))}, args...)...)
}

func (p *prog) end() *engine.Program {
	for a := range p.Actors {
		p.add(engine.ActorID(a), engine.Instr{Op: engine.OpEnd})
	}
	return &p.Program
}

const threadFlags = engine.CLONE_VM | engine.CLONE_FS | engine.CLONE_FILES | engine.CLONE_SIGHAND | engine.CLONE_THREAD | engine.CLONE_SYSVSEM

// attachExec is row 54: a traced thread dies, its leader execs and waits for it to be reaped, its tracer attaches to the
// leader and waits for the exec. If it has reaped the thread first, nobody waits for good.
func attachExec(reaped bool) *Reproducer {
	var p prog
	main, child, t := p.actor("main"), p.actor("child"), p.actor("t")
	p.clone(main, child, engine.SIGCHLD)
	p.clone(child, t, threadFlags)
	p.ptrace(t, ptrace.Traceme)
	p.barrier(false, main, child, t)
	p.Cells = 1
	p.add(main, engine.Instr{Op: engine.OpDelay, Cell: 0})
	if reaped {
		p.call(main, engine.CallWait4, engine.TidOf(t), engine.Imm(engine.WALL))
	}
	attach := p.ptrace(main, ptrace.Attach, engine.TidOf(child))
	execve := p.call(child, engine.CallExecve, engine.Imm(engine.ImageSelf))
	return &Reproducer{Title: "hang: ptrace_attach <-> begin_new_exec", Kernel: "Linux 6.18.44", Program: p.end(),
		Scenario: []byte("scenario attach-exec # */ ends no comment\n"),
		Plan:     stress.Plan{Seed: 54, Delays: []stress.DelayRange{{Lo: 100_000, Hi: 300_000}}},
		Evidence: Evidence{Hang: []Site{{main, attach}, {child, execve}}}}
}

// escapedFilter is row 5: a call whose thread is held at its entry stop is not seen by the filter that TSYNC gives the
// thread meanwhile. One that was there before the stop is seen.
func escapedFilter(before bool) *Reproducer {
	var p prog
	main, child, t := p.actor("main"), p.actor("child"), p.actor("t")
	p.clone(main, child, engine.SIGCHLD)
	p.clone(child, t, threadFlags)
	p.ptrace(child, ptrace.Traceme)
	p.call(child, engine.CallTkill, engine.TidOf(child), engine.Imm(engine.SIGSTOP))
	escaped := p.call(child, engine.CallGetppid)
	p.call(main, engine.CallWait4, engine.TidOf(child), engine.Imm(engine.WALL))
	held := func() {
		p.ptrace(main, ptrace.Syscall, engine.TidOf(child))
		p.call(main, engine.CallWait4, engine.TidOf(child), engine.Imm(engine.WALL))
	}
	if !before {
		held()
	}
	p.barrier(false, main, t)
	p.call(t, engine.CallSeccomp, engine.Imm(engine.SeccompErrno), engine.Imm(int64(engine.CallGetppid)), engine.Imm(engine.EPERM),
		engine.Imm(engine.SECCOMP_FILTER_FLAG_TSYNC))
	p.barrier(false, main, t)
	if before {
		held()
	}
	p.ptrace(main, ptrace.Cont, engine.TidOf(child))
	return &Reproducer{Title: "not-admitted: getppid returned a tid, allowed EPERM", Kernel: "Linux 6.18.44", Program: p.end(),
		Scenario: []byte("scenario escaped-filter\n"), Plan: stress.Plan{Seed: 5},
		Evidence: Evidence{Site: Site{child, escaped}, Want: []Value{{Index: -1, Actor: main}}}}
}

// compile builds a C program as its head says; a warning is an error.
func compile(t *testing.T, source []byte, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	src, bin := filepath.Join(dir, "repro.c"), filepath.Join(dir, "repro")
	if err := os.WriteFile(src, source, 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", bin, src}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return bin
}

// runC runs a program and returns its exit status and its verdict.
func runC(t *testing.T, bin string) (int, string) {
	t.Helper()
	start := time.Now()
	out, err := exec.Command(bin).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it ran for %v", d)
	}
	if strings.Count(string(out), "\n") != 1 {
		t.Errorf("not one line: %q", out)
	}
	exes, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range exes {
		if exe, err := os.Readlink(link); err == nil && exe == bin {
			t.Errorf("it left %s behind", link)
		}
	}
	status := 0
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, string(out)
}

// TestUtraceRefused: no kernel has utrace, so there is no C for it.
func TestUtraceRefused(t *testing.T) {
	var p prog
	p.call(p.actor("main"), engine.CallUtrace)
	_, err := (&Reproducer{Title: "utrace", Program: p.end()}).C()
	if !errors.Is(err, ErrNoReproducer) || !strings.Contains(err.Error(), "actor main uses utrace, which no kernel has") {
		t.Errorf("error %v", err)
	}
}

// TestEveryVerb: there is C for everything that a scenario can say, and gcc has nothing to complain about.
func TestEveryVerb(t *testing.T) {
	var p prog
	a, b := p.actor("main"), p.actor("child")
	p.Vars = 1
	for _, v := range corpus.Verbs {
		if v.EngineOnly() {
			continue
		}
		in := engine.Instr{Op: engine.OpCall, Call: v.Call, Dst: 0, DstOut: engine.NoVar}
		for _, prm := range v.Params {
			in.Args[prm.Slot] = engine.Imm(prm.Default)
			switch prm.Type {
			case corpus.Pid:
				in.Args[prm.Slot] = engine.Arg{Kind: engine.ArgNegTid, N: int64(b)}
			case corpus.Child:
				in.Args[prm.Slot] = engine.Imm(int64(b))
			case corpus.Fd:
				in.Args[prm.Slot] = engine.VarOf(0)
			case corpus.CallName:
				in.Args[prm.Slot] = engine.Imm(int64(engine.CallGetppid))
			}
		}
		for _, f := range v.Fixed {
			in.Args[f.Slot] = engine.Imm(f.N)
		}
		p.add(a, in)
	}
	r := &Reproducer{Title: "every verb \"??)\x01\\", Program: p.end(), Evidence: Evidence{Site: Site{a, 0}, Want: []Value{{Index: -1, Actor: b}}}}
	source, err := r.C()
	if err != nil {
		t.Fatal(err)
	}
	compile(t, source)
}

// TestSeedsInC: in C, seeds show what they expect, so the programs do what actors do. The evidence is the result of the last
// operation that can end in one way only.
func TestSeedsInC(t *testing.T) {
	want := []string{"exitkill", "exec-thread", "serve-strace", "sigqueue-code", "seccomp-trace", "vfork-event", "setuid-exec"}
	for _, s := range corpus.Seeds() {
		if s.EngineOnly() {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		r := &Reproducer{Title: s.Name, Scenario: s.Print(), Program: p, Evidence: Evidence{Site: Site{engine.NoActor, -1}}}
		for _, d := range s.Delays() {
			r.Plan.Delays = append(r.Plan.Delays, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
		}
		ops := s.Ops()
		for a := range p.Actors {
			for i, in := range p.Actors[a].Code {
				last := r.Evidence.Site
				if in.Op != engine.OpCall || in.Src < 0 || last.Actor >= 0 && in.Src < p.Actors[last.Actor].Code[last.Instr].Src {
					continue
				}
				if o := ops[in.Src]; len(o.Expect) == 1 && o.Expect[0].Kind == corpus.ExpectResult && !o.Verb.IsServe() {
					r.Evidence = Evidence{Site: Site{engine.ActorID(a), int32(i)}, Want: expected(s, &o.Expect[0])}
				}
			}
		}
		source, err := r.C()
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if !slices.Contains(want, s.Name) {
			continue
		}
		want = slices.DeleteFunc(want, func(n string) bool { return n == s.Name })
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if status, verdict := runC(t, compile(t, source)); status != 1 {
				t.Errorf("exit %d: %s", status, verdict)
			}
		})
	}
	if len(want) > 0 {
		t.Errorf("no seeds %v", want)
	}
}

func expected(s *corpus.Scenario, e *corpus.Expect) []Value {
	var vals []Value
	for i, a := range append([]corpus.Arg{e.Ret}, e.Out...) {
		switch a.Kind {
		case corpus.ArgNum:
			vals = append(vals, Value{Index: i - 1, N: a.N, Actor: engine.NoActor})
		case corpus.ArgActor:
			vals = append(vals, Value{Index: i - 1, Actor: engine.ActorID(s.Actor(a.Name))})
		}
	}
	return vals
}

// handled is evidence that a handler ran, in an image that its actor executed.
func handled(code int64) *Reproducer {
	var p prog
	main, child := p.actor("main"), p.actor("child")
	p.clone(main, child, engine.SIGCHLD)
	p.call(child, engine.CallExecve, engine.Imm(engine.ImageSelf))
	p.call(child, engine.CallSigaction, engine.Imm(engine.SIGUSR1), engine.Imm(engine.SigHandler))
	p.barrier(false, main, child)
	p.call(main, engine.CallKill, engine.TidOf(child), engine.Imm(engine.SIGUSR1))
	p.barrier(false, main, child)
	return &Reproducer{Title: fmt.Sprint("a handler with si_code ", code), Program: p.end(), Evidence: Evidence{Site: Site{engine.NoActor, -1},
		Handler: &HandlerRun{Actor: child, Signo: engine.SIGUSR1, Code: code, Pid: Value{Index: 2, Actor: main}}}}
}

// TestOtherVerdicts: not every run of a reproducer shows something.
func TestOtherVerdicts(t *testing.T) {
	absent := escapedFilter(false)
	absent.Title = "what no kernel returns"
	absent.Evidence.Want = []Value{{Index: -1, N: -engine.EINVAL, Actor: engine.NoActor}}

	var p prog
	main := p.actor("main")
	p.call(main, engine.CallPause)
	unreached := &Reproducer{Title: "behind a pause", Evidence: Evidence{Site: Site{main, p.call(main, engine.CallGetpid)}, Want: []Value{{Index: -1, Actor: main}}}}
	unreached.Program = p.end()

	var q prog
	jail := q.actor("main")
	q.call(jail, engine.CallSeccomp, engine.Imm(engine.SeccompErrno), engine.Imm(int64(engine.CallPtrace)), engine.Imm(engine.EPERM))
	refused := q.ptrace(jail, ptrace.Traceme)
	inJail := &Reproducer{Title: "ptrace is refused", Program: q.end(), Evidence: Evidence{Site: Site{jail, refused}, Want: []Value{{Index: -1, N: -engine.EPERM, Actor: engine.NoActor}}}}

	for _, c := range []struct {
		r      *Reproducer
		status int
		starts string
	}{{handled(engine.SI_USER), 1, "BUG: "}, {handled(engine.SI_QUEUE), 0, "NOT SHOWN: "}, {absent, 0, "NOT SHOWN: "}, {escapedFilter(true), 0, "NOT SHOWN: "}, {attachExec(true), 0, "NOT SHOWN: "}, {unreached, 125, "CANNOT TELL: "}, {inJail, 1, "BUG: "}} {
		t.Run(c.r.Title, func(t *testing.T) {
			t.Parallel()
			source, err := c.r.C()
			if err != nil {
				t.Fatal(err)
			}
			if status, verdict := runC(t, compile(t, source)); status != c.status || !strings.HasPrefix(verdict, c.starts) {
				t.Errorf("exit %d: %s", status, verdict)
			}
		})
	}
}

// TestKnownBugs compiles and runs the reproducers of two bugs. Whether this kernel has them, probes written by hand say.
func TestKnownBugs(t *testing.T) {
	for _, c := range []struct {
		probe string
		r     *Reproducer
	}{{"probe54.c", attachExec(false)}, {"probe5.c", escapedFilter(false)}} {
		t.Run(c.probe, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("testdata", c.probe))
			if err != nil {
				t.Fatal(err)
			}
			want, probe := runC(t, compile(t, text))
			source, err := c.r.C()
			if err != nil {
				t.Fatal(err)
			}
			got, verdict := runC(t, compile(t, source))
			if got != want {
				t.Errorf("exit %d (%s), the probe says %d (%s)", got, verdict, want, probe)
			}
			t.Log(verdict)
		})
	}
}
