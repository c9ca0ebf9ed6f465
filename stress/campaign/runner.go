package campaign

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
)

// runner is a target with the oracle that judges its runs.
type runner struct {
	target stress.Target
	oracle *oracle.Oracle
	real   bool // a real kernel: delays, CPUs and hangs mean something
}

// newRunner opens a target for the calling goroutine, which keeps its thread from now on: actors die with the thread that
// started them.
func newRunner(open Opener, name string) (*runner, error) {
	runtime.LockOSThread()
	t, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("open target %s: %w", name, err)
	}
	return &runner{target: t, oracle: oracle.New(t.Profile()), real: t.Name() != "engine"}, nil
}

func (r *runner) close() error {
	defer runtime.UnlockOSThread()
	return r.target.Close()
}

// run runs p under plan and hands every run with its verdict to see, until that returns false. A violation that ends the
// target's work (a broken invariant of the engine, actors that survive SIGKILL) has no history. Being cancelled is no error.
func (r *runner) run(ctx context.Context, p *engine.Program, plan stress.Plan, see func(*history.History, *oracle.Verdict) bool) error {
	err := r.target.Run(ctx, p, plan, func(h *history.History) bool {
		v := r.oracle.Judge(p, h)
		if !r.real && v.Kind == oracle.Hang {
			v.Kind = oracle.HangPredicted // the engine is the reference: what it may run into is no finding about it
		}
		return see(h, &v) && ctx.Err() == nil
	})
	var broken *engine.InvariantError
	var unkillable *host.UnkillableError
	v := oracle.Verdict{Kind: oracle.Invariant, Actor: engine.NoActor, Instr: -1}
	switch {
	case errors.As(err, &broken):
		v.Title, v.Explanation = fmt.Sprintf("invariant: the engine breaks invariant %d", broken.N), broken.Error()
	case errors.As(err, &unkillable):
		v.Title, v.Explanation, v.Rules = "invariant: SIGKILL does not end an actor", unkillable.Error(), []int{112}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	default:
		return err
	}
	see(nil, &v)
	return nil
}

// findingOf turns a verdict that is a finding into what crashers file.
func findingOf(v *oracle.Verdict) crashers.Finding {
	f := crashers.Finding{Title: v.Title, Explanation: v.Explanation, Rules: v.Rules, Actor: v.Actor, Instr: v.Instr}
	switch v.Kind {
	case oracle.NotAdmitted:
		f.Kind = crashers.NotAdmitted
	case oracle.Hang:
		f.Kind = crashers.Hang
	case oracle.Console:
		f.Kind = crashers.Console
	default:
		f.Kind = crashers.Invariant
	}
	return f
}
