package engine

import "math/bits"

// fork, vfork and clone (R59 to R64): the decision about the event and the look at pending signals, the copying of what
// others share, the child's becoming visible, the child's tid and its first run, the event stop. Between these, others act.

func (w *World) clone(id TaskID, t *task, f *frame) bool {
	flags := t.args[0]
	switch {
	case flags&CSIGNAL > NSIG && w.Old(SwExitSignalChecked),
		flags&CLONE_THREAD != 0 && flags&CLONE_SIGHAND == 0,
		flags&CLONE_SIGHAND != 0 && flags&CLONE_VM == 0,
		flags&CLONE_PARENT != 0 && w.procOf(t).flags&gfUnkillable != 0,
		flags&CLONE_THREAD != 0 && flags&(CLONE_NEWUSER|CLONE_NEWPID) != 0,
		flags&(CLONE_NEWNS|CLONE_FS) == CLONE_NEWNS|CLONE_FS,
		flags&(CLONE_NEWUSER|CLONE_FS) == CLONE_NEWUSER|CLONE_FS:
		return w.errno(t, f, EINVAL)
	}
	w.recalcSelf(t)
	if t.is(tfSigPending) && !w.bug(BugForkIgnoresSignal) {
		w.mark(63)
		return w.sysRet(t, f, -ERESTARTNOINTR)
	}
	if flags&(CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWNET) != 0 && flags&CLONE_NEWUSER == 0 && t.uid != 0 && t.elevated == 0 {
		return w.errno(t, f, EPERM)
	}
	child := TaskID(t.args[1]) + firstTask
	if child < firstTask || int(child) >= maxTasks || w.used&(1<<child) != 0 {
		return w.errno(t, f, EAGAIN) // no further process: the actors never ask for one twice
	}
	f.a = child
	f.code = w.m.hooks.CloneEvent(w, id, flags) // before copy_process: a later tracer gets no event, whatever it asks for
	f.stage = stCloneCopy
	return flags&CLONE_THREAD == 0 && w.copiesAlone(id, t)
}

// copiesAlone says that nobody can change what a clone of t copies, or tell when it does.
func (w *World) copiesAlone(id TaskID, t *task) bool {
	p := w.procOf(t)
	for s := w.used &^ (1 << id); s != 0; s &= s - 1 {
		u := &w.tasks[bits.TrailingZeros16(s)]
		if !u.is(tfReleased) && (u.fs == t.fs || u.files == t.files || u.mm == t.mm || w.procOf(u).sighand == p.sighand) {
			return false
		}
	}
	return true
}

// cloneCopy is dup_task_struct, copy_files, copy_fs, copy_sighand and copy_mm: what the child does not share it gets a copy
// of now. TIF_SIGPENDING is copied too: a new thread whose creator was signalled just then looks for signals at once, and
// may take the process's.
func (w *World) cloneCopy(_ TaskID, t *task, f *frame) bool {
	child, flags := f.a, t.args[0]
	if flags&CLONE_THREAD != 0 && t.is(tfSigPending) {
		f.m |= frameDup
	}
	if flags&CLONE_FS != 0 && w.inExec&(1<<t.fs) != 0 {
		w.mark(63)
		t.delayed = 0
		f.m &^= frameDup
		return w.errno(t, f, EAGAIN)
	}
	if flags&CLONE_FILES == 0 {
		w.files[child] = w.files[t.files]
	}
	if flags&CLONE_THREAD == 0 {
		w.groups |= 1 << child
		w.procs[child] = proc{leader: child, sighand: child, execTask: NoTask, guard: NoTask}
		w.sighands[child], w.mms[child] = sighand{}, mm{}
		if flags&CLONE_SIGHAND == 0 {
			w.sighands[child] = w.sighands[w.procOf(t).sighand]
		}
		if flags&CLONE_VM == 0 {
			w.mms[child] = w.mms[t.mm]
		}
	}
	f.stage = stClonePublish
	return false
}

// clonePublish is the section of copy_process that makes the child visible. The tracer is that of now.
func (w *World) clonePublish(id TaskID, t *task, f *frame) bool {
	child, flags := f.a, t.args[0]
	if t.fatalPending() {
		w.mark(63)
		t.delayed = 0
		f.m &^= frameDup
		if flags&CLONE_THREAD == 0 {
			w.groups &^= 1 << child
		}
		return w.errno(t, f, EINTR)
	}
	w.copyProcess(id, t, child, flags)
	if f.m&frameDup != 0 {
		f.m &^= frameDup
		w.tasks[child].flags |= tfSigPending
	}
	for _, e := range t.utrace.on() {
		if en := w.engine(id, e); en.live() {
			w.m.ops[en.ops-1].Inherit(w, id, e, child, flags)
		}
	}
	if flags&CLONE_PTRACE != 0 && !t.is(tfTraced) {
		w.mark(64)
	}
	f.stage = stCloneTell
	return !w.m.named[child-firstTask]
}

// cloneTell stores the child's tid where other actors find it, and wakes the child.
func (w *World) cloneTell(id TaskID, t *task, f *frame) bool {
	w.told |= 1 << f.a
	f.stage = stCloneStop
	if w.bug(BugUtraceCloneLate) {
		w.start(f.a)
	}
	if !w.begin(id, t, passClone, uint16(f.a)) {
		return false
	}
	w.start(f.a)
	return !w.wanted(id)
}

