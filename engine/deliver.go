package engine

// Signal delivery: the loop at the top of the return to user mode (R29). Each pass through getSignal is one section under
// siglock, as get_signal's is.

// toUser is exit_to_user_mode_loop: go to user mode unless there is work.
func (w *World) toUser(id TaskID, t *task, f *frame) bool {
	if t.is(tfNotifyResume) && !t.is(tfSigPending) {
		t.flags &^= tfNotifyResume
		f.stage = stUser
		return w.reportResume(id, t)
	}
	if !t.is(tfSigPending) {
		w.settle(id, t, f, 0)
		t.pop()
		return false
	}
	f.stage = stSignal
	return false
}

// settle decides once per system call what user mode makes of an interrupted call: restart it, or return EINTR. sig is the
// signal whose handler will run, 0 if none does (R34, R95).
func (w *World) settle(id TaskID, t *task, f *frame, sig uint8) {
	if f.m&frameCall == 0 {
		return
	}
	f.m &^= frameCall
	restart := false
	if t.ustate == uBegun || t.ustate == uRestart {
		switch t.ret {
		case -ERESTARTNOINTR:
			restart = true
		case -ERESTARTSYS:
			restart = sig == 0 || w.sighandOf(t).restart&bit(sig) != 0
			t.ret = -EINTR
		case -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK:
			restart = sig == 0 && !w.bug(BugRestartLost)
			if !w.bug(BugRestartLeaks) {
				t.ret = -EINTR
			}
		}
	}
	if t.call != CallSigreturn {
		t.flags &^= tfRestart
	}
	if restart {
		w.mark(34)
		if t.call == CallNanosleep {
			t.flags |= tfRestart
		}
		t.ret = 0
		t.ustate = uRestart
		return
	}
	if f.m&frameUnmade != 0 && (t.ustate == uReturn || t.ustate == uMmap) {
		f.m &^= frameUnmade
		return // the interpreter tries again
	}
	w.returned(id, t, f.m&frameExeced != 0)
}

// getSignal is one pass of get_signal.
func (w *World) getSignal(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	f.stage = stSignal
	if p.flags&gfCldMask != 0 {
		f.code = CLD_STOPPED
		if p.flags&gfCldContinued != 0 {
			f.code = CLD_CONTINUED
		}
		p.flags &^= gfCldMask
		f.stage = stNotifyCont
		if t.utrace.events&EvJctl != 0 {
			return w.begin(id, t, passJctl, f.code|f.code<<8)
		}
		return false
	}
	if t.jobctl&jcStopPending == 0 {
		f.m &^= frameJctl // SIGCONT came in between
	}
	for {
		if p.flags&gfGroupExit != 0 || p.execTask != NoTask {
			killed := t.pending.mask&bit(SIGKILL) != 0
			t.pending.mask &^= bit(SIGKILL)
			w.recalcSelf(t)
			if killed && t.is(tfTraced) && w.bug(BugSigkillReported) {
				t.info = NewSigInfo(SIGKILL, SI_USER, NoTid, 0)
				f.stage = stAfterSignal
				return w.begin(id, t, passSignal, 0)
			}
			return w.groupExit(id, t, f, SIGKILL)
		}
		if t.reportDue() {
			if done, again := w.reportSignalPath(id, t, f); done {
				return again
			}
		}
		steals := w.bug(BugUtraceStealsSignal) && t.utrace.n != 0 && (t.pending.mask|p.shared.mask)&^t.blocked != 0
		if t.jobctl&jcStopPending != 0 && !steals && w.groupStop(id, t, f, 0) {
			return false
		}
		if t.jobctl&jcTrapMask != 0 && !(w.bug(BugTrapAfterSignals) && (t.pending.mask|p.shared.mask)&^t.blocked != 0) {
			w.mark(29)
			return w.jobctlTrap(id, t, f)
		}
		sig := w.dequeue(t)
		if sig == 0 {
			if !w.bug(BugSiginfoStays) {
				t.info = SigInfo{} // what was kept for a report that then was none, but only a step to arm
			}
			w.settle(id, t, f, 0)
			if t.is(tfRestoreMask) {
				t.flags &^= tfRestoreMask
				w.setBlocked(id, t.saved)
			}
			t.saved = 0
			f.stage = stUser
			return true
		}
		if w.signalEvents(t, sig) && sig != SIGKILL && w.sighandOf(t).immutable&bit(sig) == 0 {
			f.stage = stAfterSignal
			t.jobctl |= jcStopDequeued // so that SIGCONT cancels whatever stop the tracer makes of it (R30)
			return w.begin(id, t, passSignal, 0)
		}
		if done, again := w.act(id, t, f, sig); done {
			return again
		}
	}
}

// dequeue takes the next signal: faults in queue order, then private before shared (R29).
func (w *World) dequeue(t *task) uint8 {
	p := w.procOf(t)
	t.private = 1
	if t.pending.mask&^t.blocked&syncSignals != 0 {
		for i := range int(t.pending.n) {
			s := t.pending.info[i]
			if s.Code() <= SI_USER || syncSignals&bit(s.Signo) == 0 {
				continue
			}
			t.info = t.pending.collect(s.Signo)
			w.recalcSelf(t)
			return s.Signo
		}
	}
	sig := nextSignal(&t.pending, t.blocked)
	if w.bug(BugSharedFirst) && nextSignal(&p.shared, t.blocked) != 0 {
		sig = 0
	}
	if sig != 0 {
		t.info = t.pending.collect(sig)
	} else if sig = nextSignal(&p.shared, t.blocked); sig != 0 {
		t.private = 0
		t.info = p.shared.collect(sig)
	}
	w.recalcSelf(t)
	if sig != 0 && stopSignals&bit(sig) != 0 {
		t.jobctl |= jcStopDequeued
	}
	return sig
}

