package vm

import (
	"fmt"

	"tracehammer/vm/console"
)

// Loss is how an agent was lost.
type Loss uint8

const (
	Ended   Loss = iota // its stream ended: the machine or the command is gone
	Silent              // it does not answer
	Endless             // it answers, but does not end a plan
	Garbled             // what it says makes no sense
)

func (l Loss) String() string { return [...]string{"ended", "silent", "endless", "garbled"}[l] }

// LostError says that the other side is gone, and how.
type LostError struct {
	Name    string // of the target
	Loss    Loss
	How     string
	Machine bool            // it was a machine that was there for the agent alone
	Killed  bool            // somebody killed the command
	Refused bool            // the command's shell found a program that this kernel does not run
	Died    bool            // the kernel died: the command of another signal, or the guest reset its machine
	Last    string          // the last of what it said besides messages, made printable
	Console []string        // more of that: lines, not made printable
	Report  *console.Report // the first report of its kernel since its agent said hello; nil for none
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("%s is lost: %s", e.Name, e.How)
	if e.Last != "" {
		s += "; it said last: " + e.Last
	}
	return s
}
