package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
	"tracehammer/vm"
)

const (
	// The minimising of one finding is bounded: a campaign has others to look at, and stressd minimize goes on.
	minMinimise = 2 * time.Second
	maxMinimise = 10 * time.Second
	// A candidate is accepted when it shows the finding in need of trials runs.
	need   = 2
	trials = 30
	// measured is how many runs tell how often the result shows.
	measured = 10
	// shortDeadline ends stuck runs while minimising: of a hang each run costs one, of anything else every candidate that
	// lost what its actors wait for. The result is measured with the ordinary deadline.
	shortDeadline = 100 * time.Millisecond
	// shortRest ends such runs sooner where everybody is asleep: most of them.
	shortRest = 15 * time.Millisecond
	// maxPredicted is how many waits for good, rightly so, end a trial: they cost a deadline each.
	maxPredicted = 2
)

// file confirms, minimises and files first sightings until the workers are done.
func (c *campaign) file(ctx context.Context) (err error) {
	runners := map[string]*runner{}
	for s := range c.unfiled() {
		r := runners[s.target]
		if r == nil {
			var oerr error
			r, oerr = c.start(ctx, c.team(s.target), c.Open)
			switch {
			case oerr == nil:
				runners[s.target] = r
			case ctx.Err() != nil:
				r = c.unopened(s.target) // it is filed as it was seen
			default:
				err = errors.Join(err, oerr)
				c.board.settled()
				continue
			}
		}
		if ferr := c.fileOne(ctx, r, s); ferr != nil {
			err = errors.Join(err, fmt.Errorf("file finding %q: %w", s.finding.Title, ferr))
		} else if ferr = c.shareFinding(ctx, s); ferr != nil {
			err = errors.Join(err, ferr)
		} else {
			c.save(false, "")
			err = errors.Join(err, c.release(ctx, s))
		}
		c.board.settled()
		err = errors.Join(err, c.endIdle(runners))
	}
	for name, r := range runners {
		c.board.ended(name, r.target)
		err = errors.Join(err, r.close())
	}
	return err
}

// endIdle ends the minimiser's machines when nothing waits for it: also one that sleeps takes memory, and time from the workers'. The next
// finding there boots another.
func (c *campaign) endIdle(runners map[string]*runner) (err error) {
	if len(c.pending) > 0 || len(c.sightings) > 0 {
		return nil
	}
	for name, r := range runners {
		if _, is := r.target.(machine); is {
			c.board.ended(name, r.target)
			err = errors.Join(err, r.close())
			delete(runners, name)
		}
	}
	return err
}

// unopened is a runner for a target for whose start there was no time any more. It runs nothing.
func (c *campaign) unopened(name string) *runner {
	return &runner{target: unopened(name), machine: c.team(name).where}
}

type unopened string

func (u unopened) Name() string          { return string(u) }
func (unopened) Profile() engine.Profile { return engine.Profile{} }
func (unopened) Close() error            { return nil }
func (unopened) Run(ctx context.Context, _ *engine.Program, _ stress.Plan, _ func(*history.History) bool) error {
	return ctx.Err()
}

// fileOne files one first sighting. What an earlier campaign filed is counted there.
func (c *campaign) fileOne(ctx context.Context, r *runner, s *sighting) error {
	if ids := c.store.Similar(s.finding.Coarse()); len(ids) > 0 {
		id := ids[0]
		c.sights.filed(s, id)
		if err := c.store.Seen(id, 1, time.Now()); err != nil {
			return err
		}
		return c.tell(id, r, false)
	}
	cr, isNew, err := r.put(ctx, c.store, s, c.board.share(c.For))
	if err != nil {
		return err
	}
	c.sights.filed(s, cr.ID)
	return c.tell(cr.ID, r, isNew)
}

// put minimises a sighting and files it, unless the minimal scenario turns out to be that of a filed one: that is counted.
func (r *runner) put(ctx context.Context, store *crashers.Store, s *sighting, limit time.Duration) (cr *crashers.Crasher, isNew bool, err error) {
	m, err := r.minimise(ctx, s, limit)
	if err != nil {
		return nil, false, err
	}
	if cr, err = crashers.New(m, s.finding.Known, r.origin(store.State())); err != nil {
		return nil, false, err
	}
	var uncurved error // the finding is filed all the same
	cr.Curve, uncurved = inevitable(ctx, m, r.target.Name(), min(limit, curveTime))
	isNew, err = store.Put(cr, time.Now())
	return cr, isNew, errors.Join(err, uncurved)
}

