package engine

import "math/bits"

// The invariants of section 7 that can be seen in one step: in what is different between the World before it and after it.
// checkStep panics with *InvariantError at the first broken one.

// StepChecker is the part of the ptrace client that checks invariants of its own, if Options.Check asks for it.
type StepChecker interface {
	// CheckStep looks at one step: before and w are the same World before and after it.
	CheckStep(before, w *World, c Choice)
}

// Broken panics with an *InvariantError.
func (w *World) Broken(n int, id TaskID, format string, args ...any) bool {
	return w.broken(n, id, format, args...)
}

func (w *World) checkStep(before *World, c Choice) {
	for s := before.used & w.m.scope.tasks; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		w.checkChange(before, c, i, &before.tasks[i], &w.tasks[i])
	}
	for s := before.groups & w.m.scope.procs; s != 0; s &= s - 1 {
		g := int8(bits.TrailingZeros16(s))
		b, p := &before.procs[g], &w.procs[g]
		if b.threads.n == 0 || p.threads.n == 0 {
			continue
		}
		holds(b.flags&gfStopStopped != 0 || p.flags&gfStopStopped == 0 || p.stopCount == 0 || w.broken(52, b.leader,
			"group stopped with %d threads still to take part", p.stopCount))
		holds(b.flags&gfGroupExit == 0 || p.flags&gfGroupExit != 0 && p.exitCode == b.exitCode ||
			w.broken(69, b.leader, "group exit code %#x becomes %#x", b.exitCode, p.exitCode))
	}
	id := c.Task
	b, t := &before.tasks[id], &w.tasks[id]
	w.checkWait(before, id)
	if b.depth != 0 && b.top().stage == stExitNotify {
		w.checkTracerExit(before, id)
	}
	if before.used&(1<<id) != 0 && t.execID != b.execID && !t.dead() {
		p := w.procOf(t)
		holds(p.threads.n == 1 && w.isLeader(id) && t.tid == w.tgid(t) ||
			w.broken(61, id, "%d threads after an exec, tid %d", p.threads.n, t.tid))
		holds(t.parent == b.parent && t.is(tfTraced) == b.is(tfTraced) || w.broken(61, id, "exec changes the tracer"))
		holds(t.elevated == b.elevated || !t.is(tfTraced) || t.is(tfTracerCap) ||
			w.broken(65, id, "set-uid exec gains under an unprivileged tracer"))
	}
	if c.Kind != ChoiceKernel && c.Kind != ChoiceInterrupt || b.depth == 0 || t.dead() {
		return
	}
	switch stage, sig := b.next(); stage {
	case stAfterSignal:
		w.checkAfterSignal(id, b, t, sig)
	case stAfterEntry, stAfterExit:
		most := 1
		if stage == stAfterEntry && mayTellThread(b.call) {
			most = 2
		}
		holds(sig == 0 || bits.OnesCount64(t.pending.mask&^b.pending.mask&^bit(SIGKILL)) <= most ||
			w.broken(40, id, "one restart signal makes several pending"))
	case stOrphan:
		// The step may go on to dequeue a SIGSTOP, which is another stop.
		begun := b.jobctl&jcStopPending == 0 && (t.jobctl&jcStopPending != 0 || t.state == Stopped) && t.stopSig == b.cursig
		holds(!begun || !before.orphanedGroup(before.procOf(b).pgid, NoTask) || w.broken(59, id, "signal %d stops an orphaned group", b.cursig))
		holds(!begun || b.jobctl&jcStopDequeued != 0 || w.broken(56, id, "signal %d stops after a SIGCONT", b.cursig))
	case stExecLeader:
		if leader := before.procOf(b).leader; before.tasks[leader].tid != w.tasks[leader].tid {
			holds(w.tasks[leader].exitState == ExitDead || w.broken(62, leader, "the old leader in exit state %d", w.tasks[leader].exitState))
			holds(w.at[t.tid] == id && t.tid == w.tgid(t) || w.broken(61, id, "tid %d after the exec of tid %d", t.tid, b.tid))
		}
	}
}

// mayTellThread says that a call sends a signal to a thread, which may be the caller. It is made in the step that goes on from its entry stop.
func mayTellThread(c Call) bool {
	return c == CallTkill || c == CallTgkill || c == CallRtTgsigqueueinfo || c == CallPidfdSendSignal
}

