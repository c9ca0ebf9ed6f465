package live

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/sourcegraph/conc/pool"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// Target runs programs on a live kernel: a goroutine for each actor, which logs what its actor sees as an actor on a real
// kernel does. It implements stress.Target; a plan's seed decides among the outcomes of single steps, but the order of steps
// is that of the goroutines, so no run repeats another. What happened is recorded all the same: the engine itself replays it.
type Target struct {
	name    string
	options engine.Options
	machine *engine.Machine
	hist    history.History
	stream  schedule.Stream // of the last run
}

// NewTarget returns a target of that name that runs the engine with the given options; Options.Check makes a broken invariant
// an *engine.InvariantError from Run.
func NewTarget(name string, o engine.Options) *Target { return &Target{name: name, options: o} }

func (t *Target) Name() string            { return t.name }
func (t *Target) Profile() engine.Profile { return t.options.Profile }

// Close implements stress.Target: nothing outlives a run.
func (t *Target) Close() error { return nil }

// Schedule implements stress.Scheduled.
func (t *Target) Schedule() schedule.Stream { return t.stream }

// Engine implements stress.Exact.
func (t *Target) Engine() engine.Options { return t.options }

// replay makes the run of a decision stream, without goroutines; false ends the plan.
func (t *Target) replay(ctx context.Context, p *engine.Program, s schedule.Stream, yield func(*history.History) bool) (more bool, err error) {
	e := stress.NewEngineTarget(t.options)
	err = e.Run(ctx, p, stress.Plan{Schedule: s, Repeat: 1}, func(h *history.History) bool {
		h.Target = t.name
		more = yield(h)
		return more
	})
	t.stream = e.Schedule()
	return more, err
}

// Run implements stress.Target. It knows no strategies, delays or CPUs; with Plan.Schedule the first run replays that.
func (t *Target) Run(ctx context.Context, p *engine.Program, plan stress.Plan, yield func(*history.History) bool) error {
	if t.machine == nil || t.machine.Program() != p {
		t.machine = NewMachine(p, t.options)
	}
	for i := range max(plan.Repeat, 1) {
		if i == 0 && plan.Schedule != nil {
			if more, err := t.replay(ctx, p, plan.Schedule, yield); err != nil || !more {
				return err
			}
			continue
		}
		if err := t.one(ctx, p, plan.Seed+uint64(i)*0x9e3779b97f4a7c15); err != nil {
			var broken *BrokenError
			if errors.As(err, &broken) && broken.Invariant == nil {
				panic(broken.Panic)
			}
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		t.hist.Run = i
		if !yield(&t.hist) {
			return nil
		}
	}
	return nil
}

// one runs the program once. The history that it leaves says nothing if ctx was done meanwhile.
func (t *Target) one(ctx context.Context, p *engine.Program, seed uint64) error {
	start := time.Now()
	k := Boot(t.machine, seed)
	defer k.Close()
	defer context.AfterFunc(ctx, k.Close)()
	t.hist = history.History{Target: t.name, Kernel: "engine " + t.options.Profile.Name, Arch: runtime.GOARCH, Actors: make([]history.Actor, len(p.Actors))}
	actors := pool.New().WithErrors().WithFirstError()
	for a := range p.Actors {
		actors.Go(func() error { return act(k, engine.ActorID(a), &t.hist.Actors[a]) })
	}
	err := actors.Wait()
	k.Inspect(func(*engine.World) { t.stream = k.stream })
	if err != nil {
		return err
	}
	t.hist.Schedule = t.stream
	t.hist.Elapsed, t.hist.Cut = time.Since(start), k.Ticket()
	k.Inspect(func(w *engine.World) { t.finish(w) })
	return nil
}

// act is the life of an actor: it drives its task and logs what its user code shows.
func act(k *Kernel, a engine.ActorID, log *history.Actor) error {
	for {
		ev, err := k.Next(a)
		var broken *BrokenError
		switch {
		case errors.As(err, &broken):
			return err
		case err != nil:
			return nil
		}
		stress.Log(log, ev.Event, ev.Before, ev.After)
	}
}

// finish says how the run ended and where each actor is.
func (t *Target) finish(w *engine.World) {
	if !w.Done() {
		t.hist.Outcome = history.Stuck
	}
	stress.Ends(&t.hist, w)
}
