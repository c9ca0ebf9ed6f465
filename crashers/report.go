package crashers

import (
	"errors"
	"fmt"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
)

// Origin says where a finding was made.
type Origin struct {
	Program string // as users call it
	Target  string // as users write it
	Kernel  string // uname -sr
	Arch    string // GOARCH
	State   string // state directory, for the command that shows it again
}

// New makes what is filed of a minimised finding: its names, its report, and a C program where one can show it alone.
func New(m *Minimal, known Known, o Origin) (*Crasher, error) {
	p, err := corpus.Lower(m.Scenario)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", m.Finding.Title, err)
	}
	f := m.Finding
	f.Known = known
	signature := f.Signature(Shape(m.Scenario))
	id := ID(signature)
	c := &Crasher{
		Meta: Meta{ID: id, Kind: f.Kind, Title: f.Title, Rules: f.Rules, Known: known, Signature: signature, Coarse: f.Coarse(),
			Target: o.Target, Kernel: o.Kernel, Arch: o.Arch, Ops: m.Scenario.NumOps(), Hits: m.Hits, Runs: m.Runs,
			Minimised: m.Complete, Exact: m.Exact != nil, Command: Command(o.Program, o.State, id), At: placeOf(m.History, &f)},
		Scenario: m.Scenario.Print(), Plan: m.Plan, History: m.History, Explanation: f.Explanation, Schedule: m.Words(),
	}
	if ev, ok := EvidenceOf(p, m.History, &f); ok && !stress.Simulated(o.Target) && o.Arch == "amd64" {
		r := Reproducer{Title: f.Title, Kernel: o.Kernel, Scenario: c.Scenario, Program: p, Plan: m.Plan, Evidence: ev}
		if c.Repro, err = r.C(); err != nil && !errors.Is(err, ErrNoReproducer) {
			return nil, fmt.Errorf("file %s: %w", f.Title, err)
		}
	}
	c.Report, err = c.report(p)
	return c, err
}

// report is report.md: what somebody wants to know who is woken by this finding, in the order in which they ask.
func (c *Crasher) report(p *engine.Program) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", history.Printable(c.Title))
	fmt.Fprintf(&b, "%s on %s, %s, %s. ", sentence[c.Kind], history.Printable(c.Target), history.Printable(c.Kernel), history.Printable(c.Arch))
	if s := c.Sentence(); s != "" {
		b.WriteString(s + " ")
	}
	if c.Exact {
		fmt.Fprintf(&b, "The %d operations below show it each time under the schedule below", c.Ops)
	} else {
		fmt.Fprintf(&b, "The %d operations below showed it in %s", c.Ops, c.Rate())
	}
	if !c.Minimised {
		b.WriteString("; they may not be minimal, the time was up")
	}
	b.WriteString(".\n\n## What happened, and what is allowed\n\n")
	block(&b, c.Explanation)
	if len(c.Rules) > 0 {
		fmt.Fprintf(&b, "\nRules concerned: %s.\n", ruleList(c.Rules))
	}
	b.WriteString("\n## Minimal scenario\n\n")
	block(&b, string(c.Scenario))
	if c.Schedule != "" {
		b.WriteString("\n## The schedule\n\nNumbers count steps. Whoever is preempted could have gone on.\n\n")
		block(&b, c.Schedule)
	}
	if c.History != nil {
		var lanes strings.Builder
		if err := render.WriteLanes(&lanes, p, c.History); err != nil {
			return nil, err
		}
		b.WriteString("\n## One run that shows it\n\n")
		block(&b, lanes.String())
	}
	b.WriteString("\n## Show it again\n\n")
	block(&b, c.Command)
	if c.Repro != nil {
		b.WriteString("\nor without tracehammer, with the C program beside this report, on a machine to be tested:\n\n")
		block(&b, "gcc -O2 -static -pthread -o repro "+fileRepro+" && ./repro; echo $?")
	} else {
		b.WriteString("\nThere is no C program for it: what it shows is nothing that one program could check by itself.\n")
	}
	b.WriteString("\nExit status 1 says that the bug is there, 0 that it did not show, 125 that it cannot be told here: fit for `git bisect run`.\n")
	return []byte(b.String()), nil
}

var sentence = [...]string{
	NotAdmitted: "A system call returned what no execution of the rules returns,",
	Invariant:   "An invariant that can be seen from outside was broken,",
	Hang:        "A run stood still, and no documented wait explains it,",
	Console:     "The kernel complained about itself,",
	Crash:       "The machine or a program died,",
}

// block writes untrusted text as an indented block, out of which no text can break.
func block(b *strings.Builder, s string) {
	for l := range strings.Lines(s) {
		if l = history.Printable(strings.TrimRight(l, "\n")); l != "" {
			b.WriteString("    " + l)
		}
		b.WriteByte('\n')
	}
}
