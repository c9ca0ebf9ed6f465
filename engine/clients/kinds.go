package clients

import "tracehammer/engine"

// What each kind does besides watching.

// stopper stops at each of its events.
type stopper struct{ client }

func (c stopper) stop(w *engine.World, t engine.TaskID, e engine.EngineID, b Callback) engine.Action {
	c.seen(w, t, e, b)
	*state(w, t, e) |= stateHeld
	return engine.ActStop
}

func (c stopper) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	if event&w.EventsOf(t, e) != 0 {
		*state(w, t, e) |= stateHeld
		a = engine.ActStop
	}
	return a, so
}

func (c stopper) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.TaskID) engine.Action {
	return c.stop(w, t, e, CallbackClone)
}

func (c stopper) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.Tid) engine.Action {
	return c.stop(w, t, e, CallbackExec)
}

func (c stopper) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	if so.Resumed {
		return c.seen(w, t, e, CallbackSyscallEntry), so.Abort
	}
	return c.stop(w, t, e, CallbackSyscallEntry), so.Abort
}

func (c stopper) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.stop(w, t, e, CallbackSyscallExit)
}

func (c stopper) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, _ uint16) engine.Action {
	return c.stop(w, t, e, CallbackExit)
}

func (c stopper) ReportJctl(w *engine.World, t engine.TaskID, e engine.EngineID, _, _ int32) engine.Action {
	return c.stop(w, t, e, CallbackJctl)
}

// reporter asks for a report at each of its events.
type reporter struct{ client }

func (c reporter) report(a engine.Action) engine.Action { return min(a, engine.ActReport) }

func (c reporter) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID) engine.Action {
	return c.report(c.client.ReportClone(w, t, e, child))
}

func (c reporter) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, former engine.Tid) engine.Action {
	return c.report(c.client.ReportExec(w, t, e, former))
}

func (c reporter) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	a, abort := c.client.ReportSyscallEntry(w, t, e, so)
	if so.Resumed {
		return a, abort // or there would be no end of it
	}
	return c.report(a), abort
}

func (c reporter) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.report(c.client.ReportSyscallExit(w, t, e))
}

func (c reporter) ReportJctl(w *engine.World, t engine.TaskID, e engine.EngineID, kind, notify int32) engine.Action {
	return c.report(c.client.ReportJctl(w, t, e, kind, notify))
}

// ReportDeath asks for an event more: that fails if the thread was reaped meanwhile.
func (c reporter) ReportDeath(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	a := c.client.ReportDeath(w, t, e)
	w.SetEvents(t, e, w.EventsOf(t, e)|engine.EvExec)
	return a
}

// steps is how many traps a stepper consumes.
const steps = 4

// stepper steps while it has steps left.
type stepper struct{ client }

func (c stepper) left(w *engine.World, t engine.TaskID, e engine.EngineID) uint64 {
	return *state(w, t, e) >> stateSteps
}

func (c stepper) step(w *engine.World, t engine.TaskID, e engine.EngineID, a engine.Action) engine.Action {
	if c.left(w, t, e) > 0 {
		return min(a, engine.ActSinglestep)
	}
	return a
}

func (c stepper) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) engine.Action {
	return c.step(w, t, e, c.client.ReportQuiesce(w, t, e, event))
}

func (c stepper) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	info := w.SigInfo(t)
	if code := info.Code(); event != 0 && info.Signo == engine.SIGTRAP && (code == engine.TRAP_TRACE || code == engine.TRAP_BRKPT) {
		if c.left(w, t, e) > 0 {
			*state(w, t, e) -= 1 << stateSteps
		}
		so = engine.SignalIgnore
	}
	return c.step(w, t, e, a), so
}

// its says whether a signal is the client's own: the one that it was attached with, or any if that is 0.
func (c client) its(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) bool {
	sig := w.Data(t, e)[wordSignal]
	return event&w.EventsOf(t, e) != 0 && (sig == 0 || sig == uint64(w.SigInfo(t).Signo))
}

// ignorer ignores its signal.
type ignorer struct{ client }

func (c ignorer) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	if c.its(w, t, e, event) {
		so = engine.SignalIgnore
	}
	return a, so
}

// holder stops at its signal and puts it back: it comes again once the thread goes on.
type holder struct{ client }

