package engine

import "cmp"

// System calls: the way in, the way out, and the calls that need no file of their own.

// enter makes a system call: it executes everything up to the first place where others could tell.
func (w *World) enter(id TaskID, c Call) {
	t := &w.tasks[id]
	t.call = c
	f := t.push(stEntry)
	f.m = frameCall
	w.kernel(id)
}

// sysEntry is syscall_trace_enter up to the tracer's stop (R53).
func (w *World) sysEntry(id TaskID, t *task, f *frame) bool {
	if t.filter != 0 {
		f.b = 1 // work flags as read at entry
	}
	if w.bug(BugSeccompFirst) && f.m&frameFiltered == 0 {
		f.m |= frameFiltered
		f.stage = stSeccomp
		return true
	}
	f.m &^= frameFiltered
	f.stage = stAfterEntry
	if t.utrace.events&EvSyscallEntry != 0 {
		w.mark(53)
		return w.begin(id, t, passEntry, 0)
	}
	f.stage = w.afterEntry()
	if f.stage == stBody {
		return true
	}
	// A filter that another thread installs now is not seen by this call, even if the call takes effect later.
	return !w.m.tsync || w.groupEmpty(t)
}

func (w *World) sysAfterEntry(id TaskID, t *task, f *frame) bool {
	if t.resume != 0 {
		w.mark(33)
		if t.resume <= NSIG {
			w.sendKernel(t.resume, id)
		}
		t.resume = 0
	}
	switch {
	case t.fatalPending() && !w.bug(BugKilledAtEntryRuns):
		w.mark(55)
		return w.sysRet(t, f, -ENOSYS)
	case w.entryAgain(t, f):
		return w.begin(id, t, passEntry, 1)
	case f.m&(frameAbort|frameSkip) != 0:
		w.mark(54)
		skipped := f.m&frameSkip != 0
		f.m &^= frameAbort | frameSkip | frameNoCall
		if t.ustate != uBegun && t.ustate != uRestart {
			f.m |= frameUnmade
			f.stage = stExit
			return true
		}
		if !skipped && w.Old(SwEmulatedArgument) {
			return w.sysRet(t, f, t.args[0])
		}
		return w.sysRet(t, f, -int64(cmp.Or(f.code, ENOSYS)))
	}
	if t.filter != 0 && f.b == 0 && !w.bug(BugTsyncNotReread) {
		f.b = 1 // the work flags are read again after the stop: known bug 5 is not to do that
	}
	f.stage = w.afterEntry()
	return true
}

// afterEntry is what follows the entry stop, and afterSeccomp what follows the filters (R57); before 4.8 they came first, which is row 40.
func (w *World) afterEntry() stage {
	if w.bug(BugSeccompFirst) {
		return stBody
	}
	return stSeccomp
}

func (w *World) afterSeccomp() stage {
	if w.bug(BugSeccompFirst) {
		return stEntry
	}
	return stBody
}

// entryAgain says that the entry pass is to be made again (2.7): it stopped the thread, and somebody asked for a report.
func (w *World) entryAgain(t *task, f *frame) bool {
	if f.m&frameHeld == 0 {
		return false
	}
	f.m &^= frameHeld
	u := &t.utrace
	if u.resume > ActReport || u.events&EvSyscallEntry == 0 {
		return false
	}
	if u.resume == ActReport {
		u.resume = ActResume
	}
	f.m &^= frameAbort
	return true
}

// sysRet ends the body of a call.
func (w *World) sysRet(t *task, f *frame, ret int64) bool {
	if t.ustate == uBegun || t.ustate == uRestart {
		t.ret = ret
	}
	f.stage = stExit
	f.a, f.b, f.code = 0, 0, 0
	return true
}

func (w *World) sysRetTid(t *task, f *frame, tid int8) bool {
	t.tidMask |= 1
	return w.sysRet(t, f, int64(w.number(t, tid)))
}

func (w *World) errno(t *task, f *frame, e int64) bool {
	t.out, t.tidMask = [3]int64{}, 0
	return w.sysRet(t, f, -e)
}

// sysExit is syscall_exit_work's decision.
func (w *World) sysExit(id TaskID, t *task, f *frame) bool {
	if w.bug(BugExecEventHoldsGuard) && t.call == CallExecve && w.procOf(t).guard == id {
		w.unlockGuard(t.proc)
	}
	if t.utrace.events&EvSyscallExit != 0 || t.stepping() && !w.bug(BugStepOverSyscallLate) {
		f.stage = stExitReport
		if w.bug(BugSignalBeforeExit) && t.is(tfSigPending) {
			t.push(stUser)
		}
		return false
	}
	f.stage = stUser
	return true
}

func (w *World) sysExitReport(id TaskID, t *task, f *frame) bool {
	f.stage = stAfterExit
	f.a = 0
	if t.stepping() && !w.emulated(id) {
		w.mark(58)
		code := int32(TRAP_BRKPT)
		if w.Old(SwStepFromNobody) {
			code = SI_USER
		}
		w.force(id, NewSigInfo(SIGTRAP, code, NoTid, 0), false)
		return true
	}
	w.mark(53)
	return w.begin(id, t, passSysExit, 0)
}

