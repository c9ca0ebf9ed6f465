package engine

// Barrier is utrace_barrier (3.3). wait says that a callback to the engine is running: the caller sleeps, is woken when the
// callback ends, and asks again. Otherwise errno is 0, or ESRCH if the engine is detached.
//
// The clean thing is done about the quirk of 3.3: an engine that is only marked does not make the caller wait for its thread.
func (w *World) Barrier(target TaskID, e EngineID) (errno int, wait bool) {
	en := w.engine(target, e)
	switch {
	case target == w.cur:
		return 0, false
	case w.bug(BugUtraceBarrierEarly) && !en.live():
		return ESRCH, false
	case w.tasks[target].utrace.reporting == e:
		return 0, true
	case w.bug(BugUtraceBarrierWaitsForMark) && en.state == engineDetaching:
		return 0, true
	case en.state == engineFree || !en.live():
		return ESRCH, false
	}
	return 0, false
}

// callbackEnds wakes who waits in a barrier for it.
func (w *World) callbackEnds(id TaskID) {
	w.tasks[id].utrace.reporting = noEngine
	if w.m.caller == nil {
		return
	}
	for i := firstTask; i < maxTasks; i++ {
		t := &w.tasks[i]
		if w.used&(1<<i) != 0 && t.state == Interruptible && t.call == CallUtrace && t.depth > 0 && t.top().stage == stClient && t.top().b == id {
			t.state = Running
		}
	}
}
