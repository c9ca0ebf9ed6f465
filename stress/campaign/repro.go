package campaign

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
)

// Reproduced says whether a finding showed again.
type Reproduced struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
	Shown   bool   `json:"shown"`
	Runs    int    `json:"runs"`    // until it showed, or all
	Unknown int    `json:"unknown"` // runs that the checker could not decide
	Other   string `json:"other,omitempty"`
	Title   string `json:"title"`
	// Lanes is the run that showed it, drawn, and why it is one.
	Lanes string `json:"lanes,omitempty"`
}

// EventName implements Event.
func (Reproduced) EventName() string { return "repro" }

// Doubtful says that not showing means little: something else was seen, or every run was undecided.
func (r *Reproduced) Doubtful() bool {
	return !r.Shown && (r.Other != "" || r.Runs == 0 || r.Unknown == r.Runs)
}

// Repro runs a filed finding's scenario under its plan until it shows, at most times runs. target "" is where it was found.
func Repro(ctx context.Context, state, id, target string, times int) (*Reproduced, error) {
	c, p, err := loadCrasher(state, id)
	if err != nil {
		return nil, err
	}
	if target == "" {
		target = c.Target
	}
	r, err := newRunner(ctx, Open, target)
	if err != nil {
		return nil, err
	}
	t, err := r.try(ctx, c, p, times, times, 1)
	res := &Reproduced{ID: c.ID, Target: target, Title: c.Title, Shown: t.Hits > 0, Runs: t.Runs, Unknown: t.Unknown, Other: t.Other, Lanes: t.lanes}
	return res, errors.Join(err, r.close())
}

// lanes draws a run, if there is one, below the explanation of what it shows.
func lanes(p *engine.Program, h *history.History, explanation string) string {
	var b strings.Builder
	for line := range strings.Lines(explanation) {
		b.WriteString(history.Printable(strings.TrimRight(line, "\n")) + "\n")
	}
	if h != nil {
		b.WriteByte('\n')
		render.WriteLanes(&b, p, h) //nolint:errcheck // a Builder takes everything
	}
	return b.String()
}

// loadCrasher reads a crasher with its lowered scenario. id may be the beginning of one.
func loadCrasher(state, id string) (*crashers.Crasher, *engine.Program, error) {
	store, err := crashers.OpenReader(state)
	if err != nil {
		return nil, nil, err
	}
	return loadFrom(store, id)
}

// loadFrom loads a finding with its program. id is any beginning that is unique.
func loadFrom(store *crashers.Reader, id string) (*crashers.Crasher, *engine.Program, error) {
	full, err := store.Resolve(id)
	if err != nil {
		return nil, nil, err
	}
	c, err := store.Load(full)
	if err != nil {
		return nil, nil, err
	}
	s, err := corpus.Parse(store.Dir(full)+"/scenario.scn", c.Scenario)
	if err != nil {
		return nil, nil, fmt.Errorf("crasher %s: %w", full, err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		return nil, nil, fmt.Errorf("crasher %s: %w", full, err)
	}
	return c, p, nil
}

func (r *Reproduced) String() string {
	switch {
	case r.Shown:
		return fmt.Sprintf("%s on %s: shown by run %d: %s", r.ID, r.Target, r.Runs, history.Printable(r.Title))
	case r.Other != "":
		return fmt.Sprintf("%s on %s: cannot tell: %d runs showed something else: %s", r.ID, r.Target, r.Runs, history.Printable(r.Other))
	case r.Doubtful():
		return fmt.Sprintf("%s on %s: cannot tell: %d runs, %d of them undecided", r.ID, r.Target, r.Runs, r.Unknown)
	}
	return fmt.Sprintf("%s on %s: not shown by %d runs", r.ID, r.Target, r.Runs)
}
