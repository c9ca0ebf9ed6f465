package engine

// User mode: the interpreter of Program.
//
// One step of user code ends at the first thing that others could see: a call's begin or end, a handler's entry, a change
// of a variable that another actor uses. A real actor executes many instructions in its place; while it is single-stepped,
// each of them traps, so a step with tfStep may also trap without progress any number of times (Alt 1).
//
// A pending signal may be noticed before any such step and after it (ChoiceInterrupt); the kernel notices at the latest
// when a system call returns.

// maxPrivate bounds the instructions without effect on others that one step executes.
const maxPrivate = 64

// scan looks through the program for what steps can rely on.
func (m *Machine) scan() {
	for i := range m.parent {
		m.parent[i] = NoActor
	}
	var user [MaxVars]ActorID
	for i := range user {
		user[i], m.private[i] = NoActor, true
	}
	use := func(a ActorID, v VarID) {
		if v < 0 {
			return
		}
		if user[v] != NoActor && user[v] != a {
			m.private[v] = false
		}
		user[v] = a
	}
	for a := range m.prog.Actors {
		for i := range m.prog.Actors[a].Code {
			in := &m.prog.Actors[a].Code[i]
			switch in.Op {
			case OpCall:
				use(ActorID(a), in.Dst)
				use(ActorID(a), in.DstOut)
				m.pidfds = m.pidfds || in.Call == CallPidfdOpen
				for _, arg := range in.Args {
					if arg.Kind == ArgVar || arg.Kind == ArgNegVar {
						use(ActorID(a), VarID(arg.N))
					}
				}
				if c := in.Args[1].N; in.Call == CallClone && c > 0 && int(c) < len(m.prog.Actors) {
					m.parent[c] = ActorID(a)
				}
				if in.Call == CallSeccomp && in.Args[3].N&SECCOMP_FILTER_FLAG_TSYNC != 0 {
					m.tsync = true
				}
			case OpSet, OpAdd:
				use(ActorID(a), in.Dst)
			case OpBranch:
				use(ActorID(a), in.Var)
			}
		}
	}
}

// scanNames finds the actors whose tids others than their creators name: for these it matters when the tid is known.
func (m *Machine) scanNames() {
	for a := range m.prog.Actors {
		for i := range m.prog.Actors[a].Code {
			for _, arg := range m.prog.Actors[a].Code[i].Args {
				if n := ActorID(arg.N); (arg.Kind == ArgTid || arg.Kind == ArgNegTid) && n != ActorID(a) && m.parent[n] != ActorID(a) {
					m.named[n] = true
				}
			}
		}
	}
}

func (w *World) instr(id TaskID, t *task) *Instr { return &w.m.prog.Actors[id-firstTask].Code[t.pc] }

func (w *World) eval(a Arg) int64 {
	switch a.Kind {
	case ArgTid, ArgNegTid:
		tid := int64(DeadTid)
		if w.told&(1<<(a.N+int64(firstTask))) != 0 {
			tid = int64(ActorID(a.N).Tid())
		}
		if a.Kind == ArgNegTid {
			return -tid
		}
		return tid
	case ArgVar:
		return w.vars[a.N]
	case ArgNegVar:
		return -w.vars[a.N]
	}
	return a.N
}

// plain executes an instruction that is neither a call nor a barrier nor the end; it says whether it was one, and whether
// nobody else can tell.
func (w *World) plain(id TaskID, t *task) (done, private bool) {
	in := w.instr(id, t)
	private = true
	switch in.Op {
	case OpDelay:
		t.pc++
	case OpJump:
		t.pc = in.Target
	case OpSet:
		w.vars[in.Dst] = in.Imm
		t.pc++
		private = w.m.private[in.Dst]
	case OpAdd:
		w.vars[in.Dst] += in.Imm
		t.pc++
		private = w.m.private[in.Dst]
	case OpBranch:
		private = w.m.private[in.Var]
		if w.vars[in.Var]&in.Mask == in.Match {
			t.pc = in.Target
		} else {
			t.pc++
		}
	default:
		return false, false
	}
	return true, private
}

