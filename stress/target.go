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

// Kernel is a Target that is a real kernel.
type Kernel interface {
	Target
	// Machine says which.
	Machine() Machine
}

// Plan says how to run a program: everything that the scenario leaves open.
type Plan struct {
	Seed     uint64        `json:"seed"`
	Strategy string        `json:"strategy,omitempty"` // engine: one of schedule.Names; empty for kernels
	Repeat   int           `json:"repeat"`             // number of runs, >= 1
	Delays   []DelayRange  `json:"delays,omitempty"`   // per delay cell; each run draws from it with Seed and its index
	CPUs     []int         `json:"cpus,omitempty"`     // CPU per actor, -1 or absent: any
	Deadline time.Duration `json:"deadline"`           // a run without progress for this long is Stuck; 0 means DefaultDeadline
	// Rest is how long all actors sleep, and no clock wakes one, until the run is Stuck before its deadline; 0: it never is. It
	// saves time where many runs are stuck, at the risk of a wake-up that comes late.
	Rest time.Duration `json:"rest,omitempty"`
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

// Exact is a Target each of whose runs the engine makes again when it is given the schedule.
type Exact interface {
	Scheduled
	// Engine is what engine that is.
	Engine() engine.Options
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
	KindExec   = "exec"   // an agent behind a command
	KindQEMU   = "qemu"   // an emulated machine: ARCH[@KERNEL]
	KindUML    = "uml"    // a User Mode Linux: the installed one, or a path
)

// TargetName splits what users write after --target into a kind and an argument, which EngineOptions reads.
func TargetName(s string) (kind, arg string, err error) {
	kind, arg, colon := strings.Cut(s, ":")
	switch kind {
	case KindEngine, KindLive:
		if !colon {
			return kind, "", nil
		}
		o, err := EngineOptions(arg)
		if err != nil {
			return "", "", fmt.Errorf("target %q: %w", s, err)
		}
		if arg == "" || kind == KindLive && o.Profile.Name != "" {
			return "", "", fmt.Errorf("target %q: %q takes no such argument", s, kind)
		}
		return kind, arg, nil
	case KindHost:
		if colon {
			return "", "", fmt.Errorf("target %q: %q takes no argument", s, kind)
		}
		return kind, "", nil
	case KindUML:
		if colon && arg == "" {
			return "", "", fmt.Errorf("target %q: name the kernel, or leave out the colon for the installed one", s)
		}
		return kind, arg, nil
	case KindQEMU:
		if arg == "" {
			return "", "", fmt.Errorf("target %q: name the architecture: qemu:ARCH[@KERNEL]", s)
		}
		return kind, arg, nil
	case KindExec:
		if arg == "" {
			return "", "", fmt.Errorf("target %q: name the command that runs \"stressd agent\" and carries its standard input and output: exec:COMMAND", s)
		}
		return kind, arg, nil
	}
	return "", "", fmt.Errorf("unknown target %q: known targets are engine, live, host, uml, qemu:ARCH and exec:COMMAND", s)
}

// EngineOptions says what engine the argument of a simulated target names: words joined by "+", the first of which may be the
// profile of the kernel that it is to be, and the others planted bugs that it is to have. Bugs no user needs, but what becomes
// of a finding can be tested with them.
func EngineOptions(arg string) (o engine.Options, err error) {
	for i, word := range strings.Split(arg, "+") {
		b, err := engine.ParseBug(word)
		switch {
		case err == nil:
			o.Bugs = o.Bugs.Or(b.Set())
		case i > 0:
			return o, err
		case word != "":
			if o.Profile, err = engine.ParseProfile(word); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// EngineName is the target that runs the engine with some options, as users write it.
func EngineName(o engine.Options) string {
	var words []string
	if o.Profile.Name != "" {
		words = append(words, o.Profile.Name)
	}
	for _, b := range engine.Bugs() {
		if o.Bugs.Has(b) {
			words = append(words, b.String())
		}
	}
	if len(words) == 0 {
		return KindEngine
	}
	return KindEngine + ":" + strings.Join(words, "+")
}

// Simulated says that a target, named as users write it, is the engine and no kernel: no machine's properties matter to it, it
// has no known bugs, and no C program can show what it does.
func Simulated(target string) bool {
	kind, _, err := TargetName(target)
	return err == nil && (kind == KindEngine || kind == KindLive)
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

// ProgramError says why actors cannot, or must not, run a program, wherever they are: it is no problem of the target, and no finding.
type ProgramError struct{ Err error }

func (e *ProgramError) Error() string { return "actors cannot run this program: " + e.Err.Error() }
func (e *ProgramError) Unwrap() error { return e.Err }
