package ptrace

import "tracehammer/engine"

// Stages of an attach.
const (
	stageStart int8 = iota
	stageGuard
	stageLinked
	stageTrapping
)

// known is the set of options that the kernel knows (R20).
func known(w *engine.World) Option {
	o, old := OMask, w.Profile().Old
	if old == 0 {
		return o
	}
	for _, x := range [...]struct {
		without engine.Switch
		option  Option
	}{{engine.SwNoTraceSeccomp, OTraceseccomp}, {engine.SwNoExitkill, OExitkill}, {engine.SwNoSuspendSeccomp, OSuspendSeccomp}} {
		if old.Has(x.without) {
			o &^= x.option
		}
	}
	return o
}

func fail(e int64) engine.CallResult { return engine.CallResult{Ret: -e} }

// checkOptions is check_ptrace_options.
func checkOptions(w *engine.World, t engine.TaskID, o Option) int64 {
	if o&^known(w) != 0 {
		return engine.EINVAL
	}
	if o&OSuspendSeccomp != 0 && w.Old(engine.SwNoCheckpointRestore) {
		return engine.EINVAL
	}
	if o&OSuspendSeccomp != 0 && !w.HasBug(engine.BugSuspendUnchecked) && (!w.CapableInit(t) || w.Filtered(t) || w.SeccompSuspended(t)) {
		w.Mark(5)
		return engine.EPERM
	}
	return 0
}

// attach is ptrace_attach (R5 to R10): the checks, the target's cred_guard_mutex, the link in one section, and the wait for
// a stopped target to trap.
func attach(w *engine.World, t engine.TaskID, s *engine.CallState) engine.CallResult {
	seize := Request(s.Args[0]) == Seize
	switch s.Stage {
	case stageStart:
		w.Mark(5)
		if seize {
			if s.Args[2] != 0 || Option(s.Args[3])&^known(w) != 0 || w.Old(engine.SwNoSeize) {
				return fail(engine.EIO)
			}
			if e := checkOptions(w, t, Option(s.Args[3])); e != 0 {
				return fail(e)
			}
		}
		if w.SameGroup(s.Target, t) {
			return fail(engine.EPERM)
		}
		s.Stage = stageGuard
		fallthrough
	case stageGuard:
		if w.GuardMissed(t) {
			return fail(engine.ERESTARTNOINTR)
		}
		inExec := !w.LockGuard(t, s.Target)
		if inExec && !w.HasBug(engine.BugAttachInExec) && !w.Old(engine.SwAttachInExec) {
			w.Mark(7)
			if w.SignalPending(t) && w.HasBug(engine.BugAttachGuardEintr) {
				return fail(engine.EINTR)
			}
			if w.SignalPending(t) {
				return fail(engine.ERESTARTNOINTR)
			}
			return engine.CallResult{Kind: engine.CallSleep}
		}
		e := link(w, t, s, seize)
		if !inExec {
			w.UnlockGuard(s.Target)
		}
		if e != 0 {
			return fail(e)
		}
		if s.Stage = stageLinked; !seize && w.BeginLink(t, s.Target) {
			return engine.CallResult{Kind: engine.CallAgain}
		}
		fallthrough
	case stageLinked:
		w.EndLink()
		if !seize {
			stopAttached(w, t, s.Target)
		}
		if !w.HasBug(engine.BugAttachLeavesStopped) {
			w.TrapStopped(s.Target)
		}
		s.Stage = stageTrapping
	}
	if w.Trapping(s.Target) && !w.FatalPending(t) && !w.HasBug(engine.BugAttachNoTrapWait) && !w.Old(engine.SwAttachNoWait) {
		return engine.CallResult{Kind: engine.CallKilled}
	}
	return engine.CallResult{}
}