// tell reports a filed finding, once in a campaign.
func (c *campaign) tell(id string, r *runner, isNew bool) error {
	cr, err := c.store.Load(id)
	if err != nil {
		return err
	}
	// A finding that this campaign filed before it was killed is new all the same.
	f, err := r.found(c.store, cr, isNew || c.board.resumed && !cr.FirstSeen.Before(c.board.began))
	if err != nil {
		return err
	}
	if c.board.found(&f) {
		c.out.report(f)
	}
	return nil
}

// found is the event of a filed finding. One that was fixed is regressed by this: somebody saw it.
func (r *runner) found(store *crashers.Store, c *crashers.Crasher, isNew bool) (f Found, err error) {
	f = foundEvent(store, c, isNew)
	if f.Regression, err = r.regressed(store, c.ID); err != nil {
		return f, err
	}
	m, err := store.Meta(c.ID)
	f.State = m.State
	return f, err
}

// regressed notes that the runner saw a filed finding, and says whether it is back although it was fixed.
func (r *runner) regressed(store *crashers.Store, id string) (bool, error) {
	return store.Regressed(id, "seen on "+r.where(), time.Now())
}

// where names the kernel that the runner runs on.
func (r *runner) where() string {
	return fmt.Sprintf("%s, %s %s", r.target.Name(), r.machine.Kernel, r.machine.Arch)
}

func foundEvent(store *crashers.Store, c *crashers.Crasher, isNew bool) Found {
	return Found{ID: c.ID, Kind: c.Kind.String(), Title: c.Title, Target: c.Target, Dir: store.Dir(c.ID), New: isNew, State: c.State, Known: c.Known,
		Shown: c.Hits, Of: c.Runs, Operations: c.Ops, Exact: c.Exact, Minimal: c.Minimised, Scenario: string(c.Scenario), Command: crashers.Command(crashers.Program(), store.State(), c.ID)}
}

// minimise makes the scenario of a sighting small and measures how often it shows. A finding that does not show again is
// still one: its history is there to be judged.
func (r *runner) minimise(ctx context.Context, s *sighting, limit time.Duration) (*crashers.Minimal, error) {
	as := &crashers.Minimal{Trial: crashers.Trial{Hits: 1, Runs: 1, History: s.hist, Finding: s.finding}, Scenario: s.item.scenario, Plan: s.plan}
	if s.hist == nil && r.real || ctx.Err() != nil {
		return as, nil
	}
	res, err := r.smaller(ctx, s.item.scenario, s.plan, s.finding, limit)
	if errors.Is(err, crashers.ErrNotShown) || ctx.Err() != nil && err != nil {
		// How rare it is must be known: the first sighting, and the trials that did not show it.
		as.Runs = trials + 1
		return as, nil
	}
	return res, err
}

// smaller runs the minimiser: with exact schedules where the target has such and they show the finding. What shows on the live
// target alone does not.
func (r *runner) smaller(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want crashers.Finding, limit time.Duration) (*crashers.Minimal, error) {
	until := time.Now().Add(limit)
	if exact, ok := r.target.(stress.Exact); ok {
		e := newExactChecker(exact.Engine(), r.target.Name())
		m, err := crashers.Minimiser{Check: e, Time: limit}.Run(ctx, s, plan, want)
		if !errors.Is(err, crashers.ErrNotShown) {
			return m, err
		}
	}
	m := crashers.Minimiser{Check: checker{r}, CPUs: r.cpus()[:min(1, len(r.cpus()))], Need: need, Of: trials, Time: max(time.Until(until), time.Millisecond), Measure: measured}
	return m.Run(ctx, s, plan, want)
}

// checker runs the minimiser's candidates.
type checker struct{ *runner }

// exactChecker is a checker that replays schedules on the engine, whatever the target drew them from.
type exactChecker struct {
	checker
	options engine.Options
	name    string // of the target
}

