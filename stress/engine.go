package stress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// EngineTarget runs programs on the engine under a seeded schedule.
type EngineTarget struct {
	options  engine.Options
	prog     *engine.Program
	m        *engine.Machine
	world    engine.World
	choices  []engine.Choice
	hist     history.History
	recorder Recorder
	watch    engine.Watch
}

// NewEngineTarget returns a target that runs the engine with the given options; Options.Check makes a broken invariant an
// *engine.InvariantError from Run.
func NewEngineTarget(o engine.Options) *EngineTarget { return &EngineTarget{options: o} }

// Name is "engine", or "engine:PROFILE".
func (t *EngineTarget) Name() string {
	if p := t.options.Profile.Name; p != "" {
		return "engine:" + p
	}
	return "engine"
}

func (t *EngineTarget) Profile() engine.Profile { return t.options.Profile }
func (t *EngineTarget) Close() error            { return nil }

// Machine is the machine of the program that ran last; its rule marks say what the runs exercised. Nil before any run.
func (t *EngineTarget) Machine() *engine.Machine { return t.m }

// maxSteps bounds a run: longer ones are stuck in user-mode loops.
const maxSteps = 200_000

// Run implements Target. The only strategy so far is "random" (also the default).
func (t *EngineTarget) Run(ctx context.Context, p *engine.Program, plan Plan, yield func(*history.History) bool) (err error) {
	if plan.Strategy != "" && plan.Strategy != "random" {
		return fmt.Errorf("engine target: unknown strategy %q; known: random", plan.Strategy)
	}
	if t.prog != p {
		t.prog, t.m = p, ptrace.NewMachine(p, t.options)
	}
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
		rng := rand.New(rand.NewPCG(plan.Seed, uint64(i)))
		t.one(rng)
		t.hist.Run = i
		if !yield(&t.hist) {
			return nil
		}
	}
	return nil
}

// one runs the program once to its end: every actor that is not a victim parked or dead, or nothing left to happen.
func (t *EngineTarget) one(rng *rand.Rand) {
	t.m.Init(&t.world)
	t.watch.Start()
	t.recorder.Start(&t.hist, t.prog)
	t.hist.Target, t.hist.Kernel, t.hist.Arch = "engine", "engine "+t.options.Profile.Name, runtime.GOARCH
	t.hist.Outcome = history.Stuck
	for range maxSteps {
		if t.world.Done() {
			t.hist.Outcome = history.Complete
			break
		}
		t.choices = t.world.Choices(t.choices[:0])
		if len(t.choices) == 0 {
			break
		}
		c := t.choices[rng.IntN(len(t.choices))]
		ev := t.world.Step(c)
		t.watch.Step(&t.world, c, ev)
		t.recorder.Add(ev)
	}
	t.recorder.Finish(&t.world)
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
	if ev.Kind == engine.EvNone {
		return
	}
	a := &r.h.Actors[ev.Actor]
	r.ticket++
	switch ev.Kind {
	case engine.EvBegin:
		a.Entries = append(a.Entries, history.Entry{Kind: history.Call, Instr: ev.Instr, Begin: r.ticket})
	case engine.EvEnd:
		for i := len(a.Entries) - 1; i >= 0; i-- {
			if e := &a.Entries[i]; e.Kind == history.Call && !e.Done {
				e.Done, e.End, e.Res = true, r.ticket, ev.Res
				break
			}
		}
	case engine.EvHandler:
		a.Entries = append(a.Entries, history.Entry{Kind: history.Handler, Done: true, Begin: r.ticket, End: r.ticket,
			Res: engine.Result{Out: [3]int64{int64(ev.Signo), int64(ev.Code), int64(ev.Pid)}}})
	}
}

// Finish sets the cut, and where each actor is in w, the world at the run's end.
func (r *Recorder) Finish(w *engine.World) {
	r.h.Cut = r.ticket + 1
	for i := range r.h.Actors {
		a, id := &r.h.Actors[i], engine.ActorID(i)
		a.Parked = w.Parked(id)
		if !w.Created(id) {
			a.Tid = 0
		}
		if r.h.Outcome == history.Stuck && w.Dead(id) {
			a.Final = &history.Final{State: 'Z'}
		}
	}
}

// IsEnv says whether err is a problem of the environment rather than of the program.
func IsEnv(err error) bool {
	var e *EnvError
	return errors.As(err, &e)
}
