package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/vm/wire"
)

// Target runs programs through an agent.
type Target struct {
	name  string
	start func() (carrier, error)
	// resume is start for a machine that begins with a snapshot; nil if there are none of such machines.
	resume   func(*snapshot) (carrier, error)
	symbols  string        // file of the kernel with its symbols; "" if none is known
	snapshot *snapshot     // nil if there is none
	unsaved  error         // why there will be none
	boot     time.Duration // what the start of the machine may take, besides the agent's
	// patience is how long an agent that is as fast as this machine may be silent; 0 is quietTime.
	patience time.Duration
	stopping time.Duration // likewise, how long it may take to end a plan; 0 is stopTime
	hint     string        // what to do about an agent that never was there
	link     *Link         // nil if it must be started
	machine  stress.Machine
	plans    uint32
	boots    int
	restores int
}

var _ stress.Kernel = (*Target)(nil)

// Options of Open.
type Options struct {
	Console io.Writer    // gets what the machine says besides messages, as it says it; may be nil
	Say     func(string) // is told what takes long; may be nil
}

// Open starts the target of a name as users write it, of a kind that has an agent: exec, uml, qemu. When ctx ends before it has
// started, nothing is left of it, and the error is ctx's cause.
func Open(ctx context.Context, name string, opt Options) (*Target, error) {
	t, err := openNamed(ctx, name, opt)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return t, err
}

func openNamed(ctx context.Context, name string, opt Options) (*Target, error) {
	kind, arg, err := stress.TargetName(name)
	if err != nil {
		return nil, err
	}
	t := &Target{name: name}
	switch kind {
	case stress.KindExec:
		t.hint = "the command must run \"stressd agent\", and carry its standard input and output as they are"
		t.start = func() (carrier, error) { return carrier{cmd: exec.Command("/bin/sh", "-c", arg)}, nil }
	case stress.KindUML:
		err = uml(t, arg)
	case stress.KindQEMU:
		err = qemu(ctx, t, arg, opt.Say)
	default:
		err = fmt.Errorf("target %s has no agent", name)
	}
	if err != nil {
		return nil, err
	}
	if opt.Console != nil {
		start := t.start
		t.start = func() (carrier, error) {
			c, err := start()
			c.console = opt.Console
			return c, err
		}
	}
	return open(ctx, t)
}

// open starts a target for the first time.
func open(ctx context.Context, t *Target) (*Target, error) {
	if err := t.connect(ctx); err != nil {
		var lost *LostError
		if errors.As(err, &lost) { // it never was there
			hint := t.hint
			if lost.Refused {
				hint = "is it a program, and for this architecture? A kernel of amd64 runs stressd-386 if it has CONFIG_IA32_EMULATION, and was not told ia32_emulation=off"
			}
			err = &stress.EnvError{What: t.name + " does not answer", Err: err, Hint: hint}
		}
		return nil, err
	}
	return t, nil
}

func (t *Target) connect(ctx context.Context) error {
	if t.snapshot != nil {
		if t.back(ctx) == nil {
			return nil
		}
		t.forget() // it may be at fault: boot
	}
	c, err := t.start()
	if err != nil {
		return err
	}
	t.boots++
	l, err := start(ctx, t.name, c, t.boot+helloTime)
	if err != nil {
		return err
	}
	t.connected(l)
	return nil
}

func (t *Target) connected(l *Link) {
	l.patience, l.stopping = cmp.Or(t.patience, quietTime), cmp.Or(t.stopping, stopTime)
	t.link, t.machine = l, l.Hello.Machine
}

// back starts the machine from its snapshot.
func (t *Target) back(ctx context.Context) error {
	c, err := t.resume(t.snapshot)
	if err != nil {
		return err
	}
	l, err := launch(t.name, c)
	if err != nil {
		return err
	}
	if err := l.restore(ctx, t.snapshot); err != nil {
		l.Kill()
		return err
	}
	l.begin()
	t.restores++
	t.connected(l)
	return nil
}

// Starts are how often the agent was started, its machine booted, and how often it began with a snapshot.
func (t *Target) Starts() (boots, restores int) { return t.boots, t.restores }

// forget drops the snapshot.
func (t *Target) forget() {
	if t.snapshot != nil {
		t.snapshot.state.Close() //nolint:errcheck // memory
		t.snapshot = nil
	}
}

// Symbols is the file of the machine's kernel that has its symbols, "" if none is known.
func (t *Target) Symbols() string { return t.symbols }

// Console is the last lines, at most so many, of what the agent's side said besides messages: anybody's text. There is none of a
// machine that is gone.
func (t *Target) Console(lines int) []string {
	if t.link == nil {
		return nil
	}
	t.link.mu.Lock()
	defer t.link.mu.Unlock()
	all := t.link.said.lines()
	return all[max(0, len(all)-lines):]
}

// Name implements stress.Target.
func (t *Target) Name() string { return t.name }

// Machine implements stress.Kernel.
func (t *Target) Machine() stress.Machine { return t.machine }

// Profile implements stress.Target.
func (t *Target) Profile() engine.Profile { return t.machine.Profile(t.name) }

// Run implements stress.Target. After an error other than one of the scenario's own the agent is started anew by the next Run.
func (t *Target) Run(ctx context.Context, p *engine.Program, plan stress.Plan, yield func(*history.History) bool) error {
	if t.link == nil {
		if err := t.connect(ctx); err != nil {
			return err
		}
	}
	if t.resume != nil && t.snapshot == nil && t.unsaved == nil {
		t.snapshot, t.unsaved = t.link.save(ctx)
	}
	if plan.Deadline <= 0 {
		plan.Deadline = stress.DefaultDeadline
	}
	plan.Deadline = stretch(plan.Deadline, t.link.Slowdown)
	t.plans++
	err := t.link.Run(ctx, &wire.Run{ID: t.plans, Program: p, Plan: plan}, yield)
	var lost *LostError
	switch {
	case errors.As(err, &lost):
		t.link.bury(err)
		t.link = nil
	case wire.IsUnkillable(err) && t.link.Hello.Init:
		t.link.Kill() // only a new kernel is rid of what SIGKILL does not end
		t.link = nil
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// Close implements stress.Target.
func (t *Target) Close() error {
	t.forget()
	if t.link == nil {
		return nil
	}
	err := t.link.Close()
	t.link = nil
	return err
}
