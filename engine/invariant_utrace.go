package engine

import "math/bits"

// checkUtrace checks what section 7 says of one thread's engines and can be seen between two steps. What takes a trace of
// callbacks to see, a client that watches them checks: package clients.
func (w *World) checkUtrace(id TaskID, t *task) {
	u := &t.utrace
	union, places := Events(0), uint8(0)
	for i, e := range u.on() {
		en := w.engine(id, e)
		holds(places&(1<<e) == 0 || w.broken(1, id, "engine %d is twice on the list", e))
		places |= 1 << e
		union |= en.flags
		holds(en.state == engineAttaching || en.state == engineAttached || en.state == engineDetaching ||
			w.broken(12, id, "engine %d in state %d on the list", e, en.state))
		holds(en.refs > 0 || w.broken(12, id, "engine %d without a reference on the list", e))
		holds(en.state != engineAttaching || int8(i) >= u.attached ||
			w.broken(7, id, "engine %d takes part in a pass before it is attached", e))
		holds(!w.m.ptraces(en.ops) || w.Engines(id, en.ops) <= 1 || w.broken(19, id, "two engines of ptrace's"))
		holds(en.state != engineDetaching || en.flags&^EvQuiesce == 0 || w.broken(9, id, "engine %d is marked and has flags %#x", e, en.flags))
	}
	holds((u.events != 0) == (u.n > 0) && u.attached <= u.n || w.broken(1, id, "union %#x, %d engines of %d", u.events, u.attached, u.n))
	holds(u.events&union == union || w.broken(2, id, "union %#x lacks bits of %#x", u.events, union))
	holds(u.resume >= ActInterrupt && u.resume <= ActResume && (u.n > 0 || u.resume == ActResume) ||
		w.broken(3, id, "resume %v with %d engines", u.resume, u.n))
	inPass := u.is(utPass) || u.is(utDeath)
	holds(u.resume > ActInterrupt || t.is(tfSigPending) || t.quiescent() || inPass || t.depth > 0 ||
		w.broken(4, id, "INTERRUPT without TIF_SIGPENDING"))
	holds(u.resume == ActResume || u.resume == ActInterrupt || t.is(tfNotifyResume|tfSigPending) || t.quiescent() || t.depth > 0 || t.dead() ||
		w.broken(4, id, "resume %v and nothing to look at it", u.resume))
	holds(u.reporting == noEngine || u.is(utPass) && !t.quiescent() || w.broken(5, id, "reporting between callbacks"))
	holds(t.state != Traced || w.wanted(id) || w.broken(16, id, "traced although no engine wants it"))
	holds(t.state != Traced || t.depth > 0 || w.broken(15, id, "traced outside the kernel"))
	holds(!u.is(utHandler) || u.n > 0 || w.broken(22, id, "the report of a handler is due and nobody is there to get it"))
	holds(!t.is(tfReleased) || t.state != Dead || u.n == 0 || w.broken(26, id, "released, with %d engines", u.n))
	holds(!u.is(utReap) || u.n == 0 || u.is(utDying) || w.broken(10, id, "release has begun, with engines that nobody will reap"))
	if u.n == 0 {
		holds(!u.is(utStep) || w.broken(31, id, "steps for nobody"))
	}
}

// checkUtraceLive checks those of section 7's liveness invariants that are about utrace, when nothing can happen any more but
// for timers: what was asked of a thread was done, or it does not come by.
func (w *World) checkUtraceLive() {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		holds(t.state != Interruptible || t.utrace.resume != ActInterrupt || w.broken(23, id, "sleeps on although an engine interrupts it"))
		holds(t.state != Traced || w.wanted(id) || w.broken(24, id, "stays in a stop that nobody wants"))
		holds(t.state != Interruptible || t.call != CallUtrace || w.broken(25, id, "waits in a barrier for a callback that is over"))
		holds(!t.utrace.is(utReap) || t.utrace.n == 0 || w.broken(26, id, "released, and its engines were not told"))
	}
}
