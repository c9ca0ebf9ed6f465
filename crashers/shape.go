package crashers

import (
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Shape is the set of the kinds of operations in a scenario, as text. Different ways to do the same (ATTACH or SEIZE, kill
// or tgkill, wait4 or a serve loop) are one kind: a minimiser that comes down on either side found the same bug.
func Shape(s *corpus.Scenario) string {
	var words []string
	for _, o := range s.Ops() {
		if w := opKind(o.Verb); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func opKind(v *corpus.Verb) string {
	switch v.Call {
	case engine.CallClone:
		return "clone"
	case engine.CallKill, engine.CallTkill, engine.CallTgkill, engine.CallRtSigqueueinfo, engine.CallRtTgsigqueueinfo, engine.CallPidfdSendSignal:
		return "kill"
	case engine.CallWait4, engine.CallWaitid:
		return "wait"
	case engine.CallExit, engine.CallExitGroup:
		return "exit"
	case engine.CallPause, engine.CallSigsuspend, engine.CallNanosleep:
		return "sleep"
	}
	switch r, _ := v.Request(); {
	case v.Call != engine.CallPtrace:
	case r == ptrace.Attach, r == ptrace.Seize, r == ptrace.Traceme:
		return "attach"
	}
	return v.Name
}
