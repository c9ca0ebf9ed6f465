package crashers

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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
// leader and waits for the exec.
func attachExec() *Reproducer {
	var p prog
	main, child, t := p.actor("main"), p.actor("child"), p.actor("t")
	p.clone(main, child, engine.SIGCHLD)
	p.clone(child, t, threadFlags)
	p.ptrace(t, ptrace.Traceme)
	p.barrier(false, main, child, t)
	p.Cells = 1
	p.add(main, engine.Instr{Op: engine.OpDelay, Cell: 0})
	attach := p.ptrace(main, ptrace.Attach, engine.TidOf(child))
	execve := p.call(child, engine.CallExecve, engine.Imm(engine.ImageSelf))
	return &Reproducer{Title: "hang: ptrace_attach <-> begin_new_exec", Kernel: "Linux 6.18.44", Program: p.end(),
		Scenario: []byte("scenario attach-exec # */ ends no comment\n"),
		Plan:     stress.Plan{Seed: 54, Delays: []stress.DelayRange{{Lo: 100_000, Hi: 300_000}}},
		Evidence: Evidence{Hang: []Site{{main, attach}, {child, execve}}}}
}

// escapedFilter is row 5: a call whose thread is held at its entry stop is not seen by the filter that TSYNC gives the
// thread meanwhile.
func escapedFilter() *Reproducer {
	var p prog
	main, child, t := p.actor("main"), p.actor("child"), p.actor("t")
	p.clone(main, child, engine.SIGCHLD)
	p.clone(child, t, threadFlags)
	p.ptrace(child, ptrace.Traceme)
	p.call(child, engine.CallTkill, engine.TidOf(child), engine.Imm(engine.SIGSTOP))
	escaped := p.call(child, engine.CallGetppid)
	p.call(main, engine.CallWait4, engine.TidOf(child), engine.Imm(engine.WALL))
	p.ptrace(main, ptrace.Syscall, engine.TidOf(child))
	p.call(main, engine.CallWait4, engine.TidOf(child), engine.Imm(engine.WALL))
	p.barrier(false, main, t)
	p.call(t, engine.CallSeccomp, engine.Imm(engine.SeccompErrno), engine.Imm(int64(engine.CallGetppid)), engine.Imm(engine.EPERM),
		engine.Imm(engine.SECCOMP_FILTER_FLAG_TSYNC))
	p.barrier(false, main, t)
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
	status := 0
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, string(out)
}

// TestKnownBugs compiles and runs the reproducers of two bugs. Whether this kernel has them, probes written by hand say.
func TestKnownBugs(t *testing.T) {
	for _, c := range []struct {
		probe string
		r     *Reproducer
	}{{"probe54.c", attachExec()}, {"probe5.c", escapedFilter()}} {
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
