package engine

// Exit, zombies and reparenting (R75 to R85).

// exitWith begins do_exit.
func (w *World) exitWith(t *task, f *frame, code uint16) bool {
	f.stage = stExitCall
	f.code = code
	f.m = 0
	return true
}

// groupExit is do_group_exit.
func (w *World) groupExit(id TaskID, t *task, f *frame, code uint16) bool {
	p := w.procOf(t)
	switch {
	case p.flags&gfGroupExit != 0:
		code = p.exitCode
	case p.execTask != NoTask && !w.bug(BugExecSiblingCode):
		code = 0
	case p.execTask != NoTask:
	default:
		p.beginGroupExit()
		p.exitCode = code
		w.zapOthers(id)
	}
	t.info = SigInfo{}
	return w.exitWith(t, f, code)
}

// exitStart is synchronize_group_exit and the exit event (R75, R78).
func (w *World) exitStart(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	p.quick--
	if p.quick == 0 && p.flags&gfGroupExit == 0 && !w.Old(SwLeaderExitCode) {
		w.mark(78)
		p.beginGroupExit()
		p.exitCode = f.code
	}
	// The interrupted user code is gone for good.
	t.nhand = 0
	t.hand = [maxHandlers]sigframe{}
	t.args, t.out, t.ret, t.tidMask = [4]int64{}, [3]int64{}, 0, 0
	t.ustate = uReady
	f.stage = stExitSignals
	if w.bug(BugSigkillNoExitEvent) && f.code == SIGKILL {
		return true
	}
	return w.begin(id, t, passExit, f.code)
}

// exitSignals is exit_signals and what follows up to the release of the memory.
func (w *World) exitSignals(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	told := false
	switch {
	case w.groupEmpty(t) || p.flags&gfGroupExit != 0:
		t.flags |= tfExiting
	default:
		t.flags |= tfExiting
		if t.is(tfSigPending) {
			w.retarget(id, ^t.blocked)
			if t.jobctl&jcStopPending != 0 {
				told = w.participate(t)
			}
		}
	}
	p.live--
	w.leaveNamespace(t)
	if !w.Old(SwTsyncCountsDead) {
		t.filter = 0
	}
	t.exitCode = f.code
	t.flags &^= tfReport
	t.resume = 0
	t.fs, t.files = -1, -1
	w.leaveMM(t)
	f.stage = stExitNotify
	if told {
		w.mark(46)
		f.stage = stExitTold
	}
	return false
}

// exitTold tells the parent of a group stop that this thread's exit completed.
func (w *World) exitTold(id TaskID, _ *task, f *frame) bool {
	w.tellGroupStop(id)
	f.stage = stExitNotify
	return false
}

// leaveMM is exit_mm.
func (w *World) leaveMM(t *task) {
	if w.mms[t.mm].dumpable == 1 {
		t.flags |= tfDumpable
	}
	w.endVfork(t)
}

// endVfork is mm_release: it ends the wait of a vfork parent.
func (w *World) endVfork(t *task) {
	if t.vforkDone == NoTask {
		return
	}
	u := &w.tasks[t.vforkDone]
	t.vforkDone = NoTask
	u.frames[0].b = 1
	if u.top().stage == stCloneVforked {
		u.wakeState(Killable)
	}
}

