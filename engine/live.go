package engine

// What a front that runs a World for somebody outside needs, beside Choices and Step.

// TaskOf is the task that an actor runs in.
func TaskOf(a ActorID) TaskID { return TaskID(a) + firstTask }

// Resting says whether an actor is in user mode with nothing of the kernel's under way in it, about to execute the
// instruction pc of its code.
func (w *World) Resting(a ActorID) (pc int32, ok bool) {
	if !w.Created(a) {
		return 0, false
	}
	t := &w.tasks[TaskOf(a)]
	return t.pc, t.state == Running && t.depth == 0 && t.ustate == uReady
}

// Post sends a process-directed signal from the kernel itself, between two steps. It returns false if the actor was not
// created or is released.
func (w *World) Post(a ActorID, sig uint8) bool {
	if !w.Created(a) || w.tasks[TaskOf(a)].is(tfReleased) {
		return false
	}
	w.cur, w.alt = initTask, 0
	w.send(NewSigInfo(sig, SI_KERNEL, NoTid, 0), TaskOf(a), false, true)
	if w.m.opt.Check {
		w.check(w.everything())
	}
	return true
}
