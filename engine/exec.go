package engine

import "math/bits"

// execve of a multithreaded process (R65 to R74): cred_guard_mutex, de_thread, the leader's death and the taking over of
// its tid, the new image, the event.

// guardBusy says that another task is in a call that holds the cred_guard_mutex of process g, which t wants, for a moment: an attach,
// which then perhaps fails (R5), or a filter for all threads. Whoever comes to wait for it with a signal pending gives up at once.
func (w *World) guardBusy(id TaskID, t *task, g int8) bool {
	if !t.signalPending() {
		return false
	}
	p := &w.procs[g]
	for s := w.used &^ 1 &^ (1 << id); s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		u := &w.tasks[i]
		if u.dead() || u.ustate != uBegun && u.ustate != uRestart && u.ustate != uEnded {
			continue
		}
		switch w.instr(i, u).Call {
		case CallPtrace:
			if tid := w.m.hooks.AttachTid(w, i); u.proc != g && tid != 0 {
				for _, j := range w.threads(p) {
					if int64(w.tasks[j].tid) == tid {
						return true
					}
				}
			}
		case CallSeccomp:
			if u.proc == g && u.args[3]&SECCOMP_FILTER_FLAG_TSYNC != 0 {
				return true
			}
		}
	}
	return false
}

// attachBusy is guardBusy for an attach: mutex_lock_interruptible in ptrace_attach, whose error is ERESTARTNOINTR like exec's.
func (w *World) attachBusy(id TaskID, t *task) bool {
	if !t.signalPending() || t.call != CallPtrace {
		return false
	}
	target := w.findOutside(w.m.hooks.AttachTid(w, id))
	return target != NoTask && w.tasks[target].proc != t.proc && w.guardBusy(id, t, w.tasks[target].proc)
}

// execGuard takes cred_guard_mutex, which attach takes too (R7).
func (w *World) execGuard(id TaskID, t *task, f *frame) bool {
	if w.alt > 0 && w.guardBusy(id, t, t.proc) {
		return w.sysRet(t, f, -ERESTARTNOINTR)
	}
	if !w.LockGuard(id, id) {
		if t.signalPending() {
			return w.sysRet(t, f, -ERESTARTNOINTR)
		}
		t.state = Interruptible
		return false
	}
	shared := w.denyShare(id, t)
	if !opens(t) {
		f.stage = stExecUnopened
		return false
	}
	unsafe := w.m.hooks.UnsafeExec(w, id) && !w.bug(BugExecGainsTraced)
	if unsafe {
		w.mark(74)
	}
	if raises(t) && (w.Capable(id) || !unsafe && !shared) {
		f.m |= frameElevate
	}
	f.code = uint16(t.tid)
	f.stage = stExecThread
	return w.groupEmpty(t)
}

// opens says that there is a file that a task executes.
func opens(t *task) bool { return t.args[0] == ImageSelf || t.args[0] == ImageSetuid }

// execUnopened finds that there is none, where that is not the first that an exec looks at: bprm_execve, and free_bprm.
func (w *World) execUnopened(t *task, f *frame) bool {
	w.mark(65)
	w.inExec &^= 1 << t.fs
	w.unlockGuard(t.proc)
	return w.errno(t, f, ENOENT)
}

// raises says that the image that a task executes has another owner than the task's real user id, and that counts
// (bprm_fill_uid).
func raises(t *task) bool { return t.args[0] == ImageSetuid && t.uid != 0 && !t.is(tfNoNewPrivs) }

// denyShare is the end of check_unsafe_exec: until de_thread, nobody new may share what the whole process alone uses. True: others
// share it already (LSM_UNSAFE_SHARE).
func (w *World) denyShare(id TaskID, t *task) (shared bool) {
	others := false
	for s := w.used &^ (1 << id); s != 0; s &= s - 1 {
		u := &w.tasks[bits.TrailingZeros16(s)]
		if u.fs != t.fs {
			continue
		}
		if u.proc != t.proc || u.frames[0].stage == stClonePublish && u.args[0]&CLONE_FS != 0 {
			return true // also a user: a child that is not visible yet
		}
		others = true
	}
	if others {
		w.inExec |= 1 << t.fs
	}
	return false
}