// exitNotify is exit_notify: one section under tasklist_lock.
func (w *World) exitNotify(id TaskID, t *task, f *frame) bool {
	f.m = 0
	w.exitPtrace(id, f)
	w.forgetChildren(id, t, f)
	p := w.procOf(t)
	if p.live == 0 {
		w.killOrphaned(p.leader, NoTask)
	}
	t.exitState = ExitZombie
	reap := true
	leader := w.isLeader(id)
	switch {
	case t.is(tfTraced):
		sig := int8(SIGCHLD)
		if leader && w.groupEmpty(t) && !w.reparented(t) {
			w.mark(84)
			sig = t.exitSignal
		}
		reap = w.notifyParent(id, sig)
		w.mark(80)
	case leader:
		reap = w.groupEmpty(t) && w.notifyParent(id, t.exitSignal)
	default:
		w.mark(80)
	}
	if reap {
		t.exitState = ExitDead
		f.m |= 1 << id
	}
	if (p.notify < 0 && !w.bug(BugExecLeaderWakeup) || w.bug(BugExecSkipsZombie)) && p.execTask != NoTask {
		w.tasks[p.execTask].wakeState(Killable)
	}
	f.stage = stExitReap
	if w.deathDue(id) {
		f.stage = stDeath
		return false
	}
	if f.m == 0 {
		return w.gone(id, t)
	}
	return false
}

// exitReap releases, one a step, the tasks that nobody waits for.
func (w *World) exitReap(id TaskID, t *task, f *frame) bool {
	i := TaskID(0)
	for f.m&(1<<i) == 0 {
		i++
	}
	f.m &^= 1 << i
	if next := w.releaseTask(i); next != NoTask {
		f.m |= 1 << next
	}
	if f.m == 0 {
		return w.gone(id, t)
	}
	return false
}

// gone takes a task off its CPU for the last time.
func (w *World) gone(id TaskID, t *task) bool {
	t.frames = [maxFrames]frame{}
	t.depth = 0
	t.state = Dead
	w.scrub(id)
	return false
}

// scrub forgets what nobody can ask about a task any more, so that states that differ only in that are equal.
func (w *World) scrub(id TaskID) {
	t := &w.tasks[id]
	if t.state != Dead {
		return
	}
	t.blocked, t.saved, t.pc, t.call, t.execID, t.parExecID = 0, 0, 0, CallNone, 0, 0
	t.flags &^= tfSigPending | tfNotifyResume | tfStep | tfRestoreMask
	if t.is(tfReleased) && t.utrace.n == 0 {
		*t = task{exitState: ExitDead, state: Dead, flags: t.flags & (tfReleased | tfParked), proc: t.proc, vforkDone: NoTask, mm: -1, fs: -1, files: -1,
			utrace: utrace{first: t.utrace.first, resume: ActResume, reporting: noEngine}} // engines that somebody refers to stay
	}
}

// exitPtrace is exit_ptrace: the death of a tracer (R101 to R104). Nothing of a report of its tracee's can fall into it (H3).
func (w *World) exitPtrace(id TaskID, f *frame) {
	t := &w.tasks[id]
	for t.ptraced.n > 0 {
		i := t.ptraced.at[0]
		w.mark(2)
		if c := &w.tasks[i]; c.state == Traced {
			w.mark(101)
		} else {
			w.mark(104)
		}
		w.m.hooks.TracerExits(w, i)
		if w.detach(id, i) {
			f.m |= 1 << i
		}
	}
}

// forgetChildren is forget_original_parent (R85).
func (w *World) forgetChildren(id TaskID, t *task, f *frame) {
	if t.children.n == 0 {
		return
	}
	reaper := w.newReaper(id, t)
	w.mark(85)
	kids := t.children
	t.children = list{}
	for _, i := range kids.at[:kids.n] {
		for _, j := range w.threads(w.procOf(&w.tasks[i])) {
			c := &w.tasks[j]
			c.realParent = reaper
			if !c.is(tfTraced) {
				c.parent = reaper
			} else {
				w.mark(3)
			}
			if c.pdeath != 0 && !w.bug(BugPdeathNotSent) {
				me := &w.tasks[id]
				if w.killPermission(me, int64(c.pdeath), c) == 0 {
					w.send(NewSigInfo(c.pdeath, SI_USER, Tid(w.tgid(me)), me.uid), j, false, false)
				}
			}
		}
		if !w.sameGroup(reaper, id) {
			w.reparentLeader(id, i, f)
		}
		w.tasks[reaper].children.add(i)
	}
}