// skipPrivate executes what nobody else can tell, up to the next thing that somebody can.
func (w *World) skipPrivate(id TaskID) {
	t := &w.tasks[id]
	for range maxPrivate {
		in := w.instr(id, t)
		switch in.Op {
		case OpDelay, OpJump:
		case OpSet, OpAdd:
			if !w.m.private[in.Dst] {
				return
			}
		case OpBranch:
			if !w.m.private[in.Var] {
				return
			}
		default:
			return
		}
		w.plain(id, t)
	}
}

// traced says that somebody can see the calls that a task makes for the harness.
func (w *World) callsSeen(t *task) bool {
	return t.utrace.events&(EvSyscallEntry|EvSyscallExit) != 0 || t.stepping()
}

// callsMayBeSeen says that a tracer may come, or ask for it, just before the call that the task makes next for the harness.
func (w *World) callsMayBeSeen(id TaskID, t *task) bool {
	return w.m.seen.Calls && (t.utrace.n != 0 || w.attachable(id))
}

// attachable says that somebody may attach to a task at any time, by the tid that it has now (R68).
func (w *World) attachable(id TaskID) bool { return w.m.seen.Attach&(1<<ActorOf(w.TidOf(id))) != 0 }

// userAlts is the number of alternatives of a task's next user step.
func (w *World) userAlts(id TaskID, t *task) int8 {
	switch t.ustate {
	case uReady, uEnded:
		if t.stepping() {
			return 2
		}
	case uBarrier:
		if w.open(id, t) && w.callsSeen(t) {
			return 2
		}
	case uBegun, uRestart:
		return 1 + w.ambiguous(id, w.instr(id, t).Call)
	}
	return 1
}

func (w *World) open(id TaskID, t *task) bool { return w.barriers[w.instr(id, t).Barrier] >= t.target }

// user executes one step of user code.
func (w *World) user(id TaskID, alt int8) {
	t := &w.tasks[id]
	if t.stepping() && alt == 1 && (t.ustate == uReady || t.ustate == uEnded) {
		w.trap(id)
		return
	}
	switch t.ustate {
	case uReady:
		w.next(id, t)
	case uBegun, uRestart:
		w.enter(id, w.instr(id, t).Call) // not t.call: a handler's sigreturn may have come in between
		return
	case uEnded:
		w.ended(id, t)
	case uHandler:
		w.event = Event{Kind: EvHandler, Actor: w.ActorOfTask(id), Signo: int32(t.hand[t.nhand-1].info.Signo),
			Code: t.hand[t.nhand-1].info.Code(), Pid: handlerPid(t.hand[t.nhand-1].info)}
		t.ustate = uReturn
	case uReturn:
		w.enter(id, CallSigreturn)
		return
	case uBarrier:
		if !w.open(id, t) || alt == 1 {
			w.enter(id, CallFutexWait)
			return
		}
		w.advance(id, t)
	case uFreed:
		w.enter(id, CallFutexWake)
		return
	case uMmap:
		if w.callsSeen(t) { // now, not when the exec returned: a tracer may have come in between
			w.enter(id, CallMmap)
			return
		}
		w.ended(id, t)
	case uPark:
		w.enter(id, CallFutexWake)
		return
	case uParked:
		w.enter(id, CallFutexWait)
		return
	}
	if t.stepping() {
		w.trap(id)
	}
}

func handlerPid(s SigInfo) Tid {
	if s.HasPid() {
		return Tid(s.Pid)
	}
	return NoTid
}

// advance goes on behind the instruction at pc.
func (w *World) advance(id TaskID, t *task) {
	t.pc++
	t.ustate = uReady
	w.skipPrivate(id)
}

// next begins the instruction at pc.
func (w *World) next(id TaskID, t *task) {
	in := w.instr(id, t)
	switch in.Op {
	case OpCall:
		// Actors load operands after they drew the begin's ticket. A begin says only what must have happened before it, so an
		// execution in which it comes together with the load shows the same.
		for i := range t.args {
			t.args[i] = w.eval(in.Args[i])
		}
		t.call = in.Call
		t.ustate = uBegun
		if !in.Harness {
			w.event = Event{Kind: EvBegin, Actor: w.ActorOfTask(id), Instr: t.pc}
		}
	case OpBarrier:
		b := &w.barriers[in.Barrier]
		parties := uint16(max(w.m.prog.Barriers[in.Barrier].Parties, 1))
		t.target = (*b/parties + 1) * parties
		*b++
		if *b < t.target {
			t.ustate = uBarrier
			w.sleepUnseen(id, t)
			return
		}
		if w.callsMayBeSeen(id, t) {
			t.ustate = uFreed
			return
		}
		w.wakeFutex(in.Barrier)
		w.advance(id, t)
	case OpEnd:
		t.flags |= tfParked
		t.ustate = uPark
		if !w.callsMayBeSeen(id, t) {
			t.ustate = uParked
			w.sleepUnseen(id, t)
		}
	default:
		w.plain(id, t)
		w.skipPrivate(id)
	}
}

