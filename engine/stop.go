package engine

// committed is a syscall stop between the look at the tracer and siglock: if the tracer dies just then, the stop is
// refused, and its code is taken for a signal to go on with (known bug list, row 49).
func (w *World) committed(id TaskID, t *task, f *frame) bool {
	code := f.code
	t.pop()
	if w.enterStop(id, t) {
		return false
	}
	t.resume = uint8(code)
	return true
}

// enterStop is utrace_stop under siglock: it enters TRACED unless nobody wants that any more or SIGKILL is pending (R113).
func (w *World) enterStop(id TaskID, t *task) bool {
	if !w.wanted(id) && !w.bug(BugUtraceDetachThenStop) || t.fatalPending() && !w.bug(BugUtraceStopsKilled) {
		w.mark(113)
		if t.top().stage != stAfterSignal {
			t.info = SigInfo{}
		}
		w.unstop(id, t)
		return false
	}
	t.state = Traced
	if t.jobctl&jcStopPending != 0 && (!t.is(tfTraced) || w.Old(SwPlainStops)) && !w.bug(BugUtraceStopUncounted) && w.participate(t) {
		t.flags |= tfGstop // a thread that ptrace does not hold takes part in a group stop from wherever it stands (2.6)
	}
	for _, e := range t.utrace.on() {
		if en := w.engine(id, e); en.flags&engineStop != 0 {
			w.m.ops[en.ops-1].Entered(w, id, e)
		}
	}
	t.push(stStopNotify)
	return true
}

// unstop tells the engines that the thread goes on. ptrace's stop is over then, also if it was SIGKILL that ended it; other
// engines that still want the thread stopped get their way at its next report.
func (w *World) unstop(id TaskID, t *task) {
	u := &t.utrace
	if u.n == 0 {
		return
	}
	for _, e := range u.on() {
		en := w.engine(id, e)
		en.looked = false
		if !en.live() {
			continue
		}
		if w.m.ptraces(en.ops) {
			en.flags &^= engineStop
		}
		w.m.ops[en.ops-1].Left(w, id, e)
	}
	if !u.is(utPass) {
		w.sweep(id)
	}
	w.reset(id)
}

// stopNotify tells about the stop after TRACED became visible: 4.1, 5.3.
func (w *World) stopNotify(id TaskID, t *task, f *frame) bool {
	for _, e := range t.utrace.on() {
		if en := w.engine(id, e); en.live() {
			w.m.ops[en.ops-1].Stopped(w, id, e)
		}
	}
	if t.is(tfGstop) {
		t.flags &^= tfGstop
		switch leader := w.procOf(t).leader; {
		case !t.is(tfTraced) || w.reparented(t) || w.Old(SwPlainStops):
			w.mark(39)
			w.tellGroupStop(id)
		case !w.bug(BugStopWaitAsleep):
			// Its tracer's process was told of the thread. Who waits there for the leader sleeps on in kernels (known bug list, row 106).
			w.wakeParent(leader, w.tasks[leader].realParent)
		}
	}
	f.stage = stTraced
	return false
}

// finishNotify lets a thread that has just entered TRACED finish telling about it: whoever operates on a stopped thread
// first waits until it is off its CPU (wait_task_inactive).
func (w *World) finishNotify(id TaskID) {
	t := &w.tasks[id]
	if t.state == Traced && t.top().stage == stStopNotify {
		w.stopNotify(id, t, t.top())
	}
}

// stopTail is what a thread does when it leaves a tracing stop: the end of ptrace_stop.
func (w *World) stopTail(id TaskID, t *task, _ *frame) bool {
	t.resume = uint8(t.exitCode)
	if w.bug(BugContKeepsReport) && t.is(tfReport) {
		t.resume, t.cursig = t.cursig, 0
	} else {
		t.exitCode = 0
		t.flags &^= tfReport
	}
	t.jobctl &^= jcListening
	if t.depth > 1 && t.frames[t.depth-2].stage != stAfterSignal && !w.bug(BugSiginfoStays) {
		t.info = SigInfo{} // also of a stop whose engine was detached meanwhile
	}
	w.unstop(id, t)
	if t.pending.mask != 0 {
		w.mark(35)
	}
	w.recalc(t)
	t.pop()
	return true
}
