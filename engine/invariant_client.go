package engine

// What a client's StepChecker needs to know beside the rest of the interface: nothing else calls these.

// Exists says whether a task was ever created, Released whether it is gone for good.
func (w *World) Exists(t TaskID) bool   { return w.used&(1<<t) != 0 }
func (w *World) Released(t TaskID) bool { return w.tasks[t].is(tfReleased) }

// Watched says whether engines beside the tracer's are attached to a task: they may change what it was told.
func (w *World) Watched(t TaskID) bool { return w.tasks[t].utrace.n > 1 }

// InCall says whether a task's system call is not over: neither its result is settled nor its exit stop behind it.
func (w *World) InCall(id TaskID) bool {
	t := &w.tasks[id]
	if t.depth == 0 {
		return false
	}
	switch t.frames[0].stage {
	case stUser, stSignal, stAfterSignal, stHandler, stNotifyCont, stOrphan, stStopped, stInStop, stBorn, stGroupExit, stExitCall, stExitSignals, stExitTold, stExitNotify, stExitReap:
		return false
	}
	return true
}

// InUser says whether a task is in user mode.
func (w *World) InUser(t TaskID) bool { return w.tasks[t].depth == 0 && w.tasks[t].state == Running }

// VforkOver says whether a task no longer keeps the parent waiting that vforked it.
func (w *World) VforkOver(t TaskID) bool { return w.tasks[t].vforkDone == NoTask }

// FormerTid is the tid that a task had when it began the exec that it is in.
func (w *World) FormerTid(id TaskID) Tid { return w.ActorOfTask(id).Tid() }

// CloneFlags are the flags of the clone that a task is in.
func (w *World) CloneFlags(id TaskID) int64 { return w.tasks[id].args[0] }

// FirstStopDue says whether a new tracee will stop before it does anything: its trap is scheduled, or its SIGSTOP pending.
func (w *World) FirstStopDue(id TaskID, seized bool) bool {
	t := &w.tasks[id]
	if seized {
		return t.jobctl&jcTrapStop != 0 || t.fatalPending()
	}
	return t.pending.mask&bit(SIGSTOP) != 0
}

// GuardFree says whether nobody is in an exec of the task's process, nor attaching to it.
func (w *World) GuardFree(id TaskID) bool { return w.procOf(&w.tasks[id]).guard == NoTask }

// callEnd is a ptrace call that came to its end in the step being made.
type callEnd struct {
	task, target TaskID
	args         [4]int64
	ret          int64
}

// CallEnded says whether the step that was just made ended a ptrace call of a task: what it named, and its result.
func (w *World) CallEnded(id TaskID) (target TaskID, args [4]int64, ret int64, ok bool) {
	e := &w.m.ended
	return e.target, e.args, e.ret, e.task == id
}

// PendingMask is the set of signals that are pending for a task itself.
func (w *World) PendingMask(id TaskID) uint64 { return w.tasks[id].pending.mask &^ bit(SIGKILL) }

// SameTracee says whether a task is the same in both Worlds to its tracer and to everybody who waits for it.
func (w *World) SameTracee(o *World, id TaskID) bool {
	a, b := &w.tasks[id], &o.tasks[id]
	const seen = tfTraced | tfTracerCap | tfReport | tfStep | tfGstop
	held := b.state == Traced && (a.state == Traced || a.state == Stopped && w.Old(SwPlainStops)) // by the gate, before the request (5.2)
	return a.parent == b.parent && a.flags&seen&^tfGstop == b.flags&seen&^tfGstop && a.jobctl == b.jobctl && a.exitCode == b.exitCode && a.blocked == b.blocked &&
		a.pending == b.pending && a.info == b.info && a.regs == b.regs && a.exitState == b.exitState && (a.state == b.state || held)
}
