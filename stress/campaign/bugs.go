package campaign

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc/pool"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/power"
)

// PlantedBug is one of the mistakes that the engine can be told to make, as an event.
type PlantedBug struct {
	Bug    string `json:"bug"`
	Source string `json:"source"` // row of the list of known bugs, or the rule, invariant or quirk that it breaks
	Doc    string `json:"doc"`
}

// BugHunted says what became of the hunt of one planted bug.
type BugHunted struct {
	Bug    string `json:"bug"`
	Source string `json:"source"`
	Found  bool   `json:"found"`
	// First is the oracle that saw it first; SeenBy says for each that saw it by which schedule.
	First      string                `json:"first,omitempty"`
	SeenBy     map[power.Oracle]seen `json:"seenBy,omitempty"`
	Schedules  int                   `json:"schedules"` // until it was seen first, or all
	Seconds    float64               `json:"seconds"`   // likewise, of one CPU
	Operations int                   `json:"operations,omitempty"`
	Actors     int                   `json:"actors,omitempty"`
	// Preemptions of the run of the minimal scenario that shows it; negative: there is no such run.
	Preemptions int    `json:"preemptions"`
	Schedule    string `json:"schedule,omitempty"` // that run, in words
	// Drifted says why the minimal scenario may be another bug's; empty: its run shows what was seen first, and nothing without the
	// bug.
	Drifted  string `json:"drifted,omitempty"`
	Seed     string `json:"seed,omitempty"`   // the scenario that it began with
	Varied   bool   `json:"varied,omitempty"` // a variation of the seed showed it, not the seed itself
	Title    string `json:"title,omitempty"`
	Scenario string `json:"scenario,omitempty"` // minimal
}

type seen struct {
	Schedule int    `json:"schedule"`
	Title    string `json:"title"`
}

// BugsSummary is the last event of a hunt of planted bugs.
type BugsSummary struct {
	Bugs      int                  `json:"bugs"`
	Found     int                  `json:"found"`
	Missed    []string             `json:"missed"`
	SeenBy    map[power.Oracle]int `json:"seenBy"` // bugs that each oracle saw
	Only      map[power.Oracle]int `json:"only"`   // bugs that no other one saw
	Schedules int                  `json:"schedules"`
	// Of the minimal scenarios: operations of the median one, and bugs whose one may be another bug's.
	MedianOperations int      `json:"medianOperations"`
	Drifted          []string `json:"drifted"`
	Seconds          float64  `json:"seconds"`
	Seed             uint64   `json:"seed"`
	Workers          int      `json:"workers"`
}

// EventName implements Event.
func (PlantedBug) EventName() string  { return "planted-bug" }
func (BugHunted) EventName() string   { return "bug-hunted" }
func (BugsSummary) EventName() string { return "bugs-summary" }

// ListBugs reports planted bugs.
func ListBugs(bugs []engine.Bug, out Reporter) error {
	for _, b := range bugs {
		if err := out.Report(PlantedBug{b.String(), b.Source(), b.Doc()}); err != nil {
			return err
		}
	}
	return nil
}

// BugsConfig says how to hunt planted bugs.
type BugsConfig struct {
	Bugs      []engine.Bug
	Scenarios []*corpus.Scenario
	For       time.Duration // in total
	Seed      uint64
	Workers   int // 0: one for each CPU
	Reporter  Reporter
}

// maxBugMinimise bounds the minimising of one planted bug's scenario.
const maxBugMinimise = 10 * time.Second

// bugHunt is a hunt of planted bugs under way. mu guards what follows it; it is a leaf.
type bugHunt struct {
	BugsConfig
	quarry *power.Quarry
	until  time.Time
	mu     sync.Mutex
	out    *serial
	sum    BugsSummary
	missed []engine.Bug
	sizes  []int                        // operations of the minimal scenarios
	spent  map[engine.Bug]*power.Hunted // of those missed so far
}

// HuntBugs hunts every bug: first each for its share of the time, then those that nobody saw for what the others left.
func HuntBugs(ctx context.Context, cfg BugsConfig) (BugsSummary, error) {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.NumCPU()
	}
	q, err := power.NewQuarry(cfg.Scenarios)
	if err != nil {
		return BugsSummary{}, err
	}
	start := time.Now()
	h := &bugHunt{BugsConfig: cfg, quarry: q, until: start.Add(cfg.For), out: &serial{r: cfg.Reporter}, spent: map[engine.Bug]*power.Hunted{}}
	h.sum = BugsSummary{Bugs: len(cfg.Bugs), Seed: cfg.Seed, Workers: cfg.Workers, Missed: []string{}, Drifted: []string{},
		SeenBy: map[power.Oracle]int{}, Only: map[power.Oracle]int{}}
	err = h.round(ctx, cfg.Bugs, cfg.Seed, false)
	if again := h.missed; err == nil && len(again) > 0 {
		h.missed = nil
		err = h.round(ctx, again, cfg.Seed+1, true)
	}
	h.sum.Seconds = time.Since(start).Seconds()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return h.sum, err
	}
	if slices.Sort(h.sizes); len(h.sizes) > 0 {
		h.sum.MedianOperations = h.sizes[len(h.sizes)/2]
	}
	h.out.report(h.sum)
	return h.sum, h.out.err
}

