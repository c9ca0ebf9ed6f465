package ptrace

import "tracehammer/engine"

// Stops: what each report makes of the tracee (5.3, 6.0).

// notify prepares a stop that is no signal's: ptrace_do_notify.
func (c context) notify(w *engine.World, t engine.TaskID, signo uint8, code uint16, flags uint64, message int64) engine.Action {
	*w.SigInfo(t) = engine.NewSigInfo(signo, int32(code), w.OwnTid(t), w.Uid(t))
	c.d[wordStop] = uint64(code) | stopInfo | flags
	if event := code >> 8; message != 0 || event != 0 && event != uint16(EventStop) || !w.Old(engine.SwMessageStays) {
		c.d[wordMessage] = uint64(message)
		switch Event(event) {
		case EventFork, EventVfork, EventClone, EventExec, EventVforkDone:
			if message != 0 {
				c.d[wordMessage] |= messageTid
			}
		}
	}
	return engine.ActStop
}

// messageTid says of a message that it is a tid, also where it outlives the event that it came with (SwMessageStays).
const messageTid = 1 << 63

// eventStop prepares an event stop.
func (c context) eventStop(w *engine.World, t engine.TaskID, e Event, message int64) engine.Action {
	return c.notify(w, t, uint8(SIGTRAP), uint16(e)<<8|uint16(SIGTRAP), 0, message)
}

// ReportQuiesce keeps a stop sticky across other engines' reports. One that was to come late does not if the thread exits.
func (client) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) engine.Action {
	switch c := at(w, t, e); {
	case !c.stopped():
	case event == engine.EvExit && w.Old(engine.SwLateStops):
		c.d[wordStop], *w.SigInfo(t) = 0, engine.SigInfo{}
	default:
		return engine.ActStop
	}
	return engine.ActResume
}

// ReportSignal is the signal-delivery-stop (R30), whatever other engines made of the signal: its tracer decides anew.
func (client) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	if event == 0 { // somebody else's report
		if at(w, t, e).stopped() {
			return engine.ActStop, so
		}
		return engine.ActResume, so
	}
	w.Mark(30)
	at(w, t, e).d[wordStop] = uint64(w.SigInfo(t).Signo) | stopInfo | stopSignal
	return engine.ActStop, engine.SignalDeliver
}

// CloneEvent is the event that a clone with these flags is to make, 0 for none (R59).
func (client) CloneEvent(w *engine.World, t engine.TaskID, flags int64) uint16 {
	c, _, ok := of(w, t)
	if !ok || flags&engine.CLONE_UNTRACED != 0 && !w.HasBug(engine.BugUntracedEvent) {
		return 0
	}
	kind := EventFork
	switch {
	case flags&engine.CLONE_VFORK != 0 && !w.HasBug(engine.BugVforkIsFork):
		kind = EventVfork
	case flags&engine.CSIGNAL != int64(SIGCHLD):
		kind = EventClone
	}
	if c.has(1 << kind) {
		return uint16(kind)
	}
	return 0
}

// Inherit attaches the parent's tracer to a new child (R60, R61).
func (client) Inherit(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID, flags int64) {
	c := at(w, t, e)
	w.Mark(59)
	if w.CloneEvent(t) == 0 && flags&engine.CLONE_PTRACE == 0 {
		return
	}
	w.Mark(60)
	ce, ok := attachEngine(w, child)
	if !ok {
		return
	}
	cc := at(w, child, ce)
	if !w.HasBug(engine.BugOptionsNotInherited) {
		cc.setOptions(c.options())
	}
	cc.setFlag(flagSeized, c.seized() && !w.HasBug(engine.BugChildNotSeized))
	w.SetEvents(child, ce, baseEvents)
	w.Link(child, w.Parent(t), w.TracerCap(t))
	w.SuspendSeccomp(child, cc.has(OSuspendSeccomp))
	w.Mark(61)
	switch {
	case w.HasBug(engine.BugChildStopLost):
	case c.seized():
		w.ScheduleTrap(child)
	default:
		w.PendSigstop(child)
	}
}

// ReportClone stops the parent if an event was decided on and its tracer, who may be another by now, wants it (R62).
func (client) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID) engine.Action {
	c, kind := at(w, t, e), Event(w.CloneEvent(t))
	if kind == 0 || !c.has(1<<kind) {
		return engine.ActResume
	}
	return c.eventStop(w, t, kind, int64(w.TidOf(child)))
}

// ReportExec is EVENT_EXEC, or the SIGTRAP of old (R70, R71).
func (client) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, former engine.Tid) engine.Action {
	c := at(w, t, e)
	switch {
	case c.has(OTraceexec):
		w.Mark(70)
		return c.eventStop(w, t, EventExec, int64(former))
	case !c.seized() || w.HasBug(engine.BugExecTrapSeized):
		w.Mark(71)
		w.SendUser(t, t, uint8(SIGTRAP))
	default:
		w.Mark(52)
	}
	return engine.ActResume
}

