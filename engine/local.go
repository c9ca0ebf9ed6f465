package engine

// Local steps: what an exhaustive search may take alone.
//
// A step is local if, whatever the other tasks do first, it stays the only step that its task can make, does the same, and
// leaves to the others what it finds: then every execution has an equivalent one in which it comes at once. That is so of
// user code, and of calls that concern nobody, of an actor out of reach: not traced, nothing pending, alone in its process,
// and no call that is still to be made elsewhere may signal it or attach to it. What its children and tracees do wakes it in
// wait, which is no user code, and sends it a SIGCHLD that is ignored.
//
// docs/exploration.md has the argument for each kind of step.

// reach says which actors the rest of an actor's code may reach: a bit an actor, by the instruction at which it is.
type reach struct {
	known bool
	from  [MaxActors][]uint16
	// loud are the actors that the kernel itself may signal in user mode: by a SIGCHLD that is not ignored, by another exit
	// signal, because a parent died.
	loud    uint16
	parties []uint16 // the actors that meet at each barrier
	parent  bool     // some clone makes a sibling
	shared  bool     // some clone shares signal handlers
}

// Attacher is what Hooks may also be, so that fewer calls count as reaching others.
type Attacher interface {
	// Attaches says whether a CallPtrace may make the task that it names somebody's tracee.
	Attaches(in *Instr) bool
}

const everybody = 1<<MaxActors - 1

// Local says whether a step that can happen now is local.
func (w *World) Local(c Choice) bool {
	t := &w.tasks[c.Task]
	p := w.procOf(t)
	// Other clients of utrace may attach to whom they like.
	if len(w.m.ops) > 1 || t.is(tfSigPending|tfNotifyResume|tfStep|tfTraced|tfExiting) || t.state != Running || t.utrace.n != 0 || t.jobctl != 0 ||
		p.threads.n != 1 || p.flags&(gfGroupExit|gfStopMask) != 0 || t.tid != c.Task+1 {
		return false
	}
	if !w.m.reach.known {
		w.m.scanReach()
	}
	switch c.Kind {
	case ChoiceUser:
		return w.localUser(c.Task, t)
	case ChoiceKernel:
		switch f := t.top(); f.stage {
		case stFutex:
			return t.ustate == uBarrier && w.open(c.Task, t) && w.outOfReach(1<<w.ActorOfTask(c.Task))
		case stClonePublish:
			return w.localClone(c.Task, t)
		}
	}
	return false
}

// Shows is what a local step will show.
func (w *World) Shows(c Choice) Event {
	t := &w.tasks[c.Task]
	if c.Kind != ChoiceUser {
		return Event{Actor: NoActor}
	}
	in := w.instr(c.Task, t)
	switch {
	case in.Op != OpCall || in.Harness:
	case t.ustate == uReady:
		return Event{Kind: EvBegin, Actor: w.ActorOfTask(c.Task), Instr: t.pc}
	case t.ustate == uEnded, t.ustate == uMmap && !w.callsSeen(t):
		return w.endEvent(c.Task, t)
	}
	return Event{Actor: NoActor}
}

// localUser is Local for user code.
func (w *World) localUser(id TaskID, t *task) bool {
	in, me := w.instr(id, t), uint16(1)<<w.ActorOfTask(id)
	switch t.ustate {
	case uReady:
		switch in.Op {
		case OpEnd:
			return w.outOfReach(me)
		case OpBarrier:
			return w.localBarrier(in.Barrier)
		case OpCall:
			for _, a := range in.Args[:len(t.args)] {
				if !w.settled(a) {
					return false
				}
			}
			return w.outOfReach(me)
		}
	case uBegun:
		switch in.Call {
		case CallGettid, CallGetpid, CallSchedYield:
			return t.filter == 0 && w.outOfReach(me)
		case CallClone:
			return t.filter == 0 && w.localClone(id, t) && w.copiesAlone(id, t)
		}
	case uEnded, uMmap:
		// Until an attach has returned, others may find the mutex that it took taken: guardBusy.
		return !w.m.attaches(in) && (in.Dst < 0 || w.m.private[in.Dst]) && (in.DstOut < 0 || w.m.private[in.DstOut]) && w.outOfReach(me)
	case uFreed:
		return w.localBarrier(in.Barrier)
	case uPark, uParked:
		return w.outOfReach(me)
	}
	return false
}

// localBarrier says that nobody can tell in which order the parties of a barrier come. Who comes last does not sleep, but in
// the end all are behind the barrier, and nobody saw who slept.
func (w *World) localBarrier(barrier int16) bool {
	parties := w.m.reach.parties[barrier]
	for a := range w.m.prog.Actors {
		id := TaskID(a) + firstTask
		if t := &w.tasks[id]; parties&(1<<a) != 0 && (w.used&(1<<id) == 0 || t.utrace.n != 0 || t.is(tfSigPending|tfNotifyResume|tfStep)) {
			return false
		}
	}
	return w.outOfReach(parties)
}

// localClone says that nobody can tell when a process is made: not by its number, which is told later, nor by the order
// of births, which only those learn who signal many.
func (w *World) localClone(id TaskID, t *task) bool {
	if t.args[0] != SIGCHLD || w.m.reach.parent {
		return false
	}
	for a := range w.m.prog.Actors {
		if w.m.reach.from[a][w.position(ActorID(a))] == everybody {
			return false
		}
	}
	return w.outOfReach(1 << w.ActorOfTask(id))
}

// settled says that an operand means the same at any time from now on.
func (w *World) settled(a Arg) bool {
	switch a.Kind {
	case ArgTid, ArgNegTid:
		return w.told&(1<<(a.N+int64(firstTask))) != 0
	case ArgVar, ArgNegVar:
		return w.m.private[a.N]
	}
	return true
}

