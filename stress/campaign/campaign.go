// Package campaign runs scenarios and their variations on targets until the time is up, has the oracle judge every run, and
// files what it finds; it also does what the other commands of stressd ask for: check, explore, repro, minimize, doctor.
//
// It never decides what is right (stress/oracle does) nor how a run is made (a stress.Target does), and it writes nothing
// outside the state directory.
//
// A campaign is a pool of workers, a few for each target, and one minimiser. Workers lease ranges of seeds; what a campaign did is
// put on record with each lease, so that after any end of the process another one goes on with it. Lock order: campaign.saving
// before any of board.mu, sights.mu, serial.mu, ledger.mu and trouble.mu, which are leaves, never held together.
package campaign

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/host"
	"tracehammer/vm"
)

// Config says what a campaign runs.
type Config struct {
	Targets   []string
	Scenarios []*corpus.Scenario
	Named     bool          // by the user: those that a target cannot have are reported as skipped
	For       time.Duration // 0: until ctx is done
	Runs      uint64        // of each target, after which the race is over before For is; 0: no such end. The turn in progress is finished
	Seed      uint64
	Drawn     bool               // nobody asked for this Seed: a campaign that goes on has its own
	Fresh     bool               // begin a new campaign, even if there is one to go on with
	Weights   map[string]float64 // of targets: shares of the workers; without one, 1
	Workers   int                // for each target of weight 1; 0: one for each two CPUs
	State     string
	Limits    Limits // what is 0 is as in DefaultLimits
	Fleet     Fleet  // nil: this process is alone
	ID        string // of a fleet's campaign; "": drawn
	Reporter  Reporter
	Open      Opener // nil: Open
}

// Interrupted is the cause of a context that a signal cancelled, and what a command returns after it stopped cleanly.
type Interrupted struct{ Signal syscall.Signal }

func (i Interrupted) Error() string { return "interrupted by " + i.Signal.String() }

const (
	progressEvery = 200 * time.Millisecond
	// lastWords is how long confirming and minimising may go on after the race is over.
	lastWords = 5 * time.Second
)

// campaign is a running campaign.
type campaign struct {
	Config
	id        string
	about     string        // what it is about
	before    time.Duration // that it ran in other processes
	out       *serial
	store     *crashers.Store
	board     *board
	sights    *sights
	ledger    *alone
	leases    Leases // the ledger, or a fleet's
	teams     []*team
	probed    []*team // and those that have nothing to run
	sightings chan *sighting
	pending   []*sighting // of an earlier process, which did not come to file them

	saving  sync.Mutex // held while the record is written
	unsaved error      // why the last one could not be; guarded by saving
	// seenAgain is when further sightings were last counted; guarded by saving.
	seenAgain time.Time
	trouble   trouble
}

// trouble keeps the first error of what a campaign can do without for now: it is told at the end.
type trouble struct {
	mu  sync.Mutex // a leaf
	err error
}

func (c *campaign) failed(err error) {
	if err == nil {
		return
	}
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	if c.trouble.err == nil {
		c.trouble.err = err
	}
}

// team is the workers of one target.
type team struct {
	name    string
	index   uint64
	seeds   []seedScenario
	done    []int          // those of them that an earlier process ran
	stored  []seedScenario // what earlier campaigns kept
	pool    string         // what its seeds are leased as
	inbox   inbox          // what others of a fleet keep
	count   *Count         // guarded by board.mu
	symbols string         // file of the kernel with its symbols; "" if none is known
	where   stress.Machine // that the target was on when it was probed
	ready   stress.Target  // for the first worker, which closes it; nil for one that it opens
}

// team is that of a target; nil if this campaign does not run it.
func (c *campaign) team(name string) *team {
	for _, tm := range c.teams {
		if tm.name == name {
			return tm
		}
	}
	return nil
}

