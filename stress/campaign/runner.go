package campaign

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/sourcegraph/conc/panics"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
	"tracehammer/vm"
	"tracehammer/vm/console"
	"tracehammer/vm/wire"
)

// runner is a target with the oracle that judges its runs.
type runner struct {
	open    Opener
	target  stress.Target
	oracle  *oracle.Oracle
	real    bool           // a real kernel: delays, CPUs and hangs mean something
	machine stress.Machine // that runs it
	live    []int          // rows of the list of known bugs that the kernel has, as the seeds say
}

// newRunner opens a target for the calling goroutine, which keeps its thread from now on: actors die with the thread that
// started them.
func newRunner(ctx context.Context, open Opener, name string) (*runner, error) {
	runtime.LockOSThread()
	t, err := open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open target %s: %w", name, err)
	}
	r := &runner{open: open, target: t, oracle: newOracle(t.Profile()), real: !stress.Simulated(t.Name()), machine: machineOf(t)}
	if r.real {
		r.live = liveRows(&r.machine)
	}
	return r, nil
}

// newOracle returns an oracle that also reads kernels' logs.
func newOracle(profile engine.Profile) *oracle.Oracle {
	o := oracle.New(profile)
	o.Log = console.Complaint
	return o
}

// cpus are those that there are to choose from; nil if there is nothing to choose.
func (r *runner) cpus() []int {
	if len(r.machine.CPUs) < 2 {
		return nil
	}
	return r.machine.CPUs
}

func (r *runner) close() error {
	defer runtime.UnlockOSThread()
	return r.target.Close()
}

// verdict is what an oracle says, or that the engine died of a run.
type verdict struct {
	oracle.Verdict
	crash    bool
	known    crashers.Known
	schedule schedule.Stream // of the run, where there is one; good until the next run
}

// run runs p under plan and hands every run with its verdict to see, until that returns false. A violation that ends the
// target's work (a broken invariant or a crash of the engine, actors that survive SIGKILL, a kernel that died) has no history.
// A machine that is lost otherwise is a *vm.LostError; the next run starts it again. Being cancelled is no error.
func (r *runner) run(ctx context.Context, p *engine.Program, plan stress.Plan, see func(*history.History, *verdict) bool) error {
	var err error
	died := crashed(func() {
		err = r.target.Run(ctx, p, plan, func(h *history.History) bool {
			if ctx.Err() != nil {
				return false // this run may have been cut short: it says nothing
			}
			v := r.judge(p, h)
			v.schedule = h.Schedule
			return see(h, &v)
		})
	})
	var last schedule.Stream
	if s, ok := r.target.(stress.Scheduled); ok {
		last = s.Schedule()
	}
	if died != nil {
		died.schedule = last
		see(nil, died)
		return r.reopen(ctx)
	}
	var broken *engine.InvariantError
	var livelock *stress.LivelockError
	var unkillable *host.UnkillableError
	var lost *vm.LostError
	v := verdict{Verdict: oracle.Verdict{Kind: oracle.Invariant, Actor: engine.NoActor, Instr: -1}, schedule: last}
	switch {
	case errors.As(err, &broken):
		v.Title, v.Explanation = fmt.Sprintf("invariant: the engine breaks invariant %d", broken.N), broken.Error()
	case errors.As(err, &livelock):
		v.Title, v.Explanation = "invariant: the engine is in a livelock", livelock.Error()
	case errors.As(err, &unkillable), wire.IsUnkillable(err):
		v.Title, v.Explanation, v.Rules = "invariant: SIGKILL does not end an actor", err.Error(), []int{112}
	case errors.As(err, &lost):
		var is bool
		if v, is = lostVerdict(lost); !is {
			return err
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return nil
	default:
		return err
	}
	see(nil, &v)
	return nil
}

// judge asks the oracle. One that died is replaced.
func (r *runner) judge(p *engine.Program, h *history.History) (v verdict) {
	if died := crashed(func() { v.Verdict = r.oracle.Judge(p, h) }); died != nil {
		r.oracle = newOracle(r.target.Profile())
		return *died
	}
	switch {
	case v.Kind == oracle.Hang && !r.real && v.Predicted:
		v.Kind = oracle.HangPredicted // the engine is the reference: what it may run into is no finding about it
	case v.Kind == oracle.Hang && starved(h):
		v.Kind = oracle.Unknown
	case r.real && v.Kind == oracle.Hang && v.Predicted:
		v.known = r.knownAs(v.Row)
	case r.real && (v.Kind == oracle.NotAdmitted || v.Kind == oracle.Hang && !v.Predicted):
		if died := crashed(func() { v.known = r.knownAs(r.oracle.Attribute(p, h, r.live)) }); died != nil {
			r.oracle = newOracle(r.target.Profile())
			return *died
		}
	}
	return v
}

// knownAs is a row of the list of known bugs that explains a run here, 0 for none.
func (r *runner) knownAs(row int) crashers.Known {
	return crashers.KnownAs(row, slices.Contains(r.live, row))
}

// starved says whether some actor of a stuck run could have gone on, had it got a CPU: the machine is too busy to say
// that anything hangs.
func starved(h *history.History) bool {
	return h.Hang != nil && slices.ContainsFunc(h.Hang.Threads, func(t history.Thread) bool { return t.State == 'R' })
}

// reopen replaces the target, whose state nobody knows after a crash.
func (r *runner) reopen(ctx context.Context) error {
	name := r.target.Name()
	err := r.target.Close()
	if err == nil {
		r.target, err = r.open(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("open target %s again: %w", name, err)
	}
	return nil
}

// crashed runs f and says how it panicked, nil if it did not.
func crashed(f func()) *verdict {
	p := panics.Try(f)
	if p == nil {
		return nil
	}
	return &verdict{crash: true, Verdict: oracle.Verdict{Kind: oracle.Invariant, Actor: engine.NoActor, Instr: -1,
		Title: fmt.Sprintf("crash: %v in %s", p.Value, culprit(p.Callers)), Explanation: p.String()}}
}

// culprit is the function of ours that panicked first: who recovers may panic again.
func culprit(callers []uintptr) (name string) {
	frames := runtime.CallersFrames(callers)
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			name = ""
		}
		if ours, ok := strings.CutPrefix(f.Function, "tracehammer/"); ok && name == "" {
			name = ours
		}
		if !more {
			return name
		}
	}
}

// findingOf turns a verdict that is a finding into what crashers file.
func findingOf(v *verdict) crashers.Finding {
	f := crashers.Finding{Title: v.Title, Explanation: v.Explanation, Rules: v.Rules, Known: v.known, Actor: v.Actor, Instr: v.Instr, Entry: v.Entry,
		Event: v.Event, Allowed: v.Allowed}
	switch {
	case v.crash:
		f.Kind = crashers.Crash
	case v.Kind == oracle.NotAdmitted:
		f.Kind = crashers.NotAdmitted
	case v.Kind == oracle.Hang:
		f.Kind = crashers.Hang
	case v.Kind == oracle.Console:
		f.Kind = crashers.Console
	default:
		f.Kind = crashers.Invariant
	}
	return f
}
