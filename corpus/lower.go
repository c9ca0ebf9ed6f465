package corpus

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Lower returns the program that the engine and the actors on a real kernel run. Instr.Src is an index into s.Ops().
func Lower(s *Scenario) (*engine.Program, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("lower scenario %s: %w", s.Name, err)
	}
	return LowerValid(s), nil
}

// LowerValid is Lower for a scenario that is known to be valid: one that Decode or Repair has just made.
func LowerValid(s *Scenario) *engine.Program { return LowerAgain(new(engine.Program), s) }

// LowerAgain is LowerValid with the memory of a program that is no longer good then. It returns another Program all the same: who
// knows programs by their addresses shall see that.
func LowerAgain(old *engine.Program, s *Scenario) *engine.Program {
	ops := s.Ops()
	l := &lowerer{s: s, vars: variables(ops)}
	actors := slices.Grow(old.Actors[:0], len(s.Actors))[:len(s.Actors)]
	l.p = &engine.Program{Vars: len(l.vars), Actors: actors, Barriers: old.Barriers[:0]}
	for i, victim := range s.victims(ops) {
		actors[i] = engine.Actor{Name: s.Actors[i].Name, Victim: victim, Code: actors[i].Code[:0]}
	}
	l.clients(ops)
	l.prologues()
	l.body(s.Body, false, 0)
	for i := range l.p.Actors {
		l.emit(i, blank(engine.OpEnd))
	}
	return l.p
}

type lowerer struct {
	s    *Scenario
	p    *engine.Program
	vars []string
	src  int32                                 // index in s.Ops() of the operation that comes next: body meets them in their order
	loop [MaxActors][MaxDepth + 1]engine.VarID // counters by actor and depth, plus 1: loops behind each other share them
	tool [MaxActors][3]engine.VarID            // of an actor's serve loops; zeros: none yet
}

// blank is an instruction that names no variable, cell or operation.
func blank(op engine.Op) engine.Instr {
	return engine.Instr{Op: op, Dst: engine.NoVar, DstOut: engine.NoVar, Var: engine.NoVar, Cell: -1, Barrier: -1, Src: -1}
}

func (l *lowerer) emit(actor int, in engine.Instr) {
	a := &l.p.Actors[actor]
	a.Code = append(a.Code, in)
}

// here is the index of the actor's next instruction.
func (l *lowerer) here(actor int) int32 { return int32(len(l.p.Actors[actor].Code)) }

func (l *lowerer) newVar() engine.VarID {
	l.p.Vars++
	return engine.VarID(l.p.Vars - 1)
}

// counter is the variable of an actor's loops at a depth.
func (l *lowerer) counter(actor, depth int) engine.VarID {
	v := &l.loop[actor][depth]
	if *v == 0 {
		*v = l.newVar() + 1
	}
	return *v - 1
}

// tools are the variables of an actor's serve loops: pid, status, signal.
func (l *lowerer) tools(actor int) [3]engine.VarID {
	if l.tool[actor] == ([3]engine.VarID{}) {
		l.tool[actor] = [3]engine.VarID{l.newVar(), l.newVar(), l.newVar()}
	}
	return l.tool[actor]
}

func (l *lowerer) set(actor int, v engine.VarID, n int64) {
	in := blank(engine.OpSet)
	in.Dst, in.Imm = v, n
	l.emit(actor, in)
}

func (l *lowerer) add(actor int, v engine.VarID, n int64) {
	in := blank(engine.OpAdd)
	in.Dst, in.Imm = v, n
	l.emit(actor, in)
}

func (l *lowerer) jump(actor int, to int32) {
	in := blank(engine.OpJump)
	in.Target = to
	l.emit(actor, in)
}

// branch goes to a place to be patched when v&mask == match; it returns the instruction's index.
func (l *lowerer) branch(actor int, v engine.VarID, mask, match int64, to int32) int32 {
	in := blank(engine.OpBranch)
	in.Var, in.Mask, in.Match, in.Target = v, mask, match, to
	l.emit(actor, in)
	return l.here(actor) - 1
}

// patch makes an earlier branch go to the next instruction.
func (l *lowerer) patch(actor int, at int32) { l.p.Actors[actor].Code[at].Target = l.here(actor) }

