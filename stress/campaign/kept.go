package campaign

import (
	"context"
	"crypto/sha256"
	"fmt"

	"tracehammer/corpus"
	"tracehammer/stress/coverage"
)

// Kept is a variation that showed something for the first time: its queue has it from now on, and the state directory, too.
type Kept struct {
	Target   string   `json:"target"`
	Scenario string   `json:"scenario"` // its name
	Path     string   `json:"path,omitempty"`
	Why      []string `json:"why"`  // the first few of them, in words
	News     int      `json:"news"` // so many features that no other scenario of its worker had shown
}

// EventName implements Event.
func (Kept) EventName() string { return "kept" }

const (
	maxReasons = 8    // that a kept scenario's comment names
	maxKept    = 2000 // scenarios that one campaign writes for each target: the first ones are the most different
)

// keep files a variation with the reasons why it is kept.
func (c *campaign) keep(ctx context.Context, tm *team, s *corpus.Scenario, why []coverage.Feature) error {
	k := Kept{Target: tm.name, News: len(why)}
	outcomes := 0
	for _, f := range why {
		switch {
		case f.Kind == coverage.Outcome:
			outcomes++
		case len(k.Why) < maxReasons:
			k.Why = append(k.Why, f.String())
		}
	}
	if more := len(why) - outcomes - len(k.Why); more > 0 {
		k.Why = append(k.Why, fmt.Sprintf("%d more like these", more))
	}
	if outcomes > 0 {
		k.Why = append(k.Why, fmt.Sprintf("%d outcomes that no scenario with the same calls had", outcomes))
	}
	s = s.Clone()
	s.Canonical()
	s.Name = ""
	s.Name = fmt.Sprintf("kept-%x", sha256.Sum256(s.Print()))[:len("kept-")+12]
	k.Scenario = s.Name
	s.Before = keptComment(&k)
	if c.board.keeps(tm.count) {
		var err error
		if k.Path, err = c.store.Keep(tm.name, s.Name, s.Print()); err != nil {
			return err
		}
		if c.Fleet != nil {
			err := insist(ctx, func(ctx context.Context) error { return c.Fleet.Keep(ctx, tm.name, s.Name, s.Print()) }) // also for the next campaign
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	c.out.report(k)
	return nil
}

// keptComment says what a kept scenario showed first.
func keptComment(k *Kept) []string {
	lines := []string{"# Kept: on " + k.Target + " it was the first to show"}
	for _, w := range k.Why {
		lines = append(lines, "#   "+w)
	}
	return lines
}
