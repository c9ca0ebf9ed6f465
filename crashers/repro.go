package crashers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Reproducer is what a C program that shows a finding alone is made of.
type Reproducer struct {
	Title    string
	Kernel   string // where it was found
	Scenario []byte // text, for the reader of the program
	Program  *engine.Program
	Plan     stress.Plan
	Evidence Evidence
}

// ErrNoReproducer: the program has a call that C reproducers cannot make.
var ErrNoReproducer = errors.New("no C reproducer")

// C writes the program. It is standalone: gcc -O2 -static -pthread, then run as root or as a user with user namespaces. It
// exits 1 when the bug is there, 0 when not, 125 when it cannot tell, within 10 seconds.
func (r *Reproducer) C() ([]byte, error) {
	g := generator{r: r, p: r.Program}
	var actors strings.Builder
	for a := range g.p.Actors {
		text, err := g.actor(engine.ActorID(a))
		if err != nil {
			return nil, err
		}
		actors.WriteString(text)
	}
	var b strings.Builder
	b.WriteString(g.head())
	b.WriteString(g.config())
	b.WriteString(runtimeC)
	b.WriteString(g.tables())
	b.WriteString(actors.String())
	b.WriteString(g.dispatch())
	return []byte(b.String()), nil
}

// generator translates the instructions of a program to C, one to one, so that engine, actors and C run the same thing.
type generator struct {
	r *Reproducer
	p *engine.Program
}

func (g *generator) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "/*\n * %s\n *\n * Found by tracehammer", comment(g.r.Title))
	if g.r.Kernel != "" {
		fmt.Fprintf(&b, " on %s", comment(g.r.Kernel))
	}
	b.WriteString(".\n *\n *\tgcc -O2 -static -pthread -o repro repro.c && ./repro; echo $?\n *\n" +
		" * exits 1 if the bug is there, 0 if it did not show, 125 if this machine cannot tell: fit for git bisect run.\n *\n")
	for l := range strings.Lines(string(g.r.Scenario)) {
		fmt.Fprintf(&b, " * %s\n", strings.TrimRight(comment(strings.TrimRight(l, "\n")), " "))
	}
	b.WriteString(" */\n")
	return b.String()
}

// comment makes untrusted text safe inside a C comment.
func comment(s string) string {
	return strings.ReplaceAll(history.Printable(strings.ReplaceAll(s, "\t", " ")), "*/", "* /")
}

func (g *generator) config() string {
	// POKEUSR and SETREGSET set registers that the compiler must then keep its hands off.
	registers := ""
	if g.uses(func(in *engine.Instr) bool {
		return in.Call == engine.CallPtrace && slices.Contains([]ptrace.Request{ptrace.Pokeusr, ptrace.Setregset, ptrace.Peekusr,
			ptrace.Getregs, ptrace.Getregset}, request(in))
	}) {
		registers = "\n/* Registers that tracers read and write: the compiler leaves them alone. */\n"
		for i, name := range []string{"r15", "r14", "r13", "r12"} {
			registers += fmt.Sprintf("register long free%d __asm__(%q);\n", i, name)
		}
	}
	uses := func(is func(*engine.Instr) bool) int {
		if g.uses(is) {
			return 1
		}
		return 0
	}
	ptraced := uses(func(in *engine.Instr) bool { return in.Call == engine.CallPtrace })
	setuid := uses(func(in *engine.Instr) bool { return in.Call == engine.CallExecve && in.Args[0].N == engine.ImageSetuid })
	return fmt.Sprintf(`#define _GNU_SOURCE
#ifndef __x86_64__
#error "this program makes raw system calls of amd64"
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TITLE %s
#define SEED %#xUL
#define USES_PTRACE %d
#define USES_SETUID %d
#define EVIDENCE %#x
enum { ACTORS = %d, VARS = %d, CELLS = %d, BARRIERS = %d, STACK = 65536 };
%s
`, cString(g.r.Title), g.r.Plan.Seed, ptraced, setuid, 1<<len(g.sites())-1, len(g.p.Actors), max(1, g.p.Vars), max(1, g.p.Cells),
		max(1, len(g.p.Barriers)), registers)
}

// cString quotes s as a C string; hexadecimal escapes of Go's Quote would swallow digits behind them, so they are octal.
func cString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f || c == '?': // no trigraphs
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (g *generator) uses(is func(*engine.Instr) bool) bool {
	for a := range g.p.Actors {
		for i := range g.p.Actors[a].Code {
			if in := &g.p.Actors[a].Code[i]; in.Op == engine.OpCall && is(in) {
				return true
			}
		}
	}
	return false
}

// sites are the calls of the evidence; the index is the bit that says that the call was made.
func (g *generator) sites() []Site {
	if len(g.r.Evidence.Hang) > 0 {
		return g.r.Evidence.Hang
	}
	return []Site{g.r.Evidence.Site}
}

