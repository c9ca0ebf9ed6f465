package campaign

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"tracehammer/crashers"
	"tracehammer/stress/history"
	"tracehammer/stress/history/render"
)

// Listed is one filed finding, as an event.
type Listed struct {
	crashers.Meta
	Dir string `json:"dir"`
}

// EventName implements Event.
func (Listed) EventName() string { return "crasher" }

// List reports what is filed in a state directory, oldest first: findings of some states, or if none is named all.
func List(state string, only []crashers.State, out Reporter) error {
	store, err := crashers.OpenReader(state)
	if err != nil {
		return err
	}
	metas, err := store.List() // what cannot be read does not hide the others
	for _, m := range metas {
		if len(only) > 0 && !slices.Contains(only, m.State) {
			continue
		}
		if err := out.Report(Listed{m, store.Dir(m.ID)}); err != nil {
			return err
		}
	}
	return err
}

// ListText shows findings to people, one a line.
type ListText struct{ Out io.Writer }

// Report implements Reporter.
func (t ListText) Report(e Event) error {
	l, ok := e.(Listed)
	if !ok {
		return nil
	}
	title := l.Title
	if k := l.Brief(); k != "" {
		title += " (" + k + ")"
	}
	if l.Owner != "" {
		title += " [" + l.Owner + "]"
	}
	_, err := fmt.Fprintf(t.Out, "%s  %-11s  %-12s %-6s %2d operations, shown by %s, seen %s, last %s  %s\n", l.ID, l.State, l.Kind, l.Target, l.Ops, l.Rate(),
		l.Seen(), l.LastSeen.Local().Format("2006-01-02 15:04"), title)
	return err
}

// Shown is a filed finding in full, as an event.
type Shown struct {
	Listed
	Scenario    string `json:"scenario"`
	Explanation string `json:"explanation"`
	Schedule    string `json:"schedule,omitempty"`   // in words
	Reproducer  string `json:"reproducer,omitempty"` // path of the C program
	Notes       string `json:"notes,omitempty"`      // of people
}

// EventName implements Event.
func (Shown) EventName() string { return "crasher" }

// Show writes a finding: for people with its history as a diagram, else as one JSON object.
func Show(state, id string, json bool, w io.Writer) error {
	c, p, err := loadCrasher(state, id)
	if err != nil {
		return err
	}
	store, err := crashers.OpenReader(state)
	if err != nil {
		return err
	}
	c.Command = crashers.Command(crashers.Program(), state, c.ID)
	s := Shown{Listed: Listed{c.Meta, store.Dir(c.ID)}, Scenario: string(c.Scenario), Explanation: c.Explanation, Schedule: c.Schedule}
	if s.Notes, err = store.Notes(c.ID); err != nil {
		return err
	}
	if c.Repro != nil {
		s.Reproducer = filepath.Join(s.Dir, "repro.c")
	}
	if json {
		return WriteJSON(w, s.EventName(), s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s on %s (%s %s)\n%s\n", s.ID, s.Kind, s.Target, s.Kernel, s.Arch, s.Title)
	if k := s.Brief(); k != "" {
		fmt.Fprintf(&b, "known: %s\n", k)
	}
	fmt.Fprintf(&b, "state: %s\n", &s.Status)
	if s.Problem != "" {
		fmt.Fprintf(&b, "cannot be read: %s\n", s.Problem)
	}
	if s.Owner != "" {
		fmt.Fprintf(&b, "owner: %s\n", s.Owner)
	}
	if s.Notes != "" {
		b.WriteString("notes:\n")
		text(&b, s.Notes)
	}
	b.WriteByte('\n')
	text(&b, s.Scenario)
	b.WriteByte('\n')
	text(&b, s.Explanation)
	b.WriteByte('\n')
	if s.Schedule != "" {
		b.WriteString("schedule: ")
		text(&b, s.Schedule)
		b.WriteByte('\n')
	}
	if c.History != nil {
		if err := errors.Join(render.WriteLanes(&b, p, c.History), newline(&b)); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "shown by %s of these %d operations; seen %s, first %s, last %s\n", s.Rate(), s.Ops, s.Seen(),
		s.FirstSeen.Local().Format("2006-01-02 15:04:05"), s.LastSeen.Local().Format("2006-01-02 15:04:05"))
	fmt.Fprintf(&b, "filed in %s\nagain:   %s\n", history.Printable(s.Dir), history.Printable(s.Command))
	if s.Reproducer != "" {
		fmt.Fprintf(&b, "alone:   gcc -O2 -static -pthread -o /tmp/repro %s && /tmp/repro\n", history.Printable(crashers.Quote(s.Reproducer)))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// text writes untrusted lines.
func text(b *strings.Builder, s string) {
	for l := range strings.Lines(s) {
		b.WriteString(history.Printable(strings.TrimRight(l, "\n")))
		b.WriteByte('\n')
	}
}

func newline(w io.Writer) error {
	_, err := io.WriteString(w, "\n")
	return err
}
