package stress

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// EngineTarget runs programs on the engine under the schedules of a strategy.
type EngineTarget struct {
	options  engine.Options
	prog     *engine.Program
	m        *engine.Machine
	world    engine.World
	driver   schedule.Driver
	strategy schedule.Strategy // of the last Run
	hist     history.History
	recorder Recorder
	watch    engine.Watch
	see      func(engine.Choice, engine.Event) // watch and recorder
	look     func(engine.Choice, engine.Event) // watch alone
}

// NewEngineTarget returns a target that runs the engine with the given options; Options.Check makes a broken invariant an
// *engine.InvariantError from Run.
func NewEngineTarget(o engine.Options) *EngineTarget {
	t := &EngineTarget{options: o}
	t.look = func(c engine.Choice, e engine.Event) { t.watch.Step(&t.world, c, e) }
	t.see = func(c engine.Choice, e engine.Event) {
		t.watch.Step(&t.world, c, e)
		t.recorder.Add(e)
	}
	return t
}

// Name is "engine", or "engine:PROFILE+BUG" with one of both or both.
func (t *EngineTarget) Name() string { return EngineName(t.options) }

func (t *EngineTarget) Profile() engine.Profile { return t.options.Profile }
func (t *EngineTarget) Close() error            { return nil }

// Engine implements Exact.
func (t *EngineTarget) Engine() engine.Options { return t.options }

// Machine is the machine of the program that ran last; its rule marks say what the runs exercised. Nil before any run.
func (t *EngineTarget) Machine() *engine.Machine { return t.m }

// Schedule implements Scheduled.
func (t *EngineTarget) Schedule() schedule.Stream { return t.driver.Stream }

// Assurance is what the runs of the last Run say about bugs that they did not find.
func (t *EngineTarget) Assurance() []schedule.Assurance { return t.driver.Shape.Assure(t.strategy) }

// LivelockError is a run in which tasks ran and ran and no actor got on, although each had its turn again and again.
type LivelockError struct{ Steps int }

func (e *LivelockError) Error() string {
	return fmt.Sprintf("engine: livelock: after %d steps, the last %d of them fair, no actor gets on", e.Steps, schedule.FairSteps)
}

// Run implements Target. Plan.Strategy is one of schedule.Names; with Plan.Schedule the first run replays that instead.
// With Options.Check, runs go on behind their ends until nothing can happen any more, so that what must not last is seen
// (engine.World.CheckLiveness, *LivelockError).
func (t *EngineTarget) Run(ctx context.Context, p *engine.Program, plan Plan, yield func(*history.History) bool) (err error) {
	s, err := schedule.Parse(plan.Strategy)
	if err != nil {
		return fmt.Errorf("engine target: %w", err)
	}
	if t.prog != p {
		t.prog, t.m = p, ptrace.NewMachine(p, t.options)
	}
	t.driver.Shape, t.strategy = schedule.Shape{}, s
	defer func() {
		if r := recover(); r != nil {
			ie, ok := r.(*engine.InvariantError)
			if !ok {
				panic(r)
			}
			err = ie
		}
	}()
	for i := range max(plan.Repeat, 1) {
		if ctx.Err() != nil {
			return nil
		}
		strategy := s
		if i == 0 && plan.Schedule != nil {
			strategy = schedule.Replay(plan.Schedule)
		}
		if err := t.one(strategy, plan.Seed, uint64(i)); err != nil {
			return err
		}
		t.hist.Run = i
		if !yield(&t.hist) {
			return nil
		}
	}
	return nil
}

// one runs the program once to its end: every actor that is not a victim parked or dead, or nothing left to happen.
func (t *EngineTarget) one(s schedule.Strategy, seed, run uint64) error {
	t.m.Init(&t.world)
	t.watch.Start()
	t.recorder.Start(&t.hist, t.prog)
	t.hist.Target, t.hist.Kernel, t.hist.Arch = "engine", "engine "+t.options.Profile.Name, runtime.GOARCH
	end := t.driver.Run(&t.world, s, seed, run, t.see)
	if t.hist.Outcome = history.Stuck; end == schedule.Done {
		t.hist.Outcome = history.Complete
	}
	t.hist.Schedule = t.driver.Stream
	t.recorder.Finish(&t.world)
	if !t.options.Check {
		return nil
	}
	if end == schedule.Done {
		end = t.driver.Settle(&t.world, t.look)
	}
	switch end {
	case schedule.Quiescent:
		t.world.CheckLiveness()
	case schedule.Livelock:
		return &LivelockError{t.driver.Steps}
	}
	return nil
}

// Recorder turns the engine's events into a History as actors on a kernel would have logged it.
type Recorder struct {
	h      *history.History
	ticket uint64
}

// Start empties h for a run of p.
func (r *Recorder) Start(h *history.History, p *engine.Program) {
	actors := h.Actors
	if cap(actors) < len(p.Actors) {
		actors = make([]history.Actor, len(p.Actors))
	}
	actors = actors[:len(p.Actors)]
	for a := range actors {
		actors[a] = history.Actor{Tid: int32(engine.ActorID(a).Tid()), Entries: actors[a].Entries[:0]}
	}
	*h = history.History{Actors: actors}
	r.h, r.ticket = h, 0
}

// Add appends what ev shows to its actor's log.
func (r *Recorder) Add(ev engine.Event) {
	if ev.Kind != engine.EvNone {
		r.ticket++
		Log(&r.h.Actors[ev.Actor], ev, r.ticket, r.ticket)
	}
}

// Finish sets the cut, and where each actor is in w, the world at the run's end.
func (r *Recorder) Finish(w *engine.World) {
	r.h.Cut = r.ticket + 1
	Ends(r.h, w)
}

// Log appends what ev shows to the log of its actor; before and after are the tickets around it.
func Log(a *history.Actor, ev engine.Event, before, after uint64) {
	switch ev.Kind {
	case engine.EvBegin:
		a.Entries = append(a.Entries, history.Entry{Kind: history.Call, Instr: ev.Instr, Begin: before})
	case engine.EvEnd:
		for i := len(a.Entries) - 1; i >= 0; i-- {
			if e := &a.Entries[i]; e.Kind == history.Call && !e.Done {
				e.Done, e.End, e.Res = true, after, ev.Res
				break
			}
		}
	case engine.EvHandler:
		a.Entries = append(a.Entries, history.Entry{Kind: history.Handler, Done: true, Begin: before, End: after,
			Res: engine.Result{Out: [3]int64{int64(ev.Signo), int64(ev.Code), int64(ev.Pid)}}})
	}
}

// Ends says of each actor of h where it is in w, the world at the run's end.
func Ends(h *history.History, w *engine.World) {
	for i := range h.Actors {
		a, id := &h.Actors[i], engine.ActorID(i)
		a.Parked, a.Tid = w.Parked(id), 0
		if w.Created(id) {
			a.Tid = int32(id.Tid())
		}
		if h.Outcome == history.Stuck && w.Dead(id) {
			a.Final = &history.Final{State: 'Z'}
		}
	}
}

// IsEnv says whether err is a problem of the environment rather than of the program.
func IsEnv(err error) bool {
	var e *EnvError
	return errors.As(err, &e)
}
