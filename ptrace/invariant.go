package ptrace

import "tracehammer/engine"

// The invariants of section 7 that are ptrace's: what stops look like, and what requests may do. They are checked with
// engine.Options.Check, after each step, and cost nothing without.

// CheckStep implements engine.StepChecker.
func (client) CheckStep(before, w *engine.World, c engine.Choice) {
	for t := range engine.TaskID(engine.MaxActors + 1) {
		if !w.Exists(t) || w.Released(t) {
			continue
		}
		checkStop(before, w, t)
		checkBirth(before, w, c.Task, t)
	}
	checkCall(before, w, c.Task)
}

// checkStop looks at the stop that a task is in, or has just entered.
func checkStop(before, w *engine.World, t engine.TaskID) {
	st, _, ok := of(w, t)
	if !ok {
		return
	}
	w.Expect(28, t, !st.stopped() || !w.InUser(t), "in user mode with the stop code %#x", st.code())
	if !w.Traced(t) || !st.stopped() {
		return
	}
	code, event, opts := st.code(), st.event(), st.options()
	w.Expect(28, t, w.IsTraced(t) || st.stop(stopOver), "stopped for a tracer that it has not")
	if before.Exists(t) && before.Traced(t) {
		return // as it was at the beginning
	}
	switch {
	case st.stop(stopSignal):
		w.Expect(34, t, event == 0 && code > 0 && code <= engine.NSIG && code != uint16(SIGKILL), "signal-delivery-stop with code %#x", code)
		w.Expect(36, t, !w.InCall(t), "signal-delivery-stop inside a system call")
		w.Expect(30, t, int64(w.SigInfo(t).Signo) == int64(code) || w.Watched(t), "the siginfo is of signal %d, the stop of %d", w.SigInfo(t).Signo, code)
	case st.stop(stopJctl) && !st.seized():
		w.Expect(34, t, event == 0 && code > 0 && code < 0x80, "group-stop with code %#x", code)
		w.Expect(37, t, !st.stop(stopInfo), "a group-stop of an attached tracee with a siginfo")
	case event == EventStop:
		w.Expect(34, t, st.seized(), "EVENT_STOP without SEIZE")
		w.Expect(37, t, st.stop(stopInfo), "EVENT_STOP without a siginfo")
	case event != 0:
		w.Expect(34, t, event <= EventSeccomp && Signal(code&0xff) == SIGTRAP, "code %#x", code)
		w.Expect(34, t, opts&(1<<event) != 0, "%v, though the options are %v", event, opts)
		w.Expect(37, t, st.stop(stopInfo), "%v without a siginfo", event)
		switch event {
		case EventVforkDone:
			child := w.Find(st.message())
			w.Expect(48, t, child == engine.NoTask || w.VforkOver(child), "VFORK_DONE before the child execs or exits")
		case EventExec:
			w.Expect(63, t, st.message() == int64(before.TidOf(t)) || st.message() == int64(w.FormerTid(t)), "EVENT_EXEC of tid %d", st.message())
		}
	default:
		w.Expect(34, t, code == uint16(SIGTRAP) || code == uint16(SIGTRAP)|0x80, "code %#x", code)
		w.Expect(37, t, st.stop(stopInfo), "a syscall stop without a siginfo")
		if code&0x80 != 0 {
			w.Expect(35, t, opts&OTracesysgood != 0, "0x80 without TRACESYSGOOD")
			w.Expect(35, t, st.message() == MessageSyscallEntry || st.message() == MessageSyscallExit || w.Old(engine.SwNoSyscallInfo), "a syscall stop with message %d", st.message())
		} else {
			w.Expect(35, t, opts&OTracesysgood == 0 || !w.InCall(t), "a syscall stop without 0x80 under TRACESYSGOOD")
		}
	}
}

// checkBirth looks at a child that is attached from its birth.
func checkBirth(before, w *engine.World, parent, t engine.TaskID) {
	if before.Exists(t) || !w.Exists(t) || t == parent {
		return
	}
	pc, _, traced := of(w, parent)
	cc, _, child := of(w, t)
	if !child {
		w.Expect(47, t, !traced || !w.IsTraced(parent) || w.CloneEvent(parent) == 0 && w.CloneFlags(parent)&engine.CLONE_PTRACE == 0, "not attached, though its parent's tracer is to have it")
		return
	}
	w.Expect(47, t, w.CloneEvent(parent) == 0 || w.CloneFlags(parent)&engine.CLONE_UNTRACED == 0, "CLONE_UNTRACED makes an event")
	w.Expect(47, t, traced && (w.CloneEvent(parent) != 0 || w.CloneFlags(parent)&engine.CLONE_PTRACE != 0), "attached without a reason")
	w.Expect(46, t, w.Parent(t) == w.Parent(parent) && cc.seized() == pc.seized() && cc.options() == pc.options(), "options %v, its parent's %v", cc.options(), pc.options())
	w.Expect(46, t, w.FirstStopDue(t, cc.seized()), "its first stop is not due")
}

