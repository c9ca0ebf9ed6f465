package campaign

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
)

// WalkConfig says which filed findings to triage, and where.
type WalkConfig struct {
	State    string
	IDs      []string // beginnings; none: all that are new
	Targets  []string // to compare with where it was found
	Kernels  []string // to find out since when, oldest first
	Times    int      // runs on a target, at most
	Minimise time.Duration
	Reporter Reporter
	// Ask, if not nil, is called after each finding was reported, and says whether to go on.
	Ask  func(*Walked) (more bool, err error)
	Open Opener // nil: Open
}

// Walked says what the triage of one filed finding came to.
type Walked struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	Title string `json:"title"`
	crashers.Status
	crashers.Known
	Was         crashers.State `json:"was"`
	Scenario    string         `json:"scenario"`
	Explanation string         `json:"explanation,omitempty"`
	Schedule    string         `json:"schedule,omitempty"`
	Operations  int            `json:"operations"`
	// Minimal says whether nothing smaller is left to try; Smaller how many operations it had before, if this triage made it smaller.
	Minimal bool `json:"minimal"`
	Smaller int  `json:"smaller,omitempty"`
	// Found is the target that it was filed from, Compared the others, Kernels those in whose order it was asked since when.
	Found    Trial   `json:"found"`
	Compared []Trial `json:"compared,omitempty"`
	Kernels  []Trial `json:"kernels,omitempty"`
	Since    Since   `json:"shows"`
	// Like are other findings of the same kind and title that are not closed: perhaps the same bug.
	Like     []string `json:"like,omitempty"`
	Problems []string `json:"problems,omitempty"`
	Command  string   `json:"command"`
}

// Since says which of kernels in an order show a finding.
type Since struct {
	First string `json:"first,omitempty"` // the first that shows it
	Last  string `json:"last,omitempty"`  // the last of those before it, which does not
	Gone  string `json:"gone,omitempty"`  // the first behind the last that shows it, which does not
	// Mixed says that one that does not show it lies between two that do: it is rare, or came twice.
	Mixed bool `json:"mixed,omitempty"`
}

// WalkSummary is the last event of a triage of filed findings.
type WalkSummary struct {
	Findings int            `json:"findings"`
	By       map[string]int `json:"by"` // state: findings
	Untried  int            `json:"untried"`
	Left     int            `json:"left"` // not walked, because somebody stopped
	State    string         `json:"state"`
}

// EventName implements Event.
func (*Walked) EventName() string     { return "triaged-finding" }
func (WalkSummary) EventName() string { return "triage-findings-summary" }

// since reads trials of kernels in their order. Those that were not tried say nothing.
func since(trials []Trial) (s Since) {
	clean := "" // the last one that does not show it
	for i := range trials {
		t := &trials[i]
		switch {
		case t.Skipped != "" || t.Doubtful():
		case t.Hits > 0 && s.First == "":
			s.First, s.Last = t.Target, clean
		case t.Hits > 0:
			s.Mixed = s.Mixed || s.Gone != ""
			s.Gone = ""
		default:
			clean = t.Target
			if s.First != "" && s.Gone == "" {
				s.Gone = t.Target
			}
		}
	}
	if s.First == "" {
		s.Last = clean
	}
	return s
}

// maxOpen is how many machines stay booted for the next finding.
const maxOpen = 6

// walk is a triage of filed findings under way.
type walk struct {
	WalkConfig
	ctx   context.Context
	marks *crashers.Marks
	open  []opened // the machines used last, latest last
}

// opened is a target that was opened by a name.
type opened struct {
	name string
	*runner
}

// Walk triages filed findings one by one: does it show again, can it be smaller, where else does it show, since which kernel; and
// says so in its state.
func Walk(ctx context.Context, cfg WalkConfig) (sum WalkSummary, err error) {
	sum = WalkSummary{By: map[string]int{}, State: cfg.State}
	marks, err := crashers.OpenMarks(cfg.State)
	if err != nil {
		return sum, err
	}
	if cfg.Open == nil {
		cfg.Open = Open
	}
	w := &walk{WalkConfig: cfg, ctx: ctx, marks: marks}
	ids, err := w.ids()
	if err != nil {
		return sum, err
	}
	untried := error(nil)
	for i, id := range ids {
		done, terr := w.one(id)
		if ctx.Err() != nil {
			sum.Left = len(ids) - i
			err = context.Cause(ctx)
			break
		}
		if terr != nil {
			err = errors.Join(err, fmt.Errorf("triage %s: %w", id, terr))
			continue
		}
		sum.Findings++
		sum.By[done.State.String()]++
		if done.Found.Skipped != "" {
			sum.Untried++
			untried = &stress.EnvError{What: "no finding could be tried where it was found", Err: errors.New(done.Found.Skipped), Hint: "stressd triage --target TARGET tries them elsewhere"}
		}
		rerr := cfg.Reporter.Report(done)
		more := true
		if rerr == nil && cfg.Ask != nil {
			more, rerr = cfg.Ask(done)
		}
		if rerr != nil || !more {
			sum.Left = len(ids) - i - 1
			err = errors.Join(err, rerr)
			break
		}
	}
	for _, r := range w.open {
		err = errors.Join(err, r.close())
	}
	err = errors.Join(err, cfg.Reporter.Report(sum))
	if err == nil && sum.Untried > 0 && sum.Untried == sum.Findings {
		err = untried
	}
	return sum, err
}

