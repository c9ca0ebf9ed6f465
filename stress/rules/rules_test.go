package rules

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
)

// The R rules come first, all of them, in order: Title and Rule.N rely on it.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for i, e := range table {
		if i < engine.NumRules-1 && e.id != fmt.Sprint("R", i+1) {
			t.Errorf("entry %d is %s", i, e.id)
		}
		if seen[e.id] || e.title == "" || e.evidence != Seen && e.evidence != Source {
			t.Errorf("bad entry %+v", e)
		}
		seen[e.id] = true
	}
	if len(table) < engine.NumRules-1 {
		t.Errorf("%d entries", len(table))
	}
}

var exception = regexp.MustCompile(`(?m)^\| ([RUOCH][0-9]+) \| (code|scenario) \| \S.*\|$`)

// Every rule is in code, and in a scenario or test, but for those that docs/rules.md argues about.
func TestEveryRule(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	argued := map[string]bool{}
	for _, m := range exception.FindAllStringSubmatch(string(doc), -1) {
		argued[m[1]+" "+m[2]] = true
	}
	all, err := Load(corpus.Seeds())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		for what, there := range map[string]bool{"code": len(r.Places) > 0, "scenario": r.Shown()} {
			switch key := r.ID + " " + what; {
			case !there && !argued[key]:
				t.Errorf("%s (%s) has no %s, and docs/rules.md does not say why", r.ID, r.Title, what)
			case there && argued[key]:
				t.Errorf("%s has a %s by now: docs/rules.md argues for nothing", r.ID, what)
			}
		}
	}
}

// The places are read from the sources: one that is known, in a comment, a mark and a test.
func TestPlaces(t *testing.T) {
	all, err := Load(corpus.Seeds())
	if err != nil {
		t.Fatal(err)
	}
	has := func(id string, list func(*Rule) []string, want string) {
		t.Helper()
		i := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
		if !slices.Contains(list(&all[i]), want) {
			t.Errorf("%s: %q lacks %s", id, list(&all[i]), want)
		}
	}
	places := func(r *Rule) []string { return r.Places }
	has("R7", places, "engine/exec.go:execGuard")                                                         // its comment
	has("R68", places, "engine/exec.go:execLeader")                                                       // Mark
	has("R110", places, "engine/task.go:NumRegs")                                                         // a declaration's comment
	has("R41", func(r *Rule) []string { return r.Tests }, "ptrace/rules_test.go:TestCloneInStoppedGroup") // a test's
	has("R8", func(r *Rule) []string { return r.Scenarios }, "attach-detach")
}
