package engine

// utrace: engines attached to threads. Numbers of sections are those of the rules' sections 1 to 4.

// Events is a set of event bits (2.1).
type Events uint16

const (
	EvQuiesce Events = 1 << iota
	EvReap
	EvClone
	EvExec
	EvExit
	EvDeath
	EvSyscallEntry
	EvSyscallExit
	EvSignal     // a handler will run
	EvSignalIgn  // the signal is ignored
	EvSignalStop // it stops the group
	EvSignalTerm // it terminates the group
	EvSignalCore // likewise, with a core dump
	EvJctl
	engineStop // internal: the engine keeps the thread stopped
	EvExtra    // extension: the events of Extra

	EvSignalAll = EvSignal | EvSignalIgn | EvSignalStop | EvSignalTerm | EvSignalCore
)

// Action is a resume action (2.2): the smaller, the more intrusive, and the smallest wins.
type Action uint8

const (
	ActStop Action = iota
	ActInterrupt
	ActReport
	ActSinglestep
	ActBlockstep
	ActResume
	ActDetach
)

// SignalAction is what a report_signal asks for.
type SignalAction uint8

const (
	SignalDeliver SignalAction = iota
	SignalIgnore
)

// EngineID is an engine's place at its task.
type EngineID int8

const noEngine EngineID = -1

// maxEngines bounds the engines of one task.
const maxEngines = 3

// EngineData is an engine's own state, opaque to this package.
type EngineData [4]uint64

type engineState uint8

const (
	engineFree engineState = iota
	engineAttaching
	engineAttached
	engineDetaching // marked: its thread will take it off the list
)

type engine struct {
	data  EngineData
	ops   ClientID
	state engineState
	flags Events
	_     [4]uint8
}

// utrace is the per-thread part (1.1). events is the hot path's union: nonzero iff an engine is there (U2).
type utrace struct {
	engines   [maxEngines]engine
	events    Events
	n         int8
	resume    Action
	reporting EngineID
	_         [3]uint8
}

func (e *engine) live() bool { return e.state == engineAttaching || e.state == engineAttached }

// AttachFlags of AttachEngine (1.4).
type AttachFlags uint8

const (
	AttachMatchOps  AttachFlags = 0x01
	AttachCreate    AttachFlags = 0x10
	AttachExclusive AttachFlags = 0x20
)

// AttachEngine is utrace_attach_task (1.4). It returns an errno.
func (w *World) AttachEngine(target TaskID, c ClientID, flags AttachFlags) (EngineID, int) {
	t := &w.tasks[target]
	match := noEngine
	for i := range t.utrace.engines {
		e := &t.utrace.engines[i]
		if e.live() && (flags&AttachMatchOps == 0 || e.ops == c) {
			match = EngineID(i)
			break
		}
	}
	switch {
	case flags&AttachCreate == 0 && match == noEngine:
		return noEngine, ENOENT
	case flags&AttachCreate == 0:
		return match, 0
	case c == 0 || int(c) > len(w.m.ops):
		return noEngine, EINVAL
	case flags&AttachExclusive != 0 && match != noEngine:
		return noEngine, EEXIST
	case t.utrace.n == 0 && t.exitState == ExitDead:
		return noEngine, ESRCH
	}
	for i := range t.utrace.engines {
		e := &t.utrace.engines[i]
		if e.state != engineFree {
			continue
		}
		*e = engine{ops: c, state: engineAttaching}
		t.utrace.n++
		t.utrace.events |= EvReap
		return EngineID(i), 0
	}
	return noEngine, ENOMEM
}

// LookupEngine finds the client's live engine on a task.
func (w *World) LookupEngine(target TaskID, c ClientID) EngineID {
	u := &w.tasks[target].utrace
	if u.n == 0 {
		return noEngine
	}
	for i := range u.engines {
		if e := &u.engines[i]; e.ops == c && e.live() {
			return EngineID(i)
		}
	}
	return noEngine
}

// Data is an engine's own state.
func (w *World) Data(t TaskID, e EngineID) *EngineData { return &w.tasks[t].utrace.engines[e].data }

// reset recomputes the union (C6). Without engines nothing of utrace is left.
func (u *utrace) reset() {
	u.events = 0
	for i := range u.engines {
		if e := &u.engines[i]; e.state != engineFree {
			u.events |= e.flags | EvReap
		}
	}
	if u.n == 0 {
		u.resume = ActResume
		u.events = 0
	}
}

