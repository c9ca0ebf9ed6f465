package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/vm"
)

// Runs in one turn of an item. A first turn must not cost much if the item turns out dull; a turn on the engine is short.
const (
	firstRuns  = 40
	laterRuns  = 120
	engineRuns = 32
)

// A turn on a kernel, but for a seed's first, is to last no longer than usualRuns take there on average, and has leastRuns even so. What a run costs differs
// by a factor of twenty from scenario to scenario: with laterRuns each, the dearest third had two thirds of the time.
const (
	usualRuns = 40
	leastRuns = 10
)

// One new scenario in freeShare is made of nothing, of those one in longShare long; the others are variations.
const (
	freeShare = 4
	longShare = 8
)

// worker runs items of one team.
type worker struct {
	*campaign
	*team
	*runner
	pcg   *rand.PCG
	rng   *rand.Rand // of pcg
	cpus  []int
	pace  pacer
	gen   *gen.Gen
	shown coverage.Set // by this turn
	items uint64       // that had a turn
	spent spent
	// recent are outcomes: by the number of their item, and its queue has them by shape.
	recent *coverage.Recent
	lost   int // turns in a row that lost the machine
}

// work is the life of worker n of a team, until ctx is done.
func (c *campaign) work(ctx context.Context, tm *team, n int) error {
	r, err := c.start(ctx, tm, tm.open(c, n))
	if err != nil && ctx.Err() != nil {
		return nil // the time was up before a machine had booted
	}
	if err != nil {
		return err
	}
	if !r.real {
		// The thread is locked, and dies with this goroutine because its priority is not what the others have.
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), engineNice); err != nil {
			return fmt.Errorf("lower the engine's priority: %w", err)
		}
	}
	g := gen.New(c.Seed)
	if !r.real {
		g = gen.NewEngine(c.Seed)
	}
	pcg := rand.NewPCG(c.Seed, uint64(n))
	w := &worker{campaign: c, team: tm, runner: r, gen: g, pcg: pcg, rng: rand.New(pcg), cpus: r.cpus(), recent: coverage.NewRecent(maxOutcomes)}
	seeds, stored := tm.share(tm.done, n, c.workers(tm))
	q := newQueue(w.rng, w.recent, func(parent *corpus.Scenario) *corpus.Scenario {
		switch n := w.rng.IntN(freeShare * longShare); {
		case n == 0:
			return g.Long()
		case n < longShare:
			return g.Free()
		}
		return g.Vary(parent)
	}, seeds, stored)
	console := listener{worker: n}
	for ctx.Err() == nil && err == nil && !w.madeEnough() {
		console.listen(c.out, tm.name, r.target)
		err = w.lease(ctx, q)
	}
	for _, it := range q.all() {
		if it.seed && it.verdicts.Runs > 0 {
			c.out.report(Ran{Scenario: it.scenario.Name, Target: tm.name, Verdicts: it.verdicts, First: it.first})
		}
	}
	w.board.ended(tm.name, r.target)
	return errors.Join(err, r.target.Close())
}

// madeEnough says whether the team has made as many runs as each is to make.
func (w *worker) madeEnough() bool { return w.board.madeEnough(w.count, w.Runs) }

// lease does some work, and puts it on record.
func (w *worker) lease(ctx context.Context, q *queue) error {
	for _, s := range w.inbox.take() {
		it := newItem(s.Scenario, s.prog)
		it.stored = true
		q.stored = append(q.stored, it)
	}
	l, err := w.leases.Take(ctx, w.pool, w.pace.size())
	if err != nil {
		if ctx.Err() != nil {
			return nil // a fleet waits
		}
		return err
	}
	start, seed := time.Now(), l.Lo
	for ; seed < l.Hi && err == nil && !w.madeEnough(); seed++ {
		w.pcg.Seed(l.stream(w.Seed, seed))
		w.gen.Reseed(w.rng.Uint64())
		if err = w.step(ctx, q, &l, seed); ctx.Err() != nil {
			break // what was cut short is not done
		}
	}
	w.pace.took(time.Since(start), seed-l.Lo)
	// What is cut short goes back even so: others need not wait until it counts as lost.
	derr := insist(ctx, func(ctx context.Context) error { return w.leases.Done(ctx, l, seed) })
	gone := (*LostLeaseError)(nil)
	if !errors.As(derr, &gone) { // somebody does it again: that matters to nobody
		err = errors.Join(err, derr)
	}
	if ctx.Err() == nil {
		w.save(false, "")
		if w.Fleet != nil {
			if cerr := w.Fleet.Count(ctx, w.board.summary()); ctx.Err() == nil { // else it is counted at the end
				err = errors.Join(err, cerr)
			}
		}
	}
	return err
}

// step does the work of one seed.
func (w *worker) step(ctx context.Context, q *queue, l *Lease, seed uint64) (err error) {
	var it *item
	if l.Strategy == workSeeds {
		it = w.seed(int(seed))
	} else {
		if q.empty() { // the others have got all seeds
			q.adopt(w.seedItems())
		}
		it = q.next()
	}
	if w.real || !w.crowded() {
		err = w.turn(ctx, it)
	} else {
		err = paced(ctx, engineShare, func() error { return w.turn(ctx, it) })
	}
	if err != nil {
		err = fmt.Errorf("run scenario %s on %s: %w", it.scenario.Name, w.name, err)
	}
	fresh, why := q.done(it, &w.shown)
	w.board.covered(w.count, fresh)
	if len(why) > 0 {
		w.gen.Keep(it.scenario)
		if !it.stored {
			err = errors.Join(err, w.keep(ctx, w.team, it.scenario, why))
		}
	}
	return err
}