// ids are the findings to walk.
func (w *walk) ids() (ids []string, err error) {
	for _, id := range w.IDs {
		full, err := w.marks.Resolve(id)
		if err != nil {
			return nil, err
		}
		ids = append(ids, full)
	}
	if len(w.IDs) > 0 {
		return ids, nil
	}
	metas, err := w.marks.List()
	for _, m := range metas {
		if m.State == crashers.StateNew {
			ids = append(ids, m.ID)
		}
	}
	if len(ids) > 0 {
		err = nil // what cannot be read is for stressd list to say
	}
	return ids, err
}

// one triages a finding.
func (w *walk) one(id string) (*Walked, error) {
	c, p, err := loadFrom(&w.marks.Reader, id)
	if err != nil {
		return nil, err
	}
	d := &Walked{ID: id, Kind: c.Kind.String(), Title: c.Title, Was: c.State, Known: c.Known, Command: crashers.Command(crashers.Program(), w.State, id)}
	runs, _, err := c.RunsToTell()
	if err != nil || runs > w.Times {
		runs = w.Times
	}
	d.Found = w.try(c, p, c.Target, runs, measured)
	if d.Found.Hits > 0 && !c.Minimised {
		d.Smaller = c.Ops
		if err := w.minimise(id); err != nil {
			d.Problems = append(d.Problems, err.Error())
		}
		if c, p, err = loadFrom(&w.marks.Reader, id); err != nil {
			return nil, err
		}
		if c.Ops >= d.Smaller {
			d.Smaller = 0
		}
	}
	d.Scenario, d.Explanation, d.Schedule, d.Operations, d.Minimal = string(c.Scenario), c.Explanation, c.Schedule, c.Ops, c.Minimised
	for _, t := range w.Targets {
		if t != c.Target {
			d.Compared = append(d.Compared, w.try(c, p, t, runs, measured))
		}
	}
	for _, k := range w.Kernels {
		all := append([]Trial{d.Found}, d.Compared...)
		if i := slices.IndexFunc(all, func(t Trial) bool { return t.Target == k }); i >= 0 {
			d.Kernels = append(d.Kernels, all[i])
		} else {
			d.Kernels = append(d.Kernels, w.try(c, p, k, runs, 1))
		}
	}
	d.Since = since(d.Kernels)
	if d.Like, err = w.like(&c.Meta); err != nil {
		return nil, err
	}
	if w.ctx.Err() != nil {
		return nil, context.Cause(w.ctx)
	}
	if err := w.mark(d); err != nil {
		return nil, err
	}
	m, err := w.marks.Meta(id)
	d.Status = m.Status
	return d, err
}

// try runs a finding on a target. shown is how many runs are made at least, if one of them shows it; else there are runs.
func (w *walk) try(c *crashers.Crasher, p *engine.Program, target string, runs, shown int) Trial {
	r, err := w.runner(target)
	if err != nil {
		return Trial{Target: target, Skipped: oneLine(err.Error())}
	}
	t := Trial{Target: target, Kernel: r.machine.Kernel, Arch: r.machine.Arch}
	s, err := corpus.Parse("", c.Scenario)
	if err == nil {
		t.Skipped = unfit(s, target, &r.machine)
	}
	if err != nil || t.Skipped != "" {
		return t
	}
	if c.Exact && stress.Simulated(target) {
		shown = 1 // the first run follows the schedule
	}
	shown = min(shown, w.Times)
	first, err := r.try(w.ctx, c, p, shown, 2*shown, 0)
	if left := runs - first.Decided(); err == nil && first.Hits == 0 && left > 0 {
		var more *Trial
		if more, err = r.try(w.ctx, c, p, left, 2*left, 1); err == nil {
			more.add(first, &c.Meta)
			first = more
		}
	}
	if err != nil {
		w.close(r)
		t.Skipped = oneLine(err.Error())
		return t
	}
	first.Target = target
	return *first
}

// add counts the runs of another trial of the same.
func (t *Trial) add(o *Trial, m *crashers.Meta) {
	t.Runs, t.Hits, t.Unknown = t.Runs+o.Runs, t.Hits+o.Hits, t.Unknown+o.Unknown
	if t.Other == "" {
		t.Other = o.Other
	}
	if t.Missed = 0; t.Hits == 0 {
		hits, runs := m.Rated()
		t.Missed = crashers.Missed(hits, runs, t.Decided())
	}
}

