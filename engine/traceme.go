package engine

import "math/bits"

// PTRACE_TRACEME against a signal. ptrace_link takes tasklist_lock only, while a signal for one task is sent under siglock: complete_signal
// may have read that its target is not traced, so that a fatal signal is to kill the group at once, and the target makes itself traced and
// is back in user mode before it is told. Every other attach takes siglock as well, and so comes after the signal as a whole.

// altTraceme is the alternative of a step that sends a signal to one task in which that happens. The others count tasks.
const altTraceme int8 = 64

// sendsOne are the calls that send a signal holding nothing but RCU; who sends to many, or to a parent, holds tasklist_lock.
var sendsOne = [NumCalls]bool{CallKill: true, CallTkill: true, CallTgkill: true, CallRtSigqueueinfo: true, CallRtTgsigqueueinfo: true,
	CallPidfdSendSignal: true}

// tracemeRaces says whether some task may make itself traced in the middle of a call of another one.
func (w *World) tracemeRaces(id TaskID, c Call) bool {
	if !sendsOne[c] {
		return false
	}
	for s := w.used &^ 1 &^ (1 << id); s != 0; s &= s - 1 {
		if w.beginsTraceme(TaskID(bits.TrailingZeros16(s))) {
			return true
		}
	}
	return false
}

// beginsTraceme says that the next step of a task is PTRACE_TRACEME.
func (w *World) beginsTraceme(id TaskID) bool {
	t := &w.tasks[id]
	return t.state == Running && t.depth == 0 && t.ustate == uBegun && !t.is(tfTraced|tfSigPending) && w.instr(id, t).Call == CallPtrace &&
		w.m.hooks.AttachTid(w, id) == int64(t.tid)
}

// tracemeMeantime lets the target of a signal make itself traced after complete_signal looked whether it is.
func (w *World) tracemeMeantime(id TaskID) {
	if w.alt != altTraceme || !w.beginsTraceme(id) {
		return
	}
	w.mark(11)
	w.mark(27)
	cur := w.cur
	w.cur = id
	w.enter(id, CallPtrace)
	w.cur = cur
}
