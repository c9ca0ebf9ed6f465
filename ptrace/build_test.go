package ptrace

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"tracehammer/engine"
)

// A program under construction.
type build struct {
	p     engine.Program
	names map[string]int
}

func program(names ...string) *build {
	b := &build{names: map[string]int{}}
	for i, n := range names {
		b.names[n] = i
		b.p.Actors = append(b.p.Actors, engine.Actor{Name: n})
	}
	return b
}

func (b *build) add(name string, in engine.Instr) *engine.Instr {
	a := &b.p.Actors[b.names[name]]
	a.Code = append(a.Code, in)
	return &a.Code[len(a.Code)-1]
}

func call(c engine.Call, args ...any) engine.Instr {
	in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar, Src: -1}
	for i, x := range args {
		switch v := x.(type) {
		case int:
			in.Args[i] = engine.Imm(int64(v))
		case int64:
			in.Args[i] = engine.Imm(v)
		case Request:
			in.Args[i] = engine.Imm(int64(v))
		case Option:
			in.Args[i] = engine.Imm(int64(v))
		case Signal:
			in.Args[i] = engine.Imm(int64(v))
		case engine.Arg:
			in.Args[i] = v
		default:
			panic(fmt.Sprintf("%T", x))
		}
	}
	return in
}

const (
	forkFlags   = SIGCHLDi
	SIGCHLDi    = 17
	vforkFlags  = engine.CLONE_VM | engine.CLONE_VFORK | SIGCHLDi
	threadFlags = engine.CLONE_VM | engine.CLONE_FS | engine.CLONE_FILES | engine.CLONE_SIGHAND | engine.CLONE_THREAD | engine.CLONE_SYSVSEM
)

func (b *build) tid(name string) engine.Arg { return engine.TidOf(engine.ActorID(b.names[name])) }

// do adds one call of an actor.
func (b *build) do(name string, c engine.Call, args ...any) *build {
	b.add(name, call(c, args...))
	return b
}

// create makes parent create child before its first operation, unlogged.
func (b *build) create(parent, child string, flags int) *build {
	in := call(engine.CallClone, flags, b.names[child])
	in.Harness = true
	b.add(parent, in)
	return b
}

func (b *build) clone(parent, child string, flags int) *build {
	return b.do(parent, engine.CallClone, flags, b.names[child])
}

func (b *build) ptrace(name string, r Request, target string, rest ...any) *build {
	return b.do(name, engine.CallPtrace, append([]any{r, b.tid(target)}, rest...)...)
}

func (b *build) wait(name, target string, options int) *build {
	if target == "" {
		return b.do(name, engine.CallWait4, -1, options)
	}
	return b.do(name, engine.CallWait4, b.tid(target), options)
}

func (b *build) kill(name, target string, sig Signal) *build {
	return b.do(name, engine.CallKill, b.tid(target), sig)
}

func (b *build) barrier(names ...string) *build {
	n := int16(len(b.p.Barriers))
	b.p.Barriers = append(b.p.Barriers, engine.Barrier{Parties: len(names)})
	for _, name := range names {
		b.add(name, engine.Instr{Op: engine.OpBarrier, Barrier: n})
	}
	return b
}

func (b *build) victim(name string) *build {
	b.p.Actors[b.names[name]].Victim = true
	return b
}

func (b *build) done() *engine.Program {
	for i := range b.p.Actors {
		b.p.Actors[i].Code = append(b.p.Actors[i].Code, engine.Instr{Op: engine.OpEnd})
	}
	return &b.p
}

// explorer walks all executions of a program.
type explorer struct {
	m        *engine.Machine
	p        *engine.Program
	seen     map[string]bool
	outcomes map[string]bool
	states   int
	stuck    map[string][]engine.Wait
}

// outcomes are all ways in which the program can end: per actor the results of its calls, in order. "!" marks an end in
// which an actor that is no victim neither parked nor died.
func explore(t testing.TB, p *engine.Program, o engine.Options) *explorer {
	t.Helper()
	o.Check = o.Bugs == (engine.BugSet{}) // an invariant may be what a bug breaks
	x := &explorer{m: NewMachine(p, o), p: p, seen: map[string]bool{}, outcomes: map[string]bool{}, stuck: map[string][]engine.Wait{}}
	logs := make([]string, len(p.Actors))
	var w engine.World
	x.m.Init(&w)
	x.walk(t, &w, logs)
	return x
}

