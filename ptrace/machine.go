// Package ptrace is the ptrace system call as a client of utrace: one engine on each tracee, and every request and stop made
// of what package engine exports. It also holds the names of everything that ptrace and its callers see.
//
// The core knows of ptrace only what engine.Hooks lists. All of a tracee's ptrace state (options, stop code, message,
// mode) lives in its engine's data. Nothing here allocates while the World steps, and nothing takes locks.
package ptrace

import "tracehammer/engine"

// client is the utrace client; it has no state of its own.
type client struct{}

// self is the client's id: NewMachine passes it first.
const self engine.ClientID = 1

// NewMachine returns a machine whose ptrace system call is this package. Others are further clients of utrace.
func NewMachine(p *engine.Program, o engine.Options, others ...engine.Ops) *engine.Machine {
	m := new(engine.Machine)
	Load(m, p, o, others...)
	return m
}

// Load makes m what NewMachine returns, in the memory that it has.
func Load(m *engine.Machine, p *engine.Program, o engine.Options, others ...engine.Ops) {
	m.Load(p, o, append([]engine.Ops{client{}}, others...)...)
}

// baseEvents are always on: signals, clone for CLONE_PTRACE, exec for the legacy SIGTRAP (5.1).
const baseEvents = engine.EvQuiesce | engine.EvClone | engine.EvExec | engine.EvExit | engine.EvExtra | engine.EvSignalAll

// context is a tracee's ptrace state, in its engine's data.
type context struct{ d *engine.EngineData }

// Words of the data.
const (
	wordOptions = iota // options; flags above bit 32
	wordStop           // stop code; flags above bit 16
	wordMessage
)

const (
	flagSeized uint64 = 1 << (32 + iota)
	flagEmulate
)

const (
	stopJctl   uint64 = 1 << (16 + iota) // the stop takes part in a group stop: CLD_STOPPED
	stopInfo                             // the stop has a siginfo
	stopSignal                           // a signal-delivery-stop: its siginfo is the signal's
	stopOver                             // the tracer has let it go; another engine may still hold the thread
)

func (c context) options() Option   { return Option(c.d[wordOptions] & 0xffffffff) }
func (c context) has(o Option) bool { return c.options()&o != 0 }

// stopped says that the tracee is in a ptrace stop, or about to enter one.
func (c context) stopped() bool         { return c.code() != 0 && !c.stop(stopOver) }
func (c context) seized() bool          { return c.d[wordOptions]&flagSeized != 0 }
func (c context) emulate() bool         { return c.d[wordOptions]&flagEmulate != 0 }
func (c context) code() uint16          { return uint16(c.d[wordStop]) }
func (c context) stop(flag uint64) bool { return c.d[wordStop]&flag != 0 }
func (c context) message() int64        { return int64(c.d[wordMessage] &^ messageTid) }
func (c context) event() Event          { return Event(c.code() >> 8) }
func (c context) setOptions(o Option)   { c.d[wordOptions] = c.d[wordOptions]&^0xffffffff | uint64(o) }
func (c context) setFlag(f uint64, on bool) {
	c.d[wordOptions] &^= f
	if on {
		c.d[wordOptions] |= f
	}
}

// of is the ptrace state of a tracee; ok is false if it has none.
func of(w *engine.World, t engine.TaskID) (c context, e engine.EngineID, ok bool) {
	if e = w.LookupEngine(t, self); e < 0 {
		return context{}, e, false
	}
	return context{w.Data(t, e)}, e, true
}

func at(w *engine.World, t engine.TaskID, e engine.EngineID) context { return context{w.Data(t, e)} }

// UnsafeExec is whether a tracer without CAP_SYS_PTRACE watches the exec (R74).
func (client) UnsafeExec(w *engine.World, t engine.TaskID) bool {
	return w.IsTraced(t) && !w.TracerCap(t)
}

// TracerTask is who traces t.
func (client) TracerTask(w *engine.World, t engine.TaskID) engine.TaskID {
	if w.IsTraced(t) {
		return w.Parent(t)
	}
	return engine.NoTask
}

// NotifyJctl is ptrace_trap_notify: a seized tracee traps for every change of its group's stop state (R43, R50).
func (client) NotifyJctl(w *engine.World, t engine.TaskID) bool {
	c, _, ok := of(w, t)
	if !ok || !c.seized() {
		return false
	}
	w.Mark(43)
	if w.HasBug(engine.BugNotifyForgotten) {
		return true
	}
	w.ScheduleNotify(t)
	w.WakeTracee(t, w.Listening(t) && !w.HasBug(engine.BugListenNotRetrapped))
	return true
}

// Unlinked takes the engine off: options, modes and pending stops vanish with it (R100).
func (client) Unlinked(w *engine.World, t engine.TaskID) {
	c, e, ok := of(w, t)
	if ok && w.Old(engine.SwLateStops) && !w.Traced(t) && c.stopped() && !c.stop(stopSignal) {
		*w.SigInfo(t) = engine.SigInfo{} // of a stop that does not come any more
	}
	if ok && !w.HasBug(engine.BugDetachKeepsEngine) {
		w.Control(t, e, engine.ActDetach, false)
	}
	w.SuspendSeccomp(t, false)
}

// TracerExits is the EXITKILL option (R102).
func (client) TracerExits(w *engine.World, t engine.TaskID) {
	if c, _, ok := of(w, t); ok && c.has(OExitkill) && !w.HasBug(engine.BugExitkillIgnored) {
		w.Mark(102)
		w.SendKernel(t, uint8(SIGKILL))
	}
}
