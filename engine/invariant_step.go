package engine

import "math/bits"

// The invariants of section 7 that can be seen in one step: in what is different between the World before it and after it.
// checkStep panics with *InvariantError at the first broken one.

// StepChecker is the part of the ptrace client that checks invariants of its own, if Options.Check asks for it.
type StepChecker interface {
	// CheckStep looks at one step: before and w are the same World before and after it.
	CheckStep(before, w *World, c Choice)
}

// Expect panics with an *InvariantError unless ok.
func (w *World) Expect(n int, id TaskID, ok bool, format string, args ...any) {
	w.expect(n, id, ok, format, args...)
}

func (w *World) checkStep(before *World, c Choice) {
	for s := before.used; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		w.checkChange(before, c, i, &before.tasks[i], &w.tasks[i])
	}
	for s := before.groups; s != 0; s &= s - 1 {
		g := int8(bits.TrailingZeros16(s))
		b, p := &before.procs[g], &w.procs[g]
		if b.threads.n == 0 || p.threads.n == 0 {
			continue
		}
		w.expect(52, b.leader, b.flags&gfStopStopped != 0 || p.flags&gfStopStopped == 0 || p.stopCount == 0,
			"group stopped with %d threads still to take part", p.stopCount)
		w.expect(69, b.leader, b.flags&gfGroupExit == 0 || p.flags&gfGroupExit != 0 && p.exitCode == b.exitCode, "group exit code %#x becomes %#x", b.exitCode, p.exitCode)
	}
	id := c.Task
	b, t := &before.tasks[id], &w.tasks[id]
	w.checkWait(before, id)
	if b.depth != 0 && b.top().stage == stExitNotify {
		w.checkTracerExit(before, id)
	}
	if before.used&(1<<id) != 0 && t.execID != b.execID && !t.dead() {
		p := w.procOf(t)
		w.expect(61, id, p.threads.n == 1 && w.isLeader(id) && t.tid == w.tgid(t), "%d threads after an exec, tid %d", p.threads.n, t.tid)
		w.expect(61, id, t.parent == b.parent && t.is(tfTraced) == b.is(tfTraced), "exec changes the tracer")
		w.expect(65, id, t.elevated == b.elevated || !t.is(tfTraced) || t.is(tfTracerCap), "set-uid exec gains under an unprivileged tracer")
	}
	if c.Kind != ChoiceKernel && c.Kind != ChoiceInterrupt || b.depth == 0 || t.dead() {
		return
	}
	switch stage, sig := b.next(); stage {
	case stAfterSignal:
		w.checkAfterSignal(id, b, t, sig)
	case stAfterEntry, stAfterExit:
		w.expect(40, id, sig == 0 || bits.OnesCount64(t.pending.mask&^b.pending.mask&^bit(SIGKILL)) <= 1, "one restart signal makes several pending")
	case stOrphan:
		// The step may go on to dequeue a SIGSTOP, which is another stop.
		begun := b.jobctl&jcStopPending == 0 && (t.jobctl&jcStopPending != 0 || t.state == Stopped) && t.stopSig == b.cursig
		w.expect(59, id, !begun || !before.orphanedGroup(before.procOf(b).pgid, NoTask), "signal %d stops an orphaned group", b.cursig)
		w.expect(56, id, !begun || b.jobctl&jcStopDequeued != 0, "signal %d stops after a SIGCONT", b.cursig)
	case stExecLeader:
		if leader := before.procOf(b).leader; before.tasks[leader].tid != w.tasks[leader].tid {
			w.expect(62, leader, w.tasks[leader].exitState == ExitDead, "the old leader in exit state %d", w.tasks[leader].exitState)
			w.expect(61, id, w.at[t.tid] == id && t.tid == w.tgid(t), "tid %d after the exec of tid %d", t.tid, b.tid)
		}
	}
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
	w.expect(66, i, !b.is(tfReleased) || t.is(tfReleased), "released twice")
	if p := b.vforkDone; p != NoTask && t.vforkDone == NoTask && i != c.Task {
		w.expect(48, p, before.tasks[p].fatalPending(), "goes on from vfork, though task %d has its memory", i)
	}
	w.expect(66, i, !t.is(tfReleased) || b.is(tfReleased) || w.at[b.tid] != i, "released, and found by tid %d", b.tid)
	w.expect(66, i, b.exitState == Alive || t.exitState >= b.exitState || b.exitState == ExitTrace && t.exitState == ExitZombie || t.exitState == ExitTrace,
		"exit state %d becomes %d", b.exitState, t.exitState)
	if b.state == Traced && t.state != Traced && i != c.Task {
		// A request, or the end of its tracer: nothing else that its tracer does ends a stop.
		by := &before.tasks[c.Task]
		tracer := before.sameGroup(b.parent, c.Task) && (w.m.ended.task == c.Task && w.m.ended.target == i || by.depth != 0 && by.top().stage == stExitNotify)
		w.expect(58, i, tracer || t.fatalPending() || b.jobctl&jcListening != 0 || !b.is(tfTraced) || b.utrace.n > 1,
			"woken from a tracing stop by a step of task %d", c.Task)
	}
	if b.state != Traced && t.state == Traced && w.ptraceStops(i) { // the other engines' stops leave ptrace's traps alone
		w.expect(44, i, t.jobctl&jcTrapStop == 0, "a trap is still scheduled at the stop")
		w.expect(41, i, t.info.Signo != SIGKILL || t.frames[0].stage != stAfterSignal, "signal-delivery-stop of SIGKILL")
		w.expect(45, i, t.jobctl&jcListening == 0, "listening at the stop")
	}
	if lost := lostRealtime(&b.pending, &t.pending); lost > 0 {
		w.expect(79, i, i == c.Task || w.sameGroup(i, c.Task) || t.is(tfReleased) || t.dead(), "%d real-time signals gone from the queue", lost)
	}
	if before.isLeader(i) && !t.is(tfReleased) && w.isLeader(i) {
		if lost := lostRealtime(&before.procOf(b).shared, &w.procOf(t).shared); lost > 0 {
			w.expect(79, i, w.sameGroup(i, c.Task), "%d real-time signals gone from the shared queue", lost)
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
	w.expect(56, id, sig == 0 || !begun || another || b.jobctl&jcStopDequeued != 0, "signal %d stops after a SIGCONT", sig)
	grown := t.nhand > b.nhand
	exits := t.depth > 0 && t.top().stage == stGroupExit
	if sig == 0 {
		// The loop may go on to the next signal in the same step: then something was dequeued.
		more := b.pending.n != t.pending.n || b.pending.mask != t.pending.mask || w.procOf(t).shared.mask != w.m.before.procOf(b).shared.mask
		w.expect(38, id, !grown && !exits || more, "a suppressed signal acts")
		return
	}
	if b.blocked&bit(sig) != 0 && sig != SIGKILL {
		queued := (t.pending.mask|w.procOf(t).shared.mask)&bit(sig) != 0
		ignored := b.utrace.n > 1 || w.procOf(t).flags&gfGroupExit != 0 || w.procOf(t).flags&gfUnkillable != 0
		w.expect(39, id, queued || ignored, "signal %d was blocked and is not pending", sig)
		return
	}
	if grown && w.m.before.sighandOf(b).handler&bit(sig) != 0 && t.nhand == b.nhand+1 && b.pending.mask == t.pending.mask && !t.fatalPending() {
		w.expect(38, id, t.hand[t.nhand-1].info.Signo == sig, "restarted with %d, handler of %d runs", sig, t.hand[t.nhand-1].info.Signo)
	}
}

// checkTracerExit: a signal-delivery-stop that was waited for delivers nothing when its tracer dies (R101).
func (w *World) checkTracerExit(before *World, id TaskID) {
	for _, i := range before.tasks[id].ptraced.at[:before.tasks[id].ptraced.n] {
		b, t := &before.tasks[i], &w.tasks[i]
		if b.state != Traced || b.frames[0].stage != stAfterSignal || t.fatalPending() || t.is(tfReleased) {
			continue
		}
		want := uint16(0)
		if b.is(tfReport) {
			want = b.exitCode
		}
		w.expect(80, i, t.exitCode == want, "its dead tracer leaves signal %d, not %d", t.exitCode, want)
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
			w.expect(71, id, e.live || hope == NoTask, "ECHILD, though task %d may report", hope)
			n := 71
			if o.flags&WNOTHREAD != 0 {
				n = 72
			}
			w.expect(n, id, !e.live || hope != NoTask, "waits, and nobody may report")
		}
	}
	for s := before.used; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		if before.tasks[i].exitState == ExitTrace && w.tasks[i].exitState == ExitZombie {
			w.expect(67, i, !w.tasks[i].is(tfTraced), "the real parent's zombie has a tracer")
		}
	}
}

