package clients

import "tracehammer/engine"

// Checked wraps clients so that they check, in each callback, what section 7 says of an engine's callbacks one after another.
// What is broken panics with an *engine.InvariantError, as Options.Check does. It uses the engines' last word of data.
func Checked(all []engine.Ops) []engine.Ops {
	var out []engine.Ops
	for _, c := range all {
		switch also := c.(type) {
		case engine.Caller:
			out = append(out, checkedCaller{checked{c}, also})
		case engine.Starter:
			out = append(out, checkedStarter{checked{c}, also})
		default:
			out = append(out, checked{c})
		}
	}
	return out
}

// wordTrace is the word of what an engine's callbacks were.
const wordTrace = 3

const (
	traceGone  uint64 = 1 << iota // it returned DETACH
	traceDead                     // it had its report_death
	traceReaps                    // it had its report_reap
)

type checked struct{ engine.Ops }

// checkedCaller is the client that also makes calls.
type checkedCaller struct {
	checked
	engine.Caller
}

// checkedStarter is one that is told of the start.
type checkedStarter struct {
	checked
	engine.Starter
}

func expect(n int, t engine.TaskID, ok bool, what string) {
	if !ok {
		panic(&engine.InvariantError{N: n, Task: t, What: what})
	}
}

// before is what holds at every callback.
func (c checked) before(w *engine.World, t engine.TaskID, e engine.EngineID) *uint64 {
	trace := &w.Data(t, e)[wordTrace]
	expect(5, t, w.Reporting(t) == e, "a callback that nobody else can see running")
	expect(9, t, *trace&traceGone == 0, "a callback after the engine detached")
	expect(10, t, *trace&traceReaps == 0, "a callback after report_reap")
	return trace
}

func (c checked) after(trace *uint64, a engine.Action) engine.Action {
	if a == engine.ActDetach {
		*trace |= traceGone
	}
	return a
}

func (c checked) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events) engine.Action {
	trace := c.before(w, t, e)
	return c.after(trace, c.Ops.ReportQuiesce(w, t, e, event))
}

func (c checked) ReportSignal(w *engine.World, t engine.TaskID, e engine.EngineID, event engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	trace := c.before(w, t, e)
	expect(18, t, event == 0 || w.SigInfo(t).Signo != engine.SIGKILL, "SIGKILL is reported")
	a, sa := c.Ops.ReportSignal(w, t, e, event, so)
	return c.after(trace, a), sa
}

func (c checked) ReportClone(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID) engine.Action {
	trace := c.before(w, t, e)
	expect(20, t, !w.Started(child), "the child runs before report_clone has returned")
	return c.after(trace, c.Ops.ReportClone(w, t, e, child))
}

func (c checked) ReportExec(w *engine.World, t engine.TaskID, e engine.EngineID, former engine.Tid) engine.Action {
	trace := c.before(w, t, e)
	return c.after(trace, c.Ops.ReportExec(w, t, e, former))
}

func (c checked) ReportSyscallEntry(w *engine.World, t engine.TaskID, e engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	trace := c.before(w, t, e)
	a, abort := c.Ops.ReportSyscallEntry(w, t, e, so)
	return c.after(trace, a), abort
}

func (c checked) ReportSyscallExit(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	trace := c.before(w, t, e)
	return c.after(trace, c.Ops.ReportSyscallExit(w, t, e))
}

func (c checked) ReportExit(w *engine.World, t engine.TaskID, e engine.EngineID, code uint16) engine.Action {
	trace := c.before(w, t, e)
	return c.after(trace, c.Ops.ReportExit(w, t, e, code))
}

func (c checked) ReportJctl(w *engine.World, t engine.TaskID, e engine.EngineID, kind, notify int32) engine.Action {
	trace := c.before(w, t, e)
	return c.after(trace, c.Ops.ReportJctl(w, t, e, kind, notify))
}

func (c checked) ReportDeath(w *engine.World, t engine.TaskID, e engine.EngineID) engine.Action {
	trace := c.before(w, t, e)
	expect(10, t, *trace&traceDead == 0, "a second report_death")
	*trace |= traceDead
	return c.after(trace, c.Ops.ReportDeath(w, t, e))
}

func (c checked) ReportReap(w *engine.World, t engine.TaskID, e engine.EngineID) {
	trace := &w.Data(t, e)[wordTrace]
	expect(11, t, *trace&traceGone == 0, "report_reap of an engine that detached")
	expect(10, t, *trace&traceReaps == 0, "a second report_reap")
	expect(10, t, w.EventsOf(t, e)&engine.EvReap != 0, "report_reap although nobody asked")
	*trace |= traceReaps
	c.Ops.ReportReap(w, t, e)
}
