package engine

// Planted bugs of utrace itself: what can go wrong between a task, its reports and the engines attached to it. Most were
// in the code of 2009 and 2010; their source is the item of section 4.2.
const (
	BugUtraceDoneTooEarly Bug = numKernelBugs + iota
	BugUtraceAttachReaping
	BugUtraceReportLost
	BugUtraceInterruptSlips
	BugUtraceReportingLeft
	BugUtraceReapDropped
	BugUtraceWakeIgnoresStop
	BugUtraceStopUncounted
	BugUtraceStopStaysStopped
	BugUtraceDetachThenStop
	BugUtraceHandlerLeaks
	BugUtraceBogusReport
	BugUtraceBarrierWaitsForMark
	BugUtraceAttachNoUnion
	BugUtraceInprogressAdded
	BugUtraceStealsSignal
	BugUtraceResumeHoldsStop
	BugUtraceSignalMissesAttach
	BugUtraceResumedKeepsStop
	BugUtraceSignoHighBit
	BugUtraceBarrierEarly
	BugUtraceLookupAtReap
	BugUtraceAPIAfterReap
	BugUtraceDetachedCalled
	BugUtraceStaleFlags
	BugUtraceStepLeftArmed
	BugUtraceStepShared
	BugUtraceQuiesceResetsAbort
	BugUtraceEntryOrder
	BugUtraceSlotOrder
	BugUtraceStopsKilled
	BugUtraceExamineStale
	BugUtraceAttachGoesOn
	BugUtraceEventsShrink
	BugUtraceDeathReaped
	BugUtraceDeathAddedLate
	BugUtraceReapEarly
	BugUtraceForeignStopTold
	BugUtraceAttachJoins
	BugUtraceCloneLate
	BugUtraceInterruptAsleep
	BugUtraceReleaseTwice
	NumBugs
)