// reparentLeader is reparent_leader.
func (w *World) reparentLeader(father, i TaskID, f *frame) {
	c := &w.tasks[i]
	if c.exitState == ExitDead {
		return
	}
	c.exitSignal = SIGCHLD
	if !c.is(tfTraced) && c.exitState == ExitZombie && w.groupEmpty(c) && w.notifyParent(i, SIGCHLD) {
		c.exitState = ExitDead
		f.m |= 1 << i
	}
	w.killOrphaned(i, father)
}

// newReaper is find_new_reaper: a live thread of the group, else the nearest live subreaper, else init.
func (w *World) newReaper(id TaskID, t *task) TaskID {
	if i := w.aliveThread(w.procOf(t)); i != NoTask {
		return i
	}
	if w.procOf(t).flags&gfHasSubreaper != 0 && !w.bug(BugSubreaperIgnored) {
		for r := t.realParent; r != initTask; r = w.tasks[r].realParent {
			if w.procOf(&w.tasks[r]).flags&gfSubreaper != 0 {
				if i := w.aliveThread(w.procOf(&w.tasks[r])); i != NoTask {
					return i
				}
			}
		}
	}
	return initTask
}

// earlyReaper is who adopts the children of a parent that is in exit_notify, NoTask if it is not. getppid reads its parent
// without tasklist_lock, so it may see the new one before anything else of that section, the pdeath_signal included, has
// happened (R85).
func (w *World) earlyReaper(parent TaskID) TaskID {
	t := &w.tasks[parent]
	if t.state != Running || t.depth == 0 || t.top().stage != stExitNotify {
		return NoTask
	}
	return w.newReaper(parent, t)
}

func (w *World) aliveThread(p *proc) TaskID {
	for _, i := range w.threads(p) {
		if !w.tasks[i].is(tfExiting) {
			return i
		}
	}
	return NoTask
}

// notifyParent is do_notify_parent: tell the parent of a death. True: nobody wants the zombie (R81, R84).
func (w *World) notifyParent(id TaskID, sig int8) bool {
	t := &w.tasks[id]
	parent := &w.tasks[t.parent]
	if sig != SIGCHLD && t.parExecID != parent.execID && !w.bug(BugExitSignalKept) {
		sig = SIGCHLD
	}
	s := NewSigInfo(SIGCHLD, CLD_EXITED, Tid(t.tid), t.uid)
	s.Signo = uint8(sig)
	s.Status = t.exitCode >> 8
	if t.exitCode&0x7f != 0 {
		s.code, s.Status = CLD_KILLED, t.exitCode&0x7f
	}
	h := w.sighandOf(parent)
	reap := false
	if (!t.is(tfTraced) || w.bug(BugTracedAutoreap)) && sig == SIGCHLD && (h.ignored(SIGCHLD) || h.noCldWait) {
		w.mark(81)
		reap = true
		if h.ignored(SIGCHLD) {
			sig = 0
		}
	}
	if sig > 0 && sig <= NSIG { // a clone may have asked for a number that no signal has: valid_signal
		w.send(s, t.parent, false, false)
	}
	if !(w.bug(BugLostChldWakeup) && t.is(tfTraced)) {
		w.wakeParent(id, t.parent)
	}
	return reap
}

