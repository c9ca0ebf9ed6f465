package campaign

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// Sampled is the last event of a sampling: what the runs were worth.
type Sampled struct {
	Scenario  string               `json:"scenario"`
	Strategy  string               `json:"strategy"`
	Seed      uint64               `json:"seed"`
	Runs      int                  `json:"runs"`
	Outcomes  int                  `json:"outcomes"`
	Seconds   float64              `json:"seconds"`
	Assurance []schedule.Assurance `json:"assurance,omitempty"`
}

// EventName implements Event.
func (Sampled) EventName() string { return "sampled" }

// sampled is one outcome of a sampling.
type sampled struct {
	hist *history.History
	runs int
}

// Sample makes runs of a scenario on the engine under a strategy, with every invariant checked, and reports the distinct
// outcomes, the most frequent first, each with a schedule that shows it.
func Sample(ctx context.Context, s *corpus.Scenario, profile engine.Profile, strategy string, runs int, seed uint64, out Reporter) error {
	p, err := corpus.Lower(s)
	if err != nil {
		return err
	}
	if _, err := schedule.Parse(strategy); err != nil {
		return fmt.Errorf("explore %s: %w", s.Name, err)
	}
	target := stress.NewEngineTarget(engine.Options{Check: true, Profile: profile})
	found := map[uint64]*sampled{}
	start, n := time.Now(), 0
	err = target.Run(ctx, p, stress.Plan{Seed: seed, Strategy: strategy, Repeat: runs}, func(h *history.History) bool {
		n++
		k := coverage.OutcomeOf(h)
		if found[k] == nil {
			found[k] = &sampled{hist: h.Clone()}
		}
		found[k].runs++
		return true
	})
	if err != nil {
		return fmt.Errorf("explore %s, run %d, --strategy replay:%s: %w", s.Name, n+1, target.Schedule(), err)
	}
	var outcomes []*sampled
	for _, o := range found {
		outcomes = append(outcomes, o)
	}
	slices.SortFunc(outcomes, func(a, b *sampled) int {
		if a.runs != b.runs {
			return b.runs - a.runs
		}
		return a.hist.Run - b.hist.Run
	})
	for i, o := range outcomes {
		e := Outcome{N: i + 1, Stuck: o.hist.Outcome == history.Stuck, Runs: o.runs, Schedule: schedule.Stream(o.hist.Schedule).String(),
			Calls: outcomeCalls(p, o.hist)}
		if err := out.Report(e); err != nil {
			return err
		}
	}
	if err := out.Report(Sampled{Scenario: s.Name, Strategy: strategy, Seed: seed, Runs: n, Outcomes: len(outcomes),
		Seconds: time.Since(start).Seconds(), Assurance: target.Assurance()}); err != nil {
		return err
	}
	return context.Cause(ctx)
}
