package engine

import (
	"fmt"
	"slices"
	"strings"
)

// BugSet is a set of planted bugs, a bit for every value of Bug; none is on unless asked for. It is comparable.
type BugSet [4]uint64

// Bug is a planted bug: a historical mistake that can be switched on, to measure whether the oracles see it.
type Bug uint8

const (
	BugTsyncNotReread Bug = iota
	BugExecEventMsgZero
	BugStaleLeader
	BugSigkillNoExitEvent
	BugSigmaskSaved
	BugStopNotWaking
	BugListenError
	BugLostChldWakeup
	BugDoubleStopReport
	BugOptionsNotInherited
	BugAttachErrno
	BugSetoptionsPartial
	BugContKeepsReport
	BugSigcontKeepsStop
	BugZombieLeaderReported
	BugCloneSkipsGroupStop
	BugInterruptNotCleared
	BugExitkillIgnored
	BugDetachDropsSignal
	BugInjectIgnoresMask
	BugWnowaitConsumes
	BugWnothreadIgnored
	BugKillNoSender
	BugNothreadAsleep
	BugDetachWaitAsleep
	BugStopWaitAsleep
	BugExecWaitAsleep
	BugExitingDeaf
	BugFrameMaskEarly
	BugEchildWhileReaping
	BugEchildForeignZombie
	BugTraceeNeedsWall
	BugStopNeedsWuntraced
	BugContinuedTwice
	BugGroupStopTwice
	BugForeignReapLost
	BugJctlNotHidden
	BugOwnExitCode
	BugWaitEintr
	BugReapedStillHoped
	BugWaitedSignalSurvives
	BugPdeathNotSent
	BugSubreaperIgnored
	BugOrphanNoHangup
	BugVforkDoneEarly
	BugExecLeaderWakeup
	BugExecSiblingWakeup
	BugExecSkipsZombie
	BugTracerDeathNoWake
	BugDetachNoWake
	BugDetachForgetsStop
	BugTrappingLost
	BugDelayedLeaderLost
	BugRetargetForgotten
	BugTracedAutoreap
	BugExitSignalKept
	BugQuietNoWake
	BugZombieThreadKept
	BugExecSiblingCode
	BugSigcontKeepsQueued
	BugStopKeepsSigcont
	BugSigcontWakesTraced
	BugContinuedLost
	BugStopCountTraced
	BugStoppedTwice
	BugTrapAfterSignals
	BugSharedFirst
	BugRealtimeCoalesce
	BugBlockedPending
	BugInjectStaleInfo
	BugInjectOriginal
	BugSyscallStopInject
	BugRestartLost
	BugRestartLeaks
	BugResethandTraced
	BugSigkillNotWaking
	BugFatalIgnoresTracer
	BugIgnoredNotReported
	BugExitEventKilled
	BugForkIgnoresSignal
	BugVforkDoneMessage
	BugExecKeepsHandlers
	BugExecEventHoldsGuard
	BugKilledAtEntryRuns
	BugStepOverSyscallLate
	BugHandlerStepLost
	BugSeccompNoRecheck
	BugSeccompTraceRuns
	BugSeccompFirst
	BugAttachStopLost
	BugAttachStopSender
	BugAttachGuardEintr
	BugAttachInExec
	BugAttachNoTrapWait
	BugAttachLeavesStopped
	BugSuspendUnchecked
	BugAttachForeign
	BugAttachForeignGroup
	BugAttachUndumpable
	BugInterruptLost
	BugInterruptListening
	BugInterruptInStop
	BugListenMissesNotify
	BugNotifyForgotten
	BugListenNotRetrapped
	BugStepAfterDetach
	BugContBadSignal
	BugSyscallModeSticks
	BugUntracedEvent
	BugVforkIsFork
	BugChildNotSeized
	BugChildStopLost
	BugExecTrapSeized
	BugSysemuRuns
	BugExitSysgoodMissing
	BugExitMessage
	BugStaleMessage
	BugEventStopSigtrap
	BugGateOtherThread
	BugGateListening
	BugKillNeedsStop
	BugSetoptionsMerge
	BugSetsiginfoIgnored
	BugSiginfoGroupStop
	BugPeekSharedIgnored
	BugPeekUndumpable
	BugSyscallInfoEntry
	BugSigkillReported
	BugOvertakenStop
	BugOrphanStops
	BugForeignZombieTaken
	BugExecGainsTraced
	BugTracemeCred
	BugSeizeNoOptions
	BugEventStopInjects
	BugZombieTakenTwice
	BugDetachKeepsEngine
	BugSignalBeforeExit
	BugExecLeaderReported
	BugSiginfoStays
	BugStopCodeStays
	BugUserAreaWraps
	BugUserAreaLonger
	numKernelBugs // those of utrace follow, in bugs_utrace.go
)