// prologues creates the actors that no operation creates, in the order of their declarations.
func (l *lowerer) prologues() {
	for i, d := range l.s.Actors {
		if i == 0 || d.By != "" {
			continue
		}
		in := blank(engine.OpCall)
		in.Call = engine.CallClone
		in.Args[0] = engine.Imm(engine.SIGCHLD)
		if d.Thread {
			in.Args[0] = engine.Imm(ThreadFlags)
		}
		in.Args[1] = engine.Imm(int64(i))
		l.emit(l.s.Actor(d.Parent), in)
	}
}

func (l *lowerer) body(body []Stmt, race bool, depth int) {
	for _, st := range body {
		switch st := st.(type) {
		case *Op:
			if race {
				in := blank(engine.OpDelay)
				in.Cell = int16(l.p.Cells)
				l.p.Cells++
				l.emit(l.s.Actor(st.Actor), in)
			}
			l.op(st)
			l.src++
		case *Barrier:
			l.meet(st.Name, st.Actors, false)
		case *Race:
			l.meet(fmt.Sprintf("race %d", len(l.p.Barriers)), Participants(st.Body), true)
			l.body(st.Body, true, depth)
		case *Repeat:
			actor := l.s.Actor(st.Actor)
			v := l.counter(actor, depth)
			l.set(actor, v, int64(st.N))
			start := l.here(actor)
			l.body(st.Body, race, depth+1)
			l.add(actor, v, -1)
			out := l.branch(actor, v, -1, 0, 0)
			l.jump(actor, start)
			l.patch(actor, out)
		}
	}
}

func (l *lowerer) meet(name string, actors []string, align bool) {
	in := blank(engine.OpBarrier)
	in.Barrier = int16(len(l.p.Barriers))
	l.p.Barriers = append(l.p.Barriers, engine.Barrier{Name: name, Parties: len(actors), Align: align})
	for _, a := range actors {
		l.emit(l.s.Actor(a), in)
	}
}

// call is the operation's system call without results.
func (l *lowerer) call(o *Op) engine.Instr {
	in := blank(engine.OpCall)
	in.Call, in.Src = o.Verb.Call, l.src
	for _, f := range o.Verb.Fixed {
		in.Args[f.Slot] = engine.Imm(f.N)
	}
	for i, a := range o.Args {
		in.Args[o.Verb.Params[i].Slot] = l.arg(o.Verb.Params[i].Type, a)
	}
	return in
}

func (l *lowerer) arg(t ParamType, a Arg) engine.Arg {
	switch a.Kind {
	case ArgActor:
		if t == Child {
			return engine.Imm(int64(l.s.Actor(a.Name)))
		}
		return engine.TidOf(engine.ActorID(l.s.Actor(a.Name)))
	case ArgNegActor:
		return engine.Arg{Kind: engine.ArgNegTid, N: int64(l.s.Actor(a.Name))}
	case ArgVar:
		return engine.VarOf(l.varID(a.Name))
	case ArgNegVar:
		return engine.Arg{Kind: engine.ArgNegVar, N: int64(l.varID(a.Name))}
	}
	return engine.Imm(a.N)
}

func (l *lowerer) varID(name string) engine.VarID {
	return engine.VarID(slices.Index(l.vars, name))
}

func (l *lowerer) op(o *Op) {
	if o.Verb.IsServe() {
		l.serve(o)
		return
	}
	in := l.call(o)
	if o.Dst != "" {
		in.Dst = l.varID(o.Dst)
	}
	l.emit(l.s.Actor(o.Actor), in)
}

// Masks of the status word that tell reports apart (table 6.0).
const (
	wordMask  = 0xffffffff
	errorBit  = math.MinInt64 // of wait4's return value
	exitMask  = 0x7f
	stopMask  = 0xff
	stopMatch = 0x7f
	eventMask = 0xff00ff // event and "stopped", any signal
	plainMask = 0xffff80ff
)

// serve lowers a tracer's loop: wait4, then a chain of tests of the status word; each answer goes back to the wait4.
func (l *lowerer) serve(o *Op) {
	actor := l.s.Actor(o.Actor)
	tools := l.tools(actor)
	pid, status, sig := tools[0], tools[1], tools[2]
	start := l.here(actor)
	in := l.call(o)
	in.Dst, in.DstOut = pid, status
	l.emit(actor, in)
	if slices.ContainsFunc(o.Cases, func(c Case) bool { return c.Sig == SigSame }) || !slices.ContainsFunc(o.Cases, func(c Case) bool { return c.Kind == CaseSignal && c.N == 0 }) {
		l.stopSignal(actor, status, sig)
	}
	s := serveLoop{l: l, actor: actor, src: l.src, start: start, pid: pid, sig: sig}
	failed := l.branch(actor, pid, errorBit, errorBit, 0)
	for i := range o.Cases {
		s.test(&o.Cases[i], status)
	}
	s.defaults(status)
	l.patch(actor, failed)
	for _, at := range s.ends {
		l.patch(actor, at)
	}
}

