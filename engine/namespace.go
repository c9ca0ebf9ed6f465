package engine

// PID namespaces (R36). A process created with CLONE_NEWPID is the init of a namespace of its own. Programs let it create
// nobody, so it is alone there: it is number 1, everybody else 0. A task's tid is always its number in the namespace of the
// world's init, which sees all.

// ownNamespace says whether a task is in a namespace of its own.
func (w *World) ownNamespace(t *task) bool { return w.procOf(t).flags&gfNamespace != 0 }

// number is task_pid_nr_ns: what t calls the task, process or process group with that tid; 0 what it cannot see.
func (w *World) number(t *task, tid int8) int8 {
	switch {
	case !w.ownNamespace(t):
		return tid
	case tid == w.tgid(t):
		return int8(InitTid)
	}
	return 0
}

// senderNumber is the si_pid of what a task sends: the number of its process as it knows it.
func (w *World) senderNumber(t *task) Tid { return Tid(w.number(t, w.tgid(t))) }

// fromOutside says whether the task that makes the step is in a namespace that t's number of it does not exist in.
func (w *World) fromOutside(t *task) bool {
	return w.ownNamespace(t) && w.tasks[w.cur].proc != t.proc
}

// leaveNamespace is zap_pid_ns_processes: an init that dies ignores SIGCHLD from then on, with all that share its handlers.
func (w *World) leaveNamespace(t *task) {
	if p := w.procOf(t); p.flags&gfNamespace != 0 && p.live == 0 {
		h := w.sighandOf(t)
		h.setDefault(SIGCHLD)
		h.ignore |= bit(SIGCHLD)
	}
}