// normal writes an outcome in one way: one blank between words, actors separated by " | ".
func normal(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", " | ")), " ")
}

func (x *explorer) walk(t testing.TB, w *engine.World, logs []string) {
	type node struct {
		w    engine.World
		logs []string
	}
	stack := []*node{{}}
	stack[0].w.CopyFrom(w)
	stack[0].logs = logs
	var cs []engine.Choice
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		key := fmt.Sprintf("%x %s", n.w.Hash(), strings.Join(n.logs, "|"))
		if x.seen[key] {
			continue
		}
		x.seen[key] = true
		if x.states++; x.states > 3_000_000 {
			t.Fatal("too many states")
		}
		cs = n.w.Choices(cs[:0])
		if len(cs) == 0 {
			out := normal(strings.Join(n.logs, "|"))
			if !n.w.Done() {
				out += " !"
				x.stuck[out] = n.w.Waits(nil)
			}
			x.outcomes[out] = true
			continue
		}
		for _, c := range cs {
			m := &node{logs: n.logs}
			m.w.CopyFrom(&n.w)
			ev := m.w.Step(c)
			if s := x.show(ev); s != "" {
				m.logs = append([]string(nil), n.logs...)
				m.logs[ev.Actor] += s
			}
			stack = append(stack, m)
		}
	}
}

func (x *explorer) show(ev engine.Event) string {
	switch ev.Kind {
	case engine.EvHandler:
		return fmt.Sprintf("handler(%v,%d,%d) ", Signal(ev.Signo), ev.Code, ev.Pid)
	case engine.EvEnd:
		in := &x.p.Actors[ev.Actor].Code[ev.Instr]
		return x.result(in, ev.Res) + " "
	}
	return ""
}

func (x *explorer) result(in *engine.Instr, r engine.Result) string {
	if r.Ret < 0 {
		return Errno(-r.Ret).String()
	}
	name := func(n int64) string {
		if a := engine.ActorOf(engine.Tid(n)); a != engine.NoActor && int(a) < len(x.p.Actors) {
			return x.p.Actors[a].Name
		}
		return fmt.Sprint(n)
	}
	ret := fmt.Sprint(r.Ret)
	if r.TidMask&1 != 0 {
		ret = name(r.Ret)
	}
	switch in.Call {
	case engine.CallWait4:
		if r.Ret == 0 {
			return "none"
		}
		return ret + ":" + strings.ReplaceAll(Status(r.Out[0]).String(), " ", "-")
	case engine.CallWaitid:
		return fmt.Sprintf("%s:%d:%#x", name(r.Out[0]), r.Out[1], r.Out[2])
	}
	if r.Out != [3]int64{} {
		for i, o := range r.Out {
			if r.TidMask&(2<<i) != 0 {
				ret += "," + name(o)
			} else {
				ret += fmt.Sprintf(",%#x", o)
			}
		}
	}
	return ret
}

func (x *explorer) list() []string {
	var out []string
	for o := range x.outcomes {
		out = append(out, o)
	}
	sort.Strings(out)
	return out
}

// expect compares all outcomes of a program with a list, one a line.
func expect(t *testing.T, b *build, want string) *explorer {
	t.Helper()
	return expectOn(t, b, engine.Options{}, want)
}

func expectOn(t *testing.T, b *build, o engine.Options, want string) *explorer {
	t.Helper()
	x := explore(t, b.done(), o)
	var lines []string
	for _, l := range strings.Split(want, "\n") {
		if l = normal(l); l != "" {
			lines = append(lines, l)
		}
	}
	sort.Strings(lines)
	got := strings.Join(x.list(), "\n")
	if got != strings.Join(lines, "\n") {
		t.Errorf("outcomes (%d states):\n%s\nwant:\n%s", x.states, got, strings.Join(lines, "\n"))
		for o, ws := range x.stuck {
			t.Logf("stuck %s: %v", o, ws)
		}
	}
	return x
}