// emulated says that SYSEMU mode suppresses the step report of the call (report_single_step).
func (w *World) emulated(id TaskID) bool {
	u := &w.tasks[id].utrace
	return u.events&EvSyscallEntry != 0 && u.events&EvSyscallExit == 0
}

func (w *World) sysAfterExit(id TaskID, t *task, f *frame) bool {
	if t.resume != 0 {
		w.mark(33)
		if t.resume <= NSIG && !w.bug(BugSyscallStopInject) {
			w.sendKernel(t.resume, id)
		}
		t.resume = 0
	}
	f.stage = stUser
	return true
}

// syscall is the first step of a call's body.
func (w *World) syscall(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	f.a, f.b, f.code = 0, 0, 0
	w.trace(traced{kind: traceBody, task: id})
	switch t.call {
	case CallFutexWait:
		return w.futexWait(id, t, f)
	case CallFutexWake:
		if t.ustate == uFreed {
			w.wakeFutex(w.instr(id, t).Barrier)
		}
		return w.sysRet(t, f, 0)
	case CallMmap, CallSchedYield:
		return w.sysRet(t, f, 0)
	case CallSigreturn:
		w.setBlocked(id, t.hand[t.nhand-1].mask)
		if t.is(tfRestart) {
			t.ret = -EINTR // restore_sigcontext: what was to be restarted by restart_syscall returns EINTR
		}
		f.stage = stExit
		return true
	case CallClone:
		return w.clone(id, t, f)
	case CallExecve:
		if !opens(t) && !w.Old(SwExecOpensLate) {
			w.mark(65)
			return w.errno(t, f, ENOENT)
		}
		f.stage = stExecGuard
		return !w.guardBusy(id, t, t.proc)
	case CallExit:
		return w.exitWith(t, f, uint16(t.args[0]&0xff)<<8)
	case CallExitGroup:
		return w.groupExit(id, t, f, uint16(t.args[0]&0xff)<<8)
	case CallGetpid:
		return w.sysRetTid(t, f, w.tgid(t))
	case CallGettid:
		return w.sysRetTid(t, f, t.tid)
	case CallGetppid:
		parent := w.tasks[p.leader].realParent
		if r := w.earlyReaper(parent); w.alt == 1 && r != NoTask {
			parent = r
		}
		return w.sysRetTid(t, f, w.tgid(&w.tasks[parent]))
	case CallKill, CallTkill, CallTgkill, CallRtSigqueueinfo, CallRtTgsigqueueinfo, CallPidfdSendSignal:
		return w.killCall(id, t, f)
	case CallPidfdOpen:
		return w.pidfdOpen(t, f)
	case CallSigaction:
		return w.sigaction(t, f)
	case CallSigprocmask:
		return w.sigprocmask(id, t, f)
	case CallSigpending:
		t.out[0] = int64((t.pending.mask | p.shared.mask) & t.blocked)
		return w.sysRet(t, f, 0)
	case CallSigsuspend:
		t.saved = t.blocked
		w.setBlocked(id, uint64(t.args[0]))
		f.stage = stPause
		return true
	case CallPause:
		f.stage = stPause
		return true
	case CallNanosleep:
		if t.is(tfRestart) && t.ret != 0 {
			return w.errno(t, f, EINTR)
		}
		t.flags &^= tfTimer
		if t.signalPending() {
			return w.sysRet(t, f, -ERESTART_RESTARTBLOCK)
		}
		t.state = Interruptible
		f.stage = stSleep
		return false
	case CallSetpgid:
		return w.setpgid(id, t, f)
	case CallGetpgid, CallGetsid:
		g := p
		if t.args[0] != 0 {
			i := w.find(int64(int32(t.args[0])))
			if i == NoTask {
				return w.errno(t, f, ESRCH)
			}
			g = w.procOf(&w.tasks[i])
		}
		if t.call == CallGetsid {
			return w.sysRetTid(t, f, g.sid)
		}
		return w.sysRetTid(t, f, g.pgid)
	case CallSetsid:
		tgid := w.tgid(t)
		if p.flags&gfSessionLeader != 0 || w.groupOf(tgid) >= 0 {
			return w.errno(t, f, EPERM)
		}
		p.flags |= gfSessionLeader
		w.seq++
		p.sid, p.pgid, p.joined = tgid, tgid, w.seq
		return w.sysRetTid(t, f, tgid)
	case CallWait4, CallWaitid:
		return w.waitCall(id, t, f)
	case CallPrctl:
		return w.prctl(id, t, f)
	case CallSeccomp:
		return w.seccompCall(id, t, f)
	case CallSetresuid:
		return w.setresuid(t, f)
	case CallSetresgid:
		return w.setresgid(t, f)
	case CallPtrace, CallUtrace:
		if t.call == CallUtrace && w.m.caller == nil {
			return w.errno(t, f, ENOSYS)
		}
		f.stage = stClient
		f.b = NoTask
		return !w.attachBusy(id, t)
	}
	return w.errno(t, f, ENOSYS)
}

