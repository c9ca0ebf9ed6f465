package engine

import "math/bits"

// checkUtrace checks what section 7 says of one thread's engines and can be seen between two steps. What takes a trace of
// callbacks to see, a client that watches them checks: package clients.
func (w *World) checkUtrace(id TaskID, t *task) {
	u := &t.utrace
	union, places := Events(0), uint8(0)
	for i, e := range u.on() {
		en := w.engine(id, e)
		w.expect(1, id, places&(1<<e) == 0, "engine %d is twice on the list", e)
		places |= 1 << e
		union |= en.flags
		w.expect(12, id, en.state == engineAttaching || en.state == engineAttached || en.state == engineDetaching, "engine %d in state %d on the list", e, en.state)
		w.expect(12, id, en.refs > 0, "engine %d without a reference on the list", e)
		w.expect(7, id, en.state != engineAttaching || int8(i) >= u.attached, "engine %d takes part in a pass before it is attached", e)
		w.expect(19, id, !w.m.ptraces(en.ops) || w.Engines(id, en.ops) <= 1, "two engines of ptrace's")
		w.expect(9, id, en.state != engineDetaching || en.flags&^EvQuiesce == 0, "engine %d is marked and has flags %#x", e, en.flags)
	}
	w.expect(1, id, (u.events != 0) == (u.n > 0) && u.attached <= u.n, "union %#x, %d engines of %d", u.events, u.attached, u.n)
	w.expect(2, id, u.events&union == union, "union %#x lacks bits of %#x", u.events, union)
	w.expect(3, id, u.resume >= ActInterrupt && u.resume <= ActResume && (u.n > 0 || u.resume == ActResume), "resume %v with %d engines", u.resume, u.n)
	inPass := u.is(utPass) || u.is(utDeath)
	w.expect(4, id, u.resume > ActInterrupt || t.is(tfSigPending) || t.quiescent() || inPass || t.depth > 0, "INTERRUPT without TIF_SIGPENDING")
	w.expect(4, id, u.resume == ActResume || u.resume == ActInterrupt || t.is(tfNotifyResume|tfSigPending) || t.quiescent() || t.depth > 0 || t.dead(), "resume %v and nothing to look at it", u.resume)
	w.expect(5, id, u.reporting == noEngine || u.is(utPass) && !t.quiescent(), "reporting between callbacks")
	w.expect(16, id, t.state != Traced || w.wanted(id), "traced although no engine wants it")
	w.expect(15, id, t.state != Traced || t.depth > 0, "traced outside the kernel")
	w.expect(22, id, !u.is(utHandler) || u.n > 0, "the report of a handler is due and nobody is there to get it")
	w.expect(26, id, !t.is(tfReleased) || t.state != Dead || u.n == 0, "released, with %d engines", u.n)
	w.expect(10, id, !u.is(utReap) || u.n == 0 || u.is(utDying), "release has begun, with engines that nobody will reap")
	if u.n == 0 {
		w.expect(31, id, !u.is(utStep), "steps for nobody")
	}
}

// checkUtraceLive checks those of section 7's liveness invariants that are about utrace, when nothing can happen any more but
// for timers: what was asked of a thread was done, or it does not come by.
func (w *World) checkUtraceLive() {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		w.expect(23, id, t.state != Interruptible || t.utrace.resume != ActInterrupt, "sleeps on although an engine interrupts it")
		w.expect(24, id, t.state != Traced || w.wanted(id), "stays in a stop that nobody wants")
		w.expect(25, id, t.state != Interruptible || t.call != CallUtrace, "waits in a barrier for a callback that is over")
		w.expect(26, id, !t.utrace.is(utReap) || t.utrace.n == 0, "released, and its engines were not told")
	}
}