var utraceBugs = [NumBugs - numKernelBugs]bugRow{
	BugUtraceDoneTooEarly - numKernelBugs:        {"utrace-done-too-early", "4.2.1", "a callback counts as over before what it returned is applied: a RESUME after it is undone by its STOP"},
	BugUtraceAttachReaping - numKernelBugs:       {"utrace-attach-reaping", "4.2.2", "attaching to a task that is being released succeeds"},
	BugUtraceReportLost - numKernelBugs:          {"utrace-report-lost", "4.2.3", "a REPORT that one engine returns is lost if another returns STOP"},
	BugUtraceInterruptSlips - numKernelBugs:      {"utrace-interrupt-slips", "4.2.4", "an INTERRUPT is taken for a report on the way to user mode"},
	BugUtraceReportingLeft - numKernelBugs:       {"utrace-reporting-left", "4.2.5", "an engine without a callback counts as in one: its barrier hangs"},
	BugUtraceReapDropped - numKernelBugs:         {"utrace-reap-dropped", "4.2.6", "no REAP callback is made"},
	BugUtraceWakeIgnoresStop - numKernelBugs:     {"utrace-wake-ignores-stop", "4.2.7", "an engine that lets go of a thread makes it run although its group is stopped"},
	BugUtraceStopUncounted - numKernelBugs:       {"utrace-stop-uncounted", "4.2.7", "the last thread of a group stop that an engine stops does not complete the group stop"},
	BugUtraceStopStaysStopped - numKernelBugs:    {"utrace-stop-stays-stopped", "4.2.8", "STOP leaves a thread in a job control stop where SIGCONT runs it"},
	BugUtraceDetachThenStop - numKernelBugs:      {"utrace-detach-then-stop", "4.2.10", "a thread stops although the engine that wanted it has detached"},
	BugUtraceHandlerLeaks - numKernelBugs:        {"utrace-handler-leaks", "4.2.11", "the report of a handler is made to the next engine"},
	BugUtraceBogusReport - numKernelBugs:         {"utrace-bogus-report", "4.2.12", "a report in the signal path that no engine wants makes a signal"},
	BugUtraceBarrierWaitsForMark - numKernelBugs: {"utrace-barrier-waits-for-mark", "4.2.13", "an engine detached from a zombie stays on its list, and its barrier hangs"},
	BugUtraceAttachNoUnion - numKernelBugs:       {"utrace-attach-no-union", "4.2.14", "attaching leaves the union of events empty"},
	BugUtraceInprogressAdded - numKernelBugs:     {"utrace-inprogress-added", "4.2.16", "set_events says EINPROGRESS although bits were only added"},
	BugUtraceStealsSignal - numKernelBugs:        {"utrace-steals-signal", "4.2.17", "a thread takes a signal while a group stop counts on it"},
	BugUtraceResumeHoldsStop - numKernelBugs:     {"utrace-resume-holds-stop", "4.2.19", "STOP is recorded as what to do on the way to user mode"},
	BugUtraceSignalMissesAttach - numKernelBugs:  {"utrace-signal-misses-attach", "4.2.19", "the first signal after an attach is not reported"},
	BugUtraceResumedKeepsStop - numKernelBugs:    {"utrace-resumed-keeps-stop", "4.2.21", "the repeated report of a syscall entry begins with the STOP of the one before"},
	BugUtraceSignoHighBit - numKernelBugs:        {"utrace-signo-high-bit", "4.2.22", "a signal number beyond the last is taken from an engine"},
	BugUtraceBarrierEarly - numKernelBugs:        {"utrace-barrier-early", "4.2.23", "barrier returns while the callback of an engine that was detached is running"},
	BugUtraceLookupAtReap - numKernelBugs:        {"utrace-lookup-at-reap", "4.2.25", "an engine is found while its task is reaped"},
	BugUtraceAPIAfterReap - numKernelBugs:        {"utrace-api-after-reap", "4.2.26", "set_events works once release has begun"},
	BugUtraceDetachedCalled - numKernelBugs:      {"utrace-detached-called", "4.2.27", "an engine that was detached is called"},
	BugUtraceStaleFlags - numKernelBugs:          {"utrace-stale-flags", "4.2.27", "a callback is made for a bit that was cleared during report_quiesce"},
	BugUtraceStepLeftArmed - numKernelBugs:       {"utrace-step-left-armed", "4.2.28", "single-stepping stays armed over DETACH and RESUME"},
	BugUtraceStepShared - numKernelBugs:          {"utrace-step-shared", "4.2.31", "a restart by ptrace ends another engine's single-stepping"},
	BugUtraceQuiesceResetsAbort - numKernelBugs:  {"utrace-quiesce-resets-abort", "C2", "a later engine's report_quiesce undoes ABORT"},
	BugUtraceEntryOrder - numKernelBugs:          {"utrace-entry-order", "O1", "engines are asked in attach order at syscall entry"},
	BugUtraceSlotOrder - numKernelBugs:           {"utrace-slot-order", "O1", "an engine that takes the place of another is asked in its turn"},
	BugUtraceStopsKilled - numKernelBugs:         {"utrace-stops-killed", "4.2.9", "a thread enters a stop although it was killed on the way there"},
	BugUtraceExamineStale - numKernelBugs:        {"utrace-examine-stale", "4.2.18", "finish_examine says that a thread stood still which was killed and ran on meanwhile"},
	BugUtraceAttachGoesOn - numKernelBugs:        {"utrace-attach-goes-on", "4.2.20", "an attach that fails with EEXIST attaches all the same"},
	BugUtraceEventsShrink - numKernelBugs:        {"utrace-events-shrink", "4.2.29", "set_events makes the union of events the engine's own: others miss theirs"},
	BugUtraceDeathReaped - numKernelBugs:         {"utrace-death-reaped", "S11", "an engine that detaches at a death gets its REAP if release has begun meanwhile"},
	BugUtraceDeathAddedLate - numKernelBugs:      {"utrace-death-added-late", "S14", "set_events adds DEATH after the thread's death, and succeeds"},
	BugUtraceReapEarly - numKernelBugs:           {"utrace-reap-early", "O7", "release makes the REAP callbacks while the thread still reports its death"},
	BugUtraceForeignStopTold - numKernelBugs:     {"utrace-foreign-stop-told", "H2", "a tracer is told of a stop that is another engine's"},
	BugUtraceAttachJoins - numKernelBugs:         {"utrace-attach-joins", "S7", "an engine that is attached during a pass takes part in it"},
	BugUtraceCloneLate - numKernelBugs:           {"utrace-clone-late", "S20", "a child runs before its creation was reported"},
	BugUtraceInterruptAsleep - numKernelBugs:     {"utrace-interrupt-asleep", "L23", "INTERRUPT does not wake a thread that sleeps"},
	BugUtraceReleaseTwice - numKernelBugs:        {"utrace-release-twice", "S12", "an engine is released at its detach, and again with its last reference"},
}