// execThread is the beginning of de_thread: kill all other threads.
func (w *World) execThread(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	if w.groupEmpty(t) {
		f.stage = stExecCommit
		return true
	}
	if p.flags&gfGroupExit != 0 || p.execTask != NoTask {
		w.mark(67)
		f.stage = stExecFailed
		return true
	}
	w.mark(66)
	p.execTask = id
	p.notify = w.zapOthers(id)
	if !w.isLeader(id) {
		p.notify--
	}
	f.a = 0
	f.stage = stExecSiblings
	return true
}

// execSiblings waits until every other non-leader is released.
func (w *World) execSiblings(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	switch {
	case f.a == 1 && t.fatalPending():
		return w.execKilled(p, f)
	case p.notify != 0 && !(w.bug(BugExecSkipsZombie) && w.othersDead(id, p)):
		f.a = 1
		t.state = Killable
		return false
	}
	f.a = 0
	f.stage = stExecLeader
	return !w.isLeader(id) || w.execThreaded(p, f)
}

// othersDead says that all other threads but the leader are zombies at least.
func (w *World) othersDead(id TaskID, p *proc) bool {
	for _, i := range w.threads(p) {
		if i != id && i != p.leader && !w.tasks[i].dead() {
			return false
		}
	}
	return true
}

func (w *World) execThreaded(p *proc, f *frame) bool {
	p.execTask, p.notify = NoTask, 0
	f.stage = stExecCommit
	return true
}

// execLeader waits until the leader is a zombie, and takes over its identity (R68).
func (w *World) execLeader(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	leader := p.leader
	l := &w.tasks[leader]
	if f.a == 1 && t.fatalPending() {
		return w.execKilled(p, f)
	}
	p.notify = -1
	if !l.dead() {
		f.a = 1
		t.state = Killable
		return false
	}
	w.mark(68)
	if t.is(tfTraced) {
		w.mark(69)
	}
	if l.is(tfTraced) && !w.bug(BugExecWaitAsleep) {
		w.wakeParent(leader, l.parent)
	}
	t.tid, l.tid = l.tid, t.tid
	w.at[t.tid], w.at[l.tid] = id, leader
	w.tasks[l.realParent].children.replace(leader, id)
	p.leader = id
	t.exitSignal, l.exitSignal = SIGCHLD, -1
	if !w.bug(BugExecLeaderReported) {
		l.exitState = ExitDead
	}
	// Since 5.8 Linux wakes the leader's tracer here alone (known bug list, row 108): who waits for the leader's tid is not told, but who
	// waits for the one that it has got is.
	if l.is(tfTraced) {
		w.wakeParent(leader, l.parent)
	}
	f.a = leader
	f.stage = stExecRelease
	return false
}

func (w *World) execRelease(_ TaskID, t *task, f *frame) bool {
	w.releaseTask(f.a)
	return w.execThreaded(w.procOf(t), f)
}

// execKilled is de_thread giving up because the process is being killed.
func (w *World) execKilled(p *proc, f *frame) bool {
	p.execTask, p.notify = NoTask, 0
	f.stage = stExecFailed
	return true
}

// execCommit is the rest of begin_new_exec: new memory, default handlers, credentials; then the mutex is free. The parent of
// a vfork goes on from exec_mmap, before all the rest.
func (w *World) execCommit(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	if t.vforkDone != NoTask {
		w.endVfork(t)
		return false
	}
	w.inExec &^= 1 << t.fs
	w.closeFiles(id, t)
	t.flags &^= tfDumpable
	t.flags |= tfExeced
	t.mm = w.freeMM(id)
	if raises(t) || t.elevated != 0 {
		t.pdeath = 0 // secureexec, whether the privileges are gained or not
	}
	if f.m&frameElevate != 0 {
		t.elevated = 1
	}
	w.mms[t.mm] = mm{dumpable: 1 - t.elevated} // suid_dumpable is 0
	if !w.Old(SwExecKeepsRegisters) {
		t.regs = [NumRegs]int64{}
	}
	if w.bug(BugStepOverSyscallLate) {
		t.flags &^= tfStep // what would have made the next instruction trap was a register: start_thread
	}
	t.seccomp &^= seccompUserDispatch
	w.unshareSighand(p)
	h := &w.sighands[p.sighand]
	if !w.bug(BugExecKeepsHandlers) {
		*h = sighand{ignore: h.ignore} // R73
	}
	t.execID++
	t.exitSignal = SIGCHLD
	w.mark(73)
	if !w.bug(BugExecEventHoldsGuard) {
		w.unlockGuard(t.proc)
	}
	f.m |= frameExeced
	f.stage = stExecEvent
	return t.utrace.n == 0 && !w.attachable(id) // the mutex is free: a tracer that comes now sees the event
}