func (g *generator) tables() string {
	var b strings.Builder
	b.WriteString("\nstatic const int victim[ACTORS] = {")
	for _, a := range g.p.Actors {
		n := 0
		if a.Victim {
			n = 1
		}
		fmt.Fprintf(&b, " %d,", n)
	}
	b.WriteString(" };\n\n/* Delays before racing calls, in nanoseconds, as they were found to hit. */\nstatic const long delay_range[CELLS][2] = {")
	for c := range max(1, g.p.Cells) {
		var d stress.DelayRange
		if c < len(g.r.Plan.Delays) {
			d = g.r.Plan.Delays[c]
		}
		lo := max(0, d.Lo)
		fmt.Fprintf(&b, " { %d, %d },", lo, max(lo, d.Hi))
	}
	b.WriteString(" };\n\n/* Nothing moves any more: is it in the calls that wait for each other? */\nstatic int hang_shown(void)\n{\n")
	if len(g.r.Evidence.Hang) == 0 {
		b.WriteString("\treturn 0;\n")
	} else {
		var conds []string
		for _, s := range g.r.Evidence.Hang {
			conds = append(conds, fmt.Sprintf("S->in_call[%d] == %d + 1", s.Actor, s.Instr))
		}
		fmt.Fprintf(&b, "\treturn %s;\n", strings.Join(conds, " && "))
	}
	b.WriteString("}\n\n/* A handler has run, told these things by the kernel. */\nstatic void handler_ran(int actor, long sig, long code, long pid)\n{\n")
	if h := g.r.Evidence.Handler; h == nil {
		b.WriteString("\t(void)actor, (void)sig, (void)code, (void)pid;\n")
	} else {
		pid := "1"
		if engine.SigInfoHasPid(h.Signo, h.Code) {
			pid = h.Pid.c("pid")
		} else {
			b.WriteString("\t(void)pid;\n")
		}
		fmt.Fprintf(&b, "\tif (actor != %d || sig != %d)\n\t\treturn;\n\tseen(0);\n\tif (code == %d && %s)\n\t\tshown();\n", h.Actor, h.Signo, h.Code, pid)
	}
	b.WriteString("}\n")
	return b.String()
}

