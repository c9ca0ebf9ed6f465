package engine

import (
	"fmt"
	"math/bits"
)

// The invariants of section 7 that can be seen in a state. check panics with *InvariantError at the first broken one; the
// numbers are those of section 7.
func (w *World) check() {
	traced := uint16(0)
	for s := w.used; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		w.checkUtrace(id, t)
		for _, i := range t.ptraced.at[:t.ptraced.n] {
			w.expect(27, i, traced&(1<<i) == 0 && w.tasks[i].parent == id && w.tasks[i].is(tfTraced), "tracee of task %d, parent %d", id, w.tasks[i].parent)
			traced |= 1 << i
		}
	}
	for s := w.used; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		if t.is(tfReleased) {
			continue
		}
		w.expect(66, id, w.at[t.tid] == id, "tid %d leads to task %d", t.tid, w.at[t.tid])
		w.expect(27, id, t.is(tfTraced) == (traced&(1<<id) != 0), "traced bit and tracer's list differ")
		w.expect(27, id, t.is(tfTraced) || t.parent == t.realParent, "untraced, parent %d, real parent %d", t.parent, t.realParent)
		w.expect(27, id, t.is(tfTraced) == (w.LookupEngine(id, 1) != noEngine) || !w.m.hooked || t.utrace.flags&(utDeath|utReap) != 0, "traced bit and engine differ")
		w.checkTask(id, t)
	}
	for s := w.groups; s != 0; s &= s - 1 {
		w.checkGroup(int8(bits.TrailingZeros16(s)))
	}
	if w.quiescent() {
		w.checkLive()
		w.checkUtraceLive()
	}
}

func (w *World) expect(n int, id TaskID, ok bool, format string, args ...any) {
	if !ok {
		panic(&InvariantError{N: n, Task: id, What: fmt.Sprintf(format, args...)})
	}
}

func (w *World) checkTask(id TaskID, t *task) {
	p := w.procOf(t)
	w.expect(52, id, t.jobctl&jcStopConsume == 0 || t.jobctl&jcStopPending != 0, "to be counted without a stop pending")
	w.expect(55, id, t.is(tfTraced) || p.flags&gfStopStopped == 0 || t.state != Running || t.depth > 0 ||
		t.jobctl&jcStopPending != 0 || t.fatalPending() || w.bug(BugCloneSkipsGroupStop), "runs user code in a stopped group")
	w.expect(57, id, t.state != Stopped || w.groupStopping(t), "stopped in a group that is not")
	w.expect(45, id, t.jobctl&jcListening == 0 || t.is(tfTraced) || t.state == Running, "listening without a tracer")
	w.expect(30, id, t.depth > 0 || t.info == SigInfo{}, "the siginfo of signal %d is left in user mode", t.info.Signo)
	w.expect(77, id, t.jobctl&jcTrapping == 0 || t.is(tfTraced), "an attacher waits for a task without tracer")
	w.expect(48, id, t.vforkDone == NoTask || w.tasks[t.vforkDone].depth > 0 || w.tasks[t.vforkDone].dead(), "vfork parent in user mode")
	w.expect(70, id, t.exitState != ExitZombie || t.is(tfTraced) || w.isLeader(id), "untraced thread stays a zombie")
	if id != initTask {
		rp := &w.tasks[t.realParent]
		w.expect(66, id, !rp.is(tfReleased), "real parent %d is released", t.realParent)
		if w.isLeader(id) {
			w.expect(66, id, rp.children.index(id) >= 0, "not among its parent's children")
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
	w.expect(52, p.leader, n == p.stopCount, "group_stop_count %d, %d threads to be counted", p.stopCount, n)
	w.expect(52, p.leader, p.flags&gfGroupExit == 0 || p.flags&gfStopMask == 0 && p.stopCount == 0, "stopping while exiting")
	w.expect(54, p.leader, p.shared.mask&bit(SIGCONT) == 0 || p.shared.mask&stopSignals == 0, "SIGCONT and a stop signal both pending")
	w.expect(69, p.leader, p.live == alive, "%d threads live, counted %d", alive, p.live)
	w.expect(75, p.leader, p.execTask == NoTask || !w.tasks[p.execTask].dead(), "the exec'ing thread is dead")
}

// quiescent says that nothing can happen any more, but for timers.
func (w *World) quiescent() bool {
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
		w.expect(73, id, what == foundNone, "sleeps in %v (flags %#x) although there is %v to report", t.call, o.flags, c.tasks[id].out)
	}
}