// next is the stage that a task goes on with, and the signal that it was left with if that follows a report or a stop.
func (t *task) next() (stage, uint8) {
	if t.depth > 1 && t.top().stage == stTraced {
		return t.frames[t.depth-2].stage, uint8(t.exitCode)
	}
	return t.top().stage, t.resume
}

// checkChange looks at what a step did to one task.
func (w *World) checkChange(before *World, c Choice, i TaskID, b, t *task) {
	holds(!b.is(tfReleased) || t.is(tfReleased) || w.broken(66, i, "released twice"))
	if p := b.vforkDone; p != NoTask && t.vforkDone == NoTask && i != c.Task {
		holds(before.tasks[p].fatalPending() || w.broken(48, p, "goes on from vfork, though task %d has its memory", i))
	}
	holds(!t.is(tfReleased) || b.is(tfReleased) || w.at[b.tid] != i || w.broken(66, i, "released, and found by tid %d", b.tid))
	holds(b.exitState == Alive || t.exitState >= b.exitState || b.exitState == ExitTrace && t.exitState == ExitZombie || t.exitState == ExitTrace ||
		w.broken(66, i,
			"exit state %d becomes %d", b.exitState, t.exitState))
	if b.state == Traced && t.state != Traced && i != c.Task {
		// A request, or the end of its tracer: nothing else that its tracer does ends a stop.
		by := &before.tasks[c.Task]
		tracer := before.sameGroup(b.parent, c.Task) && (w.m.ended.task == c.Task && w.m.ended.target == i || by.depth != 0 && by.top().stage == stExitNotify)
		killed := t.fatalPending() || w.Old(SwKillLeavesExitEvent) && w.procOf(t).shared.mask&bit(SIGKILL) != 0
		holds(tracer || killed || b.jobctl&jcListening != 0 || !b.is(tfTraced) || b.utrace.n > 1 || w.broken(58, i,
			"woken from a tracing stop by a step of task %d", c.Task))
	}
	if b.state != Traced && t.state == Traced && w.ptraceStops(i) { // the other engines' stops leave ptrace's traps alone
		holds(t.jobctl&jcTrapStop == 0 || w.broken(44, i, "a trap is still scheduled at the stop"))
		holds(t.info.Signo != SIGKILL || t.frames[0].stage != stAfterSignal || w.broken(41, i, "signal-delivery-stop of SIGKILL"))
		holds(t.jobctl&jcListening == 0 || w.broken(45, i, "listening at the stop"))
	}
	if lost := lostRealtime(&b.pending, &t.pending); lost > 0 {
		holds(i == c.Task || w.sameGroup(i, c.Task) || t.is(tfReleased) || t.dead() ||
			w.broken(79, i, "%d real-time signals gone from the queue", lost))
	}
	if before.isLeader(i) && !t.is(tfReleased) && w.isLeader(i) {
		if lost := lostRealtime(&before.procOf(b).shared, &w.procOf(t).shared); lost > 0 {
			holds(w.sameGroup(i, c.Task) || w.broken(79, i, "%d real-time signals gone from the shared queue", lost))
		}
	}
}

// lostRealtime is how many real-time signals are in queue a and not in queue b.
func lostRealtime(a, b *queue) int {
	n := 0
	for k := range int(a.n) {
		if a.info[k].Signo >= SIGRTMIN {
			n++
		}
	}
	for k := range int(b.n) {
		if b.info[k].Signo >= SIGRTMIN {
			n--
		}
	}
	return n
}

// checkAfterSignal: what a signal-delivery-stop was left with decides, and nothing else (R31).
func (w *World) checkAfterSignal(id TaskID, b, t *task, sig uint8) {
	begun := !w.m.before.groupStopping(b) && w.groupStopping(t) && w.procOf(t).exitCode == uint16(sig)
	another := (b.pending.mask|w.m.before.procOf(b).shared.mask)&bit(max(sig, 1)) != 0 // dequeued in the same step
	holds(sig == 0 || !begun || another || b.jobctl&jcStopDequeued != 0 || w.broken(56, id, "signal %d stops after a SIGCONT", sig))
	grown := t.nhand > b.nhand
	exits := t.depth > 0 && (t.top().stage == stGroupExit || t.top().stage == stHandler)
	if sig == 0 {
		// The loop may go on to the next signal in the same step: then something was dequeued.
		more := b.pending.n != t.pending.n || b.pending.mask != t.pending.mask || w.procOf(t).shared.mask != w.m.before.procOf(b).shared.mask
		holds(!grown && !exits || more || w.broken(38, id, "a suppressed signal acts"))
		return
	}
	if b.blocked&bit(sig) != 0 && sig != SIGKILL {
		queued := (t.pending.mask|w.procOf(t).shared.mask)&bit(sig) != 0
		ignored := b.utrace.n > 1 || w.procOf(t).flags&gfGroupExit != 0 || w.procOf(t).flags&gfUnkillable != 0
		holds(queued || ignored || w.broken(39, id, "signal %d was blocked and is not pending", sig))
		return
	}
	if grown && w.m.before.sighandOf(b).handler&bit(sig) != 0 && t.nhand == b.nhand+1 && b.pending.mask == t.pending.mask && !t.fatalPending() {
		holds(t.hand[t.nhand-1].info.Signo == sig ||
			w.broken(38, id, "restarted with %d, handler of %d runs", sig, t.hand[t.nhand-1].info.Signo))
	}
}