// bugRow says where a bug comes from: a row of the list of known bugs, or the rule (R), invariant (S, L) or
// quirk of utrace (H, C) that it breaks.
type bugRow struct{ name, source, doc string }

var kernelBugs = [numKernelBugs]bugRow{
	BugTsyncNotReread:       {"tsync-not-reread", "row 5", "a filter installed with TSYNC while a thread is held at its entry stop is not applied to that call"},
	BugExecEventMsgZero:     {"exec-event-msg-zero", "row 25", "the message of EVENT_EXEC is 0 instead of the former tid"},
	BugStaleLeader:          {"ptrace-stale-leader", "row 8", "a request addressed to the dead leader reaches the thread that exec'ed in its place"},
	BugSigkillNoExitEvent:   {"sigkill-no-exit-event", "row 11", "death by SIGKILL makes no EVENT_EXIT stop"},
	BugSigmaskSaved:         {"sigmask-saved", "row 10", "GETSIGMASK and SETSIGMASK ignore the mask that sigsuspend will restore"},
	BugStopNotWaking:        {"trace-stop-not-waking", "S29", "a tracing stop does not wake a tracer that sleeps in wait"},
	BugListenError:          {"listen-error", "row 13", "LISTEN in a stop that is no EVENT_STOP succeeds"},
	BugLostChldWakeup:       {"lost-chld-wakeup", "L73", "the death of a tracee does not wake its tracer"},
	BugDoubleStopReport:     {"double-stop-report", "S43", "wait does not consume a tracing stop's report"},
	BugOptionsNotInherited:  {"options-not-inherited", "R60", "an auto-attached child starts without its parent's options"},
	BugAttachErrno:          {"errno-precedence-attach", "R5", "ATTACH to a tracee's zombie gives ESRCH instead of EPERM"},
	BugSetoptionsPartial:    {"setoptions-partial", "R20", "SETOPTIONS applies the known bits of a word with unknown ones"},
	BugContKeepsReport:      {"cont-keeps-report", "R18", "restarting an unreported stop leaves its report to the next wait"},
	BugSigcontKeepsStop:     {"sigcont-keeps-stop", "R43", "SIGCONT does not cancel a stop that is under way"},
	BugZombieLeaderReported: {"zombie-leader-reported", "R79", "a zombie leader with live threads is waitable"},
	BugCloneSkipsGroupStop:  {"stopped-child-skips-group-stop", "row 7", "a thread created in a stopped group does not join the stop"},
	BugInterruptNotCleared:  {"interrupt-not-cleared", "R48", "a stop does not clear a pending INTERRUPT trap"},
	BugExitkillIgnored:      {"exitkill-ignored", "R102", "EXITKILL does not kill"},
	BugDetachDropsSignal:    {"detach-drops-signal", "R98", "DETACH from a signal-delivery-stop drops its signal argument"},
	BugInjectIgnoresMask:    {"inject-ignores-mask", "H8", "an injected signal is delivered although it is blocked meanwhile"},
	BugWnowaitConsumes:      {"wnowait-consumes", "R90", "WNOWAIT consumes the report of a stop"},
	BugWnothreadIgnored:     {"wnothread-ignored", "S72", "__WNOTHREAD does not keep a wait from the children and tracees of other threads"},
	BugKillNoSender:         {"kill-no-sender", "row 101", "a kill of many that reaches the init of a nested PID namespace names no sender to those who come after it"},
	BugNothreadAsleep:       {"nothread-asleep", "row 102", "a wait with __WNOTHREAD sleeps on when its thread's own child, traced by another thread of the process, stops"},
	BugStopWaitAsleep:       {"stop-wait-asleep", "row 106", "a wait for a process sleeps on when a thread completes its group stop that the waiter's process traces"},
	BugExecWaitAsleep:       {"exec-wait-asleep", "row 108", "a tracer's wait for a leader, by its tid, sleeps on when another thread's exec takes that tid over"},
	BugExitingDeaf:          {"exiting-deaf", "row 109", "a signal for one thread, sent when that is exiting, does nothing to its group: a SIGCONT continues nobody"},
	BugDetachWaitAsleep:     {"detach-wait-asleep", "row 103", "a wait sleeps on when a sibling thread detaches from the process's child, whose group stop is to be reported from then on"},
	BugFrameMaskEarly:       {"frame-mask-early", "row 104", "a handler's return restores the mask that sigsuspend had replaced, whatever the tracer has set since in the signal's stop"},
	BugEchildWhileReaping:   {"echild-while-reaping", "row 15", "while a tracer reaps a zombie its real parent's wait finds nobody and fails with ECHILD"},
	BugEchildForeignZombie:  {"echild-foreign-zombie", "R82", "the real parent of a zombie that a foreign tracer holds gets ECHILD"},
	BugTraceeNeedsWall:      {"tracee-needs-wall", "row 23", "waiting for a tracee made by clone without SIGCHLD needs __WALL"},
	BugStopNeedsWuntraced:   {"stop-needs-wuntraced", "R89", "wait reports a tracee's stop only with WUNTRACED"},
	BugContinuedTwice:       {"continued-twice", "R90", "wait does not consume the report that a group was continued"},
	BugGroupStopTwice:       {"group-stop-twice", "S43", "wait does not consume the report of a group stop"},
	BugForeignReapLost:      {"foreign-reap-lost", "R81", "a leader that a foreign tracer reaps is gone for its real parent, too"},
	BugJctlNotHidden:        {"jctl-not-hidden", "R91", "a tracee's group stop shows to its tracer's process as its parent, beside the trap"},
	BugOwnExitCode:          {"own-exit-code", "R77", "a thread reports its own exit code although its group was exiting"},
	BugWaitEintr:            {"wait-eintr", "R95", "an interrupted wait returns EINTR even if no handler ran"},
	BugReapedStillHoped:     {"reaped-still-hoped", "row 16", "a wait that meets a zombie just taken by another thread sleeps on as if it could still report"},
	BugWaitedSignalSurvives: {"waited-signal-survives", "S80", "a waited signal-delivery-stop whose tracer dies delivers its signal"},
	BugPdeathNotSent:        {"pdeath-not-sent", "R85", "the death of a parent sends no pdeath_signal"},
	BugSubreaperIgnored:     {"subreaper-ignored", "R85", "orphans go to init although an ancestor is a subreaper"},
	BugOrphanNoHangup:       {"orphan-no-hangup", "R85", "the stopped members of a newly orphaned process group get neither SIGHUP nor SIGCONT"},
	BugVforkDoneEarly:       {"vfork-done-early", "S48", "the parent of a vfork does not wait for its child"},
	BugExecLeaderWakeup:     {"exec-lost-leader-wakeup", "L75", "the leader's death does not wake the exec that waits for it"},
	BugExecSiblingWakeup:    {"exec-lost-sibling-wakeup", "L75", "the last sibling's release does not wake the exec that waits for it"},
	BugExecSkipsZombie:      {"exec-skips-zombie-sibling", "R67", "exec does not wait for a sibling that is a zombie its tracer has not reaped"},
	BugTracerDeathNoWake:    {"tracer-death-no-wake", "L76", "the death of a tracer leaves its stopped tracee in the tracing stop"},
	BugDetachNoWake:         {"detach-no-wake", "row 51", "DETACH does not wake the tracee"},
	BugDetachForgetsStop:    {"detach-forgets-group-stop", "R47", "a tracee of a stopped group runs after its detach"},
	BugTrappingLost:         {"trapping-lost", "row 17", "an attacher that waits for a stopped target to trap is not woken"},
	BugDelayedLeaderLost:    {"delayed-leader-lost", "R79", "nobody is told of a zombie leader when its last other thread is gone"},
	BugRetargetForgotten:    {"retarget-forgotten", "R26", "a thread that exits or blocks a signal leaves the process's pending signals to nobody"},
	BugTracedAutoreap:       {"traced-autoreap", "S70", "a tracee's death is not reported to a tracer that ignores SIGCHLD: it is reaped at once"},
	BugExitSignalKept:       {"exit-signal-after-exec", "R84", "a child's exit signal reaches a parent that has executed another program since"},
	BugQuietNoWake:          {"ignored-sigchld-no-wake", "R98", "a stop whose SIGCHLD is suppressed does not wake the waiters"},
	BugZombieThreadKept:     {"zombie-thread-kept", "R103", "a zombie thread whose tracer dies is not released"},
	BugExecSiblingCode:      {"exec-sibling-code", "R67", "a thread that an exec kills reports SIGKILL instead of exit code 0"},
	BugSigcontKeepsQueued:   {"sigcont-keeps-queued", "S54", "SIGCONT leaves stop signals in the threads' own queues"},
	BugStopKeepsSigcont:     {"stop-keeps-sigcont", "S54", "a stop signal leaves a pending SIGCONT in the queues"},
	BugSigcontWakesTraced:   {"sigcont-wakes-traced", "S58", "SIGCONT ends a tracing stop"},
	BugContinuedLost:        {"continued-lost", "R43", "SIGCONT leaves nothing for WCONTINUED to report"},
	BugStopCountTraced:      {"stop-skips-traced", "R40", "a thread in a tracing stop is not counted in a group stop that begins"},
	BugStoppedTwice:         {"cld-stopped-twice", "S53", "a stop of a group that is stopped already is told to the real parent again"},
	BugTrapAfterSignals:     {"trap-after-signals", "R29", "pending signals are delivered before the trap of an INTERRUPT"},
	BugSharedFirst:          {"shared-before-private", "R29", "the process's signals are taken before the thread's own"},
	BugRealtimeCoalesce:     {"realtime-coalesce", "S79", "a real-time signal that is pending already is dropped"},
	BugBlockedPending:       {"blocked-signal-pending", "L23", "a blocked signal that is pending keeps interrupting: what it interrupts is restarted for ever"},
	BugInjectStaleInfo:      {"inject-stale-siginfo", "R31", "a signal injected in place of another keeps the other's siginfo"},
	BugInjectOriginal:       {"inject-original", "S38", "the signal reported is delivered whatever signal its stop was resumed with"},
	BugSyscallStopInject:    {"syscall-stop-drops-signal", "R33", "the signal that a syscall-exit-stop is resumed with is ignored"},
	BugRestartLost:          {"suppressed-signal-eintr", "R34", "a call that a suppressed signal interrupted fails with EINTR instead of being restarted"},
	BugRestartLeaks:         {"erestart-leak", "row 48", "a call interrupted by a handler returns the kernel's own ERESTARTNOHAND"},
	BugResethandTraced:      {"resethand-traced", "H8", "SA_RESETHAND has no effect on a tracee"},
	BugSigkillNotWaking:     {"sigkill-not-waking", "L74", "SIGKILL does not wake a thread in a tracing stop"},
	BugFatalIgnoresTracer:   {"fatal-ignores-tracer", "R27", "a fatal signal kills a tracee at once, without a signal-delivery-stop"},
	BugIgnoredNotReported:   {"ignored-not-reported", "R24", "a signal that a tracee ignores is dropped at its generation"},
	BugExitEventKilled:      {"exit-event-killed", "row 47", "SIGKILL ends an EVENT_EXIT stop of a group that is exiting"},
	BugForkIgnoresSignal:    {"fork-ignores-signal", "R63", "fork makes its child although a signal is pending"},
	BugVforkDoneMessage:     {"vfork-done-message", "R62", "the message of EVENT_VFORK_DONE is 0 instead of the child's tid"},
	BugExecKeepsHandlers:    {"exec-keeps-handlers", "R73", "exec keeps the handlers of the old program"},
	BugExecEventHoldsGuard:  {"exec-event-holds-mutex", "row 31", "EVENT_EXEC stops with the cred_guard_mutex held"},
	BugKilledAtEntryRuns:    {"killed-at-entry-runs", "R55", "a call at whose entry stop the tracee is killed is executed all the same"},
	BugStepOverSyscallLate:  {"step-over-syscall-late", "row 37", "single-stepping a system call traps one instruction late"},
	BugHandlerStepLost:      {"handler-step-lost", "R58", "single-stepping into a handler does not stop at its first instruction"},
	BugSeccompNoRecheck:     {"seccomp-no-recheck", "R57", "filters installed during an EVENT_SECCOMP stop do not apply to its call"},
	BugSeccompTraceRuns:     {"seccomp-trace-runs", "R57", "a call that a filter gives to a tracer without TRACESECCOMP is executed"},
	BugSeccompFirst:         {"seccomp-before-ptrace", "row 40", "filters decide about a call before its entry stop"},
	BugAttachStopLost:       {"attach-stop-lost", "R9", "ATTACH to a stopped target queues no SIGSTOP"},
	BugAttachStopSender:     {"attach-stop-sender", "R8", "ATTACH's SIGSTOP names the tracer as its sender"},
	BugAttachGuardEintr:     {"attach-guard-eintr", "R5", "an attach that a signal interrupts while an exec holds it up fails with EINTR"},
	BugAttachInExec:         {"attach-in-exec", "S64", "attach does not wait for an exec under way"},
	BugAttachNoTrapWait:     {"attach-no-trap-wait", "row 53", "attach to a stopped target returns before that has trapped"},
	BugAttachLeavesStopped:  {"attach-leaves-stopped", "R9", "attach leaves a stopped target in its job control stop: no trap"},
	BugSuspendUnchecked:     {"suspend-seccomp-unchecked", "row 26", "SUSPEND_SECCOMP needs no capability"},
	BugAttachForeign:        {"attach-foreign-uid", "R105", "any user may attach to the tasks of another"},
	BugAttachForeignGroup:   {"attach-foreign-gid", "R105", "group ids do not matter for an attach"},
	BugAttachUndumpable:     {"attach-undumpable", "row 4", "attach does not look at the dumpable mark of its target"},
	BugInterruptLost:        {"interrupt-not-waking", "R48", "INTERRUPT does not wake its tracee from an interruptible sleep"},
	BugInterruptListening:   {"interrupt-keeps-listening", "R48", "INTERRUPT does not make a LISTENing tracee trap again"},
	BugInterruptInStop:      {"interrupt-lost-in-stop", "S44", "an INTERRUPT of a tracee that is in a stop is forgotten"},
	BugListenMissesNotify:   {"listen-misses-notify", "R49", "LISTEN after a change of the group's stop state does not trap again"},
	BugNotifyForgotten:      {"notify-forgotten", "R43", "a change of the group's stop state makes no trap of a seized tracee"},
	BugListenNotRetrapped:   {"listen-not-retrapped", "R43", "SIGCONT does not make a LISTENing tracee trap again"},
	BugStepAfterDetach:      {"step-after-detach", "H8", "single-stepping stays armed after DETACH"},
	BugContBadSignal:        {"cont-bad-signal-resumes", "S33", "CONT with a signal out of range fails and resumes all the same"},
	BugSyscallModeSticks:    {"syscall-mode-sticks", "R53", "CONT does not end the tracing of system calls that SYSCALL began"},
	BugUntracedEvent:        {"untraced-event", "S47", "CLONE_UNTRACED does not suppress the event"},
	BugVforkIsFork:          {"vfork-is-fork", "R59", "vfork makes EVENT_FORK"},
	BugChildNotSeized:       {"child-not-seized", "R52", "the auto-attached child of a seized tracee is attached as if by ATTACH"},
	BugChildStopLost:        {"child-stop-lost", "R61", "an auto-attached child runs without its first stop"},
	BugExecTrapSeized:       {"exec-trap-seized", "R52", "the exec of a seized tracee makes the SIGTRAP of old"},
	BugSysemuRuns:           {"sysemu-runs", "R54", "SYSEMU executes the call"},
	BugExitSysgoodMissing:   {"sysgood-missing-at-exit", "S35", "TRACESYSGOOD marks entry stops only"},
	BugExitMessage:          {"exit-event-message", "R75", "the message of EVENT_EXIT is the exit code instead of the wait status"},
	BugStaleMessage:         {"stale-message", "R111", "GETEVENTMSG in a stop without a message gives that of an earlier stop"},
	BugEventStopSigtrap:     {"event-stop-sigtrap", "R51", "an EVENT_STOP of a stopped group names SIGTRAP instead of the stop signal"},
	BugGateOtherThread:      {"gate-other-thread", "R1", "any thread of the tracer's process may make requests"},
	BugGateListening:        {"gate-listening", "S45", "requests reach a LISTENing tracee"},
	BugKillNeedsStop:        {"kill-needs-stop", "row 48", "KILL does nothing to a tracee that is not in a stop"},
	BugSetoptionsMerge:      {"setoptions-merge", "R20", "SETOPTIONS adds to the options that are on"},
	BugSetsiginfoIgnored:    {"setsiginfo-ignored", "R31", "SETSIGINFO changes nothing"},
	BugSiginfoGroupStop:     {"siginfo-in-group-stop", "S37", "GETSIGINFO succeeds in the group-stop of an ATTACHed tracee"},
	BugPeekSharedIgnored:    {"peeksiginfo-private-only", "R111", "PEEKSIGINFO shows the thread's own queue whatever its flags"},
	BugPeekUndumpable:       {"peek-undumpable", "row 30", "PEEKDATA reads the memory of a tracee that is no longer dumpable"},
	BugSyscallInfoEntry:     {"syscall-info-entry", "R56", "GET_SYSCALL_INFO takes an exit stop for an entry stop"},
	BugSigkillReported:      {"sigkill-reported", "S41", "SIGKILL makes a signal-delivery-stop"},
	BugOvertakenStop:        {"overtaken-stop", "S56", "a stop signal stops although a SIGCONT came while it was delivered"},
	BugOrphanStops:          {"orphan-stops", "S59", "SIGTSTP, SIGTTIN and SIGTTOU stop an orphaned process group"},
	BugForeignZombieTaken:   {"foreign-zombie-taken", "S67", "a real parent's wait takes the zombie that a foreign tracer has not waited for"},
	BugExecGainsTraced:      {"exec-gains-traced", "S65", "a set-user-id exec gains under a tracer without CAP_SYS_PTRACE"},
	BugTracemeCred:          {"traceme-parent-cred", "row 1", "TRACEME takes the parent's capability for the tracee's own"},
	BugSeizeNoOptions:       {"seize-options-lost", "S50", "SEIZE sets no options"},
	BugEventStopInjects:     {"event-stop-injects", "S40", "the signal that an event stop is resumed with is generated"},
	BugZombieTakenTwice:     {"zombie-taken-twice", "S66", "a zombie that one wait took may be taken by another until it is released"},
	BugDetachKeepsEngine:    {"detach-keeps-engine", "S27", "DETACH leaves ptrace's engine on the tracee"},
	BugSignalBeforeExit:     {"signal-before-exit-stop", "S36", "a signal that is pending at the end of a call is reported before its exit stop"},
	BugExecLeaderReported:   {"exec-leader-reported", "S62", "the old leader's death in the exec of another thread may be waited for"},
	BugSiginfoStays:         {"siginfo-stays", "S30", "the siginfo of a stop stays when the stop is over"},
	BugStopCodeStays:        {"stop-code-stays", "S28", "the code of a stop stays when the stop is over: the tracee stops again"},
	BugUserAreaWraps:        {"user-area-wraps", "row 105", "PEEKUSR and POKEUSR of a word before the first one reach a register"},
	BugUserAreaLonger:       {"user-area-longer", "row 107", "PEEKUSR and POKEUSR of the word behind the last one of struct user succeed"},
}

