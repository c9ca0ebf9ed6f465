package rules

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// lastUtrace is the last invariant that is about utrace, or ptrace as its client, but for 27. Much of what they say is about
// callbacks, which clients of tests watch.
const lastUtrace = 31

var update = flag.Bool("update", false, "write docs/rules.md's table of invariants")

// Each invariant of section 7 is checked by code, but for those that docs/rules.md argues about.
func TestEveryInvariant(t *testing.T) {
	const path, begin, end = "../../docs/rules.md", "<!-- invariants -->\n", "<!-- end -->\n"
	at, err := Invariants()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	argued := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| I([0-9]+) \| code \| \S.*\|$`).FindAllStringSubmatch(string(text), -1) {
		var n int
		fmt.Sscan(m[1], &n)
		argued[n] = true
	}
	var b strings.Builder
	b.WriteString("| invariant | checked in |\n|---|---|\n")
	for n := 1; n <= NumInvariants; n++ {
		switch {
		case len(at[n]) == 0 && n <= lastUtrace && n != 27:
			t.Logf("invariant %d of utrace is in no check: tests of engine/ show it, or nothing", n)
		case len(at[n]) == 0 && !argued[n]:
			t.Errorf("invariant %d is checked nowhere, and docs/rules.md does not say why", n)
		case len(at[n]) > 0 && argued[n]:
			t.Errorf("invariant %d is checked by now: docs/rules.md argues for nothing", n)
		}
		if len(at[n]) > 0 {
			fmt.Fprintf(&b, "| %d | %s |\n", n, strings.Join(at[n], ", "))
		}
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s: no %q and %q", path, begin, end)
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s is out of date: go test ./stress/rules -run EveryInvariant -update", path)
	}
}

// Invariants can fail: the planted bugs break many of them in runs of the seeds. A check that no bug of any kind breaks any
// more has become empty, or the bug that broke it has.
func TestInvariantsFail(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every seed with every planted bug")
	}
	var progs []*engine.Program
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		progs = append(progs, p)
	}
	broken := map[int][]string{}
	for _, bug := range engine.Bugs() {
		seen := map[int]bool{}
		for _, p := range progs {
			target := stress.NewEngineTarget(engine.Options{Check: true, Bugs: bug.Set()})
			err := target.Run(context.Background(), p, stress.Plan{Seed: 7, Repeat: 20}, func(*history.History) bool { return true })
			var e *engine.InvariantError
			if errors.As(err, &e) && !seen[e.N] {
				seen[e.N] = true
				broken[e.N] = append(broken[e.N], bug.String())
			}
		}
	}
	var got []int
	for n, bugs := range broken {
		got = append(got, n)
		t.Logf("invariant %d: %s", n, strings.Join(bugs, " "))
	}
	slices.Sort(got)
	t.Logf("%d invariants broken: %v", len(got), got)
	for _, n := range mustBreak {
		if !slices.Contains(got, n) {
			t.Errorf("no planted bug breaks invariant %d", n)
		}
	}
}

// mustBreak are the invariants that planted bugs break in TestInvariantsFail.
var mustBreak = []int{}
