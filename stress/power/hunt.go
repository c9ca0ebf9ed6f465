package power

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/stress"
	"tracehammer/stress/schedule"
	"tracehammer/stress/steer"
)

// Quarry is what a hunt starts from: the scenarios, lowered once. It is only read, so hunters may share it.
type Quarry struct {
	scenarios []*corpus.Scenario
	programs  []*engine.Program
}

// NewQuarry lowers the scenarios.
func NewQuarry(scenarios []*corpus.Scenario) (*Quarry, error) {
	q := &Quarry{scenarios: scenarios}
	for _, s := range scenarios {
		p, err := corpus.Lower(s)
		if err != nil {
			return nil, fmt.Errorf("lower scenario %s: %w", s.Name, err)
		}
		q.programs = append(q.programs, p)
	}
	return q, nil
}

// Limits bound a hunt, and say how it goes.
type Limits struct {
	Time      time.Duration // for everything; of it half is kept for the minimising, once the bug is found
	Minimise  time.Duration // of it for the minimising, at most
	Schedules int           // 0: as many as the time allows. With a bound, and time enough, a hunt repeats exactly
	Plain     bool          // seeds alone, without variations of them, and no minimising
	Stop      func() bool   // nil, or asked before each turn whether it was long enough
	FirstOnly bool          // stop when one oracle has seen it; else the others get their chance, too
	Seed      uint64        // of the schedules and variations
}

// Hunted says how the hunt of one bug ended.
type Hunted struct {
	Bug   engine.Bug
	Found bool
	First Oracle             // who saw it first, if Found
	By    [NumOracles]Caught // who else did, until the hunt ended
	// Schedules is how many were run until it was seen first, or all; Time is how long that took, of one CPU.
	Schedules int
	Time      time.Duration
	// Scenario is the minimal scenario that shows it to First; Seed is the seed scenario, or the parent of the variation, that
	// it was made of.
	Scenario *corpus.Scenario
	Exact    *steer.Run // the run that does, nil if the minimising got to none
	Words    string     // tells it
	Drifted  string     // why the minimal scenario may be another bug's; "": its run shows what was seen, and nothing without the bug
	Seed     string
	Varied   bool // no seed showed it, a variation did
	Title    string
}

// Caught says when an oracle saw a bug: the number of the schedule, 0 if it did not.
type Caught struct {
	Schedule int
	Title    string
}

const (
	// perTurn is how many schedules a scenario gets before the next one's turn.
	perTurn = 4
	// roundsAfter is how many more rounds over all seeds are looked through for what the other oracles see.
	roundsAfter = 1
	// seedRounds is how many rounds pass before variations get every second turn.
	seedRounds = 6
)

// hunt is one hunt under way.
type hunt struct {
	*Hunter
	*Quarry
	Limits
	ctx   context.Context
	rng   *rand.Rand
	start time.Time
	vary  *gen.Gen
	res   Hunted
	at    sighting
}

// sighting is where the bug was seen first.
type sighting struct {
	scenario *corpus.Scenario
	finding  crashers.Finding
	stream   schedule.Stream
}

// Hunt looks for the hunter's bug until an oracle has seen it and the others had their chance, or the time is up.
func (h *Hunter) Hunt(ctx context.Context, q *Quarry, l Limits) (Hunted, error) {
	limited, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	j := &hunt{Hunter: h, Quarry: q, Limits: l, ctx: limited, start: time.Now(), rng: rand.New(rand.NewPCG(l.Seed, uint64(h.bug))),
		vary: gen.New(l.Seed ^ uint64(h.bug)<<32), res: Hunted{Bug: h.bug}}
	err := j.search()
	if err == nil && j.res.Found && !j.Plain {
		err = j.minimise(ctx)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("hunt %v: %w", h.bug, err)
	}
	return j.res, err
}

// search runs rounds over the seeds, then over seeds and variations of them.
func (j *hunt) search() error {
	n := 0
	order := j.rng.Perm(len(j.scenarios))
	for round, last := 0, -1; last < 0 || round <= last; round++ {
		for _, i := range order {
			s, p, varied := j.scenarios[i], j.programs[i], false
			if j.Stop != nil && j.Stop() {
				return nil
			}
			if round >= seedRounds && !j.Plain && j.rng.IntN(2) == 0 {
				if v := j.vary.Vary(s); v != nil {
					if vp, err := corpus.Lower(v); err == nil {
						s, p, varied = v, vp, true
					}
				}
			}
			for range perTurn {
				if j.ctx.Err() != nil || j.res.Found && time.Since(j.start) > j.Time/2 || j.allSaw() || j.res.Found && j.FirstOnly || j.Schedules > 0 && n >= j.Schedules {
					return nil
				}
				n++
				if err := j.try(s, p, n, varied, j.scenarios[i].Name); err != nil {
					return err
				}
			}
		}
		if j.res.Found && last < 0 {
			last = round + roundsAfter
		}
	}
	return nil
}