// checkTracerExit: a signal-delivery-stop that was waited for delivers nothing when its tracer dies (R101). A thread that its tracer has let
// go, and another engine still holds, has the signal that the tracer put in (R18).
func (w *World) checkTracerExit(before *World, id TaskID) {
	for _, i := range before.tasks[id].ptraced.at[:before.tasks[id].ptraced.n] {
		b, t := &before.tasks[i], &w.tasks[i]
		if b.state != Traced || !before.ptraceStops(i) || b.frames[0].stage != stAfterSignal || t.fatalPending() || t.is(tfReleased) {
			continue
		}
		want := uint16(0)
		if b.is(tfReport) {
			want = b.exitCode
		}
		holds(t.exitCode == want || w.broken(80, i, "its dead tracer leaves signal %d, not %d", t.exitCode, want))
	}
}

// checkWait looks at what a wait reports, and at what it makes of nothing to report.
func (w *World) checkWait(before *World, id TaskID) {
	o := w.m.waited
	for k := range w.m.trace {
		switch e := &w.m.trace[k]; e.kind {
		case traceWaited:
			w.checkReport(before, id, e, &o)
		case traceScanned:
			hope := NoTask
			for s := before.used &^ (1 << id); s != 0 && hope == NoTask; s &= s - 1 {
				if i := TaskID(bits.TrailingZeros16(s)); before.mayReport(id, i, &o) && w.mayReport(id, i, &o) {
					hope = i
				}
			}
			holds(e.live || hope == NoTask || w.broken(71, id, "ECHILD, though task %d may report", hope))
			n := 71
			if o.flags&WNOTHREAD != 0 {
				n = 72
			}
			holds(!e.live || hope != NoTask || w.broken(n, id, "waits, and nobody may report"))
		}
	}
	for s := before.used & w.m.scope.changed; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		if before.tasks[i].exitState == ExitTrace && w.tasks[i].exitState == ExitZombie {
			holds(!w.tasks[i].is(tfTraced) || w.broken(67, i, "the real parent's zombie has a tracer"))
		}
	}
}

// checkReport looks at one report.
func (w *World) checkReport(before *World, id TaskID, e *traced, o *waitWhat) {
	i, keep := e.task, o.flags&WNOWAIT != 0
	c, d := &before.tasks[i], &w.tasks[i]
	p, q := before.procOf(c), w.procOf(d)
	tracee := c.is(tfTraced) && before.sameGroup(id, c.parent)
	holds(c.is(tfTraced) && before.owns(id, c.parent, o) || before.owns(id, c.realParent, o) ||
		w.broken(72, i, "task %d is told of what is neither its child nor its tracee", id))
	switch e.code {
	case CLD_TRAPPED:
		holds(tracee || w.broken(51, i, "a stop is reported to task %d, which does not trace it", id))
		holds((c.state == Traced || c.state == Stopped && w.Old(SwPlainStops)) && c.exitCode != 0 || w.broken(42, i, "a stop is reported that is over"))
		holds(c.is(tfReport) || w.broken(43, i, "a stop is reported again"))
		holds(keep == d.is(tfReport) || w.broken(43, i, "WNOWAIT is %v, the report is left: %v", keep, d.is(tfReport)))
		holds(c.exitCode&0x7f != 0 || w.broken(43, i, "a stop with status 0"))
		holds(c.jobctl&jcListening == 0 || w.broken(45, i, "a wait sees a listening tracee"))
	case CLD_STOPPED:
		holds(p.exitCode != 0 && keep == (q.exitCode != 0) ||
			w.broken(43, i, "WNOWAIT is %v, the report of the group stop is left: %v", keep, q.exitCode != 0))
	case CLD_CONTINUED:
		left := q.flags&gfStopContinued != 0
		holds(p.flags&gfStopContinued != 0 && keep == left ||
			w.broken(43, i, "WNOWAIT is %v, the report of the continuation is left: %v", keep, left))
	default:
		holds(!c.is(tfTraced) || tracee || w.broken(67, i, "a foreign tracer's zombie is reported"))
		holds(!before.delayedLeader(i) || w.broken(68, i, "a leader is reported before its threads are gone"))
		holds(p.flags&gfGroupExit == 0 || e.arg == p.exitCode ||
			w.broken(69, i, "reported with %#x, its group exits with %#x", e.arg, p.exitCode))
	}
}

