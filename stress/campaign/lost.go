package campaign

import (
	"fmt"
	"strings"

	"tracehammer/engine"
	"tracehammer/stress/oracle"
	"tracehammer/vm"
)

// maxLost is how many turns in a row may lose the machine before the campaign gives up on it.
const maxLost = 5

// Lost says that a target was lost under a scenario in a way that says nothing about its kernel.
type Lost struct {
	Target   string `json:"target"`
	Scenario string `json:"scenario"`
	How      string `json:"how"`
}

// EventName implements Event.
func (Lost) EventName() string { return "lost" }

// lostVerdict judges the loss of a machine: a report on its console, a kernel that died without one or does not answer any more
// is a finding. That somebody killed it is none, nor what a command does that anything else may have ended.
func lostVerdict(e *vm.LostError) (v verdict, is bool) {
	v.Verdict = oracle.Verdict{Kind: oracle.Invariant, Actor: engine.NoActor, Instr: -1}
	switch {
	case e.Report != nil:
		v.Kind, v.Title = oracle.Console, "console: "+e.Report.Title
	case !e.Machine || e.Killed:
		return v, false
	case e.Loss == vm.Ended && e.Died:
		v.Title = "invariant: the kernel died without a word"
	case e.Loss == vm.Silent:
		v.Title = "invariant: the machine does not answer any more"
	case e.Loss == vm.Endless:
		v.Title = "invariant: the machine does not end a plan"
	default:
		return v, false
	}
	v.Explanation = fmt.Sprintf("%v\n%s", e, strings.Join(e.Console, "\n"))
	return v, true
}