// checkCall looks at a request that came to its end in the step that task t made.
func checkCall(before, w *engine.World, t engine.TaskID) {
	target, args, ret, ok := w.CallEnded(t)
	if !ok || target == engine.NoTask || target == t { // a caller goes on in the same step
		return
	}
	r := Request(args[0])
	st, _, had := of(before, target)
	w.Expect(78, target, ret != -engine.EINTR || r != Attach && r != Seize, "%v fails with EINTR", r)
	if had && r == Getsiginfo && args[3] == 0 && before.Traced(target) && st.stopped() {
		group := st.stop(stopJctl) && !st.seized()
		w.Expect(37, target, ret != 0 || !group, "GETSIGINFO succeeds in a group-stop")
		w.Expect(37, target, ret != -engine.EINVAL || group, "GETSIGINFO fails in a stop that is no group-stop")
	}
	switch {
	case ret >= 0 && (r == Attach || r == Seize):
		w.Expect(49, target, !before.IsTraced(target) || before.Parent(target) == t, "attached, though traced")
		w.Expect(49, target, !w.SameGroup(t, target), "attached to its own thread group")
		if now, _, is := of(w, target); is && !had {
			want := Option(0)
			if r == Seize {
				want = Option(args[3])
			}
			w.Expect(50, target, now.options() == want && now.seized() == (r == Seize), "fresh options %v, not %v", now.options(), want)
			w.Expect(64, target, before.GuardFree(target) || w.Old(engine.SwAttachInExec), "attached inside an exec")
		}
	case r == Traceme || r == Attach || r == Seize:
		w.Expect(49, target, before.ExitState(target) == engine.Alive || r == Traceme || ret == -engine.EPERM || ret == -engine.EIO || ret <= -engine.ERESTARTSYS,
			"%v of a zombie fails with %d", r, -ret)
	case ret >= 0 && r != Kill && r != Interrupt:
		w.Expect(45, target, !before.Listening(target), "%v reaches a listening tracee", r)
		if had && st.event() != 0 && restarts(r) {
			w.Expect(40, target, before.PendingMask(target) == w.PendingMask(target) && !w.FatalPending(target), "the signal that %v passes to an event stop is pending", r)
		}
		w.Expect(32, target, had && before.Traced(target) && before.IsTraced(target) && before.Parent(target) == t && !before.Listening(target) && !before.FatalPending(target) && st.stopped(),
			"%v succeeds", r)
		tid := int64(before.TidOf(target))
		w.Expect(63, target, before.ReportCode(target) != uint16(EventExec)<<8|uint16(SIGTRAP) || st.message() == tid, "%v under tid %d before the exec is told", r, tid)
	case r == Setoptions && w.Old(engine.SwSetoptionsPartial):
	case ret < 0 && had && ret > -engine.ERESTARTSYS:
		now, _, still := of(w, target)
		w.Expect(33, target, still && *now.d == *st.d, "%v failed and changed the tracee's options or stop", r)
		w.Expect(33, target, before.SameTracee(w, target), "%v failed and changed the tracee", r)
	}
}

// restarts says whether a request ends a stop.
func restarts(r Request) bool {
	switch r {
	case Cont, Syscall, Singlestep, Singleblock, Sysemu, SysemuSinglestep, Detach:
		return true
	}
	return false
}

// NameStop implements engine.StopNamer.
func (client) NameStop(w *engine.World, t engine.TaskID) engine.StopKind {
	st, _, ok := of(w, t)
	switch {
	case !ok:
	case st.stop(stopSignal):
		return engine.StopSignal
	case st.event() == 0 && st.stop(stopInfo) && !st.stop(stopJctl) && st.message() == MessageSyscallEntry:
		return engine.StopEntry
	case st.event() == 0 && st.stop(stopInfo) && !st.stop(stopJctl) && st.message() == MessageSyscallExit:
		return engine.StopExit
	}
	return engine.StopOther
}