// round hunts each of bugs for its share of the time that is left.
func (h *bugHunt) round(ctx context.Context, bugs []engine.Bug, seed uint64, last bool) error {
	workers := pool.New().WithErrors().WithMaxGoroutines(h.Workers)
	share := time.Duration(0)
	if len(bugs) > 0 {
		share = time.Until(h.until) * time.Duration(min(h.Workers, len(bugs))) / time.Duration(len(bugs))
	}
	for _, b := range bugs {
		workers.Go(func() error {
			return guard("hunt of "+b.String(), func() error {
				if ctx.Err() != nil {
					return nil
				}
				res, err := power.NewHunter(b).Hunt(ctx, h.quarry, power.Limits{Time: min(share, time.Until(h.until)), Minimise: maxBugMinimise, Seed: seed})
				if err != nil {
					return err
				}
				h.done(&res, last)
				return nil
			})
		})
	}
	return workers.Wait()
}

// done counts and reports the end of a hunt. One that saw nothing is reported only when no further one follows.
func (h *bugHunt) done(r *power.Hunted, last bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sum.Schedules += r.Schedules
	if before := h.spent[r.Bug]; before != nil {
		r.Schedules, r.Time = r.Schedules+before.Schedules, r.Time+before.Time
	}
	if !r.Found && !last {
		h.missed, h.spent[r.Bug] = append(h.missed, r.Bug), r
		return
	}
	e := BugHunted{Bug: r.Bug.String(), Source: r.Bug.Source(), Found: r.Found, Schedules: r.Schedules, Seconds: r.Time.Seconds(),
		Preemptions: -1, Drifted: r.Drifted}
	if !r.Found {
		h.sum.Missed = append(h.sum.Missed, e.Bug)
		h.out.report(e)
		return
	}
	h.sum.Found++
	h.sizes = append(h.sizes, r.Scenario.NumOps())
	if r.Drifted != "" {
		h.sum.Drifted = append(h.sum.Drifted, e.Bug)
	}
	if r.Exact != nil {
		e.Preemptions, e.Schedule = r.Exact.Preemptions(), r.Words
	}
	e.First, e.Seed, e.Varied, e.Title, e.SeenBy = r.First.String(), r.Seed, r.Varied, r.Title, map[power.Oracle]seen{}
	e.Operations, e.Actors, e.Scenario = r.Scenario.NumOps(), len(r.Scenario.Actors), string(r.Scenario.Print())
	for o := range power.NumOracles {
		if c := r.By[o]; c.Schedule != 0 {
			e.SeenBy[o] = seen{c.Schedule, c.Title}
			h.sum.SeenBy[o]++
		}
	}
	if len(e.SeenBy) == 1 {
		h.sum.Only[r.First]++
	}
	h.out.report(e)
}

// BugsText shows planted bugs, and hunts of them, to people.
type BugsText struct{ Out io.Writer }

// Report implements Reporter.
func (t BugsText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case PlantedBug:
		fmt.Fprintf(&b, "%-31s  %-7s  %s\n", e.Bug, e.Source, e.Doc)
	case BugHunted:
		if !e.Found {
			fmt.Fprintf(&b, "%-31s  MISSED  after %d schedules, %.2f s\n", e.Bug, e.Schedules, e.Seconds)
			break
		}
		var also []string
		for o := range power.NumOracles {
			if _, ok := e.SeenBy[o]; ok && o.String() != e.First {
				also = append(also, o.String())
			}
		}
		by := "by " + e.First
		if len(also) > 0 {
			by += ", also " + strings.Join(also, ", ")
		}
		from := e.Seed
		if e.Varied {
			from = "a variation of " + from
		}
		fmt.Fprintf(&b, "%-31s  found  %6d schedules %8.3f s  %2d operations %2d actors %2d preemptions  %s (%s): %s\n",
			e.Bug, e.Schedules, e.Seconds, e.Operations, e.Actors, e.Preemptions, by, from, history.Printable(e.Title))
		if e.Drifted != "" {
			fmt.Fprintf(&b, "%-31s  DRIFTED %s\n", "", history.Printable(e.Drifted))
		}
	case BugsSummary:
		fmt.Fprintf(&b, "%d of %d planted bugs found (%.1f %%) in %.0f s by %d workers, %d schedules, seed %d\n",
			e.Found, e.Bugs, 100*float64(e.Found)/float64(max(e.Bugs, 1)), e.Seconds, e.Workers, e.Schedules, e.Seed)
		for o := range power.NumOracles {
			fmt.Fprintf(&b, "  seen by %-11s %d, by nothing else %d\n", o.String()+":", e.SeenBy[o], e.Only[o])
		}
		fmt.Fprintf(&b, "minimal scenarios: %d operations in the median, %d may be another bug's\n", e.MedianOperations, len(e.Drifted))
		if len(e.Missed) > 0 {
			fmt.Fprintf(&b, "missed: %s\n", strings.Join(e.Missed, ", "))
		}
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}