// freeMM is an address space that nobody uses: its process's own place if that is free, so that which others are does not matter.
func (w *World) freeMM(id TaskID) int8 {
	used := uint16(0)
	for i := firstTask; i < maxTasks; i++ {
		if t := &w.tasks[i]; i != id && w.used&(1<<i) != 0 && !t.is(tfExiting) && t.mm >= 0 {
			used |= 1 << t.mm
		}
	}
	free := w.groups & w.used &^ used &^ (1 << initTask)
	if own := w.tasks[id].proc; free&(1<<own) != 0 {
		return own
	}
	if free != 0 {
		return int8(bits.TrailingZeros16(free))
	}
	return w.tasks[id].mm
}

// closeFiles is unshare_files and do_close_on_exec: a table of the task's own, without pidfds.
func (w *World) closeFiles(id TaskID, t *task) {
	shared := uint16(0)
	for s := w.used &^ (1 << id); s != 0; s &= s - 1 {
		if u := &w.tasks[bits.TrailingZeros16(s)]; u.files >= 0 {
			shared |= 1 << u.files
		}
	}
	if shared&(1<<t.files) != 0 {
		t.files = int8(bits.TrailingZeros16(w.used &^ shared))
	}
	w.files[t.files] = fdTable{}
}

// unshareSighand gives a process a table of its own that shared one by CLONE_SIGHAND.
func (w *World) unshareSighand(p *proc) {
	used := uint16(0)
	for g := range int8(maxTasks) {
		if q := &w.procs[g]; w.groups&(1<<g) != 0 && q != p && q.threads.n != 0 {
			used |= 1 << q.sighand
		}
	}
	if used&(1<<p.sighand) == 0 {
		return
	}
	for g := range int8(maxTasks) {
		if w.groups&w.used&(1<<g) != 0 && used&(1<<g) == 0 {
			w.sighands[g] = w.sighands[p.sighand]
			p.sighand = g
			return
		}
	}
}

// execEvent is ptrace_event(PTRACE_EVENT_EXEC) (R70, R71).
func (w *World) execEvent(id TaskID, t *task, f *frame) bool {
	former := f.code
	w.sysRet(t, f, 0)
	if w.bug(BugExecEventMsgZero) {
		former = 0
	}
	if t.utrace.n == 0 {
		return true
	}
	return w.begin(id, t, passExec, former)
}

// execFailed is an exec that failed past the point of no return: it kills (R65).
func (w *World) execFailed(id TaskID, t *task, f *frame) bool {
	w.mark(65)
	if !t.fatalPending() {
		w.force(id, NewSigInfo(SIGSEGV, SI_KERNEL, NoTid, 0), true)
	}
	w.inExec &^= 1 << t.fs
	w.unlockGuard(t.proc)
	return w.errno(t, f, EAGAIN)
}

// unlockGuard frees a process's cred_guard_mutex and wakes everybody who wants it.
func (w *World) unlockGuard(g int8) {
	w.procs[g].guard = NoTask
	for i := firstTask; i < maxTasks; i++ {
		t := &w.tasks[i]
		if w.used&(1<<i) == 0 || t.depth == 0 || t.state != Interruptible && t.state != Killable || w.guardWanted(t) != g {
			continue
		}
		t.state = Running
	}
}

// guardWanted is the process whose mutex a sleeping task wants, -1 if it waits for something else.
func (w *World) guardWanted(t *task) int8 {
	switch f := t.top(); f.stage {
	case stExecGuard, stTsync:
		return t.proc
	case stClient:
		if f.b != NoTask && t.state == Interruptible && t.call == CallPtrace {
			return w.tasks[f.b].proc
		}
	}
	return -1
}
