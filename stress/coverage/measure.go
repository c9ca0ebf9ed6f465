package coverage

import (
	"context"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// Options say how a program's coverage on the engine is measured.
type Options struct {
	Profile engine.Profile
	Runs    int             // schedules drawn, from all strategies in turn
	Seed    uint64          // of them
	Replay  schedule.Stream // a schedule that is run besides, first; nil: none
}

// Of runs p on the engine and returns what the runs covered. The same options give the same set. It ends early, without an error,
// when ctx is done.
func Of(ctx context.Context, p *engine.Program, o Options) (*Set, error) {
	portfolio, err := schedule.Parse("portfolio")
	if err != nil {
		return nil, err
	}
	set := &Set{}
	m := ptrace.NewMachine(p, engine.Options{Profile: o.Profile})
	t := Tracer{Set: set}
	var (
		w   engine.World
		d   schedule.Driver
		h   history.History
		rec stress.Recorder
	)
	see := func(c engine.Choice, e engine.Event) {
		t.Step(m, c)
		rec.Add(e)
	}
	for i := range o.Runs + 1 {
		s := portfolio
		if i == 0 {
			if o.Replay == nil {
				continue
			}
			s = schedule.Replay(o.Replay)
		}
		if ctx.Err() != nil {
			break
		}
		m.Init(&w)
		t.Begin(m)
		rec.Start(&h, p)
		if h.Outcome = history.Stuck; d.Run(&w, s, o.Seed, uint64(i), see) == schedule.Done {
			h.Outcome = history.Complete
		}
		rec.Finish(&w)
		set.Observe(p, &h)
	}
	return set, nil
}
