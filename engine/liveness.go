package engine

import "math/bits"

// CheckLiveness looks for what must not last: the liveness invariants of section 7 (marked L), seen in a world in which
// nothing can happen any more. It panics with *InvariantError at the first that is broken, as Options.Check does.
//
// Waiting for a peer that never acts is allowed here: a tracee for its tracer's request, an exec for the reaping of its
// siblings, an attach for the exec that holds the mutex. Whether such waits close a cycle is the oracles' question.
func (w *World) CheckLiveness() {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if t.is(tfReleased) {
			w.expect(26, id, t.utrace.n == 0, "released with %d engines", t.utrace.n)
			continue
		}
		if t.dead() {
			continue
		}
		w.expectKilled(id, t)
		w.expect(23, id, t.state != Interruptible || !t.signalPending(), "sleeps although a signal or an interrupt is pending")
		w.expect(24, id, t.state != Traced || w.wanted(id), "stays TRACED although no engine stops it")
		w.expect(76, id, !t.is(tfTraced) || !w.tasks[t.parent].dead(), "still traced by task %d, which is dead", t.parent)
		if t.state == Interruptible || t.state == Killable {
			w.expectAwaited(id, t)
		}
	}
	for s := w.groups; s != 0; s &= s - 1 {
		w.expectStopped(&w.procs[bits.TrailingZeros16(s)])
	}
	w.checkWaiters()
}

// expectKilled is 74: after SIGKILL or a group exit only a stop at EVENT_EXIT keeps a thread.
func (w *World) expectKilled(id TaskID, t *task) {
	exits := t.state == Traced && t.depth > 1 && t.frames[t.depth-2].stage == stExitSignals
	w.expect(74, id, exits || !t.fatalPending() && w.procOf(t).flags&gfGroupExit == 0, "killed, but it does not die")
}

// expectAwaited is about sleeps in the kernel that some other task must end: what is waited for has not happened yet.
func (w *World) expectAwaited(id TaskID, t *task) {
	f, p := t.top(), w.procOf(t)
	switch f.stage {
	case stExecSiblings:
		w.expect(75, id, p.notify != 0, "exec waits for siblings that are gone")
	case stExecLeader:
		w.expect(75, id, !w.tasks[p.leader].dead(), "exec waits for a leader that is dead")
	case stCloneVforked:
		w.expect(48, id, f.b == 0, "sleeps in vfork although the child has let its memory go")
	case stExecGuard, stTsync:
		w.expect(75, id, p.guard != NoTask, "waits for a cred_guard_mutex that is free")
	case stClient:
		if t.state == Interruptible {
			w.expect(78, id, f.b == NoTask || w.procOf(&w.tasks[f.b]).guard != NoTask, "an attach waits for a cred_guard_mutex that is free")
		} else {
			w.expect(77, id, false, "an attach waits for a stopped tracee to trap")
		}
	}
}

// expectStopped is 60: a group stop under way waits only for threads that are held in the kernel.
func (w *World) expectStopped(p *proc) {
	for _, id := range w.threads(p) {
		t := &w.tasks[id]
		w.expect(60, id, t.jobctl&jcStopConsume == 0 || t.state == Traced || t.state == Killable || t.state == New || t.dead(),
			"has to take part in a group stop, and does not")
	}
}