// stopSignal puts bits 8 to 14 of the status word into sig, bit by bit: programs have no shift.
func (l *lowerer) stopSignal(actor int, status, sig engine.VarID) {
	l.set(actor, sig, 0)
	for b := range 7 {
		skip := l.branch(actor, status, 1<<(8+b), 0, 0)
		l.add(actor, sig, 1<<b)
		l.patch(actor, skip)
	}
}

type serveLoop struct {
	l        *lowerer
	actor    int
	src      int32
	start    int32
	pid, sig engine.VarID
	ends     []int32 // jumps behind the loop
}

// test emits one case: when the status fits, the answer; else on with the next.
func (s *serveLoop) test(c *Case, status engine.VarID) {
	l := s.l
	var not []int32 // branches that say that the case does not fit
	var mask, match int64
	switch c.Kind {
	case CaseSignal:
		mask, match = plainMask, stopMatch
		if c.N != 0 {
			mask, match = wordMask, int64(ptrace.Stopped(ptrace.Signal(c.N)))
		}
	case CaseGroupStop:
		not = append(not, l.branch(s.actor, status, wordMask, int64(ptrace.EventStopped(ptrace.EventStop, ptrace.SIGTRAP)), 0))
		mask, match = eventMask, int64(ptrace.EventStop)<<16|stopMatch
	case CaseEvent:
		mask, match = eventMask, c.N<<16|stopMatch
		if ptrace.Event(c.N) == ptrace.EventStop {
			mask, match = wordMask, int64(ptrace.EventStopped(ptrace.EventStop, ptrace.SIGTRAP))
		}
	case CaseSyscall:
		mask, match = wordMask, int64(ptrace.SyscallStopped(true))
	case CaseExited:
		mask, match = exitMask, 0
	case CaseContinued:
		mask, match = wordMask, int64(ptrace.StatusContinued)
	case CaseKilled: // what neither exited nor stopped nor continued
		not = append(not, l.branch(s.actor, status, exitMask, 0, 0), l.branch(s.actor, status, stopMask, stopMatch, 0),
			l.branch(s.actor, status, wordMask, int64(ptrace.StatusContinued), 0))
	}
	if mask != 0 {
		fits := l.branch(s.actor, status, mask, match, 0)
		not = append(not, l.here(s.actor))
		l.jump(s.actor, 0)
		l.patch(s.actor, fits)
	}
	s.answer(c)
	for _, at := range not {
		l.patch(s.actor, at)
	}
}

// answer emits what a case does and where it goes then.
func (s *serveLoop) answer(c *Case) {
	switch c.Answer {
	case AnswerRequest:
		sig := engine.Imm(0)
		switch c.Sig {
		case SigSame:
			sig = engine.VarOf(s.sig)
		case SigNum:
			sig = engine.Imm(c.SigN)
		}
		s.request(c.Verb, sig)
		s.l.jump(s.actor, s.start)
	case AnswerIgnore:
		s.l.jump(s.actor, s.start)
	case AnswerEnd:
		s.ends = append(s.ends, s.l.here(s.actor))
		s.l.jump(s.actor, 0)
	}
}

func (s *serveLoop) request(v *Verb, sig engine.Arg) {
	in := blank(engine.OpCall)
	in.Call, in.Src = engine.CallPtrace, s.src
	in.Args[slotRequest], in.Args[slotTid], in.Args[slotData] = engine.Imm(v.Fixed[0].N), engine.VarOf(s.pid), sig
	s.l.emit(s.actor, in)
}