// open opens the target for worker n.
func (t *team) open(c *campaign, n int) Opener {
	return func(ctx context.Context, name string) (stress.Target, error) {
		if r := t.ready; n == 0 && r != nil {
			t.ready = nil
			return r, nil
		}
		return c.Open(ctx, name)
	}
}

// seedScenario is a scenario to begin with, and what it is marked to show on the team's target.
type seedScenario struct {
	*corpus.Scenario
	prog  *engine.Program
	known []corpus.KnownBug
}

// seed makes an item of a seed scenario.
func (t *team) seed(n int) *item {
	s := &t.seeds[n]
	it := newItem(s.Scenario, s.prog)
	it.seed, it.known = true, s.known
	return it
}

// seedItems makes items of all seed scenarios.
func (t *team) seedItems() (all []*item) {
	for n := range t.seeds {
		all = append(all, t.seed(n))
	}
	return all
}

// share is the seeds that one of several workers begins with, because an earlier process ran them, and what earlier campaigns kept
// that it runs in between.
func (t *team) share(done []int, worker, workers int) (seeds, stored []*item) {
	for _, n := range part(done, worker, workers) {
		seeds = append(seeds, t.seed(n))
	}
	for _, s := range part(t.stored, worker, workers) {
		it := newItem(s.Scenario, s.prog)
		it.stored = true
		stored = append(stored, it)
	}
	return seeds, stored
}

// part is what one of several workers gets. With less than there are workers each gets all.
func part[T any](all []T, worker, workers int) (mine []T) {
	for i, s := range all {
		if len(all) < workers || i%workers == worker {
			mine = append(mine, s)
		}
	}
	return mine
}

// Run runs a campaign to its end. The Summary is good even when an error comes with it.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	store, err := crashers.Open(cfg.State)
	if err != nil {
		return Summary{}, err
	}
	defer store.Close()
	if cfg.Open == nil {
		cfg.Open = Open
	}
	if cfg.Workers <= 0 {
		cfg.Workers = max(1, runtime.NumCPU()/2)
	}
	cfg.Limits = cfg.Limits.or(DefaultLimits)
	defer limitMemory(cfg.Limits.Memory)()
	status := &statusReporter{write: func(b []byte) error { return store.Note(statusFile, b) }}
	c := &campaign{Config: cfg, out: &serial{r: Tee{cfg.Reporter, status}}, store: store, sightings: make(chan *sighting, 1024)}
	c.board, c.sights, c.ledger = newBoard(), newSights(), &alone{}
	if c.id = cfg.ID; c.id == "" {
		c.id = newID(c.board.began)
	}
	if c.leases = Leases(c.ledger); cfg.Fleet != nil {
		c.leases = cfg.Fleet
	}
	m := host.Kernel()
	c.about = workOf(c.Targets, c.Scenarios, m.String())
	rec, why, err := c.resume()
	if err == nil && rec != nil {
		err = c.goOn(rec)
	}
	if err != nil {
		return Summary{}, err
	}
	defer func() {
		for _, tm := range c.probed {
			if tm.ready != nil {
				tm.ready.Close() //nolint:errcheck // it never ran anything
			}
		}
	}()
	if c.Fleet != nil {
		if err := c.begin(ctx); err != nil {
			return Summary{}, err
		}
	}
	if err := c.assemble(ctx); err != nil {
		return Summary{}, err
	}
	c.out.report(Start{Campaign: c.id, Kernel: m.String(), Targets: cfg.Targets, Scenarios: len(cfg.Scenarios), Seed: c.Seed,
		Workers: cfg.Workers, Seconds: cfg.For.Seconds(), Runs: cfg.Runs, State: cfg.State, Before: c.before.Seconds(), Began: c.board.began,
		Limits: cfg.Limits, Tasks: c.tasks(), Anew: why})
	c.save(false, "") // from here on it can be gone on with
	err = c.race(ctx)
	c.lastAgain()
	err = errors.Join(err, c.end(err == nil && ctx.Err() == nil), c.trouble.err)
	sum := c.board.summary()
	c.code(&sum)
	c.describe(&sum)
	var i Interrupted
	if errors.As(context.Cause(ctx), &i) {
		sum.Interrupted = i.Signal.String()
		err = errors.Join(err, i)
	}
	c.save(err == nil, sum.Interrupted)
	err = errors.Join(err, c.unsaved, recordSummary(cfg.State, sum))
	c.out.report(sum)
	if sum.Canary != nil && sum.Canary.Missed() {
		err = errors.Join(err, errors.New(sum.Canary.String()))
	}
	return sum, errors.Join(err, c.out.err)
}