// owns is what waitOwns should be.
func (w *World) owns(id, parent TaskID, o *waitWhat) bool {
	return id == parent || o.flags&WNOTHREAD == 0 && w.sameGroup(id, parent)
}

// mayReport says whether a wait of task id finds somebody in task i who may report to it, now or later (R88, R93).
func (w *World) mayReport(id, i TaskID, o *waitWhat) bool {
	t, c := &w.tasks[id], &w.tasks[i]
	if c.is(tfReleased) || c.exitState == ExitDead || !w.eligiblePid(o, c) {
		return false
	}
	if o.kind == waitPid && w.ownNamespace(t) {
		return false // there are no numbers of others, and nobody waits for itself
	}
	tracee := c.is(tfTraced) && w.owns(id, c.parent, o)
	child := w.isLeader(i) && w.owns(id, c.realParent, o) && (o.flags&WALL != 0 || (c.exitSignal != SIGCHLD) == (o.flags&WCLONE != 0))
	switch {
	case c.exitState == Alive:
		return tracee || child
	case c.exitState == ExitTrace:
		return child
	case child && (!c.is(tfTraced) || w.reparented(c)) && (w.delayedLeader(i) || c.is(tfTraced)):
		return true // not this wait's yet
	}
	return (tracee || child) && o.flags&WEXITED != 0 || (tracee || child) && w.delayedLeader(i) && o.flags&WCONTINUED != 0
}

// checkLive looks at a World in which nothing can happen any more: whoever waits must have a reason (section 7, L).
func (w *World) checkLive() {
	w.checkWaiters()
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if t.dead() || t.state == New {
			continue
		}
		p := w.procOf(t)
		exitStop := t.state == Traced && w.inExitStop(t)
		if t.fatalPending() || p.flags&gfGroupExit != 0 {
			holds(exitStop || t.depth > 0 && w.waitsForOthers(t) || w.broken(74, id, "killed, and in state %d", t.state))
		}
		if t.state == Traced && !t.is(tfTraced) {
			holds(t.utrace.n > 0 || w.broken(76, id, "in a tracing stop of nobody"))
		}
		if t.depth == 0 || t.state == Running {
			continue
		}
		switch t.top().stage {
		case stExecSiblings, stExecLeader:
			blocked := false
			for _, i := range w.threads(p) {
				u := &w.tasks[i]
				blocked = blocked || i != id && (u.is(tfTraced) || u.utrace.n > 0 || !u.dead())
			}
			holds(blocked || w.broken(75, id, "exec waits for nobody"))
			holds(!t.fatalPending() || w.broken(75, id, "a killed exec waits"))
		case stClient:
			if t.state == Killable {
				holds(w.Trapping(t.top().b) || w.broken(77, id, "attach waits for a trap that nobody owes"))
			} else if t.state == Interruptible && t.call == CallPtrace {
				holds(w.procOf(&w.tasks[t.top().b]).guard != NoTask || w.broken(78, id, "attach waits for a mutex that is free"))
				holds(!t.signalPending() || w.broken(78, id, "attach sleeps through a signal"))
			}
		}
		if p.stopCount > 0 && t.jobctl&jcStopConsume != 0 {
			holds(t.state == Traced || t.state == Killable || w.waitsForOthers(t) ||
				w.broken(60, id, "has not joined the group stop, in state %d", t.state))
		}
	}
}

func (w *World) inExitStop(t *task) bool {
	for k := range t.depth {
		if t.frames[k].stage == stExitSignals {
			return true
		}
	}
	return false
}

// waitsForOthers says that a task is where not even SIGKILL gets it out before others act.
func (w *World) waitsForOthers(t *task) bool {
	switch t.top().stage {
	case stCloneVforked, stExecSiblings, stExecLeader:
		return !t.fatalPending()
	}
	return w.inExitStop(t) && t.state == Traced
}
