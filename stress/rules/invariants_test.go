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

// Each invariant of section 7 is checked by code, and some planted bug breaks it (TestInvariantsFail), but for those that docs/rules.md
// argues about.
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
	argued := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (I[0-9]+ \| (?:code|bug)) \| \S.*\|$`).FindAllStringSubmatch(string(text), -1) {
		argued[m[1]] = true
	}
	var b strings.Builder
	b.WriteString("| invariant | is about | checked in | broken by |\n|---|---|---|---|\n")
	for n := 1; n <= NumInvariants; n++ {
		for what, there := range map[string]bool{"code": len(at[n]) > 0, "bug": breaks[n] != ""} {
			switch key := fmt.Sprintf("I%d | %s", n, what); {
			case !there && !argued[key]:
				t.Errorf("invariant %d (%s) has no %s, and docs/rules.md does not say why", n, engine.InvariantName(n), what)
			case there && argued[key]:
				t.Errorf("invariant %d has a %s by now: docs/rules.md argues for nothing", n, what)
			}
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", n, engine.InvariantName(n), strings.Join(at[n], ", "), breaks[n])
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

// breaks names for invariants a planted bug that breaks them in some run of some seed. Those that have none, docs/rules.md argues about.
var breaks = map[int]string{
	1: "utrace-attach-no-union", 2: "utrace-events-shrink", 3: "utrace-resume-holds-stop", 4: "utrace-interrupt-slips",
	5: "utrace-reporting-left", 6: "utrace-entry-order", 7: "utrace-attach-joins", 8: "utrace-stale-flags",
	9: "utrace-barrier-waits-for-mark", 10: "utrace-reap-early", 11: "utrace-death-reaped", 12: "utrace-release-twice",
	13: "utrace-api-after-reap", 14: "utrace-death-added-late", 15: "utrace-stop-stays-stopped",
	16: "tracer-death-no-wake", 17: "utrace-report-lost", 18: "sigkill-reported", 19: "utrace-attach-goes-on",
	20: "utrace-clone-late", 21: "killed-at-entry-runs", 22: "utrace-handler-leaks", 23: "utrace-interrupt-asleep",
	25: "utrace-barrier-waits-for-mark", 26: "utrace-attach-reaping", 27: "detach-keeps-engine", 28: "stop-code-stays",
	29: "utrace-foreign-stop-told", 30: "siginfo-stays", 31: "utrace-step-left-armed", 32: "gate-other-thread",
	33: "setoptions-partial", 34: "utrace-signo-high-bit", 35: "sysgood-missing-at-exit", 36: "signal-before-exit-stop",
	37: "siginfo-in-group-stop", 38: "inject-original", 39: "inject-ignores-mask", 40: "event-stop-injects",
	42: "cont-keeps-report", 43: "double-stop-report", 44: "interrupt-not-cleared", 45: "gate-listening",
	46: "options-not-inherited", 47: "untraced-event", 48: "vfork-done-early", 49: "errno-precedence-attach",
	50: "seize-options-lost", 52: "sigcont-keeps-stop", 53: "cld-stopped-twice", 54: "stop-keeps-sigcont",
	55: "detach-forgets-group-stop", 56: "overtaken-stop", 57: "attach-leaves-stopped", 58: "sigcont-wakes-traced",
	59: "orphan-stops", 60: "notify-forgotten", 61: "exec-skips-zombie-sibling", 62: "exec-leader-reported",
	63: "exec-event-msg-zero", 64: "attach-in-exec", 65: "exec-gains-traced", 66: "zombie-taken-twice",
	67: "foreign-zombie-taken", 68: "zombie-leader-reported", 69: "own-exit-code", 70: "zombie-thread-kept",
	71: "echild-foreign-zombie", 72: "wnothread-ignored", 73: "lost-chld-wakeup", 74: "sigkill-not-waking",
	75: "exec-lost-sibling-wakeup", 77: "trapping-lost", 78: "attach-guard-eintr", 79: "realtime-coalesce",
	80: "waited-signal-survives",
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
