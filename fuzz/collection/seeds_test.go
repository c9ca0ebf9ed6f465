package collection

import (
	"context"
	"maps"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/coverage"
)

// argued are seeds that add no coverage to the others, and why they are seeds all the same. Coverage knows rules and results;
// it knows neither whose they are nor what
// does not come.
var argued = map[string]string{
	"attach-detach":           "the first example of the documentation",
	"exit-event-thread":       "whose exit it was that SIGKILL ends: its code is the group's",
	"fatal-running-leader":    "the leader and no other thread reports the signal",
	"fork-syscall-mode":       "a child does not inherit it: nothing comes",
	"group-stop-seize":        "the stop signal of a trap in a group that runs on: which signal, not that one comes",
	"ignored-nonleader":       "a signal that is dropped: nothing comes",
	"interrupt-before-signal": "which of two reports comes first",
	"kill-listening":          "SIGKILL ends a LISTENing tracee, which shows nothing before",
	"pidns-shared-handlers":   "a signal that does not come",
	"race-tracer-parent-wait": "both waits get the zombie, whoever comes first: whose they are",
	"real-parent-exit":        "who the parent is",
	"seccomp-tsync":           "another thread's call is filtered",
	"signal-taken-meanwhile":  "whose the second of two alike is",
	"seize-stopped":           "LISTEN in the stop that it was seized in: nothing comes",
	"sigcont-running":         "a trap although nothing was stopped",
	"tracer-exit-zombie":      "a wait that ends because a zombie is nobody's any more",
	"tracer-thread-parent":    "a death is reported once: the second wait finds nothing",
	"utrace-interrupt-asleep": "the sleep goes on: nothing more comes",
	"wait-any-thread":         "whose children a wait finds",
	"wait-hidden-stop":        "a stop that is not shown",
	"wait-order":              "whose report comes first",
}

// TestSeedsAreMinimal: no seed is implied by the coverage of the others, but for those that are argued for. A seed that
// fails here shows nothing new: take it away, or say what it is for. Seeds for kernels other than the one that the zero profile is are
// left out: what they cover on it is another matter.
func TestSeedsAreMinimal(t *testing.T) {
	var all []*Entry
	for _, s := range corpus.Seeds() {
		if s.RunsOn(corpus.Machine{Release: "6.18", Arch: engine.AMD64.String(), Root: true}) {
			all = append(all, FromScenario(s))
		}
	}
	covers := make([][]coverage.Feature, len(all))
	for i, e := range all {
		var err error
		if covers[i], err = Measure(context.Background(), e, DefaultRuns, 1); err != nil {
			t.Fatal(err)
		}
	}
	chosen := map[string]bool{}
	for _, p := range Minimise(covers, func(i int) int { return all[i].Input.Scenario.NumOps() }) {
		chosen[all[p.Index].Name] = true
	}
	left := maps.Clone(argued)
	for _, e := range all {
		// A seed for a known bug is for a kernel to differ on: what it covers on the engine is another matter.
		if !chosen[e.Name] && argued[e.Name] == "" && len(e.Input.Scenario.KnownBugs) == 0 {
			t.Errorf("%s adds nothing to the coverage of the other seeds", e.Name)
		}
		delete(left, e.Name)
	}
	for name := range left {
		t.Errorf("%s is argued for, and is no seed", name)
	}
	if len(chosen) < 200 {
		t.Errorf("%d seeds add something, want 200", len(chosen))
	}
	t.Logf("%d of %d seeds add something", len(chosen), len(all))
}