func (g *generator) dispatch() string {
	var b strings.Builder
	b.WriteString("\nstatic void actor(int which, int at)\n{\n\tswitch (which) {\n")
	for a := range g.p.Actors {
		fmt.Fprintf(&b, "\tcase %d: actor_%d(at); break;\n", a, a)
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// actor is the C function of one actor.
func (g *generator) actor(a engine.ActorID) (string, error) {
	code := g.p.Actors[a].Code
	var execs []int
	labels := map[int]bool{}
	for i := range code {
		switch in := &code[i]; {
		case in.Op == engine.OpJump || in.Op == engine.OpBranch:
			labels[int(in.Target)] = true
		case isExec(in):
			execs = append(execs, i)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n/* %s */\nstatic void __attribute__((noinline)) actor_%d(int at)\n{\n", comment(g.p.Actors[a].Name), a)
	b.WriteString("\tchar buf[4096] __attribute__((aligned(16), unused));\n\tlong r __attribute__((unused));\n\n")
	if len(execs) == 0 {
		b.WriteString("\t(void)at;\n")
	} else {
		b.WriteString("\tr = 0;\n\tswitch (at) { /* a new image goes on where its execve returned 0 */\n")
		for _, i := range execs {
			fmt.Fprintf(&b, "\tcase %d: goto exec%d;\n", i+1, i)
		}
		b.WriteString("\t}\n")
	}
	for i := range code {
		if labels[i] {
			fmt.Fprintf(&b, "l%d:\n", i)
		}
		text, err := g.instr(a, int32(i))
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	b.WriteString("}\n")
	return b.String(), nil
}

func isExec(in *engine.Instr) bool {
	return in.Op == engine.OpCall && in.Call == engine.CallExecve && in.Args[0].N != engine.ImageMissing
}

func (g *generator) instr(a engine.ActorID, i int32) (string, error) {
	in := &g.p.Actors[a].Code[i]
	switch in.Op {
	case engine.OpCall:
		return g.call(a, i)
	case engine.OpBarrier:
		bar := g.p.Barriers[in.Barrier]
		align := 0
		if bar.Align {
			align = 1
		}
		return fmt.Sprintf("\tbarrier(%d, %d, %d);\n", in.Barrier, bar.Parties, align), nil
	case engine.OpDelay:
		return fmt.Sprintf("\tspin(%d);\n", in.Cell), nil
	case engine.OpSet:
		return fmt.Sprintf("\tS->var[%d] = %s;\n", in.Dst, cInt(in.Imm)), nil
	case engine.OpAdd:
		return fmt.Sprintf("\tS->var[%d] += %s;\n", in.Dst, cInt(in.Imm)), nil
	case engine.OpJump:
		return fmt.Sprintf("\tgoto l%d;\n", in.Target), nil
	case engine.OpBranch:
		return fmt.Sprintf("\tif ((S->var[%d] & %s) == %s)\n\t\tgoto l%d;\n", in.Var, cInt(in.Mask), cInt(in.Match), in.Target), nil
	case engine.OpEnd:
		return "\treturn;\n", nil
	}
	return "", fmt.Errorf("%w: instruction kind %d of actor %s", ErrNoReproducer, in.Op, g.p.Actors[a].Name)
}

func cInt(n int64) string {
	switch {
	case n == -1<<63:
		return "(-0x7fffffffffffffffL - 1)"
	case n > -1<<31 && n < 1<<31:
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%dL", n)
}

func cArg(a engine.Arg) string {
	switch a.Kind {
	case engine.ArgTid:
		return fmt.Sprintf("T(%d)", a.N)
	case engine.ArgNegTid:
		return fmt.Sprintf("-T(%d)", a.N)
	case engine.ArgVar:
		return fmt.Sprintf("S->var[%d]", a.N)
	case engine.ArgNegVar:
		return fmt.Sprintf("-S->var[%d]", a.N)
	}
	return cInt(a.N)
}

// call is one system call with its marks, its results and the check for the evidence.
func (g *generator) call(a engine.ActorID, i int32) (string, error) {
	in := &g.p.Actors[a].Code[i]
	c, ok := cCallOf(in, g.leader(a), a, i)
	if !ok {
		if in.Call == engine.CallUtrace {
			return "", fmt.Errorf("%w: actor %s uses utrace, which no kernel has", ErrNoReproducer, g.p.Actors[a].Name)
		}
		return "", fmt.Errorf("%w: call %d of actor %s", ErrNoReproducer, in.Call, g.p.Actors[a].Name)
	}
	var b strings.Builder
	for _, s := range c.before {
		fmt.Fprintf(&b, "\t%s;\n", s)
	}
	site := slices.Index(g.sites(), Site{a, i})
	if !in.Harness {
		fmt.Fprintf(&b, "\tbegin(%d, %d); /* %s */\n", a, i, comment(corpus.FormatCall(g.p, a, i)))
		if site >= 0 {
			fmt.Fprintf(&b, "\tseen(%d);\n", site)
		}
	}
	fmt.Fprintf(&b, "\tr = %s;\n", c.call)
	if isExec(in) {
		fmt.Fprintf(&b, "exec%d:\n", i)
	}
	if !in.Harness {
		fmt.Fprintf(&b, "\tdone(%d);\n", a)
	}
	if in.Dst != engine.NoVar {
		fmt.Fprintf(&b, "\tS->var[%d] = r;\n", in.Dst)
	}
	if in.DstOut != engine.NoVar && len(c.outs) > 0 {
		fmt.Fprintf(&b, "\tS->var[%d] = %s;\n", in.DstOut, c.outs[0])
	}
	if site >= 0 && len(g.r.Evidence.Hang) == 0 {
		var conds []string
		for _, v := range g.r.Evidence.Want {
			expr := "r"
			if v.Index >= 0 {
				if v.Index >= len(c.outs) {
					continue
				}
				expr = c.outs[v.Index]
			}
			conds = append(conds, v.c(expr))
		}
		fmt.Fprintf(&b, "\tif (%s)\n\t\tshown();\n", strings.Join(conds, " && "))
	}
	return b.String(), nil
}

// c is the condition that an expression has the value.
func (v *Value) c(expr string) string {
	switch {
	case v.Actor != engine.NoActor:
		return fmt.Sprintf("%s == T(%d)", expr, v.Actor)
	case v.Sign && v.N < 0:
		return expr + " < 0"
	case v.Sign:
		return expr + " >= 0"
	}
	return fmt.Sprintf("%s == %s", expr, cInt(v.N))
}

// leader is the actor that leads a's process: getpid() of a returns its tid.
func (g *generator) leader(a engine.ActorID) engine.ActorID {
	for range g.p.Actors {
		parent, thread := engine.NoActor, false
		for p := range g.p.Actors {
			for i := range g.p.Actors[p].Code {
				in := &g.p.Actors[p].Code[i]
				if in.Op == engine.OpCall && in.Call == engine.CallClone && in.Args[1].N == int64(a) {
					parent, thread = engine.ActorID(p), in.Args[0].N&engine.CLONE_THREAD != 0
				}
			}
		}
		if parent == engine.NoActor || !thread {
			break
		}
		a = parent
	}
	return a
}
