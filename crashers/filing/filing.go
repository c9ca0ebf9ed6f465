// Package filing turns filed findings into what other people and programs read: a mail to a kernel list, an issue, SARIF and
// JUnit for CI.
//
// It writes, and never sends: that is for the user's own tools. Findings are untrusted text, and stay text in whatever form they
// take. The package keeps no state and takes no locks.
package filing

import (
	"fmt"
	"strings"

	"tracehammer/crashers"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// Item is a finding to be filed.
type Item struct {
	*crashers.Crasher
	Dir   string // of the finding
	Lanes string // one run that shows it, drawn; "" if there is none
	// Config is the configuration of the kernel that showed it; "" if nobody knows it.
	Config string
}

// lines makes untrusted text printable, line by line. Tabs stay: C programs are written with them.
func lines(s string) string {
	var b strings.Builder
	for l := range strings.Lines(s) {
		for i, part := range strings.Split(strings.TrimRight(l, "\n"), "\t") {
			if i > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(history.Printable(part))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// maxTitle is how many characters of a title go where a line must be short.
const maxTitle = 150

// clip is untrusted text in one short line.
func clip(s string) string {
	s = history.Printable(s)
	if r := []rune(s); len(r) > maxTitle {
		s = string(r[:maxTitle-3]) + "..."
	}
	return s
}

// where names the kernel that showed it.
func (it *Item) where() string {
	return fmt.Sprintf("%s, %s, target %s", history.Printable(it.Kernel), history.Printable(it.Arch), history.Printable(it.Target))
}

// what is one sentence on a kind of finding.
func (it *Item) what() string {
	switch it.Kind {
	case crashers.NotAdmitted:
		return "A system call returned what it should not be able to return"
	case crashers.Invariant:
		return "Something that must always hold did not"
	case crashers.Hang:
		if !strings.Contains(it.Title, " <-> ") { // the oracle found no cycle
			return "A system call that should return never does"
		}
		return "Tasks wait for each other for good"
	case crashers.Console:
		return "The kernel reported a bug of its own"
	case crashers.Crash:
		return "The program that checks kernels died"
	}
	return "Something is wrong"
}

// concerned are the rules with what they say.
func (it *Item) concerned() (list []string) {
	for _, n := range it.Rules {
		if t := rules.Title(n); t != "" {
			list = append(list, fmt.Sprintf("R%d: %s", n, t))
		}
	}
	return list
}

// reliability says how often it shows.
func (it *Item) reliability() string {
	s := fmt.Sprintf("shown by %s of these %d operations; seen %s", it.Rate(), it.Ops, it.Seen())
	if !it.Minimised {
		s += "; perhaps not minimal"
	}
	return s
}