// sleepUnseen makes the futex wait that comes next part of this step: nobody can tell.
func (w *World) sleepUnseen(id TaskID, t *task) {
	if !w.callsSeen(t) && !t.is(tfSigPending|tfNotifyResume) {
		w.enter(id, CallFutexWait)
	}
}

// ended logs the end of the call at pc, or goes on silently if it is not logged.
func (w *World) ended(id TaskID, t *task) {
	in := w.instr(id, t)
	if in.Dst >= 0 {
		w.vars[in.Dst] = t.ret
	}
	if in.DstOut >= 0 {
		w.vars[in.DstOut] = t.out[0]
	}
	if !in.Harness {
		w.event = w.endEvent(id, t)
	}
	t.ret, t.out, t.tidMask = 0, [3]int64{}, 0
	t.args = [4]int64{}
	t.call = CallNone
	w.advance(id, t)
}

// endEvent is the end of the call at pc.
func (w *World) endEvent(id TaskID, t *task) Event {
	return Event{Kind: EvEnd, Actor: w.ActorOfTask(id), Instr: t.pc, Res: Result{Ret: t.ret, Out: t.out, TidMask: t.tidMask}}
}

// trap is the single-step trap of the processor: a fault of the task, noticed before its next instruction (R58).
func (w *World) trap(id TaskID) {
	w.mark(58)
	w.force(id, NewSigInfo(SIGTRAP, TRAP_TRACE, NoTid, 0), false)
	w.tasks[id].push(stSignal)
}

// wakeFutex wakes everybody who sleeps at a barrier.
func (w *World) wakeFutex(barrier int16) {
	for id := firstTask; id < maxTasks; id++ {
		t := &w.tasks[id]
		if w.used&(1<<id) != 0 && t.state == Interruptible && t.depth > 0 && t.top().stage == stFutex && t.ustate == uBarrier &&
			w.instr(id, t).Barrier == barrier {
			t.state = Running
		}
	}
}

// returned says where user mode goes on after the call that it made in state t.ustate; execed says that it is in a new image.
func (w *World) returned(id TaskID, t *task, execed bool) {
	switch t.ustate {
	case uBegun, uRestart:
		t.ustate = uEnded
		if execed {
			t.ret, t.ustate = 0, uMmap
			return
		}
		if w.instr(id, t).Harness && !t.stepping() {
			w.ended(id, t)
		}
	case uReturn:
		w.popHandler(id, t)
	case uBarrier:
		if w.open(id, t) && !w.callsSeen(t) {
			w.advance(id, t)
		}
	case uFreed:
		w.advance(id, t)
	case uMmap:
		t.ustate = uEnded
	case uPark:
		t.ustate = uParked
	}
}

// pushHandler sets up a signal frame; false if the stack has no room.
func (w *World) pushHandler(id TaskID, info SigInfo) bool {
	t := &w.tasks[id]
	if t.nhand == maxHandlers {
		return false
	}
	mask := t.blocked
	if t.is(tfRestoreMask) {
		mask = t.saved // what sigsuspend replaced: it is restored from the frame
	} else if t.saved&savedForFrame != 0 {
		mask = t.saved &^ savedForFrame
	}
	t.hand[t.nhand] = sigframe{mask: mask, info: info, ustate: t.ustate}
	t.nhand++
	t.ustate = uHandler
	return true
}

// popHandler goes back to what the handler interrupted.
func (w *World) popHandler(id TaskID, t *task) {
	t.nhand--
	t.ustate = t.hand[t.nhand].ustate
	t.hand[t.nhand] = sigframe{}
}
