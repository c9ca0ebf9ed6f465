package engine

// Report passes (2.4, 2.5). If nobody but ptrace has an engine on the thread, a pass is part of its caller's step. Otherwise
// each engine's turn is a step of its own, or several: what others do falls before a callback, into it, or after it.

// passResult is what the callbacks of a pass said so far. It lives within one step; between steps it is in the pass's frame.
type passResult struct {
	action Action // the most intrusive one (C1)
	resume Action // likewise, without STOP
	abort  bool   // what the last report_syscall_entry returned (C2)
	signal SignalAction
	commit uint16 // see World.CommitStop
	called bool   // somebody took the event
}

// Flags of a system call's frame, and of the frame of a return to user mode.
const (
	frameCall     uint16 = 1 << iota // the frame is a call whose result is not settled yet
	frameAbort                       // the report decided: the call is not to be executed, or a seccomp event was shown
	frameSkip                        // the call is not made: the tracer took its number away, or made another of a call for the harness
	frameNoCall                      // beside frameSkip: the number is that of no call
	frameDup                         // the new thread's copy of TIF_SIGPENDING
	frameUnmade                      // a call for the harness was not executed: the actor makes it again
	frameElevate                     // the image of this exec will raise the user id
	frameFiltered                    // seccomp has decided, before the entry stop (BugSeccompFirst)
	frameExeced                      // the call installed a new image: what a filter or a tracer says that it returned is lost with the old one
	frameHeld                        // the entry pass stopped the thread
	frameJctl                        // the group stop that the thread is about to enter was reported
	frameLast                        // the thread was the last to take part in the group stop that it has entered
)

// Kinds of a pass, kept in its frame: the event's bit, or the kind of an extra.
type passKind uint8

const (
	passQuiesce passKind = iota // quiesce(0): on the way to user mode
	passClone
	passExec
	passExit
	passEntry // arg: 1 if it is a repetition (RESUMED)
	passSysExit
	passSignal // arg: the event
	passReport // the signal path without a signal; arg: SignalReport or SignalHandler
	passDeath
	passJctl  // arg: CLD code, and in the upper byte what the parent will get
	passExtra // + Extra
)

var passEvents = [...]Events{passQuiesce: 0, passClone: EvClone, passExec: EvExec, passExit: EvExit, passEntry: EvSyscallEntry,
	passSysExit: EvSyscallExit, passSignal: 0, passReport: 0, passDeath: EvDeath, passJctl: EvJctl}

func (k passKind) event(arg uint16) Events {
	switch {
	case k == passSignal:
		return Events(arg)
	case k >= passExtra:
		return EvExtra
	}
	return passEvents[k]
}

// signals says that an engine gets one call of report_signal, and none of report_quiesce (O4).
func (k passKind) signals() bool { return k == passSignal || k == passReport }

// enters says whether an event makes its thread enter a pass (O3): some engine asked for just it. In the signal path, at death
// and on the way to user mode one with QUIESCE is enough.
func (k passKind) enters(union, ev Events) bool {
	switch k {
	case passSignal, passReport, passDeath:
		return union&(ev|EvQuiesce) != 0
	case passQuiesce:
		return union&(EvQuiesce|engineStop) != 0
	}
	return union&ev != 0
}