// releaseTask is release_task; it returns a leader that is to be released next, or NoTask.
func (w *World) releaseTask(id TaskID) TaskID {
	t := &w.tasks[id]
	if t.is(tfReleased) {
		if w.m.opt.Check {
			w.broken(66, id, "released twice")
		}
		return NoTask // planted bug only
	}
	w.reapEngines(id)
	if t.is(tfTraced) {
		w.unlink(id)
	}
	p := w.procOf(t)
	leader := p.leader
	if id == leader {
		w.tasks[t.realParent].children.remove(id)
		p.shared = queue{}
	} else {
		if p.notify > 0 {
			if p.notify--; p.notify == 0 && !w.bug(BugExecSiblingWakeup) {
				w.tasks[p.execTask].wakeState(Killable)
			}
		}
		if p.cursor == id {
			at := p.threads.index(id)
			p.cursor = p.threads.at[(at+1)%int(p.threads.n)]
		}
	}
	p.threads.remove(id)
	if p.threads.n == 0 {
		*p = proc{leader: p.leader, sighand: p.sighand, execTask: NoTask, guard: NoTask}
	}
	t.pending = queue{}
	t.flags = t.flags&^tfSigPending | tfReleased
	w.at[t.tid] = NoTask
	w.tasks[id].exitState = ExitDead
	zap := NoTask
	if l := &w.tasks[leader]; leader != id && w.groupEmpty(l) && l.exitState == ExitZombie && !w.bug(BugDelayedLeaderLost) {
		w.mark(79)
		if w.notifyParent(leader, l.exitSignal) {
			l.exitState = ExitDead
			zap = leader
		}
	}
	w.scrub(id)
	return zap
}

// unlink is __ptrace_unlink: the task has no tracer any more, and its stop state conforms to its group's (R47, R100).
func (w *World) unlink(id TaskID) {
	t := &w.tasks[id]
	tracer, was := t.parent, t.state
	t.parent = t.realParent
	w.tasks[tracer].ptraced.remove(id)
	t.flags &^= tfTraced | tfTracerCap
	if w.Old(SwPlainStops) && !w.tasks[tracer].is(tfExiting) && !t.dead() {
		w.procOf(t).flags &^= gfStopStopped // as an explicit restart does (5.3)
	}
	w.m.hooks.Unlinked(w, id)
	w.mark(100)
	trapping := t.jobctl & jcTrapping
	t.jobctl &^= jcTrapMask | jcTrapping
	if trapping != 0 {
		if a := &w.tasks[tracer]; a.state == Killable && a.depth > 0 && a.top().stage == stClient {
			a.state = Running
		}
	}
	if !t.is(tfExiting) && w.groupStopping(t) {
		w.mark(47)
		t.jobctl |= jcStopPending
	}
	if t.jobctl&jcStopPending != 0 || was == Traced {
		w.ptraceWake(t, !w.wanted(id))
	}
	switch {
	case was != Traced:
	case w.bug(BugDetachForgetsStop) && t.jobctl&jcStopConsume == 0:
		t.jobctl &^= jcStopPending
	case w.bug(BugDetachNoWake) && !w.tasks[tracer].is(tfExiting), w.bug(BugTracerDeathNoWake) && w.tasks[tracer].is(tfExiting):
		t.state = was
	}
	// Until now the stop of a group was hidden from a real parent that traced it (R91); the kernel tells nobody that it is to be
	// reported now (known bug list, row 103).
	if w.isLeader(id) && w.sameGroup(tracer, t.realParent) && w.procOf(t).flags&gfStopStopped != 0 && !w.bug(BugDetachWaitAsleep) {
		w.mark(91)
		w.wakeParent(id, t.realParent)
	}
}

// detach is __ptrace_detach; true if the caller is to release the task (R103).
func (w *World) detach(tracer, id TaskID) bool {
	w.unlink(id)
	t := &w.tasks[id]
	if t.exitState != ExitZombie {
		return false
	}
	w.mark(103)
	dead := !w.isLeader(id)
	if dead && w.bug(BugZombieThreadKept) {
		return false
	}
	if !dead && w.groupEmpty(t) {
		if !w.sameGroup(t.realParent, tracer) {
			dead = w.notifyParent(id, t.exitSignal)
		} else if h := w.sighandOf(&w.tasks[tracer]); h.ignored(SIGCHLD) || h.noCldWait {
			w.wakeParent(id, tracer)
			dead = true
		}
	}
	if dead {
		t.exitState = ExitDead
	}
	return dead
}