// copyProcess is copy_process up to the end of the section that makes the child visible.
func (w *World) copyProcess(id TaskID, t *task, child TaskID, flags int64) {
	group := child
	if flags&CLONE_THREAD != 0 {
		group = t.proc
	}
	c := w.newTask(child, group)
	p := w.procOf(t)
	c.state = New
	c.blocked, c.uid, c.gid, c.filter, c.seccomp, c.execID = t.blocked, t.uid, t.gid, t.filter, 0, t.execID
	c.flags = t.flags & tfNoNewPrivs
	c.elevated = t.elevated
	c.mm, c.regs, c.fs, c.files = t.mm, t.regs, t.fs, t.files
	if flags&CLONE_FS == 0 {
		c.fs = child
	}
	if flags&CLONE_FILES == 0 {
		c.files = child
	}
	c.realParent, c.parExecID = id, t.execID
	if flags&(CLONE_PARENT|CLONE_THREAD) != 0 {
		c.realParent, c.parExecID = t.realParent, t.parExecID
	}
	c.parent = c.realParent
	switch {
	case flags&CLONE_THREAD != 0:
		c.exitSignal = -1
	case flags&CLONE_PARENT != 0:
		c.exitSignal = w.tasks[p.leader].exitSignal
	default:
		c.exitSignal = int8(min(flags&CSIGNAL, 0x7f)) // beyond NSIG all are alike
	}
	if flags&CLONE_VFORK != 0 {
		c.vforkDone = id
	}
	if flags&CLONE_THREAD != 0 {
		w.joinStop(t, c)
		w.skipPrivate(child)
		return
	}
	q := &w.procs[child]
	q.pgid, q.sid = p.pgid, p.sid
	if t.delayed != 0 {
		w.mark(63)
	}
	q.shared.mask, t.delayed = t.delayed, 0
	w.seq++
	q.joined = w.seq
	if flags&CLONE_VM == 0 {
		c.mm = child
	}
	if flags&CLONE_SIGHAND != 0 {
		q.sighand = p.sighand
	}
	if flags&CLONE_NEWPID != 0 {
		q.flags |= gfUnkillable | gfNamespace
	}
	if w.procOf(&w.tasks[c.realParent]).flags&(gfSubreaper|gfHasSubreaper) != 0 {
		q.flags |= gfHasSubreaper
	}
	w.tasks[c.realParent].children.add(child)
	w.skipPrivate(child)
}

// delay keeps a signal of many for the children that threads of p are making: they were members when it was sent.
func (w *World) delay(p *proc, sig uint8) {
	for _, i := range w.threads(p) {
		t := &w.tasks[i]
		if st := t.frames[0].stage; st != stCloneCopy && st != stClonePublish || t.args[0]&CLONE_THREAD != 0 {
			continue
		}
		switch {
		case sig == SIGCONT:
			t.delayed &^= stopSignals
		case stopSignals&bit(sig) != 0:
			t.delayed &^= bit(SIGCONT)
		}
		t.delayed |= bit(sig)
	}
}

// start is wake_up_new_task. A child that has something pending looks at it before its first instruction
// (calculate_sigpending): a thread may so find there what another thread of its process was woken for.
func (w *World) start(child TaskID) {
	c := &w.tasks[child]
	if c.state != New {
		return
	}
	c.state = Running
	if !w.isLeader(child) || c.is(tfSigPending) || w.pendingWork(c) {
		c.push(stBorn)
	}
}

func (w *World) born(_ TaskID, t *task, f *frame) bool {
	w.recalcSelf(t)
	f.stage = stUser
	return true
}

// cloneStop is the event stop of the parent: the child runs already (R62).
func (w *World) cloneStop(id TaskID, t *task, f *frame) bool {
	w.start(f.a)
	f.stage = stCloneVfork
	if !w.wanted(id) {
		t.info = SigInfo{} // of a stop whose tracer went meanwhile
		return true
	}
	w.mark(62)
	return w.stopsLate(t, passClone) || !w.enterStop(id, t)
}

func (w *World) cloneVfork(_ TaskID, t *task, f *frame) bool {
	t.resume = 0
	if t.args[0]&CLONE_VFORK == 0 {
		f.stage = stCloneLast
		return true
	}
	w.mark(62)
	f.stage = stCloneVforked
	return true
}

// cloneVforked waits for the child to give the memory back; only SIGKILL ends the wait early.
func (w *World) cloneVforked(_ TaskID, t *task, f *frame) bool {
	switch {
	case f.b == 1:
		f.stage = stCloneDone
	case w.bug(BugVforkDoneEarly):
		w.tasks[f.a].vforkDone = NoTask
		f.stage = stCloneDone
	case t.fatalPending():
		w.tasks[f.a].vforkDone = NoTask
		f.stage = stCloneLast
	default:
		t.state = Killable
		return false
	}
	return true
}

func (w *World) cloneDone(id TaskID, t *task, f *frame) bool {
	f.stage = stCloneLast
	if w.bug(BugVforkDoneMessage) {
		return w.reportExtra(id, t, ExtraVforkDone, 0)
	}
	return w.reportExtra(id, t, ExtraVforkDone, uint16(f.a+1))
}

func (w *World) cloneLast(_ TaskID, t *task, f *frame) bool {
	t.resume = 0
	return w.sysRetTid(t, f, f.a+1)
}
