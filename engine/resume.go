package engine

// Reports that somebody asked for: on the way to user mode, and in the signal path (2.8).

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

// signalAction is what a signal of that event does if nobody minds.
func signalAction(ev Events, sig uint8) SignalAction {
	switch ev {
	case EvSignalIgn:
		return SignalIgnore
	case EvSignalStop:
		if sig != SIGSTOP {
			return SignalTstp
		}
		return SignalStop
	case EvSignalTerm:
		return SignalTerm
	case EvSignalCore:
		return SignalCore
	}
	return SignalDeliver
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

// reportResume is what a thread does on the way to user mode if somebody asked for anything: quiesce(0), or the step mode that
// was asked for. INTERRUPT is for the signal path; the thread must not slip by before TIF_SIGPENDING is seen.
func (w *World) reportResume(id TaskID, t *task) bool {
	u := &t.utrace
	asked := u.resume
	switch {
	case u.n == 0:
		return true
	case asked == ActInterrupt:
		if !w.bug(BugUtraceInterruptSlips) {
			t.flags |= tfSigPending
		}
		return true
	case asked == ActStop:
		return true
	}
	u.resume = ActResume // C5
	if asked > ActReport {
		if asked < ActResume {
			w.setStep(t, asked)
		}
		return true
	}
	return w.begin(id, t, passQuiesce, 0)
}

// setStep is the end of a report on the way to user mode: single-stepping is as the last such report said.
func (w *World) setStep(t *task, a Action) {
	w.disarm(t)
	if a == ActSinglestep || a == ActBlockstep {
		t.utrace.flags |= utStep
	}
}

// finishResume ends quiesce(0). A report that asks for a report gets none: it would never end.
func (w *World) finishResume(id TaskID, t *task, stop bool, r Action) bool {
	switch {
	case stop && r < t.utrace.resume:
		w.request(t, r)
	case stop:
	case r == ActInterrupt:
		w.request(t, r)
		w.disarm(t)
	default:
		w.setStep(t, r)
	}
	return !stop || !w.enterStop(id, t)
}

// reportDue says that the signal path is to report before it looks at signals (2.8.1).
func (t *task) reportDue() bool {
	u := &t.utrace
	return u.n != 0 && (u.resume < ActResume || u.is(utHandler))
}

// reportSignalPath is the route without a signal. done says that the signal loop is left, again is then its result.
func (w *World) reportSignalPath(id TaskID, t *task, f *frame) (done, again bool) {
	u := &t.utrace
	asked, kind := u.resume, SignalReport
	if u.is(utHandler) {
		kind = SignalHandler
	}
	u.resume = ActResume
	u.flags &^= utHandler
	w.recalcSelf(t)
	if asked > ActReport && kind == SignalReport {
		w.setStep(t, asked)
		return false, false
	}
	if u.events&EvQuiesce == 0 {
		if w.bug(BugUtraceBogusReport) {
			t.info = NewSigInfo(SIGTRAP, SI_KERNEL, NoTid, 0)
			t.resume = SIGTRAP
			f.stage = stAfterSignal
			return true, true
		}
		return false, false
	}
	f.stage = stAfterSignal
	t.private = 1
	return true, w.begin(id, t, passReport, uint16(kind))
}

// finishSignal ends a pass of the signal path: its frame's stage decides what becomes of the signal, and code says what
// engines made of it. Where the pass says STOP, the table of 2.6 says when.
func (w *World) finishSignal(id TaskID, t *task, stop bool, r Action) bool {
	f := t.top()
	if w.alone(id) {
		if stop {
			return !w.stopNow(id, t)
		}
		return true
	}
	sa := w.pass.signal
	hold := sa&SignalHold != 0
	sa = sa.without()
	sig := t.info.Signo
	if hold && sig != 0 {
		w.m.full = w.m.full || t.pending.n == maxQueue
		t.pending.addFirst(t.info)
		w.recalc(t)
		sa = SignalIgnore
	}
	if sig == 0 || sa == SignalReport || sa == SignalHandler {
		sa = SignalIgnore
	}
	ev := w.signalEvent(t, sig)
	t.resume = sig
	f.code = uint16(sa)
	if sa == signalAction(ev, sig) {
		f.code = uint16(SignalDeliver) // nobody minded: what the disposition says
	}
	if r < ActSinglestep {
		r = ActResume // or it would report for ever
	}
	if !w.pass.called && w.pass.signal == SignalHandler && w.bug(BugUtraceHandlerLeaks) {
		t.utrace.flags |= utHandler
	}
	if w.ptraceStops(id) { // at once: the tracer decides about the signal (R30)
		if w.disarm(t); r < t.utrace.resume {
			w.request(t, r)
		}
		return !w.stopNow(id, t)
	}
	switch {
	case sa == SignalIgnore:
		t.resume = 0
		w.setStep(t, r)
		return !stop || !w.enterStop(id, t)
	case ev == EvSignal && sa == SignalDeliver:
		if w.disarm(t); stop || r < ActResume {
			t.utrace.flags |= utAsked // the handler's report comes first
		}
	case stop:
		w.request(t, ActReport)
	case r < ActResume:
		w.request(t, r)
	default:
		w.disarm(t)
	}
	return true
}

// ptraceStops says that ptrace's engine wants the thread stopped.
func (w *World) ptraceStops(id TaskID) bool {
	e := w.LookupEngine(id, 1)
	return w.m.hooked && e != noEngine && w.engine(id, e).flags&engineStop != 0
}

// handlerSetUp asks for the HANDLER report of engines other than ptrace's (2.8).
func (w *World) handlerSetUp(t *task) {
	u := &t.utrace
	if !u.is(utAsked | utStep) {
		return
	}
	u.flags = u.flags&^(utAsked|utStep) | utHandler
	t.flags |= tfSigPending
}