func newExactChecker(o engine.Options, name string) exactChecker {
	open := func(context.Context, string) (stress.Target, error) { return stress.NewEngineTarget(o), nil }
	r := &runner{open: open, target: stress.NewEngineTarget(o), oracle: newOracle(o.Profile)}
	return exactChecker{checker{r}, o, name}
}

// Engine implements crashers.Exact.
func (c exactChecker) Engine() engine.Options { return c.options }

// Replay implements crashers.Exact.
func (c exactChecker) Replay(ctx context.Context, p *engine.Program, stream schedule.Stream, want *crashers.Finding) (t crashers.Trial, err error) {
	err = c.run(ctx, p, stress.Plan{Schedule: stream, Repeat: 1}, func(h *history.History, v *verdict) bool {
		c.count(&t, h, v, want)
		return false
	})
	if t.History != nil {
		t.History.Target = c.name
	}
	return t, err
}

// count adds a run to a trial.
func (c checker) count(t *crashers.Trial, h *history.History, v *verdict, want *crashers.Finding) {
	t.Runs++
	if !v.Kind.Finding() {
		return
	}
	f := findingOf(v)
	if !f.SameAs(want) {
		return
	}
	if t.Hits++; t.Hits > 1 {
		return
	}
	if t.Finding, t.Stream = f, slices.Clone(v.schedule); h != nil {
		t.History = h.Clone()
	}
}

// Run implements crashers.Check.
func (c checker) Run(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want *crashers.Finding, need int) (crashers.Trial, error) {
	var t crashers.Trial
	p, err := corpus.Lower(s)
	if err != nil {
		return t, nil // not a scenario that can run shows nothing
	}
	if need > 0 {
		plan.Deadline, plan.Rest = shortDeadline, shortRest
	}
	predicted, enough := 0, false
	see := func(h *history.History, v *verdict) bool {
		c.count(&t, h, v, want)
		if v.Kind == oracle.HangPredicted {
			predicted++
		}
		enough = need != 0 && (t.Hits >= need || predicted >= maxPredicted)
		return !enough
	}
	for runs := max(plan.Repeat, 1); t.Runs < runs && !enough && ctx.Err() == nil && err == nil; {
		plan.Repeat = runs - t.Runs
		before := t.Runs
		err = c.run(ctx, p, plan, see)
		if c.real || t.Runs == before {
			break
		}
		plan.Seed += uint64(t.Runs - before) // a broken invariant ends the target's work early: on with the rest of it
	}
	var lost *vm.LostError
	var refused *stress.ProgramError
	if errors.As(err, &lost) || errors.As(err, &refused) {
		err = nil // a candidate that loses the machine does not show what is wanted, nor one that actors must not run
	}
	return t, err
}

// origin says where a finding was made.
func (r *runner) origin(state string) crashers.Origin {
	return crashers.Origin{Program: crashers.Program(), Target: r.target.Name(), Kernel: r.machine.Kernel, Arch: r.machine.Arch, State: state}
}

// Minimize goes on making a filed finding smaller, for at most limit.
func Minimize(ctx context.Context, state, id string, limit time.Duration, out Reporter) error {
	store, err := crashers.Open(state)
	if err != nil {
		return err
	}
	defer store.Close()
	cr, _, err := loadCrasher(state, id)
	if err != nil {
		return err
	}
	s, err := corpus.Parse("", cr.Scenario)
	if err != nil {
		return err
	}
	r, err := newRunner(ctx, Open, cr.Target)
	if err != nil {
		return err
	}
	res, err := r.smaller(ctx, s, cr.Plan, crashers.Finding{Kind: cr.Kind, Title: cr.Title, Known: cr.Known}, limit)
	if err = errors.Join(err, r.close()); err != nil {
		return err
	}
	better, err := crashers.New(res, cr.Known, r.origin(state))
	if err != nil {
		return err
	}
	if better.Curve, err = inevitable(context.WithoutCancel(ctx), res, cr.Target, curveTime); err != nil {
		return err
	}
	better.ID, better.Command = cr.ID, cr.Command // it keeps the name that its first shape gave it
	if err := store.Replace(better); err != nil {
		return err
	}
	m, err := store.Meta(better.ID)
	if err != nil {
		return err
	}
	better.Status = m.Status
	return errors.Join(out.Report(foundEvent(store, better, false)), context.Cause(ctx))
}
