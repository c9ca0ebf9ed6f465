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
			holds(t.utrace.n == 0 || w.broken(26, id, "released with %d engines", t.utrace.n))
			continue
		}
		if t.dead() {
			continue
		}
		w.expectKilled(id, t)
		holds(t.state != Interruptible || !t.signalPending() || w.broken(23, id, "sleeps although a signal or an interrupt is pending"))
		holds(t.state != Traced || w.wanted(id) || w.broken(24, id, "stays TRACED although no engine stops it"))
		holds(!t.is(tfTraced) || !w.tasks[t.parent].dead() || w.broken(76, id, "still traced by task %d, which is dead", t.parent))
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
	holds(exits || !t.fatalPending() && w.procOf(t).flags&gfGroupExit == 0 || w.broken(74, id, "killed, but it does not die"))
}

// expectAwaited is about sleeps in the kernel that some other task must end: what is waited for has not happened yet.
func (w *World) expectAwaited(id TaskID, t *task) {
	f, p := t.top(), w.procOf(t)
	switch f.stage {
	case stExecSiblings:
		holds(p.notify != 0 || w.broken(75, id, "exec waits for siblings that are gone"))
	case stExecLeader:
		holds(!w.tasks[p.leader].dead() || w.broken(75, id, "exec waits for a leader that is dead"))
	case stCloneVforked:
		holds(f.b == 0 || w.broken(48, id, "sleeps in vfork although the child has let its memory go"))
	case stExecGuard, stTsync:
		holds(p.guard != NoTask || w.broken(75, id, "waits for a cred_guard_mutex that is free"))
	case stClient:
		if t.state == Interruptible {
			holds(f.b == NoTask || w.procOf(&w.tasks[f.b]).guard != NoTask ||
				w.broken(78, id, "an attach waits for a cred_guard_mutex that is free"))
		} else { // but another client of utrace may hold the tracee in a stop of its own: this one it enters when it is let go
			holds(w.tasks[f.b].state == Traced || w.broken(77, id, "an attach waits for a stopped tracee to trap"))
		}
	}
}

// expectStopped is 60: a group stop under way waits only for threads that are held in the kernel.
func (w *World) expectStopped(p *proc) {
	for _, id := range w.threads(p) {
		t := &w.tasks[id]
		holds(t.jobctl&jcStopConsume == 0 || t.state == Traced || t.state == Killable || t.state == New || t.dead() || w.broken(60, id,
			"has to take part in a group stop, and does not"))
	}
}
