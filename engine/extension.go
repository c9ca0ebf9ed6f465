package engine

// Where the R rules want more of utrace than sections 2 to 5 give, the missing mechanism is one of these, and nothing else:
//
//   - Early stops. CLONE, EXEC and SYSCALL_EXIT reports that return STOP suspend at once (a clone once its child runs),
//     not at the boundary to user mode: R53, R62 and R70 show those stops inside the call. SwLateStops takes this back.
//   - Inherit. Tracing of a new child must be atomic with the child's becoming visible (R60), so an engine is asked
//     inside that section, before report_clone.
//   - Extra events. VFORK_DONE and SECCOMP stops lie within system calls where utrace has no event (R57, R62); job control
//     traps and the NOTIFY trap have no utrace call (R39, R43, R48); a handler's entry while stepping (R58) is 2.8's HANDLER report.
//   - Entered, Stopped, Left. A stop's report must appear with TRACED, under the same lock, and its notification after it
//     (4.1); 5.3 calls the latter "performed by the utrace stop routine (special case for ptrace)".
//   - Resume signal. A stop is left with a number (World.SetResumeSignal) that says which signal goes on; it outlives the
//     engine, because a tracer's death does not undo an unwaited signal stop (R101).
//   - STOPPED to TRACED (World.TrapStopped). Attach moves a stopped thread to a trap through a gap that others can see (R9). SwPlainStops takes this back.
//   - LISTEN (World.SetListening): a stop that requests and waits do not see (R49).
//   - Detaching at once. ptrace's engine leaves its thread wherever that is (Hooks.Unlinked): __ptrace_unlink holds the locks
//     without which no callback of ptrace's begins. For the same reason such a callback takes no time of its own.
//   - Stepping. ptrace arms the processor with its request (R58), other engines with a report on the way to user mode.
//   - Frozen. A request on a stopped thread is one step here, so nothing can fall into it (R14, H4).

// Extra is an event beside those of 2.1.
type Extra uint8

const (
	ExtraVforkDone Extra = iota // arg: tid of the child
	ExtraSeccomp                // arg: the filter's data
	ExtraTrap                   // job control trap
	ExtraHandler                // a handler's frame was set up while stepping
)

// Extension is the part of Ops that utrace does not have.
type Extension interface {
	// ReportExtra reports an Extra event to engines that have EvExtra.
	ReportExtra(w *World, t TaskID, e EngineID, x Extra, arg uint16) Action
	// Inherit is called in the section that makes a child visible, before report_clone.
	Inherit(w *World, t TaskID, e EngineID, child TaskID, flags int64)
	// Entered is called as the thread enters TRACED for this engine; Stopped once others can see it; Left when the thread
	// goes on, or did not stop after all.
	Entered(w *World, t TaskID, e EngineID)
	Stopped(w *World, t TaskID, e EngineID)
	Left(w *World, t TaskID, e EngineID)
}
