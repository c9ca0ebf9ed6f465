package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
)

// TriageConfig says what to triage.
type TriageConfig struct {
	Paths    []string // files, or directories of them
	Bugs     engine.BugSet
	Minimise time.Duration // for each finding, at most
	State    string
	Reporter Reporter
}

// Triaged says what became of one input.
type Triaged struct {
	Path    string `json:"path"`
	Format  string `json:"format,omitempty"` // native, go-fuzz, raw or scenario
	Fuzz    string `json:"fuzz,omitempty"`   // FuzzX, where its place says so
	Target  string `json:"target,omitempty"` // that ran it
	Verdict Triage `json:"verdict"`
	ID      string `json:"id,omitempty"` // of the finding
	Title   string `json:"title,omitempty"`
	Error   string `json:"error,omitempty"`
	quiet   bool   // one of a directory: people want to read of it only if there is something to say
}

// Triage is the verdict on an input.
type Triage uint8

const (
	TriagePasses    Triage = iota // it shows nothing
	TriageNew                     // it shows what was not filed before
	TriageKnown                   // it shows what is filed already; it was counted there
	TriageUndecided               // the checker's budget was spent
	TriageForeign                 // its fuzz target does something else with inputs than to run them as scenarios
	TriageUnread                  // it cannot be read
	numTriages
)

var triageNames = [numTriages]string{"passes", "new", "known", "undecided", "foreign", "unread"}

func (t Triage) String() string { return triageNames[t] }

// MarshalText makes a Triage readable in JSON.
func (t Triage) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// TriageSummary is the last event of a triage.
type TriageSummary struct {
	Inputs      int            `json:"inputs"`
	By          map[string]int `json:"by"` // verdict: inputs
	NewFindings int            `json:"newFindings"`
	State       string         `json:"state"`
	Unread      []error        `json:"-"` // why each input that is TriageUnread is; every one names its file
}

// EventName implements Event.
func (Triaged) EventName() string       { return "triaged" }
func (TriageSummary) EventName() string { return "triage-summary" }

// scenarioTargets are the fuzz targets that run what package input reads: a scenario under a schedule. Others read something else,
// or change or compare what they read.
var scenarioTargets = []string{"FuzzPtrace", "FuzzChecker"}

// triage is a triage under way.
type triage struct {
	TriageConfig
	ctx     context.Context
	store   *crashers.Store
	runners map[string]*runner
	sum     TriageSummary
}

// searches is how many schedules a scenario without one is tried under.
const searches = 2000

// RunTriage runs what fuzzers found on the engine again, and minimises and files what fails, like a campaign.
func RunTriage(ctx context.Context, cfg TriageConfig) (TriageSummary, error) {
	store, err := crashers.Open(cfg.State)
	if err != nil {
		return TriageSummary{}, err
	}
	defer store.Close()
	t := &triage{TriageConfig: cfg, ctx: ctx, store: store, runners: map[string]*runner{},
		sum: TriageSummary{By: map[string]int{}, State: cfg.State}}
	for _, path := range cfg.Paths {
		err = t.path(path)
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			break
		}
	}
	for _, r := range t.runners {
		err = errors.Join(err, r.close())
	}
	if rerr := cfg.Reporter.Report(t.sum); err == nil {
		err = rerr
	}
	return t.sum, err
}

// path triages a file, or each file of a directory. What cannot be read is reported, and no reason to stop.
func (t *triage) path(path string) error {
	for f, err := range input.Walk(path) {
		if t.ctx.Err() != nil {
			return nil
		}
		res := Triaged{Path: cmp.Or(f.Path, path), Fuzz: f.Target, quiet: f.Path != path}
		if err != nil {
			t.unread(&res, err)
		} else if err := t.file(f, &res); err != nil {
			return fmt.Errorf("triage %s: %w", f.Path, err)
		}
		if t.ctx.Err() != nil {
			return nil // it says nothing
		}
		t.sum.Inputs++
		t.sum.By[res.Verdict.String()]++
		if err := t.Reporter.Report(res); err != nil {
			return err
		}
	}
	return nil
}

// unread notes why an input cannot be read.
func (t *triage) unread(res *Triaged, err error) {
	res.Verdict, res.Error = TriageUnread, err.Error()
	t.sum.Unread = append(t.sum.Unread, err)
}

// scenarioFile is how the names of scenario files end.
const scenarioFile = ".scn"

