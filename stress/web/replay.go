package web

import (
	"context"
	"errors"
	"slices"

	"github.com/sourcegraph/conc/panics"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
	"tracehammer/stress/steer"
)

// replayed is the run of a filed schedule on the engine.
type replayed struct {
	h     *history.History
	stops []stopped // when tasks were in ptrace stops
	// broken says how the engine broke in it, "" if it did not, and shows how many moments come before that.
	broken string
	shows  int
}

// replay makes the run that a finding's schedule makes; false if it has none, or was not found on the engine.
func replay(ctx context.Context, c *crashers.Crasher, p *engine.Program) (r replayed, ok bool) {
	o, ok := engineOf(c)
	if !ok {
		return r, false
	}
	died := panics.Try(func() {
		plan := stress.Plan{Schedule: c.Plan.Schedule, Repeat: 1}
		err := stress.NewEngineTarget(o).Run(ctx, p, plan, func(h *history.History) bool {
			r.h = h.Clone()
			r.h.Target = c.Target
			return false
		})
		if err != nil {
			return
		}
		o.Check = true
		checked := stress.NewEngineTarget(o)
		err = checked.Run(ctx, p, plan, func(*history.History) bool { return false })
		var broken *engine.InvariantError
		var livelock *stress.LivelockError
		if errors.As(err, &broken) || errors.As(err, &livelock) {
			r.broken = err.Error()
		}
		r.follow(steer.New(o).Replay(p, c.Plan.Schedule), slices.Clone(checked.Schedule()))
	})
	return r, died == nil && r.h != nil
}

// follow takes from a run, step by step, when tasks are stopped; and where it broke, which is after the decisions of a stream.
func (r *replayed) follow(run steer.Run, until schedule.Stream) {
	var since [engine.MaxTasks]int
	for i := range since {
		since[i] = -1
	}
	moments, decided := 0, 0
	r.shows = -1
	for i := range run.Steps {
		s := &run.Steps[i]
		if t := s.Task; since[t] >= 0 {
			r.stops = append(r.stops, stopped{run.Actor(i), since[t], moments})
			since[t] = -1
		}
		if s.Event.Kind != engine.EvNone {
			moments++
		}
		if s.Decided {
			decided++
		}
		if decided == len(until) && r.shows < 0 {
			r.shows = moments
		}
		if s.Then == engine.WaitPtraceStop || s.Then == engine.WaitExitEvent {
			since[s.Task] = moments
		}
	}
	for t, from := range since {
		if from >= 0 {
			r.stops = append(r.stops, stopped{engine.ActorID(t - 1), from, moments})
		}
	}
}

// engineOf is the engine on which a schedule shows a finding.
func engineOf(c *crashers.Crasher) (o engine.Options, ok bool) {
	if c.Plan.Schedule == nil || !stress.Simulated(c.Target) {
		return o, false
	}
	_, arg, err := stress.TargetName(c.Target)
	if err != nil {
		return o, false
	}
	if o, err = stress.EngineOptions(arg); err != nil {
		return o, false
	}
	return o, true
}
