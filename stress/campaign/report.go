package campaign

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// Report is what somebody wants to know in the morning: what is new, what is still there, what was tried, and whether the suite was
// well while it tried.
type Report struct {
	Headline string         `json:"headline"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Runs     int            `json:"campaigns"`
	Groups   []ReportGroup  `json:"groups"`
	Targets  []ReportTarget `json:"targets"`
	Tried    string         `json:"tried"`
	Warnings []string       `json:"warnings,omitempty"`
	Health   []string       `json:"health"`
}

// ReportGroup is the findings of one state.
type ReportGroup struct {
	Title    string          `json:"title"`
	Findings []ReportFinding `json:"findings"`
}

// ReportFinding is a finding, with what somebody wants to see of it at once if it is new or back, and no known bug.
type ReportFinding struct {
	Listed
	Scenario    string           `json:"scenario,omitempty"`
	Explanation string           `json:"explanation,omitempty"`
	Tried       []crashers.Tried `json:"tried,omitempty"`
}

// ReportTarget is what all campaigns of the time did on a target.
type ReportTarget struct {
	Target     string  `json:"target"`
	Seconds    float64 `json:"seconds"`
	Programs   uint64  `json:"scenarios"`
	Operations uint64  `json:"operations"`
	Runs       uint64  `json:"runs"`
	Unknown    uint64  `json:"unknown"`
	Boots      int     `json:"boots"`
	Restores   int     `json:"restores"`
	Lost       uint64  `json:"lost"`
	Rules      int     `json:"rules"` // of the engine's executions that explain the runs
	rules      map[string]bool
}

// EventName implements Event.
func (*Report) EventName() string { return "report" }

// stamp is how times are written for people.
const stamp = "2006-01-02 15:04 MST"

// Empty are the titles of the groups without findings.
func (r *Report) Empty() (titles []string) {
	for _, g := range r.Groups {
		if len(g.Findings) == 0 {
			titles = append(titles, g.Title)
		}
	}
	return titles
}

// Span says which time the report is about.
func (r *Report) Span() string {
	return fmt.Sprintf("%s to %s, %s", r.From.UTC().Format(stamp), r.To.UTC().Format(stamp), plural(r.Runs, "campaign"))
}

func ownedBy(owner string) string {
	if owner == "" {
		return ""
	}
	return "; " + owner + " looks after it"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// maxCampaign is the longest line of a campaign's summary that a reader believes.
const maxCampaign = 16 << 20

// MakeReport reports on the campaigns of a state directory that ended after since; the zero time stands for the last one alone.
func MakeReport(state string, since time.Time) (*Report, error) {
	store, err := crashers.OpenReader(state)
	if err != nil {
		return nil, err
	}
	campaigns, err := campaignsOf(state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rec, err := readRecord(store)
	if err != nil {
		return nil, err
	}
	campaigns = withRecord(campaigns, rec)
	campaigns = slices.DeleteFunc(campaigns, func(s Summary) bool { return s.Began.IsZero() }) // of versions that did not say when
	first := max(len(campaigns)-1, 0)
	if !since.IsZero() {
		first = slices.IndexFunc(campaigns, func(s Summary) bool { return !s.ended().Before(since) })
		if first < 0 {
			first = len(campaigns)
		}
	}
	before := campaigns[:first]
	campaigns = slices.DeleteFunc(slices.Clone(campaigns[first:]), func(s Summary) bool { return s.ended().Before(since) })
	if len(campaigns) == 0 {
		return nil, fmt.Errorf("report: no campaign of %s ended in that time", history.Printable(state))
	}
	r := &Report{Runs: len(campaigns), From: campaigns[0].Began, To: campaigns[0].ended()}
	for i := range campaigns {
		r.add(&campaigns[i])
	}
	metas, err := store.List() // what cannot be read does not hide the others
	if err != nil {
		r.Warnings = append(r.Warnings, "not all findings can be read: "+history.Printable(oneLine(err.Error())))
	}
	closing := r.From
	if n := len(before); n > 0 {
		closing = before[n-1].ended()
	}
	r.sort(store, metas, closing)
	r.finish(campaigns)
	return r, nil
}

// ended is when a campaign was over.
func (s *Summary) ended() time.Time {
	if !s.Ended.IsZero() {
		return s.Ended
	}
	return s.Began.Add(time.Duration(s.Seconds * float64(time.Second)))
}

// campaignsOf are the campaigns that a state directory has on record, oldest first. A last line that was cut off is no campaign.
func campaignsOf(state string) (all []Summary, err error) {
	f, err := os.Open(filepath.Join(state, campaignsFile))
	if err != nil {
		return nil, fmt.Errorf("read campaigns: %w", err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, maxCampaign)
	for in.Scan() {
		var s Summary
		if json.Unmarshal(in.Bytes(), &s) == nil {
			all = append(all, s)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read campaigns of %s: %w", history.Printable(state), err)
	}
	return merged(all), nil
}

func (r *Report) add(s *Summary) {
	if s.Began.Before(r.From) {
		r.From = s.Began
	}
	if end := s.ended(); end.After(r.To) {
		r.To = end
	}
	for _, c := range s.PerTarget {
		name := history.Printable(c.Target)
		i := slices.IndexFunc(r.Targets, func(t ReportTarget) bool { return t.Target == name })
		if i < 0 {
			i = len(r.Targets)
			r.Targets = append(r.Targets, ReportTarget{Target: name, rules: map[string]bool{}})
		}
		t := &r.Targets[i]
		t.Seconds += s.Seconds
		t.Programs += c.Programs
		t.Operations += c.Operations
		t.Runs += c.Runs
		t.Unknown += c.Unknown
		t.Boots += c.Boots
		t.Restores += c.Restores
		t.Lost += c.Lost
		for rule, n := range c.Rules {
			if n > 0 {
				t.rules[rule] = true
			}
		}
		t.Rules = len(t.rules)
	}
}

// The groups of a report, in their order.
const (
	groupNew = iota
	groupBack
	groupStill
	groupGone
	groupUnseen
)

// sort groups findings by what became of them in the time of the report. What was closed before the time closing, or is no bug, is in
// none.
func (r *Report) sort(store *crashers.Reader, metas []crashers.Meta, closing time.Time) {
	r.Groups = []ReportGroup{groupNew: {Title: "New"}, groupBack: {Title: "Back, although fixed"}, groupStill: {Title: "Still there"},
		groupGone: {Title: "Gone, closed as fixed"}, groupUnseen: {Title: "Not seen this time"}}
	for _, m := range metas {
		seen := !m.LastSeen.Before(r.From)
		var g int
		switch {
		case m.State == crashers.StateRegressed && seen:
			g = groupBack
		case m.State == crashers.StateFixed && !m.Since.Before(closing.Truncate(time.Second)):
			g = groupGone
		case m.State.Closed():
			continue
		case !m.FirstSeen.Before(r.From):
			g = groupNew
		case seen:
			g = groupStill
		default:
			g = groupUnseen
		}
		m.Command = crashers.Command(crashers.Program(), store.State(), m.ID)
		f := ReportFinding{Listed: Listed{m, store.Dir(m.ID)}}
		if m.KnownBug == 0 && (g == groupNew || g == groupBack) {
			if c, err := store.Load(m.ID); err == nil {
				f.Scenario, f.Explanation, f.Tried = printableLines(string(c.Scenario)), printableLines(c.Explanation), c.Tried
			} else {
				r.Warnings = append(r.Warnings, "not all of a finding can be read: "+history.Printable(oneLine(err.Error())))
			}
		}
		r.Groups[g].Findings = append(r.Groups[g].Findings, f)
	}
}

// printableLines is untrusted text of several lines, as terminals and pages may have it.
func printableLines(s string) string {
	var b strings.Builder
	text(&b, s)
	return b.String()
}

func (r *Report) finish(campaigns []Summary) {
	fresh, back := r.Groups[groupNew].Findings, r.Groups[groupBack].Findings
	unknownBugs := 0
	for _, f := range fresh {
		if f.KnownBug == 0 {
			unknownBugs++
		}
	}
	switch {
	case len(back) > 0:
		r.Headline = fmt.Sprintf("%s back, %d new", plural(len(back), "fixed finding"), len(fresh))
	case len(fresh) > 0 && unknownBugs == 0:
		r.Headline = fmt.Sprintf("%s, known bugs all", plural(len(fresh), "new finding"))
	case len(fresh) > 0:
		r.Headline = fmt.Sprintf("%s, %d of them no known bug", plural(len(fresh), "new finding"), unknownBugs)
	default:
		r.Headline = "nothing new"
	}
	var names []string
	var runs, operations, unknown, lost uint64
	for _, t := range r.Targets {
		names = append(names, t.Target)
		runs, operations, unknown, lost = runs+t.Runs, operations+t.Operations, unknown+t.Unknown, lost+t.Lost
	}
	r.Tried = fmt.Sprintf("%d runs with %d system calls on %s. A run that shows nothing says that this schedule, on this machine, showed nothing.", runs, operations, strings.Join(names, ", "))
	r.Health = append(r.Health, fmt.Sprintf("%s of the runs could not be judged; they count for nothing", share(unknown, runs)))
	r.Health = append(r.Health, fmt.Sprintf("machines were lost %d times in a way that says nothing about their kernels", lost))
	skipped, interrupted := 0, map[string]int{}
	for i := range campaigns {
		s := &campaigns[i]
		skipped += s.Skipped
		if s.Interrupted != "" {
			interrupted[history.Printable(s.Interrupted)]++
		}
		switch {
		case s.Canary == nil:
			r.Health = append(r.Health, "a campaign had no canary")
		case s.Canary.Missed():
			r.Warnings = append(r.Warnings, history.Printable(s.Canary.String()))
		default:
			r.Health = append(r.Health, history.Printable(s.Canary.String()))
		}
	}
	if skipped > 0 {
		r.Health = append(r.Health, fmt.Sprintf("%d scenarios or targets were skipped", skipped))
	}
	for _, signal := range slices.Sorted(maps.Keys(interrupted)) {
		r.Health = append(r.Health, fmt.Sprintf("%s ended %s early", signal, plural(interrupted[signal], "campaign")))
	}
	if runs == 0 {
		r.Warnings = append(r.Warnings, "nothing ran")
	}
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", r.Headline, r.Span())
	for _, s := range r.Warnings {
		fmt.Fprintf(&b, "\n!! %s\n", s)
	}
	for _, g := range r.Groups {
		if len(g.Findings) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		for _, f := range g.Findings {
			title := f.Title
			if k := f.Brief(); k != "" {
				title += " (" + k + ")"
			}
			fmt.Fprintf(&b, "  %s  %s\n                on %s, %s: %s, %d operations; seen %s, last %s\n", f.ID, title, f.Target, f.Kernel, f.Rate(), f.Ops,
				f.Seen(), f.LastSeen.UTC().Format(stamp))
			fmt.Fprintf(&b, "                %s%s\n", &f.Status, ownedBy(f.Owner))
			if f.Scenario == "" {
				continue
			}
			for i := range f.Tried {
				fmt.Fprintf(&b, "                %s: %s\n", f.Tried[i].Where(), f.Tried[i].Rate())
			}
			b.WriteByte('\n')
			indented(&b, f.Scenario)
			b.WriteByte('\n')
			indented(&b, f.Explanation)
			fmt.Fprintf(&b, "\n    %s\n\n", history.Printable(f.Command))
		}
	}
	if empty := r.Empty(); len(empty) > 0 {
		fmt.Fprintf(&b, "\nNone: %s\n", strings.ToLower(strings.Join(empty, "; ")))
	}
	fmt.Fprintf(&b, "\nWhat was tried:\n  %s\n", r.Tried)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\ttime\tscenarios\toperations\truns\tunknown\tboots\tlost\trules\t")
	for _, c := range r.Targets {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%d+%d\t%d\t%d\t\n", c.Target, clock(c.Seconds), c.Programs, c.Operations, c.Runs, share(c.Unknown, c.Runs), c.Boots, c.Restores, c.Lost, c.Rules)
	}
	t.Flush() //nolint:errcheck // memory takes everything
	b.WriteString("\nIs the harness well?\n")
	for _, s := range r.Health {
		fmt.Fprintf(&b, "  - %s\n", s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// HTML writes the report as a page of its own.
func (r *Report) HTML(w io.Writer) error { return page(w, "report.html", r) }