func (j *hunt) allSaw() bool {
	return !slices.ContainsFunc(j.res.By[:], func(c Caught) bool { return c.Schedule == 0 })
}

// try runs schedule n.
func (j *hunt) try(s *corpus.Scenario, p *engine.Program, n int, varied bool, parent string) error {
	seed := j.rng.Uint64()
	seen, err := j.Try(j.ctx, p, seed)
	if err != nil {
		return err
	}
	for o := range NumOracles {
		f, ok := seen.By(o)
		if !ok || j.res.By[o].Schedule != 0 {
			continue
		}
		j.res.By[o] = Caught{n, f.Title}
		if !j.res.Found {
			j.res.Found, j.res.First, j.res.Title, j.res.Seed, j.res.Varied = true, o, f.Title, parent, varied
			j.res.Schedules, j.res.Time, j.res.Scenario = n, time.Since(j.start), s
			j.at = sighting{s, f, seen.streams[o]}
		}
	}
	if !j.res.Found {
		j.res.Schedules, j.res.Time = n, time.Since(j.start)
	}
	return nil
}

// minimise makes the scenario of the first sighting small. One that does not show it again stays as it is.
func (j *hunt) minimise(ctx context.Context) error {
	left := min(j.Minimise, j.Time-time.Since(j.start))
	if left <= 0 {
		return nil
	}
	m := crashers.Minimiser{Check: j.Hunter, Time: left}
	res, err := m.Run(ctx, j.at.scenario, stress.Plan{Schedule: j.at.stream}, j.at.finding)
	if errors.Is(err, crashers.ErrNotShown) {
		return nil
	}
	if err != nil {
		return err
	}
	j.res.Scenario, j.res.Exact, j.res.Words = res.Scenario, res.Exact, res.Words()
	j.res.Drifted, err = j.drifted(ctx, res)
	return err
}

// drifted says why a minimal scenario may show something else than what was seen first.
func (j *hunt) drifted(ctx context.Context, m *crashers.Minimal) (string, error) {
	p, err := corpus.Lower(m.Scenario)
	if err != nil {
		return "", err
	}
	with, err := newHunter(j.bug, j.bugs).Replay(ctx, p, m.Plan.Schedule, &j.at.finding)
	if err != nil {
		return "", err
	}
	without, err := newHunter(j.bug, engine.BugSet{}).try(ctx, p, stress.Plan{Schedule: m.Plan.Schedule, Repeat: 1})
	switch {
	case err != nil:
		return "", err
	case with.Hits == 0:
		return "its run does not show " + j.at.finding.Title, nil
	case with.Finding.Coarse() != j.at.finding.Coarse():
		return fmt.Sprintf("its run shows %s, not %s", with.Finding.Coarse(), j.at.finding.Coarse()), nil
	case without.Any():
		return "its run shows something without the bug as well", nil
	}
	return "", nil
}

// Tally counts, over perSeed schedules of each scenario, how often each oracle sees the hunter's bug, and where best.
func (h *Hunter) Tally(ctx context.Context, q *Quarry, perSeed int) (Tally, error) {
	t := Tally{PerSeed: perSeed}
	for i, p := range q.programs {
		any := 0
		for k := range perSeed {
			seen, err := h.Try(ctx, p, uint64(7+k))
			if err != nil {
				return t, fmt.Errorf("tally %v: %s: %w", h.bug, q.scenarios[i].Name, err)
			}
			t.Schedules++
			for o := range NumOracles {
				if seen.by[o] {
					t.By[o]++
				}
			}
			if seen.Any() {
				any++
			}
		}
		t.Any += any
		if any > t.Best {
			t.Best, t.BestSeed = any, q.scenarios[i].Name
		}
	}
	return t, nil
}

// Tally is how often the oracles saw a bug.
type Tally struct {
	Schedules int
	PerSeed   int
	By        [NumOracles]int
	Any       int
	Best      int    // of PerSeed schedules of the scenario that shows it best
	BestSeed  string // which that is
}
