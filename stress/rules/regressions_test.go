package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
)

// regressions is how many bugs section 4.2 lists.
const regressions = 31

// Each bug of section 4.2 has its row in docs/rules.md; what that names is there: seeds, tests, planted bugs with it as their source.
func TestRegressions(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[string]bool{}
	for _, s := range corpus.Seeds() {
		seeds[s.Name] = true
	}
	planted := map[string][]string{}
	for _, b := range engine.Bugs() {
		planted[b.Source()] = append(planted[b.Source()], b.String())
	}
	list := func(cell string) (names []string) {
		for _, n := range strings.Split(cell, ",") {
			if n = strings.TrimSpace(n); n != "" {
				names = append(names, n)
			}
		}
		return names
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (4\.2\.\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*) \|$`).FindAllStringSubmatch(string(doc), -1) {
		item, shown, bugs, why := m[1], list(m[3]), list(m[4]), strings.TrimSpace(m[5])
		if rows[item] {
			t.Errorf("%s has two rows", item)
		}
		rows[item] = true
		if len(shown) == 0 {
			t.Errorf("%s is shown by nothing", item)
		}
		for _, name := range shown {
			file, test, isTest := strings.Cut(name, ":")
			if !isTest {
				if !seeds[name] {
					t.Errorf("%s: no seed %q", item, name)
				}
				continue
			}
			src, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil || !strings.Contains(string(src), "func "+test+"(") {
				t.Errorf("%s: no test %s (%v)", item, name, err)
			}
		}
		slices.Sort(bugs)
		want := slices.Sorted(slices.Values(planted[item]))
		if !slices.Equal(bugs, want) {
			t.Errorf("%s: the planted bugs are %v, the row has %v", item, want, bugs)
		}
		if len(bugs) == 0 && why == "" {
			t.Errorf("%s has no planted bug, and the row does not say why", item)
		}
	}
	for i := 1; i <= regressions; i++ {
		if item := fmt.Sprint("4.2.", i); !rows[item] {
			t.Errorf("%s has no row", item)
		}
	}
	if len(rows) != regressions {
		t.Errorf("%d rows", len(rows))
	}
}
