// Package stress runs scenarios on targets and judges what happened: plans, workers and campaigns.
//
// Data flows one way: a Program and a Plan go into a Target, Histories come out, the oracles (stress/oracle) turn each
// into a verdict. Nothing here knows what a crasher is.
package stress

import (
	"context"
	"fmt"
	"time"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Target is anything that can run a program and say what happened. A Target serves one goroutine at a time; open one per
// worker.
type Target interface {
	// Name is the target as users write it: "engine", "host".
	Name() string
	// Profile says which behaviours the engine must show to be compared with this target.
	Profile() engine.Profile
	// Run executes p plan.Repeat times and hands each history to yield, which may keep nothing of it after it returns
	// false or true (History.Clone copies). It ends early when yield returns false or ctx is done. An error is a
	// problem of the environment or of the harness, never a finding.
	Run(ctx context.Context, p *engine.Program, plan Plan, yield func(*history.History) bool) error
	// Close ends everything that the target started, and waits until it is gone.
	Close() error
}

// Plan says how to run a program: everything that the scenario leaves open.
type Plan struct {
	Seed     uint64        `json:"seed"`
	Strategy string        `json:"strategy,omitempty"` // engine: "random", "pct:3", ...; empty for kernels
	Repeat   int           `json:"repeat"`             // number of runs, >= 1
	Delays   []DelayRange  `json:"delays,omitempty"`   // per delay cell; each run draws from it with Seed and its index
	CPUs     []int         `json:"cpus,omitempty"`     // CPU per actor, -1 or absent: any
	Deadline time.Duration `json:"deadline"`           // a run without progress for this long is Stuck; 0 means DefaultDeadline
	Final    int           `json:"final,omitempty"`    // sample Final states from /proc every Final-th run, 0 never
}

// DelayRange is a range of nanoseconds, both ends included.
type DelayRange struct {
	Lo int64 `json:"lo"`
	Hi int64 `json:"hi"`
}

// DefaultDeadline is how long a real kernel may stay without progress before the run counts as stuck. Machines that are
// slower than this host scale it by their slowdown.
const DefaultDeadline = 300 * time.Millisecond

// EnvError is a problem of the environment: the target cannot run here. Hint says what to do about it.
type EnvError struct {
	What string
	Hint string
	Err  error
}

func (e *EnvError) Error() string {
	s := e.What
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func (e *EnvError) Unwrap() error { return e.Err }
