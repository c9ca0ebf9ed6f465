package crashers

import (
	"context"
	"fmt"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/schedule"
	"tracehammer/stress/steer"
)

// Exact is a Check of a target on which a decision stream makes a run again: what it showed once it shows each time. A
// candidate is then accepted if some schedule shows the finding, and that schedule is kept with it.
type Exact interface {
	Check
	// Engine is what engine the target runs.
	Engine() engine.Options
	// Replay makes the run of a stream of p, once, and says whether it shows want, as Check.Run does.
	Replay(ctx context.Context, p *engine.Program, stream schedule.Stream, want *Finding) (Trial, error)
}

// Bounds of the search for a schedule, in runs.
const (
	exactTries = 120  // of a candidate; most fail, and cost all of them
	firstTries = 2000 // of what there is to minimise, if its stream is not known
	calmDepth  = 2    // departures from the schedule that preempts nobody, of the result: all runs with fewer are tried
	calmTries  = 4000
)

// exactly is what a minimising needs where schedules can be made again.
type exactly struct {
	Exact
	*steer.Runner
}

// acceptExact makes d the best if some schedule shows the finding in it.
func (j *minimising) acceptExact(d *draft, key string) bool {
	p, err := corpus.Lower(d.s)
	if err != nil {
		j.failed[key] = true
		return false
	}
	if j.best == nil && j.plan.Schedule != nil {
		run := j.exact.Runner.Replay(p, j.plan.Schedule)
		if t, ok := j.tryRun(p, &run); ok {
			j.keep(d, key, p, t)
			return true
		}
	}
	var earlier *steer.Run
	var kept steer.Kept
	tries := firstTries
	if d.parent != nil {
		earlier, kept, tries = j.runOf(d.parent), d.kept(), exactTries
	}
	judged := map[uint64]bool{}
	var found *Trial
	j.exact.Search(j.ctx, p, earlier, kept, tries, j.plan.Seed, func(run steer.Run) bool {
		// Invariants are broken between events.
		if j.want.Kind != Invariant && j.want.Kind != Crash {
			if judged[run.Key()] {
				return true
			}
			judged[run.Key()] = true
		}
		if t, ok := j.tryRun(p, &run); ok {
			found = &t
		}
		return found == nil && j.err == nil
	})
	if found == nil {
		j.failed[key] = j.err == nil && j.ctx.Err() == nil
		return false
	}
	j.keep(d, key, p, *found)
	return true
}

// tryRun says whether a run shows the finding.
func (j *minimising) tryRun(p *engine.Program, run *steer.Run) (Trial, bool) {
	t, err := j.exact.Exact.Replay(j.ctx, p, run.Stream, &j.want)
	if err != nil {
		j.err = err
	}
	return t, err == nil && t.Hits > 0
}

// keep makes d the best.
func (j *minimising) keep(d *draft, key string, p *engine.Program, t Trial) {
	run := j.exact.Runner.Replay(p, t.Stream)
	j.best, j.trail = d, append(j.trail, shown{d, t, key, &run})
}

// runOf is the run that showed the finding in a draft that was the best once.
func (j *minimising) runOf(d *draft) *steer.Run {
	for i := len(j.trail) - 1; i >= 0; i-- {
		if j.trail[i].draft == d {
			return j.trail[i].run
		}
	}
	return nil
}

// kept says what d has of its parent.
func (d *draft) kept() steer.Kept {
	k := steer.Kept{Ops: make([]bool, d.parent.s.NumOps())}
	for _, op := range d.s.Ops() {
		if i, ok := d.origin[op]; ok {
			k.Ops[i] = true
		}
	}
	for _, a := range d.parent.s.Actors {
		k.Actors = append(k.Actors, engine.ActorID(d.s.Actor(a.Name)))
	}
	return k
}

// exactResult simplifies the schedule of the best candidate, makes its run once more, and hands both out.
func (j *minimising) exactResult(ctx context.Context) (*Minimal, error) {
	best := j.trail[len(j.trail)-1]
	res := &Minimal{Trial: best.Trial, Scenario: best.s.Clone(), Plan: j.plan, Steps: j.steps, Complete: !j.over()}
	best.finish(res.Scenario)
	measured := named(res.Scenario)
	p, err := corpus.Lower(measured)
	if err != nil {
		return nil, fmt.Errorf("minimise %s: %w", j.want.Title, err)
	}
	calm := j.calm(p, *best.run)
	res.Complete = res.Complete && !j.over()
	if j.err != nil && j.ctx.Err() == nil {
		return nil, fmt.Errorf("minimise %s: %w", j.want.Title, j.err)
	}
	t, err := j.exact.Exact.Replay(ctx, p, calm.Stream, &j.want)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("replay %s: %w", j.want.Title, err)
	}
	if t.Hits == 0 && ctx.Err() == nil {
		return nil, fmt.Errorf("minimise %s: %w: its own run does not show it again", j.want.Title, ErrNotShown)
	}
	if t.Hits == 0 {
		res.Exact, res.Plan.Schedule = best.run, best.run.Stream // as it was seen when it was accepted
		return res, nil
	}
	res.Trial, res.Scenario = t, measured
	run := j.exact.Runner.Replay(p, calm.Stream)
	res.Exact, res.Plan.Schedule, res.Plan.Repeat = &run, run.Stream, 1
	return res, nil
}

// calm looks for a run with few preemptions that shows the finding as well.
func (j *minimising) calm(p *engine.Program, run steer.Run) steer.Run {
	shows := func(r steer.Run) bool {
		_, ok := j.tryRun(p, &r)
		return ok
	}
	best := run
	enough := calmDepth
	j.exact.Sparse(j.ctx, p, calmDepth, calmTries, func(r steer.Run, departures int) bool {
		if departures <= enough && r.Preemptions() < best.Preemptions() && shows(r) {
			best, enough = r, departures
		}
		return departures <= enough && best.Preemptions() > 0 && j.err == nil
	})
	return j.exact.Calm(best, func(r steer.Run) bool { return !j.over() && shows(r) })
}

// Words tells the run of a Minimal that has one: who runs until what, up to where the finding shows.
func (m *Minimal) Words() string {
	if m.Exact == nil {
		return ""
	}
	return m.Exact.Words(showsAt(&m.Trial, m.Exact))
}

// ShowsAt is the number of steps of the exact run after which the finding is there.
func (m *Minimal) ShowsAt() int { return showsAt(&m.Trial, m.Exact) }
