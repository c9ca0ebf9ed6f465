package ptrace

import "tracehammer/engine"

// The invariants of section 7 that are ptrace's: what stops look like, and what requests may do. They are checked with
// engine.Options.Check, after each step, and cost nothing without.

// holds is called as holds(ok || w.Broken(...)), so that what says what is broken is only made when something is.
func holds(bool) {}

// CheckStep implements engine.StepChecker.
func (client) CheckStep(before, w *engine.World, c engine.Choice) {
	for t := range engine.TaskID(engine.MaxActors + 1) {
		if !w.Changed(t) || w.Released(t) {
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
	holds(!st.stopped() || !w.InUser(t) || w.Broken(28, t, "in user mode with the stop code %#x", st.code()))
	if !w.Traced(t) || !st.stopped() {
		return
	}
	code, event, opts := st.code(), st.event(), st.options()
	holds(w.IsTraced(t) || st.stop(stopOver) || w.Broken(28, t, "stopped for a tracer that it has not"))
	if before.Exists(t) && before.Traced(t) {
		return // as it was at the beginning
	}
	switch {
	case st.stop(stopSignal):
		holds(event == 0 && code > 0 && code <= engine.NSIG && code != uint16(SIGKILL) ||
			w.Broken(34, t, "signal-delivery-stop with code %#x", code))
		holds(!w.InCall(t) || w.Broken(36, t, "signal-delivery-stop inside a system call"))
		holds(int64(w.SigInfo(t).Signo) == int64(code) || w.Watched(t) ||
			w.Broken(30, t, "the siginfo is of signal %d, the stop of %d", w.SigInfo(t).Signo, code))
	case st.stop(stopJctl) && !st.seized():
		holds(event == 0 && code > 0 && code < 0x80 || w.Broken(34, t, "group-stop with code %#x", code))
		holds(!st.stop(stopInfo) || w.Broken(37, t, "a group-stop of an attached tracee with a siginfo"))
	case event == EventStop:
		holds(st.seized() || w.Broken(34, t, "EVENT_STOP without SEIZE"))
		holds(st.stop(stopInfo) || w.Broken(37, t, "EVENT_STOP without a siginfo"))
	case event != 0:
		holds(event <= EventSeccomp && Signal(code&0xff) == SIGTRAP || w.Broken(34, t, "code %#x", code))
		holds(opts&(1<<event) != 0 || w.Broken(34, t, "%v, though the options are %v", event, opts))
		holds(st.stop(stopInfo) || w.Broken(37, t, "%v without a siginfo", event))
		switch event {
		case EventVforkDone:
			child := w.Find(st.message())
			holds(child == engine.NoTask || w.VforkOver(child) || w.Broken(48, t, "VFORK_DONE before the child execs or exits"))
		case EventExec:
			holds(st.message() == int64(before.TidOf(t)) || st.message() == int64(w.FormerTid(t)) ||
				w.Broken(63, t, "EVENT_EXEC of tid %d", st.message()))
		}
	default:
		holds(code == uint16(SIGTRAP) || code == uint16(SIGTRAP)|0x80 || w.Broken(34, t, "code %#x", code))
		holds(st.stop(stopInfo) || w.Broken(37, t, "a syscall stop without a siginfo"))
		if code&0x80 != 0 {
			holds(opts&OTracesysgood != 0 || w.Broken(35, t, "0x80 without TRACESYSGOOD"))
			holds(st.message() == MessageSyscallEntry || st.message() == MessageSyscallExit || w.Old(engine.SwNoSyscallInfo) ||
				w.Broken(35, t, "a syscall stop with message %d", st.message()))
		} else {
			holds(opts&OTracesysgood == 0 || !w.InCall(t) || w.Broken(35, t, "a syscall stop without 0x80 under TRACESYSGOOD"))
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
		holds(!traced || !w.IsTraced(parent) || w.CloneEvent(parent) == 0 && w.CloneFlags(parent)&engine.CLONE_PTRACE == 0 ||
			w.Broken(47, t, "not attached, though its parent's tracer is to have it"))
		return
	}
	holds(w.CloneEvent(parent) == 0 || w.CloneFlags(parent)&engine.CLONE_UNTRACED == 0 || w.Broken(47, t, "CLONE_UNTRACED makes an event"))
	holds(traced && (w.CloneEvent(parent) != 0 || w.CloneFlags(parent)&engine.CLONE_PTRACE != 0) ||
		w.Broken(47, t, "attached without a reason"))
	holds(w.Parent(t) == w.Parent(parent) && cc.seized() == pc.seized() && cc.options() == pc.options() ||
		w.Broken(46, t, "options %v, its parent's %v", cc.options(), pc.options()))
	holds(w.FirstStopDue(t, cc.seized()) || w.Broken(46, t, "its first stop is not due"))
}

// checkCall looks at a request that came to its end in the step that task t made.
func checkCall(before, w *engine.World, t engine.TaskID) {
	target, args, ret, ok := w.CallEnded(t)
	if !ok || target == engine.NoTask || target == t { // a caller goes on in the same step
		return
	}
	r := Request(args[0])
	st, e, had := of(before, target)
	holds(ret != -engine.EINTR || r != Attach && r != Seize || w.Broken(78, target, "%v fails with EINTR", r))
	if had && r == Getsiginfo && args[3] == 0 && before.Traced(target) && st.stopped() {
		group := st.stop(stopJctl) && !st.seized()
		holds(ret != 0 || !group || w.Broken(37, target, "GETSIGINFO succeeds in a group-stop"))
		holds(ret != -engine.EINVAL || group || w.Broken(37, target, "GETSIGINFO fails in a stop that is no group-stop"))
	}
	switch {
	case ret >= 0 && (r == Attach || r == Seize):
		holds(!before.IsTraced(target) || before.Parent(target) == t || w.Broken(49, target, "attached, though traced"))
		holds(!w.SameGroup(t, target) || w.Broken(49, target, "attached to its own thread group"))
		if now, _, is := of(w, target); is && !had {
			want := Option(0)
			if r == Seize {
				want = Option(args[3])
			}
			holds(now.options() == want && now.seized() == (r == Seize) ||
				w.Broken(50, target, "fresh options %v, not %v", now.options(), want))
			holds(before.GuardFree(target) || w.Old(engine.SwAttachInExec) || w.Broken(64, target, "attached inside an exec"))
		}
	case r == Traceme || r == Attach || r == Seize:
		holds(before.ExitState(target) == engine.Alive || r == Traceme || ret == -engine.EPERM || ret == -engine.EIO || ret <= -engine.ERESTARTSYS ||
			w.Broken(49, target,
				"%v of a zombie fails with %d", r, -ret))
	case ret >= 0 && r != Kill && r != Interrupt:
		holds(!before.Listening(target) || w.Broken(45, target, "%v reaches a listening tracee", r))
		if had && st.event() != 0 && restarts(r) && !(w.Old(engine.SwLateStops) && st.lateEvent() && steps(r)) {
			holds(before.PendingMask(target) == w.PendingMask(target) && !w.FatalPending(target) ||
				w.Broken(40, target, "the signal that %v passes to an event stop is pending", r))
		}
		stopped := had && before.Traced(target) && held(before, target, st, e) || had && before.InGroupStop(target) && w.Old(engine.SwPlainStops)
		holds(stopped && before.IsTraced(target) && before.Parent(target) == t && !before.Listening(target) && !before.FatalPending(target) ||
			w.Broken(32, target,
				"%v succeeds", r))
		tid := int64(before.TidOf(target))
		holds(before.ReportCode(target) != uint16(EventExec)<<8|uint16(SIGTRAP) || st.message() == tid ||
			w.Broken(63, target, "%v under tid %d before the exec is told", r, tid))
	case r == Setoptions && w.Old(engine.SwSetoptionsPartial):
	case ret < 0 && had && ret > -engine.ERESTARTSYS:
		now, _, still := of(w, target)
		holds(still && *now.d == *st.d || w.Broken(33, target, "%v failed and changed the tracee's options or stop", r))
		holds(before.SameTracee(w, target) || w.Broken(33, target, "%v failed and changed the tracee", r))
	}
}

// steps says whether a request has its tracee step.
func steps(r Request) bool { return r == Singlestep || r == Singleblock || r == SysemuSinglestep }

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
