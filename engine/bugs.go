package engine

import (
	"fmt"
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
