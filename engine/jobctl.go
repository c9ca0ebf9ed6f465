package engine

// Job control (R37 to R47): group stop, its per-thread bits, and the notifications of parents.

// setStop is signal_set_stop_flags.
func (p *proc) setStop(f uint16) { p.flags = p.flags&^gfStopMask | f }

// beginGroupExit is signal->flags = SIGNAL_GROUP_EXIT: it ends every group stop.
func (p *proc) beginGroupExit() {
	p.flags = p.flags&(gfSubreaper|gfHasSubreaper|gfSessionLeader|gfYamaDeclared|gfNamespace) | gfGroupExit
	p.stopCount = 0
}

// setPending is task_set_jobctl_pending; it does nothing to a dying task.
func (w *World) setPending(t *task, bits uint16, signo uint8) bool {
	if t.fatalPending() || t.is(tfExiting) {
		return false
	}
	if signo != 0 {
		t.stopSig = signo
	}
	t.jobctl |= bits
	return true
}

// clearPendingStop is task_clear_jobctl_pending.
func (w *World) clearPendingStop(t *task, bits uint16) {
	if bits&jcStopPending != 0 {
		bits |= jcStopConsume | jcStopDequeued
	}
	t.jobctl &^= bits
	if t.jobctl&jcPendingMask == 0 {
		w.clearTrapping(t)
	}
}

// clearTrapping is task_clear_jobctl_trapping: it lets the attacher go on (R9).
func (w *World) clearTrapping(t *task) {
	if t.jobctl&jcTrapping == 0 {
		return
	}
	t.jobctl &^= jcTrapping
	if w.bug(BugTrappingLost) {
		return
	}
	if a := &w.tasks[t.parent]; a.state == Killable && a.depth > 0 && a.top().stage == stClient {
		a.state = Running
	}
}

// participate is task_participate_group_stop; true if the parent is to be told that the stop is complete.
func (w *World) participate(t *task) bool {
	p := w.procOf(t)
	consume := t.jobctl&jcStopConsume != 0
	w.clearPendingStop(t, jcStopPending)
	if !consume {
		return false
	}
	p.stopCount--
	if p.stopCount == 0 && (p.flags&gfStopStopped == 0 || w.bug(BugStoppedTwice)) {
		p.setStop(gfStopStopped)
		return true
	}
	return false
}

// joinStop is task_join_group_stop: a new thread takes part in a stop in effect or under way (R46).
func (w *World) joinStop(parent, t *task) {
	p := w.procOf(t)
	bits := jcStopPending
	switch {
	case w.bug(BugCloneSkipsGroupStop):
		return
	case p.stopCount != 0:
		p.stopCount++
		bits |= jcStopConsume
	case p.flags&gfStopStopped == 0:
		return
	}
	w.mark(46)
	w.setPending(t, bits, parent.stopSig)
}

