package engine

// seccomp (R57). Filters are a tree, each names one call; a task has the leaf that applies to it.
type filter struct {
	prev   uint8 // the next older filter, 0 none
	call   Call
	action uint8
	log    bool // SECCOMP_FILTER_FLAG_LOG
	data   uint16
}

const (
	seccompSuspended    = 1 // PTRACE_O_SUSPEND_SECCOMP
	seccompUserDispatch = 2 // not seccomp, but beside it in the kernel too: SYSCALL_WORK_SYSCALL_USER_DISPATCH

	seccompFlags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | 4 | 8 | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | 32
)

// SuspendSeccomp switches a task's filters off or on.
func (w *World) SuspendSeccomp(t TaskID, on bool) {
	w.tasks[t].seccomp &^= seccompSuspended
	if on {
		w.tasks[t].seccomp |= seccompSuspended
	}
}

// UserDispatch says whether a task's calls go to user mode (PR_SET_SYSCALL_USER_DISPATCH), SetUserDispatch makes it so. Here
// no call lies outside the region that is exempt. Neither fork nor exec keeps it.
func (w *World) UserDispatch(t TaskID) bool { return w.tasks[t].seccomp&seccompUserDispatch != 0 }
func (w *World) SetUserDispatch(t TaskID, on bool) {
	w.tasks[t].seccomp &^= seccompUserDispatch
	if on {
		w.tasks[t].seccomp |= seccompUserDispatch
	}
}

// FilterLogs says whether the n-th filter of a task, the oldest first, was installed with SECCOMP_FILTER_FLAG_LOG.
func (w *World) FilterLogs(t TaskID, n int) bool {
	i := w.tasks[t].filter
	for range w.Filters(t) - 1 - n {
		i = w.filters[i-1].prev
	}
	return w.filters[i-1].log
}

// SeccompSuspended says whether a task's filters are off; Filtered whether it has any.
func (w *World) SeccompSuspended(t TaskID) bool { return w.tasks[t].seccomp&seccompSuspended != 0 }
func (w *World) Filtered(t TaskID) bool         { return w.tasks[t].filter != 0 }

// Filters is the number of a task's filters.
func (w *World) Filters(t TaskID) int {
	n := 0
	for i := w.tasks[t].filter; i != 0; i = w.filters[i-1].prev {
		n++
	}
	return n
}

func (w *World) seccompCall(id TaskID, t *task, f *frame) bool {
	flags := t.args[3]
	switch {
	case flags&^seccompFlags != 0:
		return w.errno(t, f, EINVAL)
	case !t.is(tfNoNewPrivs) && !w.Capable(id):
		return w.errno(t, f, EACCES)
	}
	f.stage = stTsync
	return true
}

// seccompInstall attaches the filter; with TSYNC to every thread, under cred_guard_mutex.
func (w *World) seccompInstall(id TaskID, t *task, f *frame) bool {
	flags := t.args[3]
	p := w.procOf(t)
	tsync := flags&SECCOMP_FILTER_FLAG_TSYNC != 0
	counts := func(u *task) bool { return !u.is(tfExiting) || w.Old(SwTsyncCountsDead) }
	if tsync {
		if p.guard != NoTask {
			if t.fatalPending() {
				return w.errno(t, f, EINVAL)
			}
			t.state = Killable
			return false
		}
		for _, i := range w.threads(p) {
			u := &w.tasks[i]
			if i == id || !counts(u) || w.ancestor(u.filter, t.filter) {
				continue
			}
			if flags&SECCOMP_FILTER_FLAG_TSYNC_ESRCH != 0 {
				return w.errno(t, f, ESRCH)
			}
			return w.sysRetTid(t, f, u.tid)
		}
	}
	if w.filterN == maxFilters {
		return w.errno(t, f, ENOMEM)
	}
	w.filters[w.filterN] = filter{prev: t.filter, call: Call(t.args[1]), action: uint8(t.args[0]), log: flags&SECCOMP_FILTER_FLAG_LOG != 0, data: uint16(t.args[2])}
	w.filterN++
	t.filter = w.filterN
	if tsync {
		w.mark(57)
		for _, i := range w.threads(p) {
			if u := &w.tasks[i]; counts(u) {
				u.filter = t.filter
				u.flags |= t.flags & tfNoNewPrivs
			}
		}
	}
	return w.sysRet(t, f, 0)
}

// ancestor says whether filter a is leaf b or above it.
func (w *World) ancestor(a, b uint8) bool {
	if a == 0 {
		return true
	}
	for ; b != 0; b = w.filters[b-1].prev {
		if a == b {
			return true
		}
	}
	return false
}

// seccompRun is seccomp_run_filters: the strictest action wins, of equals the latest filter's.
func (w *World) seccompRun(t *task) (action uint8, data uint16) {
	rank := [...]uint8{SeccompAllow: 0, SeccompTrace: 1, SeccompErrno: 2, SeccompKillThread: 3, SeccompKillProcess: 4}
	if t.is(tfRestart) {
		return SeccompAllow, 0 // the number is restart_syscall's
	}
	for i := t.filter; i != 0; i = w.filters[i-1].prev {
		fl := &w.filters[i-1]
		if fl.call == t.call && int(fl.action) < len(rank) && rank[fl.action] > rank[action] {
			action, data = fl.action, fl.data
		}
	}
	return action, data
}

// seccompStage is __secure_computing, after the tracer's entry stop.
func (w *World) seccompStage(id TaskID, t *task, f *frame) bool {
	f.stage = w.afterSeccomp()
	if t.filter == 0 || f.b == 0 || t.seccomp&seccompSuspended != 0 {
		return true
	}
	return w.seccompAct(id, t, f, false)
}

// seccompAct takes the filters' decision; recheck takes TRACE as allow.
func (w *World) seccompAct(id TaskID, t *task, f *frame, recheck bool) bool {
	action, data := w.seccompRun(t)
	if action != SeccompAllow {
		w.mark(57)
	}
	f.stage = w.afterSeccomp()
	switch action {
	case SeccompErrno:
		if f.stage == stEntry && t.utrace.events&EvSyscallEntry != 0 { // the entry stop comes nevertheless, for a call that is none
			f.m |= frameSkip | frameNoCall
			f.code = min(data, 4095)
			return true
		}
		return w.sysRet(t, f, -int64(min(data, 4095)))
	case SeccompTrace:
		if recheck {
			return true
		}
		f.stage = stAfterSeccomp
		return w.reportExtra(id, t, ExtraSeccomp, data)
	case SeccompKillThread:
		if w.procOf(t).live > 1 {
			return w.exitWith(t, f, SIGSYS)
		}
		fallthrough
	case SeccompKillProcess:
		w.force(id, NewSigInfo(SIGSYS, SYS_SECCOMP, NoTid, 0), true)
		return w.sysRet(t, f, -ENOSYS)
	}
	return true
}

// seccompAfter follows the event; without one the call is not executed. Filters installed meanwhile apply.
func (w *World) seccompAfter(id TaskID, t *task, f *frame) bool {
	t.resume = 0
	shown, skip := f.m&frameAbort != 0, f.m&frameSkip != 0
	f.m &^= frameAbort | frameSkip | frameNoCall
	if !shown && !w.bug(BugSeccompTraceRuns) || skip || t.fatalPending() {
		return w.sysRet(t, f, -ENOSYS)
	}
	if w.bug(BugSeccompFirst) {
		f.stage = stEntry
		return true
	}
	if w.bug(BugSeccompNoRecheck) {
		f.stage = stBody
		return true
	}
	return w.seccompAct(id, t, f, true)
}
