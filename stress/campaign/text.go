package campaign

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// Text shows events to people: findings and the summary on Out, progress and what was skipped on Err.
type Text struct {
	Out, Err io.Writer
	// TTY says that Err is a terminal: progress is one line that is written over. Otherwise a line each minute.
	TTY      bool
	onLine   bool // the terminal's cursor stands behind a status line
	lastLine float64
	skips    []Skip // of one target's scenarios; those of one reason are told in one line, before anything else is
}

// pipeEvery is how many seconds pass between progress lines that are not written over.
const pipeEvery = 60

// Report implements Reporter.
func (t *Text) Report(e Event) error {
	k, is := e.(Skip)
	skips := is && k.Scenario != ""
	if len(t.skips) > 0 && !(skips && k.Target == t.skips[0].Target) {
		if err := t.flush(); err != nil {
			return err
		}
	}
	if skips {
		t.skips = append(t.skips, k)
		return nil
	}
	switch e := e.(type) {
	case Progress:
		return t.progress(e)
	case Start:
		return t.print(t.Err, startText(e))
	case Skip:
		return t.print(t.Err, skipText([]Skip{e}))
	case Lost:
		return t.print(t.Err, lostText(e))
	case Dropped:
		return t.print(t.Err, droppedText(e))
	case Found:
		return t.print(t.Out, foundText(e))
	case Summary:
		return t.print(t.Out, summaryText(e))
	}
	return nil
}

// flush tells of scenarios that a target skips, a line for each reason.
func (t *Text) flush() error {
	for len(t.skips) > 0 {
		first := t.skips[0]
		var alike, others []Skip
		for _, k := range t.skips {
			if k.Reason == first.Reason {
				alike = append(alike, k)
			} else {
				others = append(others, k)
			}
		}
		t.skips = others
		if err := t.print(t.Err, skipText(alike)); err != nil {
			return err
		}
	}
	return nil
}

// print writes a block below the status line, which the next progress draws again.
func (t *Text) print(w io.Writer, s string) error {
	if t.onLine {
		fmt.Fprint(t.Err, "\r\x1b[K")
		t.onLine = false
	}
	_, err := io.WriteString(w, s)
	return err
}

func (t *Text) progress(p Progress) error {
	line := progressText(p)
	if t.TTY {
		t.onLine = true
		_, err := fmt.Fprintf(t.Err, "\r\x1b[K%s", line)
		return err
	}
	if p.Seconds-t.lastLine < pipeEvery {
		return nil
	}
	t.lastLine = p.Seconds
	_, err := fmt.Fprintln(t.Err, line)
	return err
}

func startText(s Start) string {
	end := "until interrupted"
	if s.Seconds > 0 {
		end = "for " + clock(s.Seconds)
	}
	if s.Runs > 0 {
		end += fmt.Sprintf(" or %d runs of each target", s.Runs)
	}
	var b strings.Builder
	if s.Anew != "" {
		fmt.Fprintf(&b, "a new campaign: what was not over in the state directory is on record there, and %s\n", s.Anew)
	}
	fmt.Fprintf(&b, "racing ptrace on %s %s: %d scenarios, seed %d, %s, state in %s\n",
		strings.Join(s.Targets, " and "), end, s.Scenarios, s.Seed, s.Kernel, history.Printable(s.State))
	fmt.Fprintf(&b, "limits: memory %v, state directory %v, %d workers for each target of weight 1", s.Limits.Memory, s.Limits.Disk, s.Workers)
	if s.Tasks > 0 {
		fmt.Fprintf(&b, ", %d tasks of actors on this kernel", s.Tasks)
	}
	b.WriteByte('\n')
	if s.Before > 0 {
		fmt.Fprintf(&b, "this goes on with campaign %s, which ran %s so far (--fresh begins a new one)\n", s.Campaign, clock(s.Before))
	}
	return b.String()
}

// skipNames is how many scenarios a line about many names.
const skipNames = 3

