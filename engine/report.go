package engine

// Report passes. With one engine a pass is one call within its caller's step; with more, each call is a step of its own,
// so that control, set_events, attach, detach and death can fall between them.

// passResult is what the pass that has just ended says; it lives within one step.
type passResult struct {
	action Action
	abort  bool
	signal SignalAction
	commit uint16 // see World.CommitStop
}

// Flags of a system call's frame.
const (
	frameCall     uint16 = 1 << iota // the frame is a call whose result is not settled yet
	frameAbort                       // the report decided: the call is not to be executed, or a seccomp event was shown
	frameSkip                        // the tracer took the call's number away
	frameDup                         // the new thread's copy of TIF_SIGPENDING
	frameUnmade                      // a call for the harness was not executed: the actor makes it again
	frameElevate                     // the image of this exec will raise the user id
	frameFiltered                    // seccomp has decided, before the entry stop (SwSeccompFirst)
	frameExeced                      // the call installed a new image: what a filter or a tracer says that it returned is lost with the old one
)

// Kinds of a pass, kept in its frame: the event's bit, or the kind of an extra.
type passKind uint8

const (
	passQuiesce passKind = iota
	passClone
	passExec
	passExit
	passEntry
	passSysExit
	passSignal
	passDeath
	passExtra // + Extra
)

var passEvents = [...]Events{passQuiesce: EvQuiesce, passClone: EvClone, passExec: EvExec, passExit: EvExit, passEntry: EvSyscallEntry,
	passSysExit: EvSyscallExit, passDeath: EvDeath}

func (k passKind) event(sig Events) Events {
	switch {
	case k == passSignal:
		return sig
	case k >= passExtra:
		return EvExtra
	}
	return passEvents[k]
}

// begin makes a pass. The caller has set its own next stage. It returns whether to go on with that stage at once: false if
// the pass takes steps of its own, or the thread stopped.
func (w *World) begin(id TaskID, t *task, k passKind, arg uint16) bool {
	t.resume = 0
	w.pass = passResult{action: ActResume}
	if k == passSignal {
		t.resume = t.info.Signo
	}
	u := &t.utrace
	ev := k.event(w.signalEvent(t, t.info.Signo))
	if u.events&(ev|EvQuiesce) == 0 {
		return true
	}
	for i := range u.engines {
		if u.engines[i].state == engineAttaching {
			u.engines[i].state = engineAttached // U5
		}
	}
	if u.n > 1 {
		f := t.push(stPass)
		f.ev, f.code, f.b = uint8(k), arg, int8(ActResume)
		return false
	}
	for i := range u.engines {
		if u.engines[i].state == engineAttached {
			w.callEngine(id, EngineID(i), k, arg)
		}
	}
	return w.finish(id, t, k)
}

// passNext calls the next engine of a pass that is a step for each: attach order, reverse for syscall entry (O1).
func (w *World) passNext(id TaskID, t *task, f *frame) bool {
	k := passKind(f.ev)
	w.pass = passResult{action: Action(f.b), abort: f.m&1 != 0, signal: SignalAction(f.m >> 1)}
	called := false
	for !called && f.a < maxEngines {
		i := EngineID(f.a)
		if k == passEntry {
			i = maxEngines - 1 - i
		}
		f.a++
		if t.utrace.engines[i].state == engineAttached {
			w.callEngine(id, i, k, f.code)
			called = true
		}
	}
	if f.a < maxEngines {
		f.b, f.m = int8(w.pass.action), uint16(w.pass.signal)<<1
		if w.pass.abort {
			f.m |= 1
		}
		return !called
	}
	t.pop()
	return w.finish(id, t, k)
}

// callEngine makes the callbacks of one engine for one event (O2 to O5), and applies what they return.
func (w *World) callEngine(id TaskID, i EngineID, k passKind, arg uint16) {
	t := &w.tasks[id]
	en := &t.utrace.engines[i]
	ops := w.m.ops[en.ops-1]
	ev := k.event(w.signalEvent(t, t.info.Signo))
	if en.flags&(ev|EvQuiesce) == 0 {
		if en.flags&engineStop != 0 {
			w.pass.action = ActStop
		}
		return
	}
	t.utrace.reporting = i
	a := ActResume
	if k == passSignal {
		var sa SignalAction
		a, sa = ops.ReportSignal(w, id, i, ev)
		w.pass.signal = sa
	} else {
		if en.flags&EvQuiesce != 0 {
			a = ops.ReportQuiesce(w, id, i, ev)
		}
		if a != ActDetach && en.flags&ev != 0 && k != passQuiesce {
			switch k {
			case passClone:
				a = ops.ReportClone(w, id, i, TaskID(arg))
			case passExec:
				a = ops.ReportExec(w, id, i, Tid(arg))
			case passExit:
				a = ops.ReportExit(w, id, i, arg)
			case passEntry:
				a, w.pass.abort = ops.ReportSyscallEntry(w, id, i)
			case passSysExit:
				a = ops.ReportSyscallExit(w, id, i)
			case passDeath:
				a = ops.ReportDeath(w, id, i)
			default:
				a = ops.ReportExtra(w, id, i, Extra(k-passExtra), arg)
			}
		}
	}
	t.utrace.reporting = noEngine
	if en.state == engineDetaching {
		a = ActDetach
	}
	switch a {
	case ActDetach:
		w.drop(id, i)
		return
	case ActStop:
		en.flags |= engineStop
		t.utrace.events |= engineStop
	default:
		en.flags &^= engineStop
	}
	w.pass.action = min(w.pass.action, a)
}

