package coverage_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress/coverage"
)

func parse(t *testing.T, text string) *engine.Program {
	t.Helper()
	return corpustest.Program(t, "scenario test\nproc main\nproc child of main\n"+text)
}

func texts(s *coverage.Set, k coverage.Kind) (all []string) {
	for _, f := range s.All() {
		if f.Kind == k {
			all = append(all, f.String())
		}
	}
	return all
}

// What a run showed is said in words of the scenario language.
func TestFeatures(t *testing.T) {
	p := parse(t, `main: ptrace SEIZE child
main: ptrace INTERRUPT child
main: wait4 child
main: kill child SIGKILL
main: waitid P_PID child WEXITED
main: waitid P_PID child WEXITED
main: ptrace CONT child
`)
	set, err := coverage.Of(context.Background(), p, coverage.Options{Runs: 5})
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[coverage.Kind][]string{
		coverage.Rule: {"R10", "R48", "R51"},
		coverage.Result: {"ptrace SEIZE => 0", "ptrace INTERRUPT => 0", "wait4 => event STOP", "kill => 0", "waitid => CLD_KILLED SIGKILL",
			"waitid => ECHILD", "ptrace CONT => ESRCH"},
		coverage.Sequence: {"begins with ptrace SEIZE => 0", "waitid => CLD_KILLED SIGKILL, then waitid => ECHILD"},
	} {
		got := texts(set, kind)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%v: no %q in %q", kind, w, got)
			}
		}
	}
	// The tracee traps because its tracer asked for it.
	if pairs := texts(set, coverage.Pair); !slices.ContainsFunc(pairs, func(s string) bool { return strings.HasPrefix(s, "R48 then R") }) {
		t.Errorf("pairs: %q", pairs)
	}
	if n := set.Counts(); n[coverage.Outcome] != 1 || n[coverage.Result] != 7 || n[coverage.Sequence] != 7 {
		t.Errorf("%v", n)
	}
}

// A set merges what it lacks, once, and says what that was.
func TestMerge(t *testing.T) {
	one := coverage.Feature{Kind: coverage.Pair, A: 8, B: 13}
	two := coverage.Feature{Kind: coverage.Rule, A: 113}
	three := coverage.Feature{Kind: coverage.Outcome, A: 1, B: 2}
	var a, b coverage.Set
	a.Add(one)
	for _, f := range []coverage.Feature{three, one, two} {
		b.Add(f)
	}
	if got := a.Merge(&b); !slices.Equal(got, []coverage.Feature{two, three}) {
		t.Errorf("merged %v", got)
	}
	if got := a.Merge(&b); got != nil {
		t.Errorf("merged again %v", got)
	}
	if b.Clear(); b.Has(one) || b.Has(two) || b.Has(three) {
		t.Error("not empty")
	}
}

// Shapes leave arguments out, and nothing else.
func TestShape(t *testing.T) {
	same := []string{"main: kill child SIGUSR1\n", "main: kill child SIGUSR2\n", "main: kill main 0\n"}
	for _, s := range same {
		if coverage.ShapeOf(parse(t, s)) != coverage.ShapeOf(parse(t, same[0])) {
			t.Errorf("%q has another shape than %q", s, same[0])
		}
	}
	other := []string{same[0], "child: kill main SIGUSR1\n", "main: ptrace ATTACH child\n", "main: ptrace SEIZE child\n", same[0] + same[0]}
	seen := map[uint64]string{}
	for _, s := range other {
		h := coverage.ShapeOf(parse(t, s))
		if seen[h] != "" {
			t.Errorf("%q has the shape of %q", s, seen[h])
		}
		seen[h] = s
	}
}

// The same program and seed cover the same, and every seed scenario covers something.
func TestOfRepeats(t *testing.T) {
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		var sets [2]*coverage.Set
		for i := range sets {
			if sets[i], err = coverage.Of(context.Background(), p, coverage.Options{Runs: 20, Seed: 3}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(sets[0].All(), sets[1].All()) {
			t.Errorf("%s covers one thing, then another", s.Name)
		}
		if sets[0].Counts()[coverage.Result] == 0 {
			t.Errorf("%s covers nothing", s.Name)
		}
	}
}
