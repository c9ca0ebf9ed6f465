package ptrace

import "tracehammer/engine"

// Restarting, detaching, interrupting and listening.

// resume is ptrace_resume (R17, R18): the mode is replaced, the pending report gives way to the signal to go on with.
func resume(w *engine.World, target engine.TaskID, r Request, data int64, c context, e engine.EngineID) int64 {
	if uint64(data) > engine.NSIG {
		w.Mark(17)
		if w.HasBug(engine.BugContBadSignal) {
			resume(w, target, r, 0, c, e)
		}
		return -engine.EIO
	}
	events, action := baseEvents, engine.ActResume
	switch r {
	case Syscall:
		events |= engine.EvSyscallEntry | engine.EvSyscallExit
	case Sysemu, SysemuSinglestep:
		events |= engine.EvSyscallEntry
	}
	switch r {
	case Singlestep, SysemuSinglestep:
		if w.Old(engine.SwNoSinglestep) {
			return -engine.EIO
		}
		action = engine.ActSinglestep
	case Singleblock:
		if w.Old(engine.SwNoBlockstep) {
			return -engine.EIO
		}
		action = engine.ActBlockstep
	}
	w.Mark(17)
	if w.ReportCode(target) != 0 {
		w.Mark(18)
	}
	if c.stop(stopJctl) && w.GroupStopping(target) {
		w.Mark(41)
	}
	c.setFlag(flagEmulate, r == Sysemu || r == SysemuSinglestep)
	if w.HasBug(engine.BugSyscallModeSticks) && c.message() == MessageSyscallEntry {
		events |= engine.EvSyscallEntry | engine.EvSyscallExit
	}
	w.SetEvents(target, e, events)
	if !c.stop(stopSignal) && data != 0 {
		w.Mark(33)
	}
	if w.Old(engine.SwLateStops) {
		if data = late(w, target, data, c); c.lateEvent() && r == Syscall {
			c.syscallStop(w, target, MessageSyscallExit)
			w.ReportAgain(target, c.code())
			return 0
		}
		if c.lateEvent() && action != engine.ActResume {
			w.SendKernel(target, uint8(SIGTRAP))
			action = engine.ActResume
		}
	}
	if w.HasBug(engine.BugEventStopInjects) && c.event() != 0 && data != 0 {
		w.SendKernel(target, uint8(data))
	}
	if c.code() == 0 {
		data = 0 // a job control stop's, where stops are plain
	}
	w.SetResumeSignal(target, uint8(data))
	c.d[wordStop] |= stopOver
	w.Control(target, e, action, true)
	return 0
}

// detach is PTRACE_DETACH (R99). In a stop that is no signal's and no syscall's the signal is lost (H6).
func detach(w *engine.World, t, target engine.TaskID, data int64) int64 {
	w.Mark(99)
	if uint64(data) > engine.NSIG {
		return -engine.EIO
	}
	if w.HasBug(engine.BugDetachDropsSignal) {
		data = 0
	}
	if !w.HasBug(engine.BugStepAfterDetach) {
		w.ClearStep(target)
	}
	if c, _, ok := of(w, target); ok && c.code() == 0 {
		data = 0
	} else if ok && w.Old(engine.SwLateStops) {
		data = late(w, target, data, c)
	}
	w.SetResumeSignal(target, uint8(data))
	w.Detach(t, target)
	return 0
}

// late is what is left for a stop to go on with where stops are late: the call that would have sent a syscall stop's signal is over by
// then, so it is sent at once (5.2).
func late(w *engine.World, target engine.TaskID, data int64, c context) int64 {
	if c.stop(stopSignal) {
		return data
	}
	if data != 0 && c.code()&^0x80 == uint16(SIGTRAP) {
		w.SendKernel(target, uint8(data))
	}
	return 0
}

// lateEvent says that a stop was an event's whose call is over (5.3).
func (c context) lateEvent() bool {
	switch c.event() {
	case EventFork, EventClone, EventExec, EventVforkDone:
		return true
	}
	return false
}

// interrupt is PTRACE_INTERRUPT (R48).
func interrupt(w *engine.World, target engine.TaskID, c context) int64 {
	w.Mark(48)
	if !c.seized() {
		return -engine.EIO
	}
	if w.HasBug(engine.BugInterruptInStop) && w.Traced(target) && !w.Listening(target) {
		return 0
	}
	if w.ScheduleTrap(target) && !w.HasBug(engine.BugInterruptLost) {
		w.WakeTracee(target, w.Listening(target) && !w.HasBug(engine.BugInterruptListening))
	}
	return 0
}

// listen is PTRACE_LISTEN (R49).
func listen(w *engine.World, target engine.TaskID, c context) int64 {
	w.Mark(49)
	if !c.seized() {
		return -engine.EIO
	}
	if !w.HasBug(engine.BugListenError) && (!c.stop(stopInfo) || w.SigInfo(target).Code()>>8 != int32(EventStop)) {
		return -engine.EIO
	}
	w.SetListening(target)
	if w.NotifyPending(target) && !w.HasBug(engine.BugListenMissesNotify) {
		w.Mark(50)
		w.WakeTracee(target, true)
	}
	return 0
}
