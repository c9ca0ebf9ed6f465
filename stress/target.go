// Package stress runs scenarios on targets and judges what happened: plans, workers and campaigns.
//
// Data flows one way: a Program and a Plan go into a Target, Histories come out, the oracles (stress/oracle) turn each
// into a verdict. Nothing here knows what a crasher is.
package stress

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// Target is anything that can run a program and say what happened. A Target serves one goroutine at a time; open one per
// worker.
type Target interface {
	// Name is the target as users write it: "engine", "live", "host".
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
	Strategy string        `json:"strategy,omitempty"` // engine: one of schedule.Names; empty for kernels
	Repeat   int           `json:"repeat"`             // number of runs, >= 1
	Delays   []DelayRange  `json:"delays,omitempty"`   // per delay cell; each run draws from it with Seed and its index
	CPUs     []int         `json:"cpus,omitempty"`     // CPU per actor, -1 or absent: any
	Deadline time.Duration `json:"deadline"`           // a run without progress for this long is Stuck; 0 means DefaultDeadline
	// Schedule is a decision stream that the first run follows, instead of Strategy: one that showed something. Engine only.
	Schedule schedule.Stream `json:"schedule,omitempty"`
	Final    int             `json:"final,omitempty"` // sample Final states from /proc every Final-th run, 0 never
}

// Scheduled is a Target whose runs can be replayed exactly.
type Scheduled interface {
	// Schedule is the decision stream of the last run, also of one that Run ended with an error or a panic. It is good
	// until the next run.
	Schedule() schedule.Stream
}

// DelayRange is a range of nanoseconds, both ends included.
type DelayRange struct {
	Lo int64 `json:"lo"`
	Hi int64 `json:"hi"`
}

// DefaultDeadline is how long a real kernel may stay without progress before the run counts as stuck. Machines that are
// slower than this host scale it by their slowdown.
const DefaultDeadline = 300 * time.Millisecond

// Kinds of targets, as users write them.
const (
	KindEngine = "engine" // the engine, under seeded schedules
	KindLive   = "live"   // the engine, under Go's: see package live
	KindHost   = "host"   // this machine's kernel
)

// TargetName splits what users write after --target into a kind and an argument. The engine's is the profile of the kernel
// that it is to be. That of live no user needs: the planted bugs that it is to have, so that what becomes of a finding on it
// can be tested.
func TargetName(s string) (kind, arg string, err error) {
	kind, arg, colon := strings.Cut(s, ":")
	switch kind {
	case KindEngine:
		if !colon {
			return kind, "", nil
		}
		if _, err := engine.ParseProfile(arg); err != nil {
			return "", "", fmt.Errorf("target %q: %w", s, err)
		}
		return kind, arg, nil
	case KindHost:
		if colon {
			return "", "", fmt.Errorf("target %q: %q takes no argument", s, kind)
		}
		return kind, "", nil
	case KindLive:
		arg = strings.ReplaceAll(arg, "+", ",") // a comma would end the target on a command line
		if _, err := engine.ParseBugs(arg); err != nil || colon && arg == "" {
			return "", "", fmt.Errorf("target %q: %q takes no such argument", s, kind)
		}
		return kind, arg, nil
	}
	return "", "", fmt.Errorf("unknown target %q: known targets are engine, live and host", s)
}

// Simulated says that a target, named as users write it, is the engine and no kernel: no machine's properties matter to it, it
// has no known bugs, and no C program can show what it does.
func Simulated(target string) bool {
	kind, _, err := TargetName(target)
	return err == nil && kind != KindHost
}

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
