package engine

import "math/bits"

// ATTACH against signals. ptrace_attach makes its target traced first, and sends the SIGSTOP afterwards: both under tasklist_lock, and siglock is taken for
// the second only. What needs siglock alone comes in between: somebody sends the target a signal, which kills it no more at once, and the target takes
// one that it has, and reports that instead of the SIGSTOP. It stops, but whom that concerns is told behind the lock.

// BeginLink is called between the two. It says that something can happen there; then the caller goes on in a step of its own, which begins with EndLink.
func (w *World) BeginLink(tracer, target TaskID) bool {
	t := &w.tasks[target]
	// Not where others than ptrace may have engines on the target: those that ask for a report at each return to user mode would have it go round there.
	if len(w.m.ops) > 1 || t.state != Running {
		return false
	}
	takes := t.is(tfSigPending)
	for s := w.used &^ 1 &^ (1 << tracer); s != 0 && !takes; s &= s - 1 {
		takes = w.sendsOne(TaskID(bits.TrailingZeros16(s)), target)
	}
	if takes {
		w.linking = 1 << tracer
	}
	return takes
}

// EndLink is the end of that.
func (w *World) EndLink() { w.linking = 0 }

// sendsOne says that the next step of a task is a call that sends one task a signal. A tracee's tracer may be told of the call first, but for that of the attach
// under way.
func (w *World) sendsOne(id, target TaskID) bool {
	t := &w.tasks[id]
	return t.state == Running && t.depth == 0 && t.ustate == uBegun && (id == target || !t.is(tfTraced)) && sendsOne[w.instr(id, t).Call]
}

// takes are the stages of a task between the call that it makes and its next stop.
var takes = [numStages]bool{stExit: true, stAfterExit: true, stUser: true, stSignal: true, stCommitted: true}

// duringLink says whether another task may take a step in the middle of an attach.
func (w *World) duringLink(c Choice) bool {
	target := w.tasks[bits.TrailingZeros16(w.linking)].top().b
	switch c.Kind {
	case ChoiceInterrupt:
		return c.Task == target
	case ChoiceKernel:
		t := &w.tasks[c.Task]
		return c.Task == target && t.state == Running && takes[t.top().stage]
	}
	return c.Kind == ChoiceUser && w.sendsOne(c.Task, target)
}