// link is the part of an attach under tasklist_lock, but for the SIGSTOP and the trap, for which siglock is taken.
func link(w *engine.World, t engine.TaskID, s *engine.CallState, seize bool) int64 {
	target := s.Target
	if !mayAccess(w, t, target) {
		return engine.EPERM
	}
	if w.ExitState(target) != engine.Alive {
		if w.HasBug(engine.BugAttachErrno) {
			return engine.ESRCH
		}
		return engine.EPERM
	}
	e, ok := attachEngine(w, target)
	if !ok {
		w.Mark(4)
		return engine.EPERM
	}
	if w.Exiting(target) {
		w.Mark(6)
	}
	c := at(w, target, e)
	w.SetEvents(target, e, baseEvents)
	w.Link(target, t, w.Capable(t))
	w.Mark(12)
	if seize {
		w.Mark(10)
		c.setFlag(flagSeized, true)
		if !w.HasBug(engine.BugSeizeNoOptions) {
			setOptions(w, target, c, Option(s.Args[3]))
		}
	}
	return 0
}

// stopAttached sends an attached target its SIGSTOP.
func stopAttached(w *engine.World, t, target engine.TaskID) {
	w.Mark(8)
	switch {
	case w.HasBug(engine.BugAttachStopLost) && w.GroupStopping(target):
	case w.HasBug(engine.BugAttachStopSender):
		w.SendUser(t, target, uint8(SIGSTOP))
	default:
		w.SendKernel(target, uint8(SIGSTOP))
	}
}

// AttachTid is the target of the attach that t is in.
func (client) AttachTid(w *engine.World, t engine.TaskID) int64 {
	switch Request(w.Arg(t, 0)) {
	case Attach, Seize:
		return int64(int32(w.Arg(t, 1)))
	case Traceme:
		return int64(w.TidOf(t))
	}
	return 0
}

// attachEngine puts ptrace's engine on a task that has none: that it is EXCLUSIVE is what makes a second attach fail (H1). The task holds the only reference: whoever uses the engine finds
// it there, under the locks that keep it.
func attachEngine(w *engine.World, t engine.TaskID) (engine.EngineID, bool) {
	e, errno := w.AttachEngine(t, self, engine.AttachCreate|engine.AttachExclusive|engine.AttachMatchOps, 0)
	if errno != 0 {
		return e, false
	}
	w.PutEngine(t, e)
	return e, true
}

func setOptions(w *engine.World, t engine.TaskID, c context, o Option) {
	c.setOptions(o)
	w.SuspendSeccomp(t, o&OSuspendSeccomp != 0)
}

// traceme is ptrace_traceme (R11).
func traceme(w *engine.World, t engine.TaskID) engine.CallResult {
	w.Mark(11)
	if w.IsTraced(t) {
		return fail(engine.EPERM)
	}
	parent := w.Parent(t)
	yama := w.Profile().Yama
	if w.Capable(t) && !w.Capable(parent) || yama == engine.YamaCapability && !w.Capable(parent) || yama == engine.YamaNoAttach {
		return fail(engine.EPERM)
	}
	parent = w.RealParent(t)
	if w.Exiting(parent) {
		return engine.CallResult{}
	}
	e, ok := attachEngine(w, t)
	if !ok {
		return fail(engine.EPERM)
	}
	w.SetEvents(t, e, baseEvents)
	cred := t
	if w.HasBug(engine.BugTracemeCred) {
		cred = parent
	}
	w.Link(t, parent, w.Capable(cred))
	return engine.CallResult{}
}

// mayAccess is ptrace_may_access for an attach (R105 to R108).
func mayAccess(w *engine.World, t, target engine.TaskID) bool {
	if w.Capable(t) {
		return w.Profile().Yama != engine.YamaNoAttach
	}
	if (w.Uid(t) != w.Uid(target) || w.Elevated(target)) && !w.HasBug(engine.BugAttachForeign) ||
		w.Gid(t) != w.Gid(target) && !w.HasBug(engine.BugAttachForeignGroup) {
		w.Mark(105)
		return false
	}
	if !w.Dumpable(target) && !w.HasBug(engine.BugAttachUndumpable) {
		w.Mark(106)
		return false
	}
	w.Mark(107)
	switch w.Profile().Yama {
	case engine.YamaRelational:
		w.Mark(108)
		return w.Descendant(t, target) || w.YamaDeclared(target, t) || w.IsTraced(target) && w.SameGroup(w.Parent(target), t)
	case engine.YamaCapability, engine.YamaNoAttach:
		w.Mark(108)
		return false
	}
	return true
}
