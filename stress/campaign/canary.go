package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// Canary is a planted bug that a campaign looks for beside its work, in the way in which it looks for real ones: a suite that does
// not see it sees nothing.
type Canary struct {
	Bug     string  `json:"bug"`
	Found   bool    `json:"found"`
	Title   string  `json:"title,omitempty"` // what it was seen as
	Runs    int     `json:"runs"`
	Seconds float64 `json:"seconds"` // until it was seen, or in vain
}

// canaries are bugs that a few rounds of the seeds show, and only one of the oracles each: invariants, liveness, histories.
var canaries = []string{"siginfo-stays", "continued-lost", "blocked-signal-pending", "sigkill-no-exit-event", "event-stop-sigtrap"}

// canaryTime is how long a campaign must be for a canary that was not found to mean something.
const canaryTime = 2 * time.Minute

// drawCanary says which canary a campaign looks for.
func drawCanary(seed uint64) string { return canaries[seed%uint64(len(canaries))] }

// watchCanary hunts the campaign's canary, unless an earlier process saw it.
func (c *campaign) watchCanary(ctx context.Context) error {
	if c.board.canary != nil {
		return nil
	}
	canary, err := huntCanary(ctx, drawCanary(c.Seed), c.Seed)
	c.board.sawCanary(&canary)
	return err
}

// huntCanary runs the seeds on an engine with a canary until it is seen or ctx is done.
func huntCanary(ctx context.Context, bug string, seed uint64) (res Canary, err error) {
	res.Bug = bug
	seeds, rng, start := corpus.Seeds(), rand.New(rand.NewPCG(seed, 0)), time.Now()
	defer func() { res.Seconds = time.Since(start).Seconds() }()
	r, err := newRunner(ctx, Open, stress.KindEngine+":"+res.Bug)
	if err != nil {
		return res, err
	}
	defer r.target.Close() //nolint:errcheck // the engine has nothing to close
	// The thread is locked, and dies with this goroutine because its priority is not what the others have.
	if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), engineNice); err != nil {
		return res, fmt.Errorf("lower the canary's priority: %w", err)
	}
	for ctx.Err() == nil && !res.Found {
		for _, i := range rng.Perm(len(seeds)) {
			if unfit(seeds[i], r.target.Name(), &r.machine) != "" {
				continue
			}
			p, err := corpus.Lower(seeds[i])
			if err != nil {
				return res, err
			}
			err = r.run(ctx, p, stress.Plan{Seed: rng.Uint64(), Repeat: engineRuns}, func(_ *history.History, v *verdict) bool {
				res.Runs++
				if v.Kind.Finding() && v.Kind != oracle.Console {
					res.Found, res.Title = true, v.Title
				}
				return !res.Found
			})
			if err != nil || res.Found || ctx.Err() != nil {
				return res, err
			}
		}
	}
	return res, nil
}

// Missed says that the canary was not seen although there was time enough.
func (c *Canary) Missed() bool { return !c.Found && c.Seconds >= canaryTime.Seconds() }

// String is what a summary says of it.
func (c *Canary) String() string {
	switch {
	case c.Found:
		return fmt.Sprintf("canary: the planted bug %s was seen after %d runs, %.1f s", c.Bug, c.Runs, c.Seconds)
	case !c.Missed():
		return fmt.Sprintf("canary: the planted bug %s was not seen in %d runs; %.0f s are too few to say what that means", c.Bug, c.Runs, c.Seconds)
	}
	return fmt.Sprintf("CANARY NOT SEEN: the planted bug %s did not show in %d runs, %.0f s: this suite is broken, trust nothing that it did not find", c.Bug, c.Runs, c.Seconds)
}
