package engine

// utrace: engines attached to threads. Numbers of sections are those of the rules' sections 1 to 4, and so are U, O and C.
//
// What is where: attach.go attaching, finding, references and release; events.go set_events; control.go control; barrier.go
// and examine.go the calls of these names; pass.go report passes; stop.go where UTRACE_STOP suspends; resume.go the reports
// on the way to user mode and the signal path; death.go the ends of threads; extension.go what utrace does not have.

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

	EvSignalAll   = EvSignal | EvSignalIgn | EvSignalStop | EvSignalTerm | EvSignalCore
	EvSyscall     = EvSyscallEntry | EvSyscallExit
	EvDeathEvents = EvDeath | EvQuiesce // what makes a death pass
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

var actionNames = [...]string{"stop", "interrupt", "report", "singlestep", "blockstep", "resume", "detach"}

func (a Action) String() string { return nameOf(actionNames[:], int(a)) }

// SignalAction is what becomes of a signal (2.8). A report_signal gets the one so far and returns its own; SignalHold may
// be added.
type SignalAction uint8

const (
	SignalDeliver SignalAction = iota // what the disposition says by then
	SignalIgnore
	SignalTerm
	SignalCore
	SignalStop           // unconditionally
	SignalTstp           // unless the process group is orphaned
	SignalReport         // no signal: somebody asked for a report
	SignalHandler        // no signal: a handler was set up
	SignalHold    = 0x10 // the signal goes back to the head of the private queue
)

// without leaves out SignalHold.
func (a SignalAction) without() SignalAction { return a &^ SignalHold }

// EngineID is an engine's place at its task. It stays the engine's own as long as somebody holds a reference.
type EngineID int8

const noEngine EngineID = -1

// NoEngine marks the absence of an engine.
const NoEngine = noEngine

// maxEngines bounds the engines of one task, detached ones that somebody still refers to included.
const maxEngines = 6

// MaxClients bounds the clients of a Machine.
const MaxClients = 16

// EngineData is an engine's own state, opaque to this package but for the first word, which AttachMatchData compares.
type EngineData [4]uint64

// engineState is an engine's life (1.2).
type engineState uint8

const (
	engineFree engineState = iota
	engineAttaching
	engineAttached
	engineDetaching // marked: its thread will take it off the list
	engineDetached  // off the list; references are left
)

type engine struct {
	data   EngineData
	flags  Events
	ops    ClientID
	state  engineState
	refs   uint8 // one is implicit while it is on the list
	looked bool  // prepare_examine found the thread stopped, and it has not run since
	freed  bool  // planted bug only: it was released
	_      [1]uint8
}

// live says that calls on the engine have an effect.
func (e *engine) live() bool { return e.state == engineAttaching || e.state == engineAttached }

// Flags of the per-thread part.
const (
	utPass    uint8 = 1 << iota // a pass that takes steps is under way: only its thread takes engines off the list
	utHandler                   // a handler was set up whose report is due
	utAsked                     // the pass that delivers a signal asked for something: the handler is to be reported
	utStep                      // an engine other than ptrace's steps the thread: see task.stepping
	utDying                     // dead, and its death pass is still to come or under way
	utDeath                     // the death pass is under way
	utReap                      // release has begun
	utLate                      // planted bug only: attached when release had looked for engines
)

// utrace is the per-thread part (1.1); it lasts as long as its task (U1). events is the hot path's union: nonzero iff an engine is there (U2). list holds the
// attached engines in the order of their attaching, then those that are attaching (U3, O1).
type utrace struct {
	first     engine // place 0; the others are in World.more
	list      [maxEngines]EngineID
	events    Events
	n         int8 // engines on the list
	attached  int8 // how many of them the running pass can see
	resume    Action
	reporting EngineID
	flags     uint8
	_         [3]uint8
}

func (u *utrace) is(f uint8) bool { return u.flags&f != 0 }

// on are the engines on the list.
func (u *utrace) on() []EngineID { return u.list[:u.n] }

// engine is the engine at a place of a task. A task that only ptrace traces has it at the first one.
func (w *World) engine(id TaskID, e EngineID) *engine {
	if e == 0 {
		return &w.tasks[id].utrace.first
	}
	return &w.more[id][e-1]
}

// ptraces says that a client is the ptrace system call.
func (m *Machine) ptraces(c ClientID) bool { return c == 1 && m.hooked }

// alone says that nobody but ptrace has an engine on the task: then a pass is part of its caller's step, since whoever could
// tell where in the pass he is has to wait for the lock that the caller holds.
func (w *World) alone(id TaskID) bool {
	u := &w.tasks[id].utrace
	return u.n == 1 && w.m.ptraces(w.engine(id, u.list[0]).ops)
}

// splice makes the engines that were attached since see the pass that begins (U5).
func (w *World) splice(id TaskID) {
	u := &w.tasks[id].utrace
	for _, e := range u.list[u.attached:u.n] {
		if en := w.engine(id, e); en.state == engineAttaching {
			en.state = engineAttached
		}
	}
	u.attached = u.n
}

// reset recomputes the union (C6). Without engines nothing of utrace is left.
func (w *World) reset(id TaskID) {
	u := &w.tasks[id].utrace
	u.events = 0
	for _, e := range u.on() {
		u.events |= w.engine(id, e).flags | EvReap
	}
	if u.n == 0 {
		u.resume = ActResume
		keep := utPass | utDying | utDeath | utReap // a handler's report is nobody's any more
		if w.bug(BugUtraceHandlerLeaks) {
			keep |= utHandler
		}
		if w.bug(BugUtraceStepLeftArmed) {
			keep |= utStep
		}
		u.flags &= keep
	}
}

// wanted says that some engine keeps the thread stopped.
func (w *World) wanted(id TaskID) bool {
	u := &w.tasks[id].utrace
	if u.events&engineStop == 0 {
		return false
	}
	for _, e := range u.on() {
		if w.engine(id, e).flags&engineStop != 0 {
			return true
		}
	}
	return false
}

// besides says that an engine other than ptrace's asked for some of the events.
func (w *World) besides(id TaskID, events Events) bool {
	u := &w.tasks[id].utrace
	if len(w.m.ops) == 1 || u.events&events == 0 {
		return false
	}
	for _, e := range u.on() {
		if en := w.engine(id, e); en.flags&events != 0 && !w.m.ptraces(en.ops) {
			return true
		}
	}
	return false
}

// stepping says that the processor traps after the task's next instruction. Both ptrace and other engines may want that, and
// neither can take it from the other.
func (t *task) stepping() bool { return t.is(tfStep) || t.utrace.is(utStep) }