// defaults answers what no case did: see Case.
func (s *serveLoop) defaults(status engine.VarID) {
	l, cont := s.l, VerbByName("ptrace CONT")
	signal := l.branch(s.actor, status, plainMask, stopMatch, 0)
	stop := l.branch(s.actor, status, stopMask, stopMatch, 0)
	l.jump(s.actor, s.start)
	l.patch(s.actor, signal)
	s.request(cont, engine.VarOf(s.sig))
	l.jump(s.actor, s.start)
	l.patch(s.actor, stop)
	s.request(cont, engine.Imm(0))
	l.jump(s.actor, s.start)
}

// Victims says of each actor whether its end is not awaited. There is always one that is awaited: a run has to have an end.
func (s *Scenario) Victims() []bool { return s.victims(s.Ops()) }

func (s *Scenario) victims(ops []*Op) []bool {
	v := make([]bool, len(s.Actors))
	for i := range v {
		v[i] = s.victim(i, ops)
	}
	if !slices.Contains(v, false) {
		v[0] = false
	}
	return v
}

// victim says whether actor i's end is not to be awaited: it is declared so, or the scenario kills it or lets it block for
// good, or it ends by itself and somebody waits for that anyway. Deaths of the others have to be looked for from outside,
// which is slow.
func (s *Scenario) victim(i int, ops []*Op) bool {
	if s.Actors[i].Victim {
		return true
	}
	name, leader := s.Actors[i].Name, s.Leader(i)
	sameGroup := func(actor string) bool { j := s.Actor(actor); return j >= 0 && s.Leader(j) == leader }
	var last *Op
	reaped, ends := false, false
	for _, o := range ops {
		switch o.Verb.Call {
		case engine.CallWait4, engine.CallWaitid:
			reaped = reaped || slices.ContainsFunc(o.Args, func(a Arg) bool {
				return a.Kind == ArgVar || a.Kind == ArgActor && sameGroup(a.Name) || a.Kind == ArgNum && a.N == -1
			})
		case engine.CallExit:
			ends = ends || o.Actor == name
		case engine.CallExitGroup:
			ends = ends || sameGroup(o.Actor)
		case engine.CallExecve:
			if sameGroup(o.Actor) && o.Actor != name && o.Args[0].N != engine.ImageMissing {
				return true
			}
		}
		if s.kills(o, sameGroup) {
			return true
		}
		if o.Actor == name {
			last = o
			if slices.ContainsFunc(o.Expect, func(e Expect) bool { return e.Kind == ExpectBlocks }) {
				return true
			}
		}
	}
	if ends && reaped {
		return true
	}
	return last != nil && len(last.Expect) == 0 && (last.Verb.Call == engine.CallPause || last.Verb.Call == engine.CallSigsuspend)
}

// kills says whether the operation sends SIGKILL to a group.
func (s *Scenario) kills(o *Op, group func(actor string) bool) bool {
	kills := o.Verb.Name == "ptrace KILL"
	for i, a := range o.Args {
		if o.Verb.Params[i].Type == Signal && a.Kind == ArgNum && a.N == engine.SIGKILL {
			kills = true
		}
	}
	return kills && slices.ContainsFunc(o.Args, func(a Arg) bool {
		switch a.Kind {
		case ArgActor, ArgNegActor:
			return group(a.Name)
		case ArgVar, ArgNegVar:
			return slices.ContainsFunc(s.Ops(), func(from *Op) bool { return from.Dst == a.Name && from.names(group) })
		}
		return false
	})
}

// names says whether an operation's result stands for an actor of a group: its tid, or a pidfd of it.
func (o *Op) names(group func(actor string) bool) bool {
	if len(o.Args) == 0 {
		return group(o.Actor) // gettid, getpid
	}
	a := o.Args[0]
	return a.Kind == ArgActor && group(a.Name) || a.Kind == ArgNum && !group(o.Actor) // wait4 -1: anybody else
}

// Delays returns the range of each delay cell of the lowered program.
func (s *Scenario) Delays() [][2]time.Duration {
	var cells [][2]time.Duration
	for _, st := range s.Body {
		if r, ok := st.(*Race); ok {
			walk(r.Body, func(st Stmt) {
				if _, ok := st.(*Op); ok {
					cells = append(cells, [2]time.Duration{r.Lo, r.Hi})
				}
			})
		}
	}
	return cells
}

// Repeats is how many runs the scenario asks for: the most of its races, 1 without any.
func (s *Scenario) Repeats() int {
	n := 1
	for _, st := range s.Body {
		if r, ok := st.(*Race); ok {
			n = max(n, r.Repeat)
		}
	}
	return n
}
