package rules

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

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

// breaks names for invariants a planted bug that breaks them in some run of some seed.
var breaks = map[int]string{
	1: "utrace-attach-no-union", 2: "utrace-events-shrink", 3: "utrace-resume-holds-stop", 4: "utrace-interrupt-slips", 5: "utrace-reporting-left",
	6: "utrace-entry-order", 8: "utrace-stale-flags", 9: "utrace-barrier-waits-for-mark", 10: "utrace-reap-early", 11: "utrace-death-reaped",
	13: "utrace-api-after-reap", 14: "utrace-death-added-late", 16: "tracer-death-no-wake", 17: "utrace-report-lost", 19: "utrace-attach-goes-on",
	21: "killed-at-entry-runs", 22: "utrace-handler-leaks", 29: "utrace-foreign-stop-told", 31: "utrace-step-left-armed", 32: "gate-listening", 33: "setoptions-partial", 35: "sysgood-missing-at-exit", 38: "inject-original",
	39: "inject-ignores-mask", 42: "cont-keeps-report", 43: "double-stop-report", 48: "vfork-done-early", 53: "cld-stopped-twice", 58: "sigcont-wakes-traced",
	69: "own-exit-code", 71: "echild-foreign-zombie", 72: "wnothread-ignored",
	44: "interrupt-not-cleared", 46: "options-not-inherited", 52: "sigcont-keeps-stop", 54: "stop-keeps-sigcont", 55: "detach-forgets-group-stop",
	57: "attach-leaves-stopped", 60: "notify-forgotten", 61: "exec-skips-zombie-sibling", 63: "exec-event-msg-zero", 64: "attach-in-exec",
	68: "zombie-leader-reported", 70: "zombie-thread-kept", 73: "lost-chld-wakeup", 74: "sigkill-not-waking", 75: "exec-lost-sibling-wakeup",
	77: "trapping-lost",
}

// Invariants can fail: each of these is broken by a planted bug in some run of the seeds. One that is not any more has become
// empty, or the bug has.
func TestInvariantsFail(t *testing.T) {
	var progs []*engine.Program
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		progs = append(progs, p)
	}
	for n, name := range breaks {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			bug, err := engine.ParseBug(name)
			if err != nil {
				t.Fatal(err)
			}
			for round := range 20 { // the first shows all of them today
				for _, p := range progs {
					target := stress.NewEngineTarget(engine.Options{Check: true, Bugs: bug.Set()})
					err := target.Run(context.Background(), p, stress.Plan{Seed: uint64(round), Repeat: 5}, func(*history.History) bool { return true })
					if e := (*engine.InvariantError)(nil); errors.As(err, &e) && e.N == n {
						return
					}
				}
			}
			t.Errorf("the bug %s does not break it", name)
		})
	}
}
