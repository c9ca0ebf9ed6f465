package engine

// Who was first among siblings, and who can tell: what keeps actors of alike code from changing places.

// toldApart are actors, of those that permutations move, that somebody could tell from their siblings by their order, which
// renaming does not change: a bit an actor. What the program may do counts, whether it comes to that or not.
func (m *Machine) toldApart(moved uint16) (apart uint16) {
	if !m.reach.known {
		m.scanReach()
	}
	if m.ordersSeen() {
		return moved
	}
	for a := range m.prog.Actors {
		x := ActorID(a)
		if moved&(1<<x) == 0 {
			continue
		}
		p := m.processOf(x)
		switch {
		case p == x && m.calls(m.members(m.processOf(m.parent[x])), waitsForSeveral), // the list of its parent's children
			p != x && m.threadsSeen(p), // the list of its process's threads
			m.releaseSeen(x):
			apart |= 1 << x
		}
	}
	return apart
}

// processOf is the actor that begins an actor's process.
func (m *Machine) processOf(a ActorID) ActorID {
	for m.parent[a] != NoActor && m.isThread(a) {
		a = m.parent[a]
	}
	return a
}

// isThread says whether an actor is created as a thread of its creator's process.
func (m *Machine) isThread(a ActorID) bool {
	creates := func(in *Instr) bool {
		return in.Call == CallClone && in.Args[1].N == int64(a) && in.Args[0].N&CLONE_THREAD != 0
	}
	return m.parent[a] != NoActor && m.calls(1<<m.parent[a], creates)
}

// members are the actors of a process.
func (m *Machine) members(process ActorID) (set uint16) {
	for a := range m.prog.Actors {
		if m.processOf(ActorID(a)) == process {
			set |= 1 << a
		}
	}
	return set
}

// calls says whether some of some actors make a call of a kind.
func (m *Machine) calls(who uint16, kind func(in *Instr) bool) bool {
	for a := range m.prog.Actors {
		if who&(1<<a) == 0 {
			continue
		}
		for i := range m.prog.Actors[a].Code {
			if in := &m.prog.Actors[a].Code[i]; in.Op == OpCall && kind(in) {
				return true
			}
		}
	}
	return false
}

// ordersSeen says that the program may do what nobody's order is hidden from.
func (m *Machine) ordersSeen() bool {
	return m.calls(everybody, func(in *Instr) bool {
		a := &in.Args
		switch in.Call {
		case CallKill: // of many, in order of birth, or of joining the group
			return a[0].Kind != ArgTid && !(a[0].Kind == ArgImm && int32(a[0].N) > 0)
		case CallPidfdSendSignal:
			const group = 4
			return a[2].Kind != ArgImm || a[2].N&group != 0
		case CallClone: // siblings of the creator
			return a[0].Kind != ArgImm || a[0].N&CLONE_PARENT != 0
		case CallPrctl: // others' children become those of the caller, or of its threads
			return a[0].Kind != ArgImm || a[0].N == PR_SET_CHILD_SUBREAPER
		case CallUtrace:
			return true
		}
		return false
	})
}

// waitsForSeveral says that a call may wait for whoever comes: it finds the oldest child first.
func waitsForSeveral(in *Instr) bool {
	a := &in.Args
	switch in.Call {
	case CallWait4:
		return !oneTask(a[0])
	case CallWaitid:
		return a[0].Kind != ArgImm || a[0].N != P_PID && a[0].N != P_PIDFD
	}
	return false
}

// oneTask says that a pid is surely one task's.
func oneTask(a Arg) bool { return a.Kind == ArgTid || a.Kind == ArgImm && int32(a.N) > 0 }

// threadsSeen says that it may show which threads of a process are older: when a signal to the process looks for one
// that takes it, when one of them adopts the children of another, when TSYNC names the first that cannot follow.
func (m *Machine) threadsSeen(process ActorID) bool {
	members := m.members(process)
	toProcess := func(in *Instr) bool {
		a := &in.Args
		switch in.Call {
		case CallKill, CallRtSigqueueinfo:
			return a[0].Kind != ArgTid || members&(1<<a[0].N) != 0
		case CallPidfdSendSignal:
			return true
		}
		return false
	}
	// A process other than the first may be stopped when it is orphaned, and be hung up.
	stops := func(in *Instr) bool {
		switch in.Call {
		case CallPtrace, CallTkill, CallTgkill, CallRtTgsigqueueinfo, CallKill, CallRtSigqueueinfo:
			return true
		}
		return false
	}
	if m.tsync || m.reach.loud&members != 0 || m.calls(everybody, toProcess) || process != 0 && m.calls(everybody, stops) {
		return true
	}
	if !m.watches(members) {
		return false
	}
	// It has children or tracees. They are always those of the thread that made them if no thread ends, and their
	// SIGCHLD is dropped.
	ends := func(in *Instr) bool {
		return in.Call == CallExit || in.Call == CallExitGroup || in.Call == CallExecve || in.Call == CallSeccomp
	}
	blocks := func(in *Instr) bool {
		switch in.Call {
		case CallSigprocmask:
			return in.Args[1].Kind != ArgImm || uint64(in.Args[1].N)&bit(SIGCHLD) != 0
		case CallSigsuspend:
			return in.Args[0].Kind != ArgImm || uint64(in.Args[0].N)&bit(SIGCHLD) != 0
		}
		return false
	}
	traced := func(in *Instr) bool {
		self, children := m.traces(in)
		return self || children
	}
	for a := range m.prog.Actors {
		if m.reach.from[a][0]&members != 0 {
			return true
		}
	}
	return m.calls(members, ends) || m.calls(everybody, blocks) || m.calls(members, waitsForSeveral) || m.calls(members, traced)
}

// watches says that a process may have children or tracees.
func (m *Machine) watches(members uint16) bool {
	return m.calls(members, func(in *Instr) bool {
		return in.Call == CallPtrace || in.Call == CallClone && in.Args[0].N&CLONE_THREAD == 0
	})
}

// releaseSeen says that x and its like may have one tracer. If that dies when they are dead, they are released one after
// another, in no order that renaming would change.
func (m *Machine) releaseSeen(x ActorID) bool {
	follows := func(in *Instr) bool {
		self, children := m.traces(in)
		return self || children || in.Call == CallClone && in.Args[0].N&CLONE_PTRACE != 0
	}
	attaches := func(in *Instr) bool {
		return m.attaches(in) && (in.Args[1].Kind != ArgTid || in.Args[1].N == int64(x))
	}
	tracers := 0
	for a := range m.prog.Actors {
		if m.calls(1<<a, attaches) {
			tracers++
		}
	}
	return tracers > 1 || m.calls(everybody, follows)
}

// traces is Renamer.Traces: everything if nobody knows.
func (m *Machine) traces(in *Instr) (self, children bool) {
	if in.Call != CallPtrace {
		return false, false
	}
	if h, ok := m.hooks.(Renamer); ok {
		return h.Traces(in)
	}
	return true, true
}