// outOfReach says that no signal, tracer or stop can reach any of some actors from outside while they are in user mode.
func (w *World) outOfReach(actors uint16) bool {
	if w.m.reach.loud&actors != 0 {
		return false
	}
	for a := range w.m.prog.Actors {
		id := TaskID(a) + firstTask
		if w.used&(1<<id) != 0 && w.tasks[id].dead() {
			continue
		}
		// An actor that reaches itself does so by its own steps; others at the same barrier are reached all the same.
		if r := w.m.reach.from[a][w.position(ActorID(a))]; r&actors&^(1<<a) != 0 || r&(1<<a)&actors != 0 && actors != 1<<a {
			return false
		}
	}
	return true
}

// position is the instruction that an actor is at, 0 before it exists.
func (w *World) position(a ActorID) int32 {
	if id := TaskID(a) + firstTask; w.used&(1<<id) != 0 {
		return w.tasks[id].pc
	}
	return 0
}

// scanReach computes, from the end of each actor's code backwards, whom what is left of it may reach.
func (m *Machine) scanReach() {
	m.reach = reach{known: true, parties: make([]uint16, len(m.prog.Barriers))}
	for a := range m.prog.Actors {
		code := m.prog.Actors[a].Code
		from := make([]uint16, len(code))
		for changed := true; changed; {
			changed = false
			for i := len(code) - 1; i >= 0; i-- {
				in := &code[i]
				r := m.reaches(in)
				if in.Op == OpCall && in.Call == CallClone && in.Args[0].N&CLONE_SIGHAND != 0 {
					m.reach.shared = true
				}
				if in.Op != OpEnd && in.Op != OpJump {
					r |= from[i+1]
				}
				if in.Op == OpJump || in.Op == OpBranch {
					r |= from[in.Target]
				}
				if r != from[i] {
					from[i], changed = r, true
				}
			}
		}
		m.reach.from[a] = from
	}
	for a := range m.prog.Actors {
		for i := range m.prog.Actors[a].Code {
			m.hear(ActorID(a), &m.prog.Actors[a].Code[i])
		}
	}
}

// hear notes what a call means for signals from the kernel.
func (m *Machine) hear(who ActorID, in *Instr) {
	if in.Op == OpBarrier {
		m.reach.parties[in.Barrier] |= 1 << who
	}
	if in.Op != OpCall {
		return
	}
	a := &in.Args
	switch in.Call {
	case CallClone:
		if a[0].N&CLONE_PARENT != 0 {
			m.reach.parent = true
		}
		if s := a[0].N & CSIGNAL; a[0].Kind != ArgImm || s != 0 && s != SIGCHLD {
			m.reach.loud = everybody
		}
	case CallSigaction:
		if a[0].Kind != ArgImm || a[0].N == SIGCHLD && (a[1].Kind != ArgImm || a[1].N == SigHandler) {
			m.loudWithChildren(who)
		}
	case CallPrctl:
		if a[0].Kind != ArgImm || a[0].N == PR_SET_PDEATHSIG {
			m.reach.loud |= 1 << who
		}
	case CallSetpgid, CallSetsid:
		m.reach.loud = everybody // kill_orphaned_pgrp signals groups
	}
}

// loudWithChildren is for handlers, which a fork inherits, and which a thread shares with whoever created it.
func (m *Machine) loudWithChildren(who ActorID) {
	for a := range m.prog.Actors {
		root := ActorID(a)
		for p := root; p != NoActor; p = m.parent[p] {
			root = p
			if p == who {
				break
			}
		}
		if root == who || m.reach.shared {
			m.reach.loud |= 1 << a
		}
	}
}

// reaches are the actors that a call may signal, stop or attach to. A call that is not known to reach nobody reaches
// everybody.
func (m *Machine) reaches(in *Instr) uint16 {
	if in.Op != OpCall {
		return 0
	}
	a := &in.Args
	switch in.Call {
	case CallKill:
		if a[0].Kind == ArgImm && int32(a[0].N) <= 0 {
			return everybody // a group, or all
		}
		return target(a[0])
	case CallTkill, CallRtSigqueueinfo:
		return target(a[0])
	case CallTgkill, CallRtTgsigqueueinfo:
		return target(a[1])
	case CallPtrace:
		// Requests reach tracees, and who is traced is not asked for here: only who attaches reaches further.
		if h, ok := m.hooks.(Attacher); ok && !h.Attaches(in) {
			return 0
		}
		return target(a[1])
	case CallClone, CallSigaction, CallPrctl, CallSetpgid, CallSetsid,
		CallExecve, CallExit, CallExitGroup, CallGetpid, CallGettid, CallGetppid, CallPidfdOpen, CallSigprocmask, CallSigpending,
		CallSigsuspend, CallPause, CallNanosleep, CallGetpgid, CallGetsid, CallWait4, CallWaitid, CallSeccomp, CallSetresuid, CallSetresgid,
		CallSchedYield, CallFutexWait, CallFutexWake, CallMmap:
		return 0
	}
	return everybody
}

// attaches says that an instruction may make somebody else a tracee.
func (m *Machine) attaches(in *Instr) bool {
	h, ok := m.hooks.(Attacher)
	return in.Call == CallPtrace && (!ok || h.Attaches(in))
}

// target are the actors that a pid or tid may lead to. An exec may take over its leader's tid, but then the leader's actor
// is no more.
func target(a Arg) uint16 {
	switch a.Kind {
	case ArgTid:
		return 1 << a.N
	case ArgImm:
		if actor := ActorOf(Tid(int32(a.N))); actor != NoActor {
			return 1 << actor
		}
		return 0
	}
	return everybody
}