// checkReport looks at one report.
func (w *World) checkReport(before *World, id TaskID, e *traced, o *waitWhat) {
	i, keep := e.task, o.flags&WNOWAIT != 0
	c, d := &before.tasks[i], &w.tasks[i]
	p, q := before.procOf(c), w.procOf(d)
	tracee := c.is(tfTraced) && before.sameGroup(id, c.parent)
	w.expect(72, i, c.is(tfTraced) && before.owns(id, c.parent, o) || before.owns(id, c.realParent, o), "task %d is told of what is neither its child nor its tracee", id)
	switch e.code {
	case CLD_TRAPPED:
		w.expect(51, i, tracee, "a stop is reported to task %d, which does not trace it", id)
		w.expect(42, i, c.state == Traced && c.exitCode != 0, "a stop is reported that is over")
		w.expect(43, i, c.is(tfReport), "a stop is reported again")
		w.expect(43, i, keep == d.is(tfReport), "WNOWAIT is %v, the report is left: %v", keep, d.is(tfReport))
		w.expect(43, i, c.exitCode&0x7f != 0, "a stop with status 0")
		w.expect(45, i, c.jobctl&jcListening == 0, "a wait sees a listening tracee")
	case CLD_STOPPED:
		w.expect(43, i, p.exitCode != 0 && keep == (q.exitCode != 0), "WNOWAIT is %v, the report of the group stop is left: %v", keep, q.exitCode != 0)
	case CLD_CONTINUED:
		left := q.flags&gfStopContinued != 0
		w.expect(43, i, p.flags&gfStopContinued != 0 && keep == left, "WNOWAIT is %v, the report of the continuation is left: %v", keep, left)
	default:
		w.expect(67, i, !c.is(tfTraced) || tracee, "a foreign tracer's zombie is reported")
		w.expect(68, i, !before.delayedLeader(i), "a leader is reported before its threads are gone")
		w.expect(69, i, p.flags&gfGroupExit == 0 || e.arg == p.exitCode, "reported with %#x, its group exits with %#x", e.arg, p.exitCode)
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
			w.expect(74, id, exitStop || t.depth > 0 && w.waitsForOthers(t), "killed, and in state %d", t.state)
		}
		if t.state == Traced && !t.is(tfTraced) {
			w.expect(76, id, t.utrace.n > 0, "in a tracing stop of nobody")
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
			w.expect(75, id, blocked, "exec waits for nobody")
			w.expect(75, id, !t.fatalPending(), "a killed exec waits")
		case stClient:
			if t.state == Killable {
				w.expect(77, id, w.Trapping(t.top().b), "attach waits for a trap that nobody owes")
			} else if t.state == Interruptible && t.call == CallPtrace {
				w.expect(78, id, w.procOf(&w.tasks[t.top().b]).guard != NoTask, "attach waits for a mutex that is free")
				w.expect(78, id, !t.signalPending(), "attach sleeps through a signal")
			}
		}
		if p.stopCount > 0 && t.jobctl&jcStopConsume != 0 {
			w.expect(60, id, t.state == Traced || t.state == Killable || w.waitsForOthers(t), "has not joined the group stop, in state %d", t.state)
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