// begin makes a pass. The caller has set its own next stage. It returns whether to go on with that stage at once: false if
// the pass takes steps of its own, or the thread stopped.
func (w *World) begin(id TaskID, t *task, k passKind, arg uint16) bool {
	t.resume = 0
	w.pass = passResult{action: ActResume, resume: ActResume}
	switch k {
	case passSignal:
		t.resume = t.info.Signo
		if w.m.opt.Check {
			holds(t.info.Signo != SIGKILL || w.broken(18, id, "SIGKILL is reported"))
		}
		ev := w.signalEvent(t, t.info.Signo)
		arg, w.pass.signal = uint16(ev), signalAction(ev, t.info.Signo)
	case passReport:
		w.pass.signal = SignalAction(arg)
	case passClone:
		if w.m.opt.Check {
			holds(!w.Started(TaskID(arg)) || w.broken(20, id, "task %d runs before its creation was reported", arg))
		}
	case passEntry:
		if arg != 0 && w.bug(BugUtraceResumedKeepsStop) {
			for _, e := range t.utrace.on() {
				w.engine(id, e).flags |= engineStop
			}
			t.utrace.events |= engineStop
		}
	}
	u := &t.utrace
	if !k.enters(u.events, k.event(arg)) {
		return true
	}
	if w.alone(id) {
		w.splice(id)
		w.trace(traced{kind: traceBegin, task: id, pass: k, arg: arg})
		w.callEngine(id, u.list[0], k, arg)
		return w.finish(id, t, k)
	}
	if !k.signals() || !w.bug(BugUtraceSignalMissesAttach) {
		w.splice(id)
	}
	w.trace(traced{kind: traceBegin, task: id, pass: k, arg: arg})
	if u.resume > ActInterrupt {
		u.resume = ActResume // C5
	}
	u.flags |= utPass
	f := t.push(stPass)
	f.ev, f.code = uint8(k), arg
	f.store(&w.pass, phaseLook)
	return false
}

// Phases of one engine's turn.
const (
	phaseLook     uint16 = iota // does it want a callback?
	phaseQuiesce                // in report_quiesce
	phaseAgain                  // after report_quiesce: does it want the specific one?
	phaseSpecific               // in the specific callback
)

// A pass's frame: a is the position in the list; b and m hold the result so far, m the phase, too.
const (
	passAbort  uint16 = 1 << 0
	passCalled uint16 = 1 << 1

	passSignalShift = 2 // 5 bits
	passPhaseShift  = 7 // 2 bits
	passCommitShift = 9 // 7 bits
)

func (f *frame) store(r *passResult, phase uint16) {
	f.b = int8(r.action) | int8(r.resume)<<3
	f.m = uint16(r.signal)<<passSignalShift | phase<<passPhaseShift | r.commit<<passCommitShift
	if r.abort {
		f.m |= passAbort
	}
	if r.called {
		f.m |= passCalled
	}
}

func (f *frame) load() (r passResult, phase uint16) {
	return passResult{action: Action(f.b & 7), resume: Action(f.b >> 3), abort: f.m&passAbort != 0, called: f.m&passCalled != 0,
		signal: SignalAction(f.m >> passSignalShift & 0x1f), commit: f.m >> passCommitShift}, f.m >> passPhaseShift & 3
}

// passNext makes the next step of a pass: attach order, reverse for syscall entry (O1). A callback begins with one step and
// ends with another, since others can see that it runs. ptrace's own are one step: they hold the locks that others need.
func (w *World) passNext(id TaskID, t *task, f *frame) bool {
	u, k := &t.utrace, passKind(f.ev)
	var phase uint16
	w.pass, phase = f.load()
	for f.a < u.attached {
		i := u.list[f.a]
		if k == passEntry && !w.bug(BugUtraceEntryOrder) {
			i = u.list[u.attached-1-f.a]
		}
		en := w.engine(id, i)
		ev := k.event(f.code)
		switch phase {
		case phaseLook:
			if en.state == engineDetaching && !w.bug(BugUtraceDetachedCalled) || en.flags&(ev|EvQuiesce) == 0 {
				w.notCalled(id, t, en, i)
				f.a++
				continue
			}
			if w.m.ptraces(en.ops) || w.m.caller == nil {
				w.callEngine(id, i, k, f.code)
				f.a++
				break
			}
			u.reporting = i
			phase = phaseSpecific
			if en.flags&EvQuiesce != 0 && !k.signals() {
				phase = phaseQuiesce
			}
			f.store(&w.pass, phase)
			return false
		case phaseQuiesce:
			a := w.m.ops[en.ops-1].ReportQuiesce(w, id, i, ev)
			if w.bug(BugUtraceQuiesceResetsAbort) {
				w.pass.abort = false
			}
			w.traceCallback(traceQuiesce, id, i, k, f.code, a)
			if phase = w.callbackDone(id, t, f, i, a, phaseAgain); phase == phaseAgain {
				f.store(&w.pass, phase)
				return false
			}
		case phaseAgain:
			if phase = phaseLook; en.flags&ev == 0 && !w.bug(BugUtraceStaleFlags) || ev == 0 || en.state == engineDetaching {
				f.a++
				continue
			}
			u.reporting = i
			if w.m.opt.Check {
				holds(en.flags&ev != 0 && en.live() || w.broken(8, id, "engine %d is called for %#x and has %#x", i, ev, en.flags))
			}
			f.store(&w.pass, phaseSpecific)
			return false
		case phaseSpecific:
			if w.bug(BugUtraceDoneTooEarly) && u.reporting == i {
				w.callbackEnds(id)
				f.store(&w.pass, phase)
				return false
			}
			a := w.callSpecific(id, i, k, f.code)
			w.traceCallback(traceSpecific, id, i, k, f.code, a)
			w.callbackDone(id, t, f, i, a, phaseLook)
		}
		phase = phaseLook
		if f.a < u.attached {
			f.store(&w.pass, phase)
			return false
		}
	}
	w.endPass(id, t)
	t.pop()
	return w.finish(id, t, k)
}