// skipText is about skips of one target for one reason.
func skipText(skips []Skip) string {
	s := skips[0]
	reason := history.Printable(s.Reason)
	if s.Scenario == "" {
		return fmt.Sprintf("skipped: target %s: %s\n", s.Target, reason)
	}
	names := make([]string, 0, skipNames)
	for _, s := range skips[:min(len(skips), skipNames)] {
		names = append(names, history.Printable(s.Scenario))
	}
	list := strings.Join(names, ", ")
	switch more := len(skips) - len(names); {
	case len(skips) == 1:
		return fmt.Sprintf("skipped: %s on %s: %s\n", list, s.Target, reason)
	case more > 0:
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("skipped: %d scenarios on %s: %s (%s)\n", len(skips), s.Target, reason, list)
}

func lostText(l Lost) string {
	what := "start"
	if l.Scenario != "" {
		what = history.Printable(l.Scenario)
	}
	return fmt.Sprintf("lost: %s on %s: %s\n", what, l.Target, history.Printable(l.How))
}

func droppedText(d Dropped) string {
	text := fmt.Sprintf("state directory over its limit of %v: removed %d kept scenarios and %d histories of findings that are not new, %v in all; %v are left\n",
		d.Limit, d.Scenarios, d.Histories, d.Freed, d.Left)
	if d.Left > d.Limit {
		text += "it is still too large: nothing is kept until it is smaller; findings are filed all the same\n"
	}
	return text
}

func progressText(p Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s", clock(p.Seconds))
	if p.Remaining > 0 {
		fmt.Fprintf(&b, "/%s eta %s", clock(p.Seconds+p.Remaining), clock(p.Remaining))
	}
	b.WriteString("]")
	var unknown, runs uint64
	for _, c := range p.Targets {
		fmt.Fprintf(&b, " %s %s runs (%s/s)", c.Target, short(float64(c.Runs)), short(c.Recent))
		unknown += c.Unknown
		runs += c.Runs
	}
	fmt.Fprintf(&b, " | outcomes %d", p.Outcomes)
	if p.NewsSeconds >= 0 {
		fmt.Fprintf(&b, " (last new %s ago)", (time.Duration(p.NewsSeconds) * time.Second).String())
	}
	fmt.Fprintf(&b, " unknown %s", share(unknown, runs))
	fmt.Fprintf(&b, " | findings %d (%d new", p.Findings, p.NewFindings)
	if p.Regressions > 0 {
		fmt.Fprintf(&b, ", %d regressed", p.Regressions)
	}
	b.WriteByte(')')
	if len(p.Members) > 0 {
		var runs uint64
		for _, m := range p.Members {
			runs += m.Runs
		}
		fmt.Fprintf(&b, " | %d others %s runs", len(p.Members), short(float64(runs)))
	}
	if p.Minimising > 0 {
		fmt.Fprintf(&b, ", minimising %d", p.Minimising)
	}
	return b.String()
}

func foundText(f Found) string {
	var b strings.Builder
	state := "known finding seen again"
	if f.State != crashers.StateNew {
		state += ", " + f.State.String() + ":"
	}
	switch {
	case f.Regression:
		state = "REGRESSION"
	case f.New:
		state = "NEW FINDING"
	}
	fmt.Fprintf(&b, "\n%s %s  (%s on %s)\n  %s\n", state, f.ID, f.Kind, f.Target, history.Printable(f.Title))
	if s := f.Sentence(); s != "" {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	if !f.Minimal {
		b.WriteString("  not minimal: the time was up before the minimiser was done\n")
	}
	for l := range strings.Lines(f.Scenario) {
		l = strings.TrimRight(l, "\n")
		if l != "" {
			fmt.Fprintf(&b, "    %s\n", history.Printable(l))
		}
	}
	if f.Exact {
		fmt.Fprintf(&b, "  shown by these %d operations each time, under the schedule that is filed with them\n", f.Operations)
	} else {
		fmt.Fprintf(&b, "  shown by %d of %d runs of these %d operations\n", f.Shown, f.Of, f.Operations)
	}
	fmt.Fprintf(&b, "  filed in %s\n  again:   %s\n\n", history.Printable(f.Dir), history.Printable(f.Command))
	return b.String()
}

func summaryText(s Summary) string {
	var b strings.Builder
	b.WriteString("\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\tscenarios\toperations\truns\truns/s\tadmitted\tnot admitted\tunknown\thangs\twaits\tviolations\tboots\tfindings\t")
	for _, c := range s.PerTarget {
		boots := "-"
		if c.Boots > 0 {
			boots = fmt.Sprint(c.Boots)
		}
		if c.Restores > 0 {
			boots += fmt.Sprintf("+%d", c.Restores)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t\n", c.Target, c.Programs, c.Operations, c.Runs,
			short(c.RunsPerSecond), c.Admitted, c.NotAdmitted, c.Unknown, c.Hangs, c.HangsPredicted, c.Violations, boots, c.Findings)
	}
	t.Flush() //nolint:errcheck // memory takes everything
	for _, c := range s.PerTarget {
		if c.Late > 0 {
			fmt.Fprintf(&b, "%s: %d verdicts took more states than they should\n", c.Target, c.Late)
		}
		if c.Lost > 0 {
			fmt.Fprintf(&b, "%s: was lost %d times (see above)\n", c.Target, c.Lost)
		}
		if n := c.Coverage; n != nil {
			fmt.Fprintf(&b, "%s: covered %s; kept %d variations that were the first to show something\n", c.Target, coveredText(n), c.Kept)
		}
		if c.Code != nil {
			fmt.Fprintf(&b, "%s: went through %v (stressd coverage lists them)\n", c.Target, c.Code)
		}
	}
	if s.Skipped > 0 {
		fmt.Fprintf(&b, "skipped: %d (see above)\n", s.Skipped)
	}
	if s.Canary != nil {
		fmt.Fprintln(&b, s.Canary)
	}
	if s.Interrupted != "" {
		fmt.Fprintf(&b, "interrupted by %s; everything found so far is filed\n", s.Interrupted)
	}
	fmt.Fprintf(&b, "summary: %s on %s: %d runs, %s unknown, %d findings filed, %d of them new",
		clock(s.Seconds), strings.Join(s.Targets, " and "), s.Scenarios, share(s.Unknown, s.Scenarios), s.Findings, s.NewFindings)
	if s.Regressions > 0 {
		fmt.Fprintf(&b, ", %d regressions", s.Regressions)
	}
	fmt.Fprintf(&b, "; seed %d\n", s.Seed)
	return b.String()
}

// clock writes seconds as mm:ss or hh:mm:ss.
func clock(seconds float64) string {
	s := int(seconds + 0.5)
	if s >= 3600 {
		return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// short writes a number with three digits and a unit.
func short(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.3gG", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.3gk", n/1e3)
	case n >= 10 || n == float64(int(n)):
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

// share writes part of whole in percent.
func share(part, whole uint64) string {
	if whole == 0 {
		return "0 %"
	}
	percent := 100 * float64(part) / float64(whole)
	if percent >= 10 {
		return fmt.Sprintf("%.3g %%", percent)
	}
	return fmt.Sprintf("%.2g %%", percent)
}
