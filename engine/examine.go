package engine

// PrepareExamine is utrace_prepare_examine (3.4): after it, what is read of a thread that the engine keeps stopped is good
// if FinishExamine says so. It returns an errno.
func (w *World) PrepareExamine(target TaskID, e EngineID) int {
	t := &w.tasks[target]
	en := w.engine(target, e)
	switch {
	case target == w.cur:
		return 0
	case en.flags&engineStop == 0:
		return EINVAL
	case t.dead():
		return ESRCH
	case t.state != Traced:
		return EAGAIN
	}
	w.finishNotify(target) // wait_task_inactive
	en.looked = true
	return 0
}

// FinishExamine is utrace_finish_examine. The kernel compares the thread's state and its count of context switches; both
// are the same iff it has not left the stop since.
func (w *World) FinishExamine(target TaskID, e EngineID) int {
	en := w.engine(target, e)
	switch {
	case target == w.cur:
		return 0
	case en.flags&engineStop == 0:
		return EINVAL
	case (w.tasks[target].state != Traced || !en.looked) && !w.bug(BugUtraceExamineStale):
		return EAGAIN
	}
	en.looked = false
	return 0
}
