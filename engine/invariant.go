package engine

import (
	"fmt"
	"math/bits"
)

// The invariants of section 7 that can be seen in a state. check panics with *InvariantError at the first broken one; the
// numbers are those of section 7. It looks at what is in the scope of a step only: everything else held before.
func (w *World) check(in scope) {
	var listed, traced, gone uint16 // tasks: on a tracer's list, with the traced bit, released
	for s := w.used; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if in.tasks&(1<<id) != 0 {
			w.checkUtrace(id, t)
		}
		for _, i := range t.ptraced.at[:t.ptraced.n] {
			holds(listed&(1<<i) == 0 && w.tasks[i].parent == id && w.tasks[i].is(tfTraced) ||
				w.broken(27, i, "tracee of task %d, parent %d", id, w.tasks[i].parent))
			listed |= 1 << i
		}
		switch {
		case t.is(tfReleased):
			gone |= 1 << id
		case t.is(tfTraced):
			traced |= 1 << id
		}
	}
	holds(listed&^gone == traced || w.broken(27, TaskID(bits.TrailingZeros16(listed&^gone^traced)), "traced bit and tracer's list differ"))
	for s := in.tasks; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if t.is(tfReleased) {
			continue
		}
		holds(w.at[t.tid] == id || w.broken(66, id, "tid %d leads to task %d", t.tid, w.at[t.tid]))
		holds(t.is(tfTraced) || t.parent == t.realParent || w.broken(27, id, "untraced, parent %d, real parent %d", t.parent, t.realParent))
		holds(t.is(tfTraced) == (w.LookupEngine(id, 1) != noEngine) || !w.m.hooked || t.utrace.flags&(utDeath|utReap) != 0 ||
			w.broken(27, id, "traced bit and engine differ"))
		w.checkTask(id, t)
	}
	for s := in.groups; s != 0; s &= s - 1 {
		w.checkGroup(int8(bits.TrailingZeros16(s)))
	}
	if w.quiescent() {
		w.checkLive()
		w.checkUtraceLive()
	}
}

// holds is called as holds(ok || w.broken(...)), so that what says what is broken is only made when something is.
func holds(bool) {}

func (w *World) broken(n int, id TaskID, format string, args ...any) bool {
	panic(&InvariantError{N: n, Task: id, What: fmt.Sprintf(format, args...)})
}

func (w *World) checkTask(id TaskID, t *task) {
	p := w.procOf(t)
	holds(t.jobctl&jcStopConsume == 0 || t.jobctl&jcStopPending != 0 || w.broken(52, id, "to be counted without a stop pending"))
	holds(t.is(tfTraced) || p.flags&gfStopStopped == 0 || t.state != Running || t.depth > 0 ||
		t.jobctl&jcStopPending != 0 || t.fatalPending() || w.bug(BugCloneSkipsGroupStop) || w.broken(55, id, "runs user code in a stopped group"))
	holds(t.state != Stopped || w.groupStopping(t) || w.Old(SwPlainStops) || w.broken(57, id, "stopped in a group that is not"))
	holds(t.jobctl&jcListening == 0 || t.is(tfTraced) || t.state == Running || w.broken(45, id, "listening without a tracer"))
	holds(t.depth > 0 || t.info == SigInfo{} || w.broken(30, id, "the siginfo of signal %d is left in user mode", t.info.Signo))
	holds(t.jobctl&jcTrapping == 0 || t.is(tfTraced) || w.broken(77, id, "an attacher waits for a task without tracer"))
	holds(t.vforkDone == NoTask || w.tasks[t.vforkDone].depth > 0 || w.tasks[t.vforkDone].dead() ||
		w.broken(48, id, "vfork parent in user mode"))
	holds(t.exitState != ExitZombie || t.is(tfTraced) || w.isLeader(id) || w.broken(70, id, "untraced thread stays a zombie"))
	if id != initTask {
		rp := &w.tasks[t.realParent]
		holds(!rp.is(tfReleased) || w.broken(66, id, "real parent %d is released", t.realParent))
		if w.isLeader(id) {
			holds(rp.children.index(id) >= 0 || w.broken(66, id, "not among its parent's children"))
		}
	}
}

func (w *World) checkGroup(g int8) {
	p := &w.procs[g]
	n, alive := int8(0), int8(0)
	for _, i := range w.threads(p) {
		if t := &w.tasks[i]; t.jobctl&jcStopConsume != 0 {
			n++
		}
		if !w.tasks[i].is(tfExiting) {
			alive++
		}
	}
	if p.threads.n == 0 {
		return
	}
	holds(n == p.stopCount || w.broken(52, p.leader, "group_stop_count %d, %d threads to be counted", p.stopCount, n))
	holds(p.flags&gfGroupExit == 0 || p.flags&gfStopMask == 0 && p.stopCount == 0 || w.broken(52, p.leader, "stopping while exiting"))
	dying := p.flags&gfGroupExit != 0 && w.Old(SwKillLeavesExitEvent) // then a signal is pending, and does nothing (R22)
	holds(p.shared.mask&bit(SIGCONT) == 0 || p.shared.mask&stopSignals == 0 || dying || w.broken(54, p.leader, "SIGCONT and a stop signal both pending"))
	holds(p.live == alive || w.broken(69, p.leader, "%d threads live, counted %d", alive, p.live))
	holds(p.execTask == NoTask || !w.tasks[p.execTask].dead() || w.broken(75, p.leader, "the exec'ing thread is dead"))
}

// quiescent says that nothing can happen any more, but for timers.
func (w *World) quiescent() bool {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		if w.tasks[bits.TrailingZeros16(s)].state == Running {
			return false // whatever it can do
		}
	}
	var buf [4 * maxTasks]Choice
	for _, c := range w.Choices(buf[:0]) {
		if c.Kind != ChoiceTimer {
			return false
		}
	}
	return true
}

// checkWaiters looks for lost wake-ups: when nothing can happen any more, nobody sleeps in wait who would find something.
func (w *World) checkWaiters() {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if t.state != Interruptible || t.depth == 0 || t.top().stage != stWait {
			continue
		}
		c := w.m.scratch
		if c == nil {
			c = new(World)
			w.m.scratch = c
		}
		c.CopyFrom(w)
		o, _ := c.waitOpts(&c.tasks[id])
		_, what := c.waitScan(id, &c.tasks[id], c.tasks[id].top(), &o)
		holds(what == foundNone ||
			w.broken(73, id, "sleeps in %v (flags %#x) although there is %v to report", t.call, o.flags, c.tasks[id].out))
	}
}