func (c holder) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	if s := state(w, t, e); c.its(w, t, e, event) && *s&stateDone == 0 {
		*s |= stateDone | stateHeld
		return engine.ActStop, engine.SignalIgnore | engine.SignalHold
	}
	return a, so
}

// changer makes its signal SIGUSR2.
type changer struct{ client }

func (c changer) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	if c.its(w, t, e, event) {
		w.SigInfo(t).Signo = engine.SIGUSR2
		so = engine.SignalDeliver
	}
	return a, so
}

// aborter aborts the first call that is an operation of a scenario.
type aborter struct{ client }

func (c aborter) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	a := c.seen(w, t, e, CallbackSyscallEntry)
	call, _, _ := w.SyscallInfo(t)
	if s := state(w, t, e); *s&stateDone == 0 && call.Scripted() {
		*s |= stateDone
		return a, true
	}
	return a, so.Abort
}

// detacher detaches at its first callback.
type detacher struct{ client }

func (c detacher) detach(engine.Action) engine.Action { return engine.ActDetach }

func (c detacher) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) engine.Action {
	return c.detach(c.client.ReportQuiesce(w, t, e, event))
}

func (c detacher) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	return c.detach(c.signal(w, t, e, event, so)), so
}

func (c detacher) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID) engine.Action {
	return c.detach(c.client.ReportClone(w, t, e, child))
}

func (c detacher) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, former engine.Tid) engine.Action {
	return c.detach(c.client.ReportExec(w, t, e, former))
}

func (c detacher) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	return c.detach(c.seen(w, t, e, CallbackSyscallEntry)), so.Abort
}

func (c detacher) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.detach(c.client.ReportSyscallExit(w, t, e))
}

func (c detacher) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, code uint16) engine.Action {
	return c.detach(c.client.ReportExit(w, t, e, code))
}

func (c detacher) ReportJctl(w *engine.World, t engine.TaskID, e engine.EngineID, kind, notify int32) engine.Action {
	return c.detach(c.client.ReportJctl(w, t, e, kind, notify))
}

func (c detacher) ReportDeath(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.detach(c.client.ReportDeath(w, t, e))
}

// mourner detaches at the thread's death.
type mourner struct{ client }

func (c mourner) ReportDeath(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	c.seen(w, t, e, CallbackDeath)
	return engine.ActDetach
}

// attacher attaches an observer with its own events at the first of them; that one takes part from the next pass on.
type attacher struct{ client }

func (c attacher) attach(w *engine.World, t engine.TaskID, e engine.EngineID, a engine.Action) engine.Action {
	s := state(w, t, e)
	if *s&stateDone != 0 {
		return a
	}
	*s |= stateDone
	observer := w.ClientOf(t, e) - engine.ClientID(Attacher-Observer)
	if o, errno := w.AttachEngine(t, observer, engine.AttachCreate, 0); errno == 0 {
		w.SetEvents(t, o, w.EventsOf(t, e))
		w.PutEngine(t, o)
	}
	return a
}

func (c attacher) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	return c.attach(w, t, e, c.signal(w, t, e, event, so)), so
}

func (c attacher) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID) engine.Action {
	return c.attach(w, t, e, c.client.ReportClone(w, t, e, child))
}

func (c attacher) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, former engine.Tid) engine.Action {
	return c.attach(w, t, e, c.client.ReportExec(w, t, e, former))
}

func (c attacher) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	return c.attach(w, t, e, c.seen(w, t, e, CallbackSyscallEntry)), so.Abort
}

func (c attacher) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.attach(w, t, e, c.client.ReportSyscallExit(w, t, e))
}

func (c attacher) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, code uint16) engine.Action {
	return c.attach(w, t, e, c.client.ReportExit(w, t, e, code))
}

// ReportReap keeps what it finds on the task: nothing, since the list is empty by then.
func (c attacher) ReportReap(w *engine.World, t engine.TaskID, e engine.EngineID) {
	c.seen(w, t, e, CallbackReap)
	w.AttachEngine(t, 0, 0, 0)
}

// runner has every call made.
type runner struct{ client }

func (c runner) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.EntrySoFar) (engine.Action, bool) {
	return c.seen(w, t, e, CallbackSyscallEntry), false
}

// garbler gives its signal a number that is none.
type garbler struct{ client }

func (c garbler) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	a := c.signal(w, t, e, event, so)
	if c.its(w, t, e, event) {
		w.SigInfo(t).Signo |= 0x80
		so = engine.SignalTerm
	}
	return a, so
}
