package campaign

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// WalkText shows a triage of filed findings to people: a page for each.
type WalkText struct{ Out io.Writer }

// Report implements Reporter.
func (t WalkText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case *Walked:
		e.page(&b)
	case WalkSummary:
		fmt.Fprintf(&b, "%s triaged in %s", plural(e.Findings, "finding"), history.Printable(e.State))
		sep := ": "
		for _, s := range crashers.States() {
			if n := e.By[s.String()]; n > 0 {
				fmt.Fprintf(&b, "%s%d %s", sep, n, s)
				sep = ", "
			}
		}
		if e.Untried > 0 {
			fmt.Fprintf(&b, "; %d could not be tried where they were found", e.Untried)
		}
		if e.Left > 0 {
			fmt.Fprintf(&b, "; %d left", e.Left)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

// page is what somebody wants to know who has to decide what becomes of a finding.
func (d *Walked) page(b *strings.Builder) {
	fmt.Fprintf(b, "%s  %s\n", d.ID, history.Printable(d.Title))
	if d.State == d.Was {
		fmt.Fprintf(b, "  state    %s\n", &d.Status)
	} else {
		fmt.Fprintf(b, "  state    %s -> %s\n", d.Was, &d.Status)
	}
	if d.Owner != "" {
		fmt.Fprintf(b, "  owner    %s\n", d.Owner)
	}
	fmt.Fprintf(b, "  found    %s\n", d.Found.words())
	trialLines(b, "also", d.Compared)
	trialLines(b, "kernels", d.Kernels)
	if len(d.Kernels) > 0 {
		fmt.Fprintf(b, "  since    %s\n", history.Printable(d.Since.String()))
	}
	if len(d.Like) > 0 {
		fmt.Fprintf(b, "  like     %s (stressd close %s --as duplicate %s)\n", strings.Join(d.Like, ", "), d.ID, d.Like[0])
	}
	for _, p := range d.Problems {
		fmt.Fprintf(b, "  note     %s\n", history.Printable(oneLine(p)))
	}
	minimal := "minimal"
	switch {
	case !d.Minimal:
		minimal = "perhaps not minimal: stressd minimize goes on"
	case d.Smaller > 0:
		minimal = fmt.Sprintf("minimal; it had %d", d.Smaller)
	}
	fmt.Fprintf(b, "\n  %s, %s:\n\n", plural(d.Operations, "operation"), minimal)
	indented(b, d.Scenario)
	if d.Schedule != "" {
		b.WriteString("\n  schedule:\n\n")
		indented(b, d.Schedule)
	}
	b.WriteString("\n")
	indented(b, d.Explanation)
	fmt.Fprintf(b, "\n  again    %s\n\n", history.Printable(d.Command))
}

func trialLines(b *strings.Builder, title string, list []Trial) {
	for i := range list {
		fmt.Fprintf(b, "  %-7s  %s\n", title, list[i].words())
		title = ""
	}
}

// words says in a line what a trial came to.
func (t *Trial) words() string {
	where := t.Target
	if t.Kernel != "" {
		where += " (" + t.Kernel + ", " + t.Arch + ")"
	}
	what := fmt.Sprintf("not shown by %d runs, which miss it with a chance of %.2g if it is there", t.Decided(), t.Missed)
	switch {
	case t.Skipped != "":
		what = "not tried: " + t.Skipped
	case t.Hits > 0:
		what = fmt.Sprintf("shown by %d of %d runs", t.Hits, t.Decided())
	case t.Other != "":
		what = fmt.Sprintf("cannot tell: %d runs showed something else: %s", t.Runs, t.Other)
	case t.Doubtful():
		what = fmt.Sprintf("cannot tell: %d runs, %d of them undecided", t.Runs, t.Unknown)
	}
	return history.Printable(where + ": " + what)
}

// String says since when a finding shows, in the order of the kernels.
func (s *Since) String() string {
	var b strings.Builder
	switch {
	case s.First == "" && s.Last == "":
		return "no kernel could tell"
	case s.First == "":
		return "no kernel shows it"
	case s.Last == "":
		fmt.Fprintf(&b, "first shows in %s, and none before it could tell", s.First)
	default:
		fmt.Fprintf(&b, "first shows in %s, last does not in %s", s.First, s.Last)
	}
	if s.Gone != "" {
		fmt.Fprintf(&b, "; gone in %s", s.Gone)
	}
	if s.Mixed {
		b.WriteString("; between those that show it one does not: it was fixed only there, came back, or is rare")
	}
	return b.String()
}

// indented writes untrusted lines within a page.
func indented(b *strings.Builder, s string) {
	for l := range strings.Lines(strings.TrimRight(s, "\n")) {
		if l = history.Printable(strings.TrimRight(l, "\n")); l != "" {
			b.WriteString("    " + l)
		}
		b.WriteByte('\n')
	}
}

// Prompt asks somebody at a terminal what is to become of each finding of a triage.
type Prompt struct {
	Ctx   context.Context
	In    io.Reader
	Out   io.Writer
	State string // the state directory
	lines chan string
}

const promptHelp = `  enter: next   o NAME: owner   n TEXT: note   k: known   i: invalid   d ID: duplicate of that one   q: stop here`

// Ask implements WalkConfig.Ask. Where nobody types any more the triage goes on by itself.
func (p *Prompt) Ask(d *Walked) (more bool, err error) {
	if p.lines == nil {
		p.lines = make(chan string)
		go func() {
			defer close(p.lines)
			for in := bufio.NewScanner(p.In); in.Scan(); {
				p.lines <- in.Text()
			}
		}()
	}
	for {
		fmt.Fprintf(p.Out, "%s\n%s> ", promptHelp, d.ID)
		var line string
		var open bool
		select {
		case <-p.Ctx.Done():
			return false, context.Cause(p.Ctx)
		case line, open = <-p.lines:
		}
		if line = strings.TrimSpace(line); line == "" || !open {
			fmt.Fprintln(p.Out)
			return true, nil
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		cfg := MarkConfig{ID: d.ID, StateDir: p.State, Reporter: MarkText{Out: p.Out, Err: p.Out}}
		switch word {
		case "q":
			return false, nil
		case "o":
			cfg.Owner = &rest
		case "n":
			cfg.Note = rest
		case "k":
			cfg.State, cfg.Note = crashers.StateKnown, rest
		case "i":
			cfg.State, cfg.Note = crashers.StateInvalid, rest
		case "d":
			cfg.State, cfg.Of = crashers.StateDuplicate, rest
		default:
			continue
		}
		if err := Mark(p.Ctx, cfg); err != nil {
			fmt.Fprintf(p.Out, "  %s\n", history.Printable(oneLine(err.Error())))
		}
	}
}