// notCalled is the turn of an engine that does not want the event: one that stops the thread goes on doing so (O5).
func (w *World) notCalled(id TaskID, t *task, en *engine, i EngineID) {
	if en.flags&engineStop != 0 {
		w.pass.action = ActStop
	}
	if w.bug(BugUtraceReportingLeft) && w.m.caller != nil {
		t.utrace.reporting = i
	}
}

// callbackDone applies what a callback returned, and then lets go of who waits for that: in this order, or what somebody
// asks for after the callback would be undone by it. It returns the phase to go on with.
func (w *World) callbackDone(id TaskID, t *task, f *frame, i EngineID, a Action, next uint16) uint16 {
	w.pass.called = true
	w.apply(id, i, a)
	w.callbackEnds(id)
	if w.engine(id, i).state == engineDetaching || next == phaseLook {
		f.a++
		return phaseLook
	}
	return next
}

// endPass takes engines off that detached, and recomputes the union if that or nobody's interest made it wrong (C6).
func (w *World) endPass(id TaskID, t *task) {
	t.utrace.flags &^= utPass
	if w.sweep(id) || !w.pass.called {
		w.reset(id)
	}
}

// callEngine makes the callbacks of one engine for one event (O2 to O5), and applies what they return, in one step.
func (w *World) callEngine(id TaskID, i EngineID, k passKind, arg uint16) {
	t := &w.tasks[id]
	en := w.engine(id, i)
	ev := k.event(arg)
	if en.flags&(ev|EvQuiesce) == 0 {
		w.notCalled(id, t, en, i)
		return
	}
	w.pass.called = true
	t.utrace.reporting = i
	a := ActResume
	if en.flags&EvQuiesce != 0 && !k.signals() {
		a = w.m.ops[en.ops-1].ReportQuiesce(w, id, i, ev)
		w.traceCallback(traceQuiesce, id, i, k, arg, a)
	}
	if k.signals() || a != ActDetach && en.flags&ev != 0 && ev != 0 {
		a = w.callSpecific(id, i, k, arg)
		w.traceCallback(traceSpecific, id, i, k, arg, a)
	}
	t.utrace.reporting = noEngine
	w.apply(id, i, a)
}

// callSpecific makes the callback of an event.
func (w *World) callSpecific(id TaskID, i EngineID, k passKind, arg uint16) (a Action) {
	ops := w.m.ops[w.engine(id, i).ops-1]
	switch k {
	case passSignal, passReport:
		a, w.pass.signal = ops.ReportSignal(w, id, i, k.event(arg), w.pass.signal)
		// A number that no signal has is taken for SIGTRAP, with a warning: at once, since an engine that is asked later reports
		// what it finds there.
		if info := &w.tasks[id].info; info.Signo > NSIG && !w.bug(BugUtraceSignoHighBit) {
			info.Signo = SIGTRAP
		}
		return a
	case passClone:
		return ops.ReportClone(w, id, i, TaskID(arg))
	case passExec:
		return ops.ReportExec(w, id, i, Tid(arg))
	case passExit:
		return ops.ReportExit(w, id, i, arg)
	case passEntry:
		a, w.pass.abort = ops.ReportSyscallEntry(w, id, i, EntrySoFar{Abort: w.pass.abort, Resumed: arg != 0})
		return a
	case passSysExit:
		return ops.ReportSyscallExit(w, id, i)
	case passDeath:
		return ops.ReportDeath(w, id, i)
	case passJctl:
		return ops.ReportJctl(w, id, i, int32(arg&0xff), int32(arg>>8))
	}
	return ops.ReportExtra(w, id, i, Extra(k-passExtra), arg)
}

