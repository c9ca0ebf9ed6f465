package filing

import (
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"unicode"

	"tracehammer/stress/history"
)

// Mail says to whom a mail goes.
type Mail struct {
	From      string // "Name <address>"; "" leaves it to the mail program
	To, Cc    []string
	InReplyTo string // a message id, of a thread that it belongs to
	Mbox      bool   // write it as a mail folder of one
	// ReportedBy are whom a fix is to name; nobody: whom it is from.
	ReportedBy []string
}

// list is where reports about the kernel's ptrace go; get_maintainer.pl knows who else wants one.
const list = "linux-kernel@vger.kernel.org"

const (
	// textWidth is where prose is wrapped, as kernel lists like it.
	textWidth = 72
	// maxLine is the longest line that mail may have (RFC 5322, 2.1.1), less what marks a cut one.
	maxLine = 990
)

// Write writes a draft.
func (m *Mail) Write(w io.Writer, it *Item) error {
	var b strings.Builder
	if m.Mbox {
		b.WriteString("From tracehammer Thu Jan  1 00:00:00 1970\n")
	}
	to := m.To
	if len(to) == 0 {
		to = []string{list}
	}
	for _, r := range m.ReportedBy {
		if _, err := mail.ParseAddress(r); err != nil {
			return badAddress("Reported-by", r, err)
		}
	}
	reporters := m.ReportedBy
	if len(reporters) == 0 && m.From != "" {
		reporters = []string{m.From}
	}
	for _, h := range []struct {
		name string
		all  []string
	}{{"From", []string{m.From}}, {"To", to}, {"Cc", m.Cc}} {
		var said []string
		for _, a := range h.all {
			if a == "" {
				continue
			}
			parsed, err := mail.ParseAddress(a)
			if err != nil {
				return badAddress(h.name, a, err)
			}
			said = append(said, parsed.String())
		}
		if len(said) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", h.name, strings.Join(said, ",\n\t"))
		}
	}
	if m.InReplyTo != "" {
		id, err := messageID(m.InReplyTo)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "In-Reply-To: %s\nReferences: %s\n", id, id)
	}
	fmt.Fprintf(&b, "Subject: %s\n", mime.QEncoding.Encode("utf-8", fmt.Sprintf("[BUG] %s (%s)", clip(it.Title), clip(it.Kernel))))
	b.WriteString("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n")
	for l := range strings.Lines(it.body(reporters)) {
		l = strings.TrimRight(l, "\n")
		for len(l) > maxLine {
			cut := maxLine
			for cut > 0 && l[cut]&0xc0 == 0x80 { // not within a character
				cut--
			}
			fmt.Fprintf(&b, "%s\\\n", l[:cut])
			l = l[cut:]
		}
		if m.Mbox && strings.HasPrefix(strings.TrimLeft(l, ">"), "From ") {
			b.WriteByte('>')
		}
		b.WriteString(l + "\n")
	}
	if m.Mbox {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func badAddress(header, address string, err error) error {
	return fmt.Errorf("%s: %q is no mail address: %s", header, address, strings.TrimPrefix(err.Error(), "mail: "))
}

// messageID is a message id with its brackets.
func messageID(s string) (string, error) {
	id := strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if local, domain, ok := strings.Cut(id, "@"); !ok || local == "" || domain == "" ||
		strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("<>,;\"", r) }) {
		return "", fmt.Errorf("%q is no message id", s)
	}
	return "<" + id + ">", nil
}

// body is what the mail says, in the order in which its readers ask.
func (it *Item) body(reporters []string) string {
	var b strings.Builder
	para := func(format string, args ...any) { b.WriteString(wrap(fmt.Sprintf(format, args...)) + "\n") }
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "== %s\n\n%s\n", title, lines(text))
		}
	}
	para("%s on %s:", it.what(), history.Printable(it.Kernel))
	b.WriteString("  " + history.Printable(it.Title) + "\n\n")
	para("It was found by racing system calls against each other and comparing what they return with a model of ptrace(2), signals, exec, exit and wait.")
	if s := it.Sentence(); s != "" {
		para("%s The list is docs/known-bugs.md of tracehammer.", s)
	}
	fmt.Fprintf(&b, "Kernel:       %s (%s)\nTarget:       %s\nReliability:  %s\n\n", history.Printable(it.Kernel), history.Printable(it.Arch), history.Printable(it.Target), it.reliability())
	section("Kernels on which it was tried", it.kernels())
	section("What happened, and what is allowed", it.Explanation)
	section("Rules that it breaks or touches", strings.Join(it.concerned(), "\n"))
	section("The system calls", string(it.Scenario))
	section("The schedule", it.Schedule)
	section("One run that shows it: tickets count what happened, in order", it.Lanes)
	section("Kernel configuration, as far as it matters", relevant(it.Config))
	if it.Repro != nil {
		section("Reproducer", "gcc -O2 -static -pthread -o repro repro.c && ./repro; echo $?\n\n"+
			"1: the bug is there; 0: it did not show; 125: it cannot be told here.\nFit for git bisect run.")
	}
	if len(reporters) > 0 {
		b.WriteString("If you fix this, please add:\n\n")
		for _, r := range reporters {
			fmt.Fprintf(&b, "Reported-by: %s\n", history.Printable(r))
		}
		b.WriteString("\n")
	}
	if it.Repro != nil {
		fmt.Fprintf(&b, "---- >8 ---- repro.c ---- >8 ----\n%s---- >8 ----\n", lines(string(it.Repro)))
	}
	return b.String()
}

// wrap breaks prose into lines.
func wrap(s string) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.FieldsFunc(s, unicode.IsSpace) {
		switch {
		case n == 0:
		case n+1+len(word) > textWidth:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String() + "\n"
}