// syscallStop is an entry or exit stop (R53, R56).
func (c context) syscallStop(w *engine.World, t engine.TaskID, message int64) engine.Action {
	w.Mark(56)
	if w.Old(engine.SwNoSyscallInfo) {
		message = 0
	}
	code := uint16(SIGTRAP)
	if c.has(OTracesysgood) && !(w.HasBug(engine.BugExitSysgoodMissing) && message == MessageSyscallExit) {
		code |= 0x80
	} else {
		w.CommitStop(code) // a tracer that dies just now leaves a SIGTRAP behind (known bug list, row 49)
	}
	return c.notify(w, t, uint8(SIGTRAP), code, 0, message)
}

// ReportSyscallEntry stops before the call; in SYSEMU mode the call is not executed, whatever happens at the stop (R54). Nor
// is one that another engine aborts. The tracer has had its stop if the report is repeated.
func (client) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	c := at(w, t, e)
	if so.Resumed {
		return engine.ActResume, so.Abort || c.emulate()
	}
	return c.syscallStop(w, t, MessageSyscallEntry), so.Abort || c.emulate() && !w.HasBug(engine.BugSysemuRuns)
}

// ReportSyscallExit stops after the call.
func (client) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	c := at(w, t, e)
	if c.stopped() && w.Old(engine.SwLateStops) {
		return engine.ActStop // an event that is still to be told of
	}
	return c.syscallStop(w, t, MessageSyscallExit)
}

// ReportExit is EVENT_EXIT (R75).
func (client) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, code uint16) engine.Action {
	c := at(w, t, e)
	if !c.has(OTraceexit) {
		return engine.ActResume
	}
	w.Mark(75)
	if w.HasBug(engine.BugExitMessage) {
		code >>= 8
	}
	return c.eventStop(w, t, EventExit, int64(code))
}

// ReportJctl, ReportDeath, ReportReap and Release have nothing to do: job control and death are told by the core, and the
// data dies with the engine.
func (client) ReportJctl(*engine.World, engine.TaskID, engine.EngineID, int32, int32) engine.Action {
	return engine.ActResume
}
func (client) ReportDeath(*engine.World, engine.TaskID, engine.EngineID) engine.Action {
	return engine.ActResume
}
func (client) ReportReap(*engine.World, engine.TaskID, engine.EngineID)   {}
func (client) Release(*engine.World, engine.ClientID, *engine.EngineData) {}

// ReportExtra reports the events that utrace does not have.
func (client) ReportExtra(w *engine.World, t engine.TaskID, e engine.EngineID, x engine.Extra, arg uint16) engine.Action {
	c := at(w, t, e)
	switch x {
	case engine.ExtraVforkDone:
		if c.has(OTracevforkdone) {
			return c.eventStop(w, t, EventVforkDone, int64(arg))
		}
	case engine.ExtraSeccomp:
		if c.has(OTraceseccomp) {
			w.Mark(57)
			return c.eventStop(w, t, EventSeccomp, int64(arg))
		}
	case engine.ExtraHandler:
		return c.notify(w, t, uint8(SIGTRAP), uint16(SIGTRAP), 0, 0)
	case engine.ExtraTrap:
		arg = uint16(w.StopSignal(t)) // as of now: a stop may have begun while other engines were told
		if !c.seized() {
			w.Mark(39)
			c.d[wordStop] = uint64(arg) | stopJctl
			if !w.Old(engine.SwMessageStays) {
				c.d[wordMessage] = 0
			}
			return engine.ActStop
		}
		w.Mark(51)
		if !w.GroupStopping(t) || w.HasBug(engine.BugEventStopSigtrap) {
			arg = uint16(SIGTRAP)
		}
		return c.notify(w, t, uint8(arg), uint16(EventStop)<<8|arg, stopJctl, 0)
	}
	return engine.ActResume
}

// Entered makes the stop's code waitable as the tracee becomes TRACED.
func (client) Entered(w *engine.World, t engine.TaskID, e engine.EngineID) {
	c := at(w, t, e)
	w.SetReport(t, c.code())
	w.EnterTrap(t, c.stop(stopJctl), c.stop(stopInfo) && c.event() == EventStop)
}

// Stopped tells the tracer.
func (client) Stopped(w *engine.World, t engine.TaskID, e engine.EngineID) {
	c := at(w, t, e)
	if c.code() == 0 && !w.HasBug(engine.BugUtraceForeignStopTold) {
		return // another engine's stop (H2)
	}
	why := int32(engine.CLD_TRAPPED)
	if c.stop(stopJctl) {
		why = engine.CLD_STOPPED
	}
	w.NotifyTracer(t, why)
}

// Left ends the stop: message and siginfo are gone.
func (client) Left(w *engine.World, t engine.TaskID, e engine.EngineID) {
	c := at(w, t, e)
	if c.code() != 0 && !c.stop(stopSignal) && !w.HasBug(engine.BugSiginfoStays) {
		*w.SigInfo(t) = engine.SigInfo{}
	}
	if c.d[wordStop] &^= stopOver; !w.HasBug(engine.BugStopCodeStays) {
		c.d[wordStop] = 0
	}
	if !w.HasBug(engine.BugStaleMessage) && !w.Old(engine.SwMessageStays) {
		c.d[wordMessage] = 0
	}
}
