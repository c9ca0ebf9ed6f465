package clients

import "tracehammer/engine"

// Op is an operation of CallUtrace, its first argument. The others are tid, Kind, and:
//
//	OpAttach           events, signal, engine.AttachFlags: utrace_attach_pid and utrace_set_events
//	OpLookup           nothing, signal, flags: utrace_attach_pid without CREATE -> how many live engines of that kind there are
//	OpControl          engine.Action
//	OpEvents           events
//	OpBarrier, OpPrepareExamine, OpFinishExamine, OpPut
//	OpCount            Callback -> how many the kind got; no tid
//
// An operation on an engine is on the live one of that kind, else on one that is detached and to which the reference that
// OpAttach took was not given back by OpPut; without any ESRCH, as for a tid that nobody has.
type Op uint8

const (
	OpAttach Op = iota
	OpLookup
	OpControl
	OpEvents
	OpBarrier
	OpPrepareExamine
	OpFinishExamine
	OpPut
	OpCount
	NumOps
)

// AttachDefault is what OpAttach does if a scenario says nothing else: one engine of a kind.
const AttachDefault = engine.AttachCreate | engine.AttachExclusive | engine.AttachMatchOps

// front is the observer, first of All, which also makes the calls.
type front struct{ client }

func fail(errno int) engine.CallResult { return engine.CallResult{Ret: -int64(errno)} }

// Call implements engine.Caller.
func (front) Call(w *engine.World, t engine.TaskID, s *engine.CallState) engine.CallResult {
	op, kind, arg := Op(s.Args[0]), Kind(s.Args[2]), s.Args[3]
	if kind >= NumKinds {
		return fail(engine.EINVAL)
	}
	client := w.CallerID() + engine.ClientID(kind) - engine.ClientID(Observer)
	if kind == 0 {
		client = 0
	}
	if op == OpCount {
		if kind == 0 || arg < 0 || arg >= int64(NumCallbacks) {
			return fail(engine.EINVAL)
		}
		return engine.CallResult{Ret: Count(w, client, Callback(arg))}
	}
	if s.Stage == 0 {
		if s.Target = w.Find(int64(int32(s.Args[1]))); s.Target == engine.NoTask {
			return fail(engine.ESRCH)
		}
	}
	target := s.Target
	switch op {
	case OpAttach:
		e, errno := w.AttachEngine(target, client, engine.AttachFlags(s.More[1])|engine.AttachCreate, uint64(s.More[0]))
		if errno == 0 {
			errno = w.SetEvents(target, e, events(arg))
		}
		return fail(errno)
	case OpLookup:
		e, errno := w.AttachEngine(target, client, engine.AttachFlags(s.More[1])&^engine.AttachCreate, uint64(s.More[0]))
		if errno != 0 {
			return fail(errno)
		}
		n := w.Engines(target, w.ClientOf(target, e))
		w.PutEngine(target, e)
		return engine.CallResult{Ret: int64(n)}
	}
	e := w.Referred(target, client)
	if kind == 0 || e == engine.NoEngine {
		return fail(engine.ESRCH)
	}
	switch op {
	case OpControl:
		return fail(control(w, target, e, kind, engine.Action(arg)))
	case OpEvents:
		return fail(w.SetEvents(target, e, events(arg)))
	case OpBarrier:
		s.Stage = 1
		errno, wait := w.Barrier(target, e)
		switch {
		case !wait:
			return fail(errno)
		case w.SignalPending(t):
			return fail(engine.ERESTARTSYS)
		}
		return engine.CallResult{Kind: engine.CallSleep}
	case OpPrepareExamine:
		return fail(w.PrepareExamine(target, e))
	case OpFinishExamine:
		return fail(w.FinishExamine(target, e))
	case OpPut:
		if w.OnlyAttached(target, e) {
			return fail(engine.EINVAL)
		}
		w.PutEngine(target, e)
		return engine.CallResult{}
	}
	return fail(engine.EINVAL)
}

// events leaves out those that only ptrace has.
func events(n int64) engine.Events { return engine.Events(n) &^ engine.EvExtra }

// control is utrace_control as a module would call it: what its own callbacks are to return from now on changes with it.
func control(w *engine.World, target engine.TaskID, e engine.EngineID, kind Kind, a engine.Action) int {
	s, old := state(w, target, e), *state(w, target, e)
	*s &= ^stateHeld & (1<<stateSteps - 1)
	switch {
	case a == engine.ActStop:
		*s |= stateHeld
	case a == engine.ActSinglestep && kind == Stepper:
		*s |= steps << stateSteps
	}
	now := *s
	errno := w.Control(target, e, a, false)
	if errno != 0 && errno != engine.EINPROGRESS {
		*s = old
	} else if a != engine.ActDetach {
		*s = now
	}
	return errno
}