// groupStop is do_signal_stop: begin a group stop with signo, or take part in one if signo is 0. It says whether the thread
// stopped; a traced one only gets its trap scheduled (R39).
func (w *World) groupStop(id TaskID, t *task, f *frame, signo uint8) bool {
	p := w.procOf(t)
	if t.jobctl&jcStopPending == 0 {
		if t.jobctl&jcStopDequeued == 0 && !w.bug(BugOvertakenStop) {
			w.mark(45)
			return false
		}
		if p.flags&gfGroupExit != 0 || p.execTask != NoTask {
			return false
		}
		w.mark(37)
		if p.flags&gfStopStopped == 0 {
			p.exitCode = uint16(signo)
		} else {
			w.mark(42)
		}
		p.stopCount = 0
		if w.setPending(t, jcStopPending|jcStopConsume, signo) {
			p.stopCount++
		}
		for _, i := range w.threads(p) {
			u := &w.tasks[i]
			if i == id || u.state == Stopped || w.heldBeside(i, u) || u.state == Traced && w.bug(BugStopCountTraced) || !w.setPending(u, jcStopPending|jcStopConsume, signo) {
				continue
			}
			p.stopCount++
			if u.state == Traced {
				w.mark(40)
			}
			if !w.notifyJctl(i) {
				w.signalWake(u, false)
			}
		}
	}
	plain := w.Old(SwPlainStops)
	if t.is(tfTraced) && !plain {
		w.mark(39)
		w.setPending(t, jcTrapStop, 0)
		return false
	}
	if t.utrace.events&EvJctl != 0 && f.m&frameJctl == 0 {
		// The report is made without siglock; what is left of the stop by then is decided anew.
		f.stage = stSignal
		f.m |= frameJctl
		notify := uint16(0)
		if t.jobctl&jcStopConsume != 0 && p.stopCount == 1 && p.flags&gfStopStopped == 0 {
			notify = CLD_STOPPED
		}
		w.begin(id, t, passJctl, CLD_STOPPED|notify<<8)
		return true
	}
	f.m &^= frameJctl
	w.mark(38)
	f.stage = stInStop
	last := w.participate(t)
	if plain && p.exitCode != 0 {
		w.SetReport(id, p.exitCode) // for whoever traces the thread, or comes to
	}
	if last || plain && t.is(tfTraced) && t.is(tfReport) {
		f.stage = stStopped
	}
	if last {
		f.m |= frameLast
	}
	t.state = Stopped
	return true
}

// heldBeside says that a thread stands still for an engine, and ptrace has nothing to do with it: a group stop is complete
// without it, and finds it when the engine lets go (2.6). Where stops are plain, ptrace's are no others.
func (w *World) heldBeside(id TaskID, t *task) bool {
	return t.state == Traced && (!t.is(tfTraced) || w.Old(SwPlainStops)) && w.wanted(id)
}

// tellStopped notifies the parent of the completed group stop; the thread is already STOPPED and may already be woken. Where stops
// are plain, a traced thread's tracer is told instead, of each thread's (H7).
func (w *World) tellStopped(id TaskID, t *task, f *frame) bool {
	switch {
	case w.Old(SwPlainStops) && t.is(tfTraced):
		w.notifyStop(id, true, CLD_STOPPED)
	case f.m&frameLast != 0:
		w.tellGroupStop(w.procOf(t).leader)
	}
	f.m &^= frameLast
	f.stage = stInStop
	return false
}

// leaveStop is the end of a job control stop. Where stops are plain a tracer may have taken it for its own, and reported it; neither
// outlasts it.
func (w *World) leaveStop(id TaskID, t *task, f *frame) bool {
	if w.Old(SwPlainStops) {
		t.exitCode = 0
		t.flags &^= tfReport
		w.unstop(id, t)
	}
	f.stage = stSignal
	return true
}

// tellGroupStop tells the real parent that the group stop is complete in which a thread took part last.
func (w *World) tellGroupStop(id TaskID) {
	w.trace(traced{kind: traceParent, task: id})
	w.notifyStop(id, false, CLD_STOPPED)
}

// notifyContinued is the part of get_signal that tells parents what SIGCONT did (R44).
func (w *World) notifyContinued(_ TaskID, t *task, f *frame) bool {
	w.mark(44)
	leader := w.procOf(t).leader
	l := &w.tasks[leader]
	plain := w.Old(SwPlainStops) && l.is(tfTraced)
	if !plain {
		w.notifyStop(leader, false, int32(f.code))
	}
	if plain || w.reparented(l) {
		w.notifyStop(leader, true, int32(f.code))
	}
	f.stage = stSignal
	return false
}

