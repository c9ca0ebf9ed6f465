package engine

// With Options.Check a Machine keeps what the step being made did that neither the World before it nor the one after it shows:
// which callbacks returned what, which passes began and ended, which stops tracers were told of. invariant_trace.go
// looks at it.

// traceKind is a kind of traced.
type traceKind uint8

const (
	traceBegin    traceKind = iota // a report pass begins
	traceQuiesce                   // a report_quiesce returned
	traceSpecific                  // another callback of a pass returned
	traceEnd                       // the pass is over, and this is what its engines said together
	traceReap                      // a report_reap is made
	traceBody                      // the body of a system call is executed
	traceTold                      // a tracer is told of a stop
	traceParent                    // a real parent is told of a group stop
	traceWaited                    // a wait reports the task; arg is the status, code how waitid calls it
	traceScanned                   // a wait found nothing; live: but it may come
)

// traced is one thing that a step did.
type traced struct {
	kind   traceKind
	task   TaskID
	engine EngineID
	pass   passKind
	arg    uint16
	code   int8
	live   bool   // the engine was attached, and not marked, when its callback returned; traceTold: the task was made TRACED before, and for ptrace
	action Action // what the callback returned; traceEnd: the most intrusive one
	resume Action // traceEnd: likewise, without STOP
	abort  bool   // a report_syscall_entry returned ABORT; traceEnd: so the call is not to be executed
}

func (w *World) trace(e traced) {
	if w.m.opt.Check {
		w.m.trace = append(w.m.trace, e)
	}
}

// traceCallback notes what a callback of a pass returned, before that is applied.
func (w *World) traceCallback(kind traceKind, id TaskID, i EngineID, k passKind, arg uint16, a Action) {
	if w.m.opt.Check {
		w.trace(traced{kind: kind, task: id, engine: i, pass: k, arg: arg, live: w.engine(id, i).live(), action: a, abort: w.pass.abort})
	}
}
