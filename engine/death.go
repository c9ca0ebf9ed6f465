package engine

// The ends of threads: DEATH, REAP, and their races (O6 to O8, 3.5).

// deathDue decides in exit_notify whether the thread has to report its death; from then on nobody can add such a wish (O8).
func (w *World) deathDue(id TaskID) bool {
	u := &w.tasks[id].utrace
	if u.events&EvDeathEvents == 0 || w.alone(id) {
		return false
	}
	u.flags |= utDying
	return true
}

// reportDeath is utrace_report_death.
func (w *World) reportDeath(id TaskID, t *task, f *frame) bool {
	t.utrace.flags |= utDeath
	f.stage = stDeathDone
	return w.begin(id, t, passDeath, 0)
}

// deathDone makes the REAP callbacks if the thread was released meanwhile (O7).
func (w *World) deathDone(id TaskID, t *task, f *frame) bool {
	u := &t.utrace
	u.flags &^= utDeath | utDying
	if u.is(utReap) {
		w.reap(id)
	}
	f.stage = stExitReap
	if f.m == 0 {
		return w.gone(id, t)
	}
	return false
}

// reapEngines is utrace_release_task: REAP callbacks at once, or left to the thread that is still reporting its death.
func (w *World) reapEngines(id TaskID) {
	u := &w.tasks[id].utrace
	if u.n == 0 || u.is(utLate) {
		return
	}
	u.flags |= utReap
	if !u.is(utDying) || w.bug(BugUtraceReapEarly) {
		w.reap(id)
	}
}

// reap makes the REAP callbacks and takes every engine off (O6). The list is empty before the first callback: nobody finds
// an engine there any more.
func (w *World) reap(id TaskID) {
	u := &w.tasks[id].utrace
	list, n := u.list, u.n
	early := !w.bug(BugUtraceLookupAtReap)
	if early {
		u.list, u.n, u.attached = [maxEngines]EngineID{}, 0, 0
	}
	for _, e := range list[:n] {
		en := w.engine(id, e)
		wanted := en.live() && en.flags&EvReap != 0
		if early {
			en.state = engineDetached
		}
		if wanted && !w.bug(BugUtraceReapDropped) {
			w.trace(traced{kind: traceReap, task: id, engine: e})
			w.m.ops[en.ops-1].ReportReap(w, id, e)
		}
	}
	u.list, u.n, u.attached = [maxEngines]EngineID{}, 0, 0
	for _, e := range list[:n] {
		en := w.engine(id, e)
		en.state, en.flags = engineDetached, 0
		w.PutEngine(id, e)
	}
	w.reset(id)
}

// SetExitCode changes the code that a thread exits with, in wait status form: for a report_exit.
func (w *World) SetExitCode(id TaskID, code uint16) {
	t := &w.tasks[id]
	for i := range t.depth {
		if f := &t.frames[i]; f.stage == stExitSignals {
			f.code = code
		}
	}
}