func (b Bug) String() string {
	if b < NumBugs {
		return b.row().name
	}
	return fmt.Sprintf("bug %d", uint8(b))
}

func (b Bug) row() *bugRow {
	if b < numKernelBugs {
		return &kernelBugs[b]
	}
	return &utraceBugs[b-numKernelBugs]
}

// Doc is one line about the bug.
func (b Bug) Doc() string { return b.row().doc }

// Source names the row of the list of known bugs that the bug comes from, or else the rules that it breaks.
func (b Bug) Source() string { return b.row().source }

// BugsOfRow is the set of the planted bugs that are a row of the list of known bugs; most rows have none or one.
func BugsOfRow(row int) (s BugSet) {
	for b := range NumBugs {
		if b.Source() == fmt.Sprintf("row %d", row) {
			s = s.Or(b.Set())
		}
	}
	return s
}

// RowInRules is the row that needs no planted bug, because the rules describe it: an attach waits for the mutex of an exec, which waits
// for a thread that only its tracer can reap (R7, R67).
const RowInRules = 54

// BugRows lists the rows of the list of known bugs that have planted bugs, ascending.
func BugRows() (rows []int) {
	for b := range NumBugs {
		if s, ok := strings.CutPrefix(b.Source(), "row "); ok {
			if row, _, ok := leadingNumber(s); ok {
				rows = append(rows, row)
			}
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// Set is the set of only this bug.
func (b Bug) Set() (s BugSet) {
	s[b>>6] = 1 << (b & 63)
	return s
}

// Has says whether a bug is in the set.
func (s *BugSet) Has(b Bug) bool { return s[b>>6]>>(b&63)&1 != 0 }

// Or is the union of two sets.
func (s BugSet) Or(o BugSet) BugSet {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

// Bugs lists all planted bugs.
func Bugs() []Bug {
	all := make([]Bug, NumBugs)
	for b := range all {
		all[b] = Bug(b)
	}
	return all
}

// ParseBug finds a bug by its name.
func ParseBug(name string) (Bug, error) {
	for b := range NumBugs {
		if b.row().name == name {
			return b, nil
		}
	}
	return 0, fmt.Errorf("unknown planted bug %q", name)
}

// ParseBugs reads names separated by commas.
func ParseBugs(s string) (BugSet, error) {
	var set BugSet
	for _, name := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		b, err := ParseBug(name)
		if err != nil {
			return BugSet{}, err
		}
		set = set.Or(b.Set())
	}
	return set, nil
}

func (s BugSet) String() string {
	var names []string
	for b := range NumBugs {
		if s.Has(b) {
			names = append(names, b.String())
		}
	}
	return strings.Join(names, ",")
}