// act takes the action of a dequeued signal. done says that the loop is left, again is then its result.
func (w *World) act(id TaskID, t *task, f *frame, sig uint8) (done, again bool) {
	p, h := w.procOf(t), w.sighandOf(t)
	switch {
	case h.ignored(sig):
	case h.handler&bit(sig) != 0:
		return true, w.handle(id, t, f, sig)
	case ignoreSignals&bit(sig) != 0:
	case p.flags&gfUnkillable != 0 && onlySignals&bit(sig) == 0:
		w.mark(36)
	case stopSignals&bit(sig) != 0:
		if sig != SIGSTOP {
			t.cursig = sig
			t.info = SigInfo{}
			f.stage = stOrphan
			return true, false
		}
		if w.groupStop(id, t, f, sig) {
			t.info = SigInfo{}
			return true, false
		}
	default:
		// do_group_exit takes siglock anew: until then other threads run on, though nobody can take the signal any more.
		f.stage = stGroupExit
		f.code = uint16(sig)
		return true, w.groupEmpty(t)
	}
	t.info = SigInfo{}
	return false, false
}

// handlerNodefer marks a handler that leaves its signal unblocked, in the code of its frame beside the signal.
const handlerNodefer = 1 << 8

// handle is what get_signal does for a signal with a handler: the disposition is read, and SA_RESETHAND takes effect, for tracees as for
// anybody (H8). handle_signal follows without siglock: until it blocks the signal, whoever sends that anew finds a thread that wants it.
func (w *World) handle(id TaskID, t *task, f *frame, sig uint8) bool {
	h := w.sighandOf(t)
	w.settle(id, t, f, sig)
	f.stage, f.code = stHandler, uint16(sig)
	nodefer := h.nodefer&bit(sig) != 0
	if nodefer {
		f.code |= handlerNodefer
	}
	if h.resethand&bit(sig) != 0 && !(w.bug(BugResethandTraced) && t.is(tfTraced)) {
		h.setDefault(sig)
	}
	return nodefer || w.groupEmpty(t) // then nobody can tell
}

// setUpHandler is handle_signal: it makes the handler's frame, and blocks what the handler is to block.
func (w *World) setUpHandler(id TaskID, t *task, f *frame) bool {
	sig, nodefer := uint8(f.code), f.code&handlerNodefer != 0
	f.stage, f.code = stUser, 0
	info := t.info
	t.info = SigInfo{}
	step := t.is(tfStep)
	t.flags &^= tfStep
	w.handlerSetUp(t)
	if !w.pushHandler(id, info) {
		w.sighandOf(t).setDefault(SIGSEGV)
		w.force(id, NewSigInfo(SIGSEGV, SI_KERNEL, NoTid, 0), false)
		return true
	}
	t.flags &^= tfRestoreMask
	t.saved = 0
	mask := t.blocked
	if !nodefer {
		mask |= bit(sig)
	}
	w.setBlocked(id, mask)
	if step && !w.bug(BugHandlerStepLost) {
		w.mark(58)
		return w.reportExtra(id, t, ExtraHandler, 0)
	}
	return true
}

// afterSignalStop is what follows the report of a signal: what its stop was resumed with decides (R31).
func (w *World) afterSignalStop(id TaskID, t *task, f *frame) bool {
	f.stage = stSignal
	sig, minded := t.resume, SignalAction(f.code)
	t.resume, f.code = 0, 0
	if sig == 0 || minded == SignalIgnore {
		w.mark(31)
		if !t.reportDue() {
			t.info = SigInfo{} // else it is left to the engine that held it (2.8)
		}
		return true
	}
	if w.bug(BugInjectOriginal) {
		sig = t.info.Signo
	}
	if sig != t.info.Signo {
		w.mark(32)
		tracer := &w.tasks[t.parent]
		if w.bug(BugInjectStaleInfo) {
			t.info.Signo = sig
		} else {
			t.info = NewSigInfo(sig, SI_USER, Tid(w.number(t, tracer.tid)), tracer.uid)
		}
	}
	if t.blocked&bit(sig) != 0 && !w.bug(BugInjectIgnoresMask) || t.fatalPending() {
		w.mark(31)
		w.send(t.info, id, t.private != 0, t.info.Code() == SI_KERNEL)
		t.info = SigInfo{}
		return true
	}
	if done, again := w.actMinded(id, t, f, sig, minded); done {
		return again
	}
	return true
}

// actMinded takes the action of a signal that an engine decided about; SignalDeliver leaves it to the disposition.
func (w *World) actMinded(id TaskID, t *task, f *frame, sig uint8, a SignalAction) (done, again bool) {
	switch a {
	case SignalTerm, SignalCore:
		f.stage = stGroupExit
		f.code = uint16(sig)
		return true, w.groupEmpty(t)
	case SignalStop, SignalTstp:
		t.jobctl |= jcStopDequeued
		if a == SignalTstp {
			t.cursig = sig
			t.info = SigInfo{}
			f.stage = stOrphan
			return true, false
		}
		done = w.groupStop(id, t, f, sig)
		t.info = SigInfo{}
		return done, false
	}
	return w.act(id, t, f, sig)
}

// jobctlTrap is do_jobctl_trap: the trap of a traced thread for a group stop, an interrupt or a notification.
func (w *World) jobctlTrap(id TaskID, t *task, f *frame) bool {
	if t.utrace.events&EvExtra == 0 {
		return false // nobody stops it, and it comes back for ever, letting go of siglock each time: a livelock that whoever drives it sees
	}
	return w.reportExtra(id, t, ExtraTrap, 0)
}
