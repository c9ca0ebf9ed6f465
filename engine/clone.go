package engine

// fork, vfork and clone (R59 to R64).

func (w *World) clone(id TaskID, t *task, f *frame) bool {
	flags := t.args[0]
	switch {
	case flags&CLONE_THREAD != 0 && flags&CLONE_SIGHAND == 0,
		flags&CLONE_SIGHAND != 0 && flags&CLONE_VM == 0,
		flags&CLONE_PARENT != 0 && w.procOf(t).flags&gfUnkillable != 0,
		flags&CLONE_THREAD != 0 && flags&(CLONE_NEWUSER|CLONE_NEWPID) != 0,
		flags&(CLONE_NEWNS|CLONE_FS) == CLONE_NEWNS|CLONE_FS,
		flags&(CLONE_NEWUSER|CLONE_FS) == CLONE_NEWUSER|CLONE_FS:
		return w.errno(t, f, EINVAL)
	case flags&(CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWNET) != 0 && flags&CLONE_NEWUSER == 0 && t.uid != 0:
		return w.errno(t, f, EPERM)
	}
	w.recalcSelf(t)
	if t.is(tfSigPending) {
		w.mark(63)
		return w.sysRet(t, f, -ERESTARTNOINTR)
	}
	child := TaskID(t.args[1]) + firstTask
	if child < firstTask || int(child) >= maxTasks || w.used&(1<<child) != 0 {
		return w.errno(t, f, EAGAIN) // no further process: the actors never ask for one twice
	}
	w.copyProcess(id, t, child, flags)
	f.a = child
	f.stage = stCloneStop
	u := &t.utrace
	for i := range u.engines {
		if en := &u.engines[i]; u.n != 0 && en.live() {
			w.m.ops[en.ops-1].Inherit(w, id, EngineID(i), child, flags)
		}
	}
	if flags&CLONE_PTRACE != 0 && !t.is(tfTraced) {
		w.mark(64)
	}
	w.recalc(&w.tasks[child])
	if !w.begin(id, t, passClone, uint16(child)) {
		return false
	}
	w.start(child)
	return !u.wanted()
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
	c.blocked, c.uid, c.filter, c.seccomp, c.execID = t.blocked, t.uid, t.filter, 0, t.execID
	c.flags = t.flags & tfNoNewPrivs
	c.mm, c.regs = t.mm, t.regs
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
		c.exitSignal = int8(flags & CSIGNAL)
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
	w.seq++
	q.joined = w.seq
	if flags&CLONE_VM == 0 {
		c.mm = child
		w.mms[child] = w.mms[t.mm]
	}
	if flags&CLONE_SIGHAND != 0 {
		q.sighand = p.sighand
	} else {
		w.sighands[child] = w.sighands[p.sighand]
	}
	if flags&CLONE_NEWPID != 0 {
		q.flags |= gfUnkillable
	}
	if w.procOf(&w.tasks[c.realParent]).flags&(gfSubreaper|gfHasSubreaper) != 0 {
		q.flags |= gfHasSubreaper
	}
	w.tasks[c.realParent].children.add(child)
	w.skipPrivate(child)
}

// start is wake_up_new_task. A child that has something pending looks at it before its first instruction.
func (w *World) start(child TaskID) {
	c := &w.tasks[child]
	if c.state != New {
		return
	}
	c.state = Running
	if c.is(tfSigPending) {
		c.push(stUser)
	}
}

// cloneStop is the event stop of the parent: the child runs already (R62).
func (w *World) cloneStop(id TaskID, t *task, f *frame) bool {
	w.start(f.a)
	f.stage = stCloneVfork
	if !t.utrace.wanted() {
		return true
	}
	w.mark(62)
	return !w.enterStop(id, t)
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
	return w.reportExtra(id, t, ExtraVforkDone, uint16(f.a+1))
}

func (w *World) cloneLast(_ TaskID, t *task, f *frame) bool {
	t.resume = 0
	return w.sysRetTid(t, f, f.a+1)
}