// apply does what a callback returned; DETACH marks the engine, and says nothing else (C3). STOP is the only sticky action: any other ends the engine's own stop (O5).
func (w *World) apply(id TaskID, i EngineID, a Action) {
	en := w.engine(id, i)
	if u := &w.tasks[id].utrace; a == ActDetach && u.is(utDeath) && u.is(utReap) && w.bug(BugUtraceDeathReaped) {
		a = ActResume
	}
	switch {
	case en.state == engineDetaching, a == ActDetach && w.tasks[id].utrace.is(utPass):
		en.state, en.flags = engineDetaching, EvQuiesce
		w.tasks[id].utrace.events |= EvQuiesce
		w.clearStop(id)
		return
	case a == ActDetach:
		w.unlist(id, i)
		w.reset(id)
		return
	case a == ActStop:
		en.flags |= engineStop
		w.tasks[id].utrace.events |= engineStop
	default:
		en.flags &^= engineStop
		w.pass.resume = min(w.pass.resume, a)
	}
	w.pass.action = min(w.pass.action, a)
}

// PassAction is what the callbacks of the running pass asked for so far (C1): what utrace passes to each of them.
func (w *World) PassAction() Action { return w.pass.action }

// finish applies the result of a pass to the stage that made it, where 2.6 says so.
func (w *World) finish(id TaskID, t *task, k passKind) bool {
	r := w.pass.action
	w.trace(traced{kind: traceEnd, task: id, pass: k, action: r, resume: w.pass.resume, abort: w.pass.abort})
	stop := r == ActStop
	if stop {
		r = w.pass.resume // what the thread is to report once it goes on
		if w.bug(BugUtraceReportLost) {
			r = ActResume
		}
	}
	switch k {
	case passEntry:
		f := t.top()
		f.m &^= frameAbort | frameHeld
		if w.pass.abort {
			f.m |= frameAbort
		}
		if stop && !w.alone(id) {
			f.m |= frameHeld
		}
	case passSignal, passReport:
		return w.finishSignal(id, t, stop, r)
	case passQuiesce:
		return w.finishResume(id, t, stop, r)
	case passDeath:
		return true // the dead do not stop
	case passJctl:
		if stop {
			r = ActReport // the thread sleeps first, whatever its engines want
		}
		stop = false
	}
	if k == passExtra+passKind(ExtraSeccomp) && stop {
		t.top().m |= frameAbort
	}
	if stop && w.stopsLate(t, k) {
		r, stop = min(r, ActReport), false
	}
	if r < t.utrace.resume {
		w.request(t, r)
	}
	if !stop || k == passClone { // the parent stops once the child runs
		return true
	}
	return !w.stopNow(id, t)
}

// stopsLate says that a stop that a report decided on is left to the report on the way to user mode, as 2.6 has it. A vfork's parent
// stops before it waits for the child.
func (w *World) stopsLate(t *task, k passKind) bool {
	switch k {
	case passClone:
		return w.Old(SwLateStops) && t.args[0]&CLONE_VFORK == 0
	case passExec, passSysExit, passExtra + passKind(ExtraVforkDone):
		return w.Old(SwLateStops)
	}
	return false
}

// stopNow enters the stop that a pass decided on, or makes entering it a step of its own.
func (w *World) stopNow(id TaskID, t *task) bool {
	if w.pass.commit != 0 {
		t.push(stCommitted).code = w.pass.commit
		return true
	}
	return w.enterStop(id, t)
}
