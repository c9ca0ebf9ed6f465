package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// MarkConfig says what to write of a finding.
type MarkConfig struct {
	ID       string
	State    crashers.State // StateUnread: as it is
	Of       string         // of a duplicate
	Owner    *string        // nil: as it is; "" nobody
	Note     string         // added to the notes
	StateDir string
	Target   string // close as fixed: where runs must not show it; "" is where it was found
	Reporter Reporter
}

// Marked says what is said of a finding now, as an event.
type Marked struct {
	ID string `json:"id"`
	crashers.Status
	Title string `json:"title"`
	// Trial is the runs that did not show it any more, of one that was closed as fixed.
	Trial *Trial `json:"trial,omitempty"`
}

// Closing says which runs must not show a finding that is to be closed as fixed, before they are made.
type Closing struct {
	ID     string  `json:"id"`
	Target string  `json:"target"`
	Kernel string  `json:"kernel"`
	Arch   string  `json:"arch"`
	Runs   int     `json:"runs"`
	Missed float64 `json:"missed"` // chance that they miss it
	Rate   string  `json:"rate"`   // as filed
}

// EventName implements Event.
func (Marked) EventName() string  { return "marked" }
func (Closing) EventName() string { return "closing" }

// StillShowsError: a run that was made to show a finding gone showed it.
type StillShowsError struct {
	ID, Target string
	Run        int
}

func (e *StillShowsError) Error() string {
	return fmt.Sprintf("close %s: it is not fixed: run %d on %s shows it", e.ID, e.Run, history.Printable(e.Target))
}

// Mark writes what people say of a finding. To close one as fixed takes runs that do not show it.
func Mark(ctx context.Context, cfg MarkConfig) error {
	m, err := crashers.OpenMarks(cfg.StateDir)
	if err != nil {
		return err
	}
	id, err := m.Resolve(cfg.ID)
	if err != nil {
		return err
	}
	meta, err := m.Meta(id)
	if err != nil {
		return err
	}
	now := time.Now()
	done := Marked{ID: id, Title: meta.Title}
	switch cfg.State {
	case crashers.StateUnread:
	case crashers.StateDuplicate:
		var of string
		if of, err = m.Resolve(cfg.Of); err == nil {
			_, err = m.Duplicate(id, of, now)
		}
	case crashers.StateFixed:
		if meta.State == crashers.StateFixed {
			break
		}
		if err = meta.Follows(cfg.State); err == nil {
			done.Trial, err = gone(ctx, &cfg, id)
		}
		if err == nil {
			t := done.Trial
			_, err = m.Mark(id, cfg.State, fmt.Sprintf("not shown by %d runs on %s, %s %s", t.Decided(), t.Target, t.Kernel, t.Arch), time.Now())
		}
	default:
		_, err = m.Mark(id, cfg.State, "", now)
	}
	if err == nil && cfg.Owner != nil {
		err = m.Own(id, *cfg.Owner)
	}
	if err == nil && cfg.Note != "" {
		err = m.Note(id, cfg.Note, now)
	}
	if err != nil {
		return err
	}
	if meta, err = m.Meta(id); err != nil {
		return err
	}
	done.Status = meta.Status
	return cfg.Reporter.Report(done)
}

// gone makes as many runs as tell that a finding is gone, none of which shows it.
func gone(ctx context.Context, cfg *MarkConfig, id string) (*Trial, error) {
	c, p, err := loadCrasher(cfg.StateDir, id)
	if err != nil {
		return nil, err
	}
	runs, chance, err := c.RunsToTell()
	if err != nil {
		return nil, fmt.Errorf("close %s: %w", id, err)
	}
	target := cfg.Target
	if target == "" {
		target = c.Target
	}
	r, err := newRunner(ctx, Open, target)
	if err != nil {
		return nil, err
	}
	err = cfg.Reporter.Report(Closing{ID: id, Target: target, Kernel: r.machine.Kernel, Arch: r.machine.Arch, Runs: runs, Missed: chance, Rate: c.Rate()})
	var t *Trial
	if err == nil {
		t, err = r.try(ctx, c, p, runs, 2*runs, 1)
	}
	if err = errors.Join(err, r.close()); err != nil {
		return nil, err
	}
	switch {
	case t.Hits > 0:
		return nil, &StillShowsError{id, target, t.Runs}
	case t.Other != "":
		return nil, fmt.Errorf("close %s: cannot tell whether it is fixed: a run on %s showed something else: %s", id, target, history.Printable(t.Other))
	case t.Decided() < runs:
		return nil, fmt.Errorf("close %s: cannot tell whether it is fixed: %d of %d runs on %s were undecided", id, t.Unknown, t.Runs, target)
	}
	return t, nil
}

// MarkText shows marks to people: what is about to be run on Err, what came of it on Out.
type MarkText struct{ Out, Err io.Writer }

// Report implements Reporter.
func (t MarkText) Report(e Event) error {
	var b strings.Builder
	w := t.Out
	switch e := e.(type) {
	case Closing:
		w = t.Err
		fmt.Fprintf(&b, "%s was shown by %s: if it is still there, %d runs on %s (%s %s) miss it with a chance of %.2g\n",
			e.ID, e.Rate, e.Runs, history.Printable(e.Target), history.Printable(e.Kernel), history.Printable(e.Arch), e.Missed)
	case Marked:
		fmt.Fprintf(&b, "%s  %s: %s\n", e.ID, &e.Status, history.Printable(e.Title))
		if e.Owner != "" {
			fmt.Fprintf(&b, "  owner: %s\n", e.Owner)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
