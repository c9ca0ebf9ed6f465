package campaign

import (
	"context"
	"errors"

	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/vm"
)

// Trial is what runs of a filed finding's scenario under its plan came to on a target.
type Trial struct {
	Target  string `json:"target"`
	Kernel  string `json:"kernel,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Runs    int    `json:"runs"`
	Hits    int    `json:"hits"`    // runs that showed it
	Unknown int    `json:"unknown"` // runs that the checker could not decide
	Other   string `json:"other,omitempty"`
	// Skipped says why it was not tried there.
	Skipped string `json:"skipped,omitempty"`
	// Chance that the runs, none of which showed it, missed it: if it shows there as often as where it was measured.
	Missed float64 `json:"missed,omitempty"`
	lanes  string  // the first run that showed it, drawn, and why it is one
}

// Decided is the number of runs that count.
func (t *Trial) Decided() int { return t.Runs - t.Unknown }

// Doubtful says that not showing means little: something else was seen, or every run was undecided.
func (t *Trial) Doubtful() bool { return t.Hits == 0 && (t.Other != "" || t.Decided() == 0) }

// try runs a finding's scenario until runs were decided, most of any kind were made, or enough of them have shown it; enough 0 means
// that all are wanted.
func (r *runner) try(ctx context.Context, c *crashers.Crasher, p *engine.Program, runs, most, enough int) (*Trial, error) {
	t := &Trial{Target: r.target.Name(), Kernel: r.machine.Kernel, Arch: r.machine.Arch}
	want := crashers.Finding{Kind: c.Kind, Title: c.Title, Known: c.Known}
	over := func() bool {
		return t.Decided() >= runs || t.Runs >= most || enough > 0 && t.Hits >= enough
	}
	see := func(h *history.History, v *verdict) bool {
		t.Runs++
		if v.Kind == oracle.Unknown {
			t.Unknown++
		}
		if !v.Kind.Finding() {
			return !over()
		}
		got := findingOf(v)
		switch {
		case !got.SameAs(&want) && !(crashers.Told(c.Row()) && got.Row() == c.Row()): // a known bug is one bug whatever way it shows
			t.Other = got.Title
		default:
			if t.Hits++; t.Hits == 1 {
				t.lanes = lanes(p, h, v.Explanation)
			}
		}
		return !over()
	}
	plan := c.Plan
	var err error
	for !over() && err == nil && ctx.Err() == nil {
		plan.Repeat = min(runs-t.Decided(), most-t.Runs)
		before := t.Runs
		err = r.run(ctx, p, plan, see)
		if t.Runs == before {
			break
		}
		plan.Seed += uint64(t.Runs - before) // what ends the target's work ends its runs early: on with the rest of them
		plan.Schedule = nil
	}
	if lost := (*vm.LostError)(nil); errors.As(err, &lost) && t.Runs > 0 {
		t.Other, err = lost.Error(), nil
	}
	if t.Hits == 0 {
		hits, measured := c.Rated()
		t.Missed = crashers.Missed(hits, measured, t.Decided())
	}
	return t, errors.Join(err, context.Cause(ctx))
}