// wanted says that some engine keeps the thread stopped.
func (u *utrace) wanted() bool {
	if u.events&engineStop == 0 {
		return false
	}
	for i := range u.engines {
		if u.engines[i].flags&engineStop != 0 {
			return true
		}
	}
	return false
}

// drop takes an engine off its thread.
func (w *World) drop(id TaskID, e EngineID) {
	u := &w.tasks[id].utrace
	if u.reporting == e {
		u.engines[e].state = engineDetaching
		u.engines[e].flags = EvQuiesce
		u.reset()
		return
	}
	u.engines[e] = engine{}
	u.n--
	u.reset()
}

// SetEvents is utrace_set_events (3.2). It returns an errno.
func (w *World) SetEvents(target TaskID, e EngineID, mask Events) int {
	t := &w.tasks[target]
	en := &t.utrace.engines[e]
	if !en.live() {
		return ESRCH
	}
	mask &^= engineStop
	old := en.flags &^ engineStop
	switch {
	case t.dead() && mask&^old&(EvDeath|EvQuiesce) != 0, t.dead() && old&^mask&(EvDeath|EvQuiesce) != 0:
		return EALREADY
	case t.is(tfReleased):
		return ESRCH
	}
	en.flags = mask | en.flags&engineStop
	// Bits are only added here; they go away when the thread recomputes the union (U2). Nobody but the thread walks its
	// engines while it runs, so a stopped or dead thread's union can be recomputed at once.
	if t.state == Traced || t.state == Stopped || t.dead() {
		t.utrace.reset()
	} else {
		t.utrace.events |= mask
	}
	if old&^mask != 0 && target != w.cur && t.utrace.reporting == e {
		return EINPROGRESS
	}
	return 0
}

// Control is utrace_control (3.1). It returns an errno. forced is the compatibility of ptrace's explicit resume: the thread
// runs although its group is stopped (R41).
func (w *World) Control(target TaskID, e EngineID, a Action, forced bool) int {
	t := &w.tasks[target]
	u := &t.utrace
	en := &u.engines[e]
	switch {
	case a > ActDetach:
		return EINVAL
	case (a == ActReport || a == ActSinglestep || a == ActBlockstep) && en.flags&EvQuiesce == 0:
		return EINVAL
	case !en.live():
		return ESRCH
	case t.dead() && a != ActDetach:
		return ESRCH
	case t.is(tfReleased):
		return ESRCH
	}
	switch a {
	case ActStop:
		en.flags |= engineStop
		u.events |= engineStop
		if t.state == Traced {
			return 0
		}
		w.request(t, ActReport)
		return EINPROGRESS
	case ActDetach:
		running := u.reporting == e
		w.drop(target, e)
		w.release(target, forced)
		if running {
			return EINPROGRESS
		}
		return 0
	}
	en.flags &^= engineStop
	switch a {
	case ActSinglestep, ActBlockstep:
		t.flags |= tfStep
	case ActResume:
		t.flags &^= tfStep
	default:
		w.request(t, a)
	}
	w.release(target, forced)
	return 0
}

// request records a resume request and makes the thread look at it (C4).
func (w *World) request(t *task, a Action) {
	if a < t.utrace.resume {
		t.utrace.resume = a
	}
	if a == ActInterrupt {
		w.signalWake(t, false)
	} else {
		t.flags |= tfNotifyResume
	}
}

// release lets a thread go on that no engine stops any more: utrace_wakeup. It goes to STOPPED if its group is stopped or
// stopping, unless forced.
func (w *World) release(id TaskID, forced bool) {
	t := &w.tasks[id]
	if t.state != Traced || t.utrace.wanted() {
		return
	}
	if !forced && w.groupStopping(t) && !t.is(tfExiting) {
		t.jobctl |= jcStopPending
		t.flags |= tfSigPending
	}
	t.state = Running
}

func (w *World) groupStopping(t *task) bool {
	p := w.procOf(t)
	return p.flags&gfStopStopped != 0 || p.stopCount != 0
}

// Barrier is utrace_barrier's condition (3.3): whether a callback to the engine is running now.
func (w *World) Barrier(target TaskID, e EngineID) bool {
	return target != w.cur && w.tasks[target].utrace.reporting == e
}