// finish applies the result of a pass to the stage that made it.
func (w *World) finish(id TaskID, t *task, k passKind) bool {
	switch k {
	case passEntry:
		if w.pass.abort {
			t.top().m |= frameAbort
		}
	case passSignal:
		if w.pass.action != ActStop && w.pass.signal == SignalIgnore {
			t.resume = 0
		}
	case passClone, passDeath:
		return true // the parent stops once the child runs; the dead do not stop
	}
	if k == passExtra+passKind(ExtraSeccomp) && w.pass.action == ActStop {
		t.top().m |= frameAbort
	}
	if w.pass.action != ActStop {
		if w.pass.action < t.utrace.resume && w.pass.action < ActSinglestep {
			w.request(t, w.pass.action)
		}
		return true
	}
	if w.pass.commit != 0 {
		t.push(stCommitted).code = w.pass.commit
		return false
	}
	return !w.enterStop(id, t)
}

// committed is a syscall stop between the look at the tracer and siglock: if the tracer dies just then, the stop is
// refused, and its code is taken for a signal to go on with (known bug list, row 49).
func (w *World) committed(id TaskID, t *task, f *frame) bool {
	code := f.code
	t.pop()
	if w.enterStop(id, t) {
		return false
	}
	t.resume = uint8(code)
	return true
}

// enterStop is utrace_stop under siglock: it enters TRACED unless nobody wants that any more or SIGKILL is pending (R113).
func (w *World) enterStop(id TaskID, t *task) bool {
	u := &t.utrace
	if !u.wanted() || t.fatalPending() {
		w.mark(113)
		w.unstop(id, t)
		return false
	}
	t.state = Traced
	for i := range u.engines {
		if en := &u.engines[i]; en.flags&engineStop != 0 {
			w.m.ops[en.ops-1].Entered(w, id, EngineID(i))
		}
	}
	t.push(stStopNotify)
	return true
}

// unstop tells the engines that still want the thread stopped that it goes on.
func (w *World) unstop(id TaskID, t *task) {
	u := &t.utrace
	if u.n == 0 {
		return
	}
	for i := range u.engines {
		if en := &u.engines[i]; en.live() {
			en.flags &^= engineStop
			w.m.ops[en.ops-1].Left(w, id, EngineID(i))
		}
	}
	u.reset()
}

// stopNotify tells about the stop after TRACED became visible: 4.1, 5.3.
func (w *World) stopNotify(id TaskID, t *task, f *frame) bool {
	u := &t.utrace
	if u.n != 0 {
		for i := range u.engines {
			if en := &u.engines[i]; en.live() {
				w.m.ops[en.ops-1].Stopped(w, id, EngineID(i))
			}
		}
	}
	if t.is(tfGstop) {
		t.flags &^= tfGstop
		if !t.is(tfTraced) || w.reparented(t) {
			w.mark(39)
			w.notifyStop(id, false, CLD_STOPPED)
		}
	}
	f.stage = stTraced
	return false
}

// finishNotify lets a thread that has just entered TRACED finish telling about it: whoever operates on a stopped thread
// first waits until it is off its CPU (wait_task_inactive).
func (w *World) finishNotify(id TaskID) {
	t := &w.tasks[id]
	if t.state == Traced && t.top().stage == stStopNotify {
		w.stopNotify(id, t, t.top())
	}
}

// stopTail is what a thread does when it leaves a tracing stop: the end of ptrace_stop.
func (w *World) stopTail(id TaskID, t *task, _ *frame) bool {
	t.resume = uint8(t.exitCode)
	if w.bug(BugContKeepsReport) && t.is(tfReport) {
		t.resume, t.cursig = t.cursig, 0
	} else {
		t.exitCode = 0
		t.flags &^= tfReport
	}
	t.jobctl &^= jcListening
	w.unstop(id, t)
	if t.pending.mask != 0 {
		w.mark(35)
	}
	w.recalc(t)
	t.pop()
	return true
}

// signalEvent classifies a signal by its disposition (2.8).
func (w *World) signalEvent(t *task, sig uint8) Events {
	if sig == 0 {
		return 0
	}
	h := w.sighandOf(t)
	b := bit(sig)
	switch {
	case h.ignored(sig):
		return EvSignalIgn
	case h.handler&b != 0:
		return EvSignal
	case ignoreSignals&b != 0:
		return EvSignalIgn
	case stopSignals&b != 0:
		return EvSignalStop
	case coreSignals&b != 0:
		return EvSignalCore
	}
	return EvSignalTerm
}

func (w *World) signalEvents(t *task, sig uint8) bool {
	return t.utrace.events&(EvQuiesce|EvSignalAll) != 0 && t.utrace.events&(EvQuiesce|w.signalEvent(t, sig)) != 0
}

func (w *World) reportExtra(id TaskID, t *task, x Extra, arg uint16) bool {
	if t.utrace.events&EvExtra == 0 {
		t.resume = 0
		return true
	}
	return w.begin(id, t, passExtra+passKind(x), arg)
}

// reportResume is the report on the way to user mode that somebody asked for: quiesce(0).
func (w *World) reportResume(id TaskID, t *task) bool {
	if t.utrace.resume < ActResume {
		t.utrace.resume = ActResume // C5
	}
	return w.begin(id, t, passQuiesce, 0)
}