// turn runs an item some times.
func (w *worker) turn(ctx context.Context, it *item) error {
	if it.runs == 0 && w.real {
		if profile := w.target.Profile(); !it.seed && unmodelled(it.prog, &profile) {
			it.dull = true
			it.runs++
			return nil
		}
	}
	if it.number == 0 {
		w.items++
		it.number = w.items
	}
	usual, most := w.spent.on(usualRuns), forever
	runs, cpus := it.spent.within(usual), w.cpus
	switch {
	case !w.real:
		runs, cpus = engineRuns, nil
	case it.runs == 0:
		runs, cpus = max(firstRuns, min(it.scenario.Repeats(), laterRuns)), nil
		if !it.seed {
			most = usual // it may cost more than others; to break a turn off wastes the runs that are on their way
		}
	}
	plan := it.plan(w.rng, runs, cpus)
	if !w.real {
		plan.Strategy = it.strategy(w.rng)
		if len(it.showed) > 0 && w.rng.IntN(2) == 0 {
			plan.Schedule = w.gen.Near(it.prog, w.target.Profile(), it.showed)
		}
	}
	sampling := w.real && it.delays.sampling()
	t := tally{program: it.runs == 0}
	start, before := time.Now(), it.runs
	w.shown.Clear()
	w.oracle.Marks = engine.Marks{}
	w.oracle.Covered.Clear()
	err := w.run(ctx, it.prog, plan, func(h *history.History, v *verdict) bool {
		t.count(&v.Verdict)
		it.verdicts.count(&v.Verdict)
		if h != nil {
			n := operations(it.prog, h)
			t.operations += n
			it.operations += n
			w.shown.AddBlocks(h)
			if it.note(h, w.recent) {
				t.outcomes++
				it.showed = append(it.showed[:0], h.Schedule...)
				w.shown.Observe(it.prog, h)
			}
			if sampling {
				it.delays.sample(h, w.machine.Ticks)
			}
		}
		switch {
		case v.Kind.Finding():
			it.dull = true
			it.first = cmp.Or(it.first, v.Title)
			w.sight(ctx, it, v, plan, h)
			return false
		case v.Kind == oracle.HangPredicted && w.real:
			it.dull = true // each such run costs a deadline
			return false
		}
		return it.runs-before < leastRuns || time.Since(start) < most
	})
	for _, s := range []*spent{&w.spent, &it.spent} {
		s.add(it.runs-before, time.Since(start))
	}
	if refused := (*stress.ProgramError)(nil); errors.As(err, &refused) {
		it.dull, err = true, nil // a variation that actors must not run
		it.runs++
	}
	if gone := (*vm.LostError)(nil); !errors.As(err, &gone) {
		w.lost = 0
	} else if w.lost++; w.lost < maxLost {
		w.out.report(Lost{Target: w.team.name, Scenario: it.scenario.Name, How: gone.Error()})
		it.dull, err = true, nil
		t.lost++
	}
	if sampling {
		it.delays.sampled()
	}
	t.marks = w.oracle.Marks
	w.shown.Merge(&w.oracle.Covered)
	w.board.add(w.count, &t)
	return err
}

// sight passes a violation on, once for each coarse signature; the others are only counted.
func (w *worker) sight(ctx context.Context, it *item, v *verdict, plan stress.Plan, h *history.History) {
	s := &sighting{finding: findingOf(v), item: it, target: w.team.name, plan: plan}
	if !w.sights.first(s, v.Kind) {
		return
	}
	s.plan.Schedule = slices.Clone(v.schedule)
	if h != nil {
		s.hist = h.Clone()
		s.plan.Delays = narrow(plan.Delays, h.Delays)
	}
	b, err := w.hold(s)
	w.failed(err)
	if err == nil && !w.mine(ctx, s, b) {
		return
	}
	w.board.sighted()
	w.sightings <- s
}

// narrow limits the ranges of a plan to the surroundings of the delays that one run had.
func narrow(ranges []stress.DelayRange, delays []int64) []stress.DelayRange {
	if len(delays) != len(ranges) {
		return ranges
	}
	out := make([]stress.DelayRange, len(delays))
	for c, d := range delays {
		// Jitter of the machine is part of every race: leave as much room as it takes.
		room := d/8 + 500
		out[c] = stress.DelayRange{Lo: max(d-room, 0), Hi: d + room}
	}
	return out
}

// operations counts the calls of the scenario's operations that a run made.
func operations(p *engine.Program, h *history.History) (n uint64) {
	for a := range h.Actors {
		for i := range h.Actors[a].Entries {
			if e := &h.Actors[a].Entries[i]; e.Kind == history.Call && p.Actors[a].Code[e.Instr].Src >= 0 {
				n++
			}
		}
	}
	return n
}