// describe says of a summary whose it is.
func (c *campaign) describe(sum *Summary) { sum.ID, sum.Targets, sum.Seed = c.id, c.Targets, c.Seed }

// workers is how many workers a team has.
func (c *campaign) workers(tm *team) int {
	weight, ok := c.Weights[tm.name]
	if !ok {
		weight = 1
	}
	return max(1, int(math.Round(float64(c.Workers)*weight)))
}

// tasks is how many tasks actors may be on this machine's kernel at a time: those of the workers and of the minimiser.
func (c *campaign) tasks() (n int) {
	for _, tm := range c.teams {
		if kind, _, _ := stress.TargetName(tm.name); kind == stress.KindHost {
			n += host.MaxTasks * (c.workers(tm) + 1)
		}
	}
	return n
}

// assemble probes the targets and fills their queues. It fails when no target can run.
func (c *campaign) assemble(ctx context.Context) error {
	var unusable error
	var firstUnfit error
	unfits := 0
	for n, name := range c.Targets {
		t, err := c.Open(ctx, name)
		var m stress.Machine
		var ready stress.Target
		var symbols string
		if err == nil {
			m = machineOf(t)
			if v, is := t.(*vm.Target); is {
				symbols = v.Symbols()
				ready = t // it took long to boot, and depends on no thread: the first worker has it
			} else {
				err = t.Close()
			}
		}
		if err != nil {
			if !stress.IsEnv(err) {
				return err
			}
			unusable = errors.Join(unusable, fmt.Errorf("target %s: %w", name, err))
			c.skip(Skip{Target: name, Reason: err.Error()})
			continue
		}
		tm := &team{name: name, index: uint64(n), count: c.board.team(name), where: m, symbols: symbols, ready: ready}
		c.probed = append(c.probed, tm)
		for _, s := range c.Scenarios {
			if s.EngineOnly() && !c.Named && !stress.Simulated(name) {
				continue // seeds for the engine are nothing that a kernel lacks
			}
			if reason := unfit(s, name, &m); reason != "" {
				c.skip(Skip{Target: name, Scenario: s.Name, Reason: reason})
				if unfits++; unfits == 1 {
					firstUnfit = fmt.Errorf("%s on %s: %s", s.Name, name, reason)
				}
				continue
			}
			p, err := corpus.Lower(s)
			if err != nil {
				return err
			}
			tm.seeds = append(tm.seeds, seedScenario{s, p, knownBugs(s, name, &m)})
		}
		if !c.Named {
			if err := c.restore(tm, &m); err != nil {
				return err
			}
		}
		if len(tm.seeds) > 0 {
			tm.pool = tm.poolName()
			c.ledger.Team(tm.pool, len(tm.seeds))
			if err := c.loadCovered(tm.count); err != nil {
				return fmt.Errorf("read what was covered on %s: %w", name, err)
			}
			tm.done = c.ledger.done(tm.pool)
			if c.Fleet != nil {
				if err := c.Fleet.Team(ctx, tm.pool, len(tm.seeds)); err != nil {
					return err
				}
			}
			c.teams = append(c.teams, tm)
		}
	}
	switch {
	case len(c.teams) > 0:
		return c.loadPending()
	case unusable == nil && unfits > 0:
		return &stress.EnvError{What: fmt.Sprintf("nothing to run, all %d scenarios are skipped, the first of them", unfits), Err: firstUnfit}
	}
	return unusable
}

