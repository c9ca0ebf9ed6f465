package crashers

import (
	"fmt"
	"strings"
	"testing"
)

// TestDocsHaveTheTransitions: docs/triage.md has the tables that the code has.
func TestDocsHaveTheTransitions(t *testing.T) {
	doc := content(t, "../docs/triage.md")
	for s := StateNew; s < numStates; s++ {
		if !strings.Contains(doc, fmt.Sprintf("\n| `%s` | ", s)) {
			t.Errorf("docs/triage.md does not say what %v means", s)
		}
		var next []string
		for _, n := range s.Next() {
			next = append(next, n.String())
		}
		if row := fmt.Sprintf("| `%s` | %s |\n", s, strings.Join(next, ", ")); !strings.Contains(doc, row) {
			t.Errorf("docs/triage.md lacks the row\n%s", row)
		}
	}
}