// runner is a target, booted already if it was used a moment ago.
func (w *walk) runner(target string) (*runner, error) {
	if i := slices.IndexFunc(w.open, func(o opened) bool { return o.name == target }); i >= 0 {
		o := w.open[i]
		w.open = append(slices.Delete(w.open, i, i+1), o)
		return o.runner, nil
	}
	if len(w.open) == maxOpen {
		w.close(w.open[0].runner)
	}
	r, err := newRunner(w.ctx, w.Open, target)
	if err == nil {
		w.open = append(w.open, opened{target, r})
	}
	return r, err
}

// close ends a machine that is not needed any more, or of which nobody knows how it is.
func (w *walk) close(r *runner) {
	w.open = slices.DeleteFunc(w.open, func(o opened) bool { return o.runner == r })
	r.close() //nolint:errcheck // its work is done, or its error said
}

// minimise goes on making a finding smaller, unless a campaign has the directory.
func (w *walk) minimise(id string) error {
	err := Minimize(w.ctx, w.State, id, w.Minimise, reporting(func(Event) error { return nil }))
	if locked := (*crashers.LockedError)(nil); errors.As(err, &locked) {
		return fmt.Errorf("not made smaller: %w", err)
	}
	return err
}

// reporting is a Reporter made of a function.
type reporting func(Event) error

// Report implements Reporter.
func (f reporting) Report(e Event) error { return f(e) }

// like lists the other findings that look like one.
func (w *walk) like(m *crashers.Meta) (ids []string, err error) {
	metas, err := w.marks.List()
	if len(metas) > 0 {
		err = nil // the others are enough
	}
	for _, o := range metas {
		if o.ID != m.ID && o.Coarse == m.Coarse && !o.State.Closed() {
			ids = append(ids, o.ID)
		}
	}
	return ids, err
}

// mark records what was seen. A closed finding stays closed, unless it was fixed and shows.
func (w *walk) mark(d *Walked) error {
	var tried []crashers.Tried
	now := time.Now()
	shown := ""
	for _, t := range slices.Concat([]Trial{d.Found}, d.Compared, d.Kernels) {
		if t.Skipped != "" || t.Decided() == 0 {
			continue
		}
		tried = append(tried, crashers.Tried{Target: t.Target, Kernel: t.Kernel, Arch: t.Arch, Hits: t.Hits, Runs: t.Decided(), When: now})
		if t.Hits > 0 && shown == "" {
			shown = fmt.Sprintf("shown by %d of %d runs on %s, %s %s", t.Hits, t.Decided(), t.Target, t.Kernel, t.Arch)
		}
	}
	if len(tried) == 0 {
		return nil
	}
	if err := w.marks.Try(d.ID, tried); err != nil {
		return err
	}
	to, why := crashers.StateOpen, fmt.Sprintf("not shown by %d runs on %s", tried[0].Runs, tried[0].Where())
	if shown != "" {
		to, why = crashers.StateReproducing, shown
	}
	switch {
	case d.Was == crashers.StateFixed && shown != "":
		to = crashers.StateRegressed
	case d.Was.Closed(), d.Was == crashers.StateRegressed:
		return nil
	case d.KnownBug != 0:
		to, why = crashers.StateKnown, fmt.Sprintf("row %d of the list of known bugs; %s", d.KnownBug, why)
	case d.Was == crashers.StateKnown:
		return nil
	}
	_, err := w.marks.Mark(d.ID, to, why, now)
	return err
}

// Kernels expands a list of kernels, oldest first, to targets: what is no target is a kernel for the machine of the one before it, by
// the release of a distribution (@trixie) or by its file; at first for the emulated machine of this architecture.
func Kernels(list []string) (targets []string, err error) {
	prefix := stress.KindQEMU + ":" + hostMachine() + "@"
	for _, k := range list {
		kind, arg, terr := stress.TargetName(k)
		switch release, at := strings.CutPrefix(k, "@"); {
		case terr == nil && kind == stress.KindQEMU:
			machine, _, _ := strings.Cut(arg, "@")
			prefix = kind + ":" + machine + "@"
		case terr == nil && kind == stress.KindUML:
			prefix = kind + ":"
		case terr == nil:
		case at && release != "" && strings.HasPrefix(prefix, stress.KindQEMU):
			k = prefix + release
		case !at && strings.ContainsAny(k, "/."):
			k = prefix + k
		default:
			return nil, fmt.Errorf("--kernel %q is neither a target, nor a release (@trixie), nor a path: %w", k, terr)
		}
		if _, _, err := stress.TargetName(k); err != nil {
			return nil, err
		}
		targets = append(targets, k)
	}
	return targets, nil
}

// hostMachine is this architecture as QEMU's targets name it.
func hostMachine() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}
