package engine

// Control is utrace_control (3.1). It returns an errno. forced is the compatibility of ptrace's explicit resume: the thread
// runs although its group is stopped (R41).
func (w *World) Control(target TaskID, e EngineID, a Action, forced bool) int {
	t := &w.tasks[target]
	u := &t.utrace
	en := w.engine(target, e)
	reaping := (u.is(utReap) || t.is(tfReleased)) && !w.bug(BugUtraceAPIAfterReap)
	switch {
	case a > ActDetach:
		return EINVAL
	case (a == ActReport || a == ActSinglestep || a == ActBlockstep) && en.flags&EvQuiesce == 0:
		return EINVAL // even of an engine that is reaped
	case !en.live():
		return ESRCH
	case t.dead() && a != ActDetach, reaping:
		return ESRCH
	case u.is(utDeath) && !w.m.ptraces(en.ops):
		return EALREADY
	case (a == ActSinglestep || a == ActBlockstep) && w.Old(SwNoSinglestep) && !w.m.ptraces(en.ops):
		return EOPNOTSUPP
	case a == ActBlockstep && w.Old(SwNoBlockstep):
		a = ActSinglestep
	}
	switch a {
	case ActStop:
		errno := w.controlStop(target, t, en)
		if w.m.opt.Check {
			holds(errno != 0 || t.state == Traced || w.broken(15, target, "STOP is done, and the thread is in state %d", t.state))
		}
		return errno
	case ActDetach:
		return w.controlDetach(target, t, e, forced)
	}
	en.flags &^= engineStop
	switch {
	case w.m.ptraces(en.ops):
		// ptrace steps from its request on: ptrace_resume arms the processor.
		t.flags &^= tfStep
		if a < ActResume {
			t.flags |= tfStep
		} else if w.bug(BugUtraceStepShared) && u.resume > ActReport {
			u.flags &^= utStep
			u.resume = ActResume
		}
	case a < ActResume:
		w.request(t, a)
	case u.resume > ActReport && !w.bug(BugUtraceStepLeftArmed):
		w.disarm(t) // nothing is due that would
	}
	w.release(target, forced)
	return 0
}

// controlStop keeps a stopped thread where it is, and makes any other report: it stops there. A thread in a job control stop
// becomes TRACED, or SIGCONT would run it.
func (w *World) controlStop(target TaskID, t *task, en *engine) int {
	en.flags |= engineStop
	t.utrace.events |= engineStop
	switch {
	case t.state == Traced:
		return 0
	case t.state == Stopped:
		if !w.bug(BugUtraceStopStaysStopped) {
			t.state = Traced
		}
		return 0
	}
	if w.bug(BugUtraceResumeHoldsStop) {
		t.utrace.resume = ActStop
	}
	w.request(t, ActReport)
	return EINPROGRESS
}

// controlDetach takes the engine off a thread that is quiescent. Any other thread does it itself, at the report that is
// requested; no callback begins until then. ptrace's engine goes at once: see Hooks.Unlinked.
func (w *World) controlDetach(target TaskID, t *task, e EngineID, forced bool) int {
	running := t.utrace.reporting == e
	en := w.engine(target, e)
	if w.m.ptraces(en.ops) || t.quiescent() || t.dead() && !t.utrace.is(utPass) {
		if w.bug(BugUtraceBarrierWaitsForMark) && t.dead() {
			en.state = engineDetaching
			return 0
		}
		if t.state == Stopped {
			t.state = Traced // woken below, or left to who else stops it
		}
		if t.utrace.resume > ActReport && !w.m.ptraces(en.ops) && !w.bug(BugUtraceStepLeftArmed) {
			w.disarm(t)
		}
		w.drop(target, e)
		w.release(target, forced)
	} else {
		stopping := en.flags&engineStop != 0 // looked at before the flags are overwritten
		en.state, en.flags = engineDetaching, EvQuiesce
		t.utrace.events |= EvQuiesce
		if stopping {
			w.clearStop(target)
		}
		w.request(t, ActReport)
	}
	if running {
		return EINPROGRESS
	}
	return 0
}

// clearStop takes ENGINE_STOP out of the union if no engine has it.
func (w *World) clearStop(id TaskID) {
	u := &w.tasks[id].utrace
	u.events &^= engineStop
	for _, e := range u.on() {
		u.events |= w.engine(id, e).flags & engineStop
	}
}

// disarm ends single-stepping on behalf of engines other than ptrace's.
func (w *World) disarm(t *task) { t.utrace.flags &^= utStep }

// request records a resume request and makes the thread look at it (C4). With the last engine, which may detach in the callback that
// asks, nobody is left to be told (invariant 3).
func (w *World) request(t *task, a Action) {
	if t.utrace.n == 0 {
		return
	}
	if a < t.utrace.resume {
		t.utrace.resume = a
	}
	if a == ActInterrupt && !(t.state == Running && w.bug(BugUtraceInterruptSlips)) && !(t.state == Interruptible && w.bug(BugUtraceInterruptAsleep)) {
		w.signalWake(t, false)
	} else {
		t.flags |= tfNotifyResume
	}
}

// release lets a thread go on that no engine stops any more: utrace_wakeup. It goes to STOPPED if its group is stopped or
// stopping, unless forced.
func (w *World) release(id TaskID, forced bool) {
	t := &w.tasks[id]
	if forced && w.Old(SwPlainStops) {
		w.procOf(t).flags &^= gfStopStopped // the group's stop is over, whoever else still stands in it (5.3)
		forced = false
	}
	if t.state != Traced || w.wanted(id) {
		return
	}
	if !forced && w.groupStopping(t) && !t.is(tfExiting) && !w.bug(BugUtraceWakeIgnoresStop) {
		t.jobctl |= jcStopPending
		t.flags |= tfSigPending
	}
	t.state = Running
}

func (w *World) groupStopping(t *task) bool {
	p := w.procOf(t)
	return p.flags&gfStopStopped != 0 || p.stopCount != 0
}
