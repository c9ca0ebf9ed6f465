package engine

import (
	"fmt"
	"strings"
)

// BugSet is a set of planted bugs; none is on unless asked for.
type BugSet uint64

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
	NumBugs
)

var bugTable = [NumBugs]struct{ name, doc string }{
	BugTsyncNotReread:       {"tsync-not-reread", "a filter installed with TSYNC while a thread is held at its entry stop is not applied to that call (known bug 5)"},
	BugExecEventMsgZero:     {"exec-event-msg-zero", "the message of EVENT_EXEC is 0 instead of the former tid (known bug 25)"},
	BugStaleLeader:          {"ptrace-stale-leader", "a request addressed to the dead leader reaches the thread that exec'ed in its place (known bug 8)"},
	BugSigkillNoExitEvent:   {"sigkill-no-exit-event", "death by SIGKILL makes no EVENT_EXIT stop (known bug 11)"},
	BugSigmaskSaved:         {"sigmask-saved", "GETSIGMASK and SETSIGMASK ignore the mask that sigsuspend will restore (known bug 10)"},
	BugStopNotWaking:        {"trace-stop-not-waking", "a tracing stop does not wake a tracer that sleeps in wait"},
	BugListenError:          {"listen-error", "LISTEN in a stop that is no EVENT_STOP succeeds"},
	BugLostChldWakeup:       {"lost-chld-wakeup", "the death of a tracee does not wake its tracer"},
	BugDoubleStopReport:     {"double-stop-report", "wait does not consume a tracing stop's report"},
	BugOptionsNotInherited:  {"options-not-inherited", "an auto-attached child starts without its parent's options"},
	BugAttachErrno:          {"errno-precedence-attach", "ATTACH to a tracee's zombie gives ESRCH instead of EPERM"},
	BugSetoptionsPartial:    {"setoptions-partial", "SETOPTIONS applies the known bits of a word with unknown ones (known bug 20)"},
	BugContKeepsReport:      {"cont-keeps-report", "restarting an unreported stop leaves its report to the next wait (known bug 18)"},
	BugSigcontKeepsStop:     {"sigcont-keeps-stop", "SIGCONT does not cancel a stop that is under way (known bug 23)"},
	BugZombieLeaderReported: {"zombie-leader-reported", "a zombie leader with live threads is waitable (rule R79)"},
	BugCloneSkipsGroupStop:  {"stopped-child-skips-group-stop", "a thread created in a stopped group does not join the stop (known bug 7)"},
	BugInterruptNotCleared:  {"interrupt-not-cleared", "a stop does not clear a pending INTERRUPT trap"},
	BugExitkillIgnored:      {"exitkill-ignored", "EXITKILL does not kill"},
	BugDetachDropsSignal:    {"detach-drops-signal", "DETACH from a signal-delivery-stop drops its signal argument"},
	BugInjectIgnoresMask:    {"inject-ignores-mask", "an injected signal is delivered although it is blocked meanwhile (H8)"},
}

func (b Bug) String() string {
	if b < NumBugs {
		return bugTable[b].name
	}
	return fmt.Sprintf("bug %d", uint8(b))
}

// Doc is one line about the bug.
func (b Bug) Doc() string { return bugTable[b].doc }

// Set is the set of only this bug.
func (b Bug) Set() BugSet { return 1 << b }

// ParseBug finds a bug by its name.
func ParseBug(name string) (Bug, error) {
	for b := range NumBugs {
		if bugTable[b].name == name {
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
			return 0, err
		}
		set |= b.Set()
	}
	return set, nil
}

func (s BugSet) String() string {
	var names []string
	for b := range NumBugs {
		if s&b.Set() != 0 {
			names = append(names, b.String())
		}
	}
	return strings.Join(names, ",")
}
