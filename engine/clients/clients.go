// Package clients is a library of utrace clients that scenarios can attach beside ptrace, and CallUtrace, the call by which
// an actor uses utrace's interface as if it were a system call.
//
// It imports only package engine. What a client does depends on its kind, its events and one word of data; it keeps its
// state in its engines and, for the counts of callbacks, in the World. So it belongs to no goroutine, and takes no locks.
package clients

import "tracehammer/engine"

// Kind is a kind of client, numbered as CallUtrace takes it.
type Kind uint8

const (
	_        Kind = iota
	Observer      // watches
	Stopper       // stops the thread at each of its events, until told to go on
	Reporter      // asks for a report at each of its events, and at the death of its thread for one event more
	Stepper       // steps: consumes four traps of the processor after CONTROL SINGLESTEP
	Ignorer       // ignores its signal
	Holder        // stops at its signal and puts it back, once
	Changer       // makes its signal SIGUSR2
	Aborter       // aborts one call
	Detacher      // detaches at its first callback
	Mourner       // detaches at the thread's death
	Attacher      // attaches an observer at its first event; keeps any engine that it finds at REAP
	Runner        // has the calls made that an engine before it aborts
	Garbler       // gives its signal a number beyond the last
	NumKinds
)

var names = [NumKinds]string{Observer: "observer", Stopper: "stopper", Reporter: "reporter", Stepper: "stepper", Ignorer: "ignorer",
	Holder: "holder", Changer: "changer", Aborter: "aborter", Detacher: "detacher", Mourner: "mourner", Attacher: "attacher", Runner: "runner", Garbler: "garbler"}

func (k Kind) String() string {
	if k == 0 || k >= NumKinds {
		return "no client"
	}
	return names[k]
}

// All are the clients of a program that makes CallUtrace, for engine.Program.Clients. counted says that it also asks how
// often they were called: what nobody asks is not kept, since states that differ only in it are one.
func All(counted bool) []engine.Ops {
	all := []engine.Ops{front{client{counted}}}
	for k := Stopper; k < NumKinds; k++ {
		all = append(all, maker[k](client{counted}))
	}
	return all
}

var maker = [NumKinds]func(client) engine.Ops{
	Stopper:  func(c client) engine.Ops { return stopper{c} },
	Reporter: func(c client) engine.Ops { return reporter{c} },
	Stepper:  func(c client) engine.Ops { return stepper{c} },
	Ignorer:  func(c client) engine.Ops { return ignorer{c} },
	Holder:   func(c client) engine.Ops { return holder{c} },
	Changer:  func(c client) engine.Ops { return changer{c} },
	Aborter:  func(c client) engine.Ops { return aborter{c} },
	Detacher: func(c client) engine.Ops { return detacher{c} },
	Mourner:  func(c client) engine.Ops { return mourner{c} },
	Attacher: func(c client) engine.Ops { return attacher{c} },
	Runner:   func(c client) engine.Ops { return runner{c} },
	Garbler:  func(c client) engine.Ops { return garbler{c} },
}

// Words of an engine's data. The first is the client's signal, which MATCH_DATA compares.
const (
	wordSignal = iota
	wordState
)

const (
	stateHeld uint64 = 1 << iota // told to stop, or stopped at an event, and not told to go on
	stateDone                    // what is done once was done
)

// stateSteps is the shift of the steps that are left.
const stateSteps = 8

// state is the state word of an engine.
func state(w *engine.World, t engine.TaskID, e engine.EngineID) *uint64 {
	return &w.Data(t, e)[wordState]
}

// client is the observer, and what the other kinds are made of: it does nothing but stop while it is told to.
type client struct{ counted bool }

// count notes a callback.
func (c client) count(w *engine.World, id engine.ClientID, b Callback) {
	if !c.counted {
		return
	}
	n := w.ClientState(id)
	if at, shift := b/8, b%8*8; n[at]>>shift&0xff < 0xff {
		n[at] += 1 << shift
	}
}

// seen notes a callback of an engine, and returns the action of one that has no wish of its own.
func (c client) seen(w *engine.World, t engine.TaskID, e engine.EngineID, b Callback) engine.Action {
	c.count(w, w.ClientOf(t, e), b)
	if *state(w, t, e)&stateHeld != 0 {
		return engine.ActStop
	}
	return engine.ActResume
}

// signal notes a callback of the signal path.
func (c client) signal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) engine.Action {
	b := ofEvent(event)
	switch so {
	case engine.SignalReport:
		b = CallbackReport
	case engine.SignalHandler:
		b = CallbackHandler
	}
	return c.seen(w, t, e, b)
}

func (c client) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) engine.Action {
	if event == 0 {
		return c.seen(w, t, e, CallbackReport)
	}
	return c.seen(w, t, e, CallbackQuiesce)
}

func (c client) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	return c.signal(w, t, e, event, so), so
}

func (c client) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.TaskID) engine.Action {
	return c.seen(w, t, e, CallbackClone)
}

func (c client) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.Tid) engine.Action {
	return c.seen(w, t, e, CallbackExec)
}

func (c client) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	return c.seen(w, t, e, CallbackSyscallEntry), so.Abort
}

func (c client) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.seen(w, t, e, CallbackSyscallExit)
}

func (c client) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, _ uint16) engine.Action {
	return c.seen(w, t, e, CallbackExit)
}

func (c client) ReportJctl(w *engine.World, t engine.TaskID, e engine.EngineID, _, _ int32) engine.Action {
	return c.seen(w, t, e, CallbackJctl)
}

func (c client) ReportDeath(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	return c.seen(w, t, e, CallbackDeath)
}

func (c client) ReportReap(w *engine.World, t engine.TaskID, e engine.EngineID) {
	c.seen(w, t, e, CallbackReap)
}

func (c client) Release(w *engine.World, id engine.ClientID, _ *engine.EngineData) {
	c.count(w, id, CallbackRelease)
}

// The extensions are ptrace's; a client has neither their events nor their stops.
func (c client) ReportExtra(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.Extra, _ uint16) engine.Action {
	return engine.ActResume
}
func (client) Inherit(*engine.World, engine.TaskID, engine.EngineID, engine.TaskID, int64) {}
func (client) Entered(*engine.World, engine.TaskID, engine.EngineID)                       {}
func (client) Stopped(*engine.World, engine.TaskID, engine.EngineID)                       {}
func (client) Left(*engine.World, engine.TaskID, engine.EngineID)                          {}