// restore adds what earlier campaigns kept on the target, drawn among it if there is much. What is not for this machine came from
// another one, and is left there.
func (c *campaign) restore(tm *team, m *stress.Machine) error {
	files, err := c.store.Kept(tm.name)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(c.Seed, tm.index))
	rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, f := range files[:min(len(files), maxKept)] {
		s, err := loadOne(f)
		if err != nil {
			c.skip(Skip{Target: tm.name, Scenario: filepath.Base(f), Reason: err.Error()})
			continue
		}
		if unfit(s, tm.name, m) != "" {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			return err
		}
		tm.stored = append(tm.stored, seedScenario{s, p, nil})
	}
	return nil
}

func (c *campaign) skip(s Skip) {
	c.board.skipped()
	c.out.report(s)
}

// race runs the workers until the time is up or ctx is done, and the minimiser until it has filed what they saw.
func (c *campaign) race(ctx context.Context) error {
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if c.For > 0 {
		var cancel context.CancelFunc
		run, cancel = context.WithTimeout(run, c.For-c.before)
		defer cancel()
	}
	late, stopLate := context.WithCancel(ctx)
	defer stopLate()
	// Whatever ends the race: the one that began a fleet's campaign waits for the others' findings no longer than shareTime.
	defer context.AfterFunc(run, func() {
		if last, end := c.lastWords(); end {
			time.AfterFunc(last, stopLate)
		}
	})()
	var done sync.WaitGroup
	ticking, stopTicking := context.WithCancel(context.Background())
	done.Go(func() { c.tick(ticking) })
	done.Go(func() { c.failed(c.watchDisk(ticking)) })
	done.Go(func() {
		if err := watchMemory(ticking, c.Limits.Memory, memoryEvery, heldMemory); err != nil {
			c.failed(err)
			stop(err)
		}
	})
	filing := make(chan error, 1)
	go func() { filing <- guard("minimiser", func() error { return c.file(late) }) }()

	beside := pool.New().WithErrors()
	beside.Go(func() error { return guard("canary", func() error { return c.watchCanary(run) }) })
	if c.Fleet != nil {
		beside.Go(func() error { return guard("fleet", func() error { return c.follow(run, stop) }) })
		beside.Go(func() error { return guard("fleet", func() error { return c.adopt(run) }) })
	}
	workers := pool.New().WithErrors()
	for _, tm := range c.teams {
		for n := range c.workers(tm) {
			workers.Go(func() error {
				name := fmt.Sprintf("worker %d of target %s", n, tm.name)
				err := guard(name, func() error { return c.work(run, tm, n) })
				if err != nil {
					stop(err) // the others have no reason to go on: the campaign is broken
				}
				return err
			})
		}
	}
	err := workers.Wait()
	stop(nil)
	err = errors.Join(err, beside.Wait())
	close(c.sightings)
	err = errors.Join(err, <-filing)
	stopTicking()
	done.Wait()
	return err
}

// lastWords is how long confirming and minimising may go on now that the race is over; until they are done, if end is false.
func (c *campaign) lastWords() (last time.Duration, end bool) {
	switch {
	case slices.ContainsFunc(c.teams, func(tm *team) bool { return !c.board.madeEnough(tm.count, c.Runs) }):
		return lastWords, true // the time is up, or it was stopped
	case c.For == 0:
		return 0, false
	}
	return max(lastWords, c.For-c.board.ran()), true
}

// guard turns a panic into an error: a bug of ours, never a finding.
func guard(what string, f func() error) error {
	var err error
	if r := panics.Try(func() { err = f() }); r != nil {
		return fmt.Errorf("internal error: %s: %w", what, r.AsError())
	}
	return err
}

// tick reports progress until ctx is done.
func (c *campaign) tick(ctx context.Context) {
	t := time.NewTicker(progressEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.out.report(c.board.progress(c.For, c.Runs))
		}
	}
}
