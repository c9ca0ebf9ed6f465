package engine

// SetEvents is utrace_set_events (3.2). It returns an errno: EINPROGRESS says that the mask was applied, but a callback that
// it takes away may be running.
func (w *World) SetEvents(target TaskID, e EngineID, mask Events) int {
	t := &w.tasks[target]
	u := &t.utrace
	en := w.engine(target, e)
	if !en.live() {
		return ESRCH
	}
	mask &^= engineStop
	old := en.flags &^ engineStop
	switch {
	case (u.is(utReap) || t.is(tfReleased)) && !w.bug(BugUtraceAPIAfterReap):
		return ESRCH
	case t.dead() && mask&^old&EvDeathEvents != 0 && !w.bug(BugUtraceDeathAddedLate), u.is(utDying) && old&^mask&EvDeathEvents != 0:
		return EALREADY
	}
	if w.m.opt.Check {
		holds(!u.is(utReap) || w.broken(13, target, "set_events of engine %d succeeds although release has begun", e))
	}
	en.flags = mask | en.flags&engineStop
	// Bits are only added here; they go away when the thread recomputes the union (U2). Nobody but the thread walks its
	// engines while it runs, so a stopped or dead thread's union can be recomputed at once.
	if t.state == Traced || t.state == Stopped || t.state == Dead {
		w.reset(target)
	} else if u.events |= mask; w.bug(BugUtraceEventsShrink) {
		u.events = mask | EvReap | u.events&engineStop
	}
	cleared := old&^mask != 0 || w.bug(BugUtraceInprogressAdded)
	if cleared && target != w.cur && !t.quiescent() && u.reporting == e {
		return EINPROGRESS
	}
	return 0
}

// quiescent says that the task is stopped, or dead and past its last report.
func (t *task) quiescent() bool { return t.state == Traced || t.state == Stopped || t.state == Dead }
