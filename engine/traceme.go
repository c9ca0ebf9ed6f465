package engine

import "math/bits"

// PTRACE_TRACEME against a signal. ptrace_link takes tasklist_lock only, while a signal for one task is sent under siglock: complete_signal
// may have read that its target is not traced, so that a fatal signal is to kill the group at once, and the target makes itself traced and
// is back in user mode before it is told. Where CPUs are themselves run by a scheduler that may take long: then the target, and whoever else,
// does there what takes no siglock. Every other attach takes siglock as well, and so comes after the signal as a whole.

// altTraceme is the alternative of a step that sends a signal to one task in which that may happen: it ends with the look. The others count tasks.
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

// looked comes where complete_signal has seen that a signal is fatal. It says that the group is killed in a step of its own, of the sender that
// holds siglock.
func (w *World) looked(id TaskID, sig uint8) bool {
	if w.alt != altTraceme || !w.beginsTraceme(id) {
		return false
	}
	w.mark(11)
	f := w.tasks[w.cur].push(stFatal)
	f.b, f.code = id, uint16(sig)
	w.linking = 1 << w.cur
	return true
}

// fatalDue is that step.
func (w *World) fatalDue(t *task, f *frame) bool {
	w.linking = 0
	p, sig := w.procOf(&w.tasks[f.b]), uint8(f.code)
	t.pop()
	w.killGroup(p, sig)
	return true
}

// noSiglock are calls of programs that take no siglock; some of ptrace are others, and those of the harness take none but for sigreturn.
var noSiglock = [NumCalls]bool{CallSchedYield: true, CallGetpid: true, CallGettid: true, CallGetppid: true, CallGetpgid: true, CallGetsid: true,
	CallNanosleep: true, CallPrctl: true, CallSetpgid: true, CallSetresuid: true, CallSetresgid: true, CallPidfdOpen: true}

// ofNoTracee says that the next step of a task is a request of ptrace for somebody whom it does not trace, which ptrace_check_attach refuses under
// tasklist_lock.
func (w *World) ofNoTracee(id TaskID) bool {
	t := &w.tasks[id]
	if w.instr(id, t).Call != CallPtrace || w.m.hooks.AttachTid(w, id) != 0 || w.ownNamespace(t) {
		return false
	}
	target := w.findOutside(int64(int32(t.args[1])))
	return target == NoTask || !w.tasks[target].is(tfTraced) || w.tasks[target].parent != id
}

// lockless says whether a task may take a step while another one holds siglock.
func (w *World) lockless(c Choice) bool {
	t := &w.tasks[c.Task]
	if c.Kind != ChoiceUser || t.is(tfSigPending|tfNotifyResume) || t.filter != 0 || w.callsSeen(t) {
		return false
	}
	switch t.ustate {
	case uBegun, uRestart:
		return noSiglock[w.instr(c.Task, t).Call] || w.beginsTraceme(c.Task) || w.ofNoTracee(c.Task)
	case uReturn: // sigreturn
		return false
	}
	return true
}