// file triages one input.
func (t *triage) file(f input.File, res *Triaged) error {
	res.Format = f.Format.String()
	var in input.Input
	var others []schedule.Stream // that FuzzChecker tries beside the input's own
	switch {
	case filepath.Ext(f.Path) == scenarioFile:
		res.Format = "scenario"
		s, err := corpus.Parse(f.Path, f.Data)
		if err == nil {
			err = s.Validate()
		}
		if err != nil {
			t.unread(res, err)
			return nil
		}
		in.Scenario = s
	case f.Target != "" && !slices.Contains(scenarioTargets, f.Target):
		res.Verdict = TriageForeign
		return nil
	default:
		in = new(input.Decoder).Run(f.Data)
		for k := range input.Others {
			others = append(others, input.Other(nil, f.Data, k))
		}
		input.Bound(in.Scenario)
		in.Scenario.Name = "triaged"
	}
	p, err := corpus.Lower(in.Scenario)
	if err != nil {
		t.unread(res, err)
		return nil
	}
	res.Target = stress.EngineName(engine.Options{Profile: in.Profile.Engine(), Bugs: t.Bugs})
	r := t.runners[res.Target]
	if r == nil {
		if r, err = newRunner(t.ctx, Open, res.Target); err != nil {
			return err
		}
		t.runners[res.Target] = r
	}
	s, err := t.look(r, &in, p, res)
	for k := 0; k < len(others) && s == nil && err == nil; k++ {
		in.Stream = others[k]
		s, err = t.look(r, &in, p, res)
	}
	if err != nil || s == nil {
		return err
	}
	s.target = res.Target
	cr, isNew, err := t.keep(r, s)
	if err != nil {
		return err
	}
	if isNew {
		t.sum.NewFindings++
	}
	found, err := r.found(t.store, cr, isNew)
	if err != nil {
		return err
	}
	if res.ID, res.Title, res.Verdict = cr.ID, cr.Title, TriageKnown; isNew {
		res.Verdict = TriageNew
		found.Schedule, found.Explanation = cr.Schedule, cr.Explanation
	}
	return t.Reporter.Report(found)
}

// look runs an input, or if it has no schedule searches for one, and returns what it shows, nil if that is nothing.
func (t *triage) look(r *runner, in *input.Input, p *engine.Program, res *Triaged) (s *sighting, err error) {
	plan := stress.Plan{Schedule: in.Stream, Repeat: 1}
	if in.Stream == nil {
		plan = stress.Plan{Strategy: "portfolio", Repeat: searches}
	}
	err = r.run(t.ctx, p, plan, func(h *history.History, v *verdict) bool {
		if v.Kind == oracle.Unknown {
			res.Verdict = TriageUndecided
		}
		if !v.Kind.Finding() {
			return true
		}
		s = &sighting{finding: findingOf(v), item: newItem(in.Scenario, p), plan: plan}
		s.plan.Schedule = append(schedule.Stream{}, v.schedule...)
		if h != nil {
			s.hist = h.Clone()
		}
		return false
	})
	return s, err
}

// keep files a finding, or counts it where it is filed.
func (t *triage) keep(r *runner, s *sighting) (cr *crashers.Crasher, isNew bool, err error) {
	if ids := t.store.Similar(s.finding.Coarse()); len(ids) > 0 {
		if err := t.store.Seen(ids[0], 1, time.Now()); err != nil {
			return nil, false, err
		}
		cr, err = t.store.Load(ids[0])
		return cr, false, err
	}
	return r.put(t.ctx, t.store, s, t.Minimise)
}

// TriageText shows a triage to people.
type TriageText struct{ Out io.Writer }

// Report implements Reporter.
func (t TriageText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case Found:
		if !e.New {
			return nil // the line about the input says it
		}
		b.WriteString(foundText(e))
		text(&b, e.Explanation)
		if e.Schedule != "" {
			b.WriteString("\nschedule: ")
			text(&b, e.Schedule)
		}
		b.WriteByte('\n')
	case Triaged:
		b.WriteString(e.text())
	case TriageSummary:
		fmt.Fprintf(&b, "%d inputs:", e.Inputs)
		for v := range numTriages {
			if n := e.By[v.String()]; n > 0 {
				fmt.Fprintf(&b, " %d %s", n, v)
			}
		}
		fmt.Fprintf(&b, "; %d new findings in %s\n", e.NewFindings, history.Printable(e.State))
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

func (t *Triaged) text() string {
	path := history.Printable(t.Path)
	switch t.Verdict {
	case TriagePasses:
		if t.quiet {
			return ""
		}
		return fmt.Sprintf("%s: does not fail on %s\n", path, t.Target)
	case TriageUndecided:
		return fmt.Sprintf("%s: cannot tell: the checker's budget is spent (on %s)\n", path, t.Target)
	case TriageForeign:
		return fmt.Sprintf("%s: an input of %s is no run of a scenario: go test -run '^%s$' shows what it does\n", path, history.Printable(t.Fuzz), history.Printable(t.Fuzz))
	case TriageUnread:
		return "" // TriageSummary.Unread is for people, and not for this stream
	}
	state := "known"
	if t.Verdict == TriageNew {
		state = "new"
	}
	return fmt.Sprintf("%s: %s finding %s on %s: %s\n", path, state, t.ID, t.Target, history.Printable(t.Title))
}