// futexWait sleeps while the barrier is closed, or for ever at the run's end.
func (w *World) futexWait(id TaskID, t *task, f *frame) bool {
	if t.ustate == uBarrier && w.open(id, t) {
		return w.sysRet(t, f, 0)
	}
	f.stage = stFutex
	if !t.signalPending() {
		t.state = Interruptible
		return false
	}
	return true
}

func (w *World) futexWoken(id TaskID, t *task, f *frame) bool {
	if t.ustate != uBarrier || !w.open(id, t) {
		if !t.signalPending() {
			t.state = Interruptible
			return false
		}
	}
	return w.sysRet(t, f, 0)
}

func (w *World) sleepWoken(_ TaskID, t *task, f *frame) bool {
	if t.is(tfTimer) {
		t.flags &^= tfTimer
		return w.sysRet(t, f, 0)
	}
	return w.sysRet(t, f, -ERESTART_RESTARTBLOCK)
}

func (w *World) pauseWoken(_ TaskID, t *task, f *frame) bool {
	if !t.signalPending() {
		t.state = Interruptible
		return false
	}
	if t.call == CallSigsuspend {
		t.flags |= tfRestoreMask
	}
	return w.sysRet(t, f, -ERESTARTNOHAND)
}

func (w *World) sigaction(t *task, f *frame) bool {
	sig := t.args[0]
	if sig < 1 || sig > NSIG || onlySignals&bit(uint8(sig)) != 0 {
		return w.errno(t, f, EINVAL)
	}
	h, b := w.sighandOf(t), bit(uint8(sig))
	if h.immutable&b != 0 {
		return w.errno(t, f, EINVAL)
	}
	h.setDefault(uint8(sig))
	switch t.args[1] {
	case SigIgnore:
		h.ignore |= b
	case SigHandler:
		h.handler |= b
	}
	set := func(m *uint64, flag int64) {
		*m &^= b
		if t.args[2]&flag != 0 {
			*m |= b
		}
	}
	set(&h.restart, SA_RESTART)
	set(&h.nodefer, SA_NODEFER)
	set(&h.resethand, SA_RESETHAND)
	if sig == SIGCHLD {
		h.noCldStop = t.args[2]&SA_NOCLDSTOP != 0
		h.noCldWait = t.args[2]&SA_NOCLDWAIT != 0
	}
	if h.ignoredOrDefaultIgnored(uint8(sig)) {
		p := w.procOf(t)
		p.shared.flush(b)
		w.flushGroup(p, b)
	}
	return w.sysRet(t, f, 0)
}

func (w *World) sigprocmask(id TaskID, t *task, f *frame) bool {
	m := uint64(t.args[1])
	switch t.args[0] {
	case SIG_BLOCK:
		m |= t.blocked
	case SIG_UNBLOCK:
		m = t.blocked &^ m
	case SIG_SETMASK:
	default:
		return w.errno(t, f, EINVAL)
	}
	w.setBlocked(id, m)
	return w.sysRet(t, f, 0)
}

// groupOf is a process whose process group is pgid, -1 if there is none.
func (w *World) groupOf(pgid int8) int8 {
	for g := range int8(maxTasks) {
		if w.groups&(1<<g) != 0 && w.procs[g].threads.n != 0 && w.procs[g].pgid == pgid {
			return g
		}
	}
	return -1
}

func (w *World) setpgid(id TaskID, t *task, f *frame) bool {
	leader := w.procOf(t).leader
	pid, pgid := int64(int32(t.args[0])), int64(int32(t.args[1]))
	if pid == 0 {
		pid = int64(w.number(t, w.tasks[leader].tid))
	}
	if pgid == 0 {
		pgid = pid
	}
	if pgid < 0 {
		return w.errno(t, f, EINVAL)
	}
	i := w.find(pid)
	if i == NoTask {
		return w.errno(t, f, ESRCH)
	}
	if !w.isLeader(i) {
		return w.errno(t, f, EINVAL)
	}
	u := &w.tasks[i]
	q, p := w.procOf(u), w.procOf(t)
	switch {
	case w.sameGroup(u.realParent, leader):
		if q.sid != p.sid {
			return w.errno(t, f, EPERM)
		}
		if u.is(tfExeced) {
			return w.errno(t, f, EACCES)
		}
	case i != leader:
		return w.errno(t, f, ESRCH)
	}
	if q.flags&gfSessionLeader != 0 {
		return w.errno(t, f, EPERM)
	}
	to := u.tid
	if pgid != pid {
		g := int8(-1)
		if pgid <= maxTasks && !w.ownNamespace(t) {
			to = int8(pgid)
			g = w.groupOf(to)
		}
		if g < 0 || w.procs[g].sid != p.sid {
			return w.errno(t, f, EPERM)
		}
	}
	if q.pgid != to {
		w.seq++
		q.pgid, q.joined = to, w.seq
	}
	return w.sysRet(t, f, 0)
}