// notifyStop is do_notify_parent_cldstop (R97, R98): to the tracer of the thread, or to the real parent of its group.
func (w *World) notifyStop(id TaskID, tracer bool, why int32) {
	t := &w.tasks[id]
	parent := t.parent
	if !tracer {
		id = w.procOf(t).leader
		t = &w.tasks[id]
		parent = t.realParent
	}
	s := NewSigInfo(SIGCHLD, why, Tid(t.tid), t.uid)
	switch why {
	case CLD_CONTINUED:
		s.Status = SIGCONT
	case CLD_STOPPED:
		s.Status = w.procOf(t).exitCode & 0x7f
	case CLD_TRAPPED:
		s.Status = t.exitCode & 0x7f
	}
	w.mark(97)
	h := w.sighandOf(&w.tasks[parent])
	if !h.ignored(SIGCHLD) && !h.noCldStop {
		w.send(s, parent, false, false)
	} else {
		w.mark(98)
		if w.bug(BugQuietNoWake) {
			return
		}
	}
	if !(w.bug(BugStopNotWaking) && tracer) {
		w.wakeParent(id, parent)
	}
}

// wakeParent is __wake_up_parent: wake every thread of the parent's process that waits for the task.
func (w *World) wakeParent(id, parent TaskID) {
	t := &w.tasks[id]
	for _, i := range w.threads(w.procOf(&w.tasks[parent])) {
		u := &w.tasks[i]
		if u.state == Interruptible && u.depth > 0 && u.top().stage == stWait && w.waitWakes(i, u, t) {
			u.state = Running
		}
	}
}

// orphanedGroup is will_become_orphaned_pgrp.
func (w *World) orphanedGroup(pgid int8, ignored TaskID) bool {
	for g := range TaskID(maxTasks) {
		if w.groups&(1<<g) == 0 {
			continue
		}
		p := &w.procs[g]
		if p.threads.n == 0 || p.pgid != pgid || p.leader == ignored {
			continue
		}
		l := &w.tasks[p.leader]
		if l.dead() && w.groupEmpty(l) {
			continue
		}
		rp := w.procOf(&w.tasks[l.realParent])
		if rp.pgid != pgid && rp.sid == p.sid {
			return false
		}
	}
	return true
}

// stoppedJobs is has_stopped_jobs.
func (w *World) stoppedJobs(pgid int8) bool {
	for g := range TaskID(maxTasks) {
		if w.groups&(1<<g) != 0 && w.procs[g].threads.n != 0 && w.procs[g].pgid == pgid && w.procs[g].flags&gfStopStopped != 0 {
			return true
		}
	}
	return false
}

// killOrphaned is kill_orphaned_pgrp (R85).
func (w *World) killOrphaned(id TaskID, parent TaskID) {
	t := &w.tasks[id]
	p := w.procOf(t)
	ignored := NoTask
	if parent == NoTask {
		parent, ignored = t.realParent, id
	}
	pp := w.procOf(&w.tasks[parent])
	if pp.pgid == p.pgid || pp.sid != p.sid || !w.orphanedGroup(p.pgid, ignored) || !w.stoppedJobs(p.pgid) || w.bug(BugOrphanNoHangup) {
		return
	}
	w.mark(85)
	pgid := p.pgid
	w.many = true
	for _, sig := range [2]uint8{SIGHUP, SIGCONT} {
		for g := range TaskID(maxTasks) {
			if w.groups&(1<<g) != 0 && w.procs[g].threads.n != 0 && w.procs[g].pgid == pgid {
				w.send(NewSigInfo(sig, SI_KERNEL, NoTid, 0), w.procs[g].leader, false, true)
			}
		}
	}
	w.many = false
}

// orphanCheck is what get_signal does about a stop signal other than SIGSTOP, outside siglock (R36).
func (w *World) orphanCheck(id TaskID, t *task, f *frame) bool {
	sig := t.cursig
	t.cursig = 0
	f.stage = stSignal
	if w.orphanedGroup(w.procOf(t).pgid, NoTask) && !w.bug(BugOrphanStops) {
		w.mark(36)
		return false
	}
	if w.groupStop(id, t, f, sig) {
		return false
	}
	return true
}
