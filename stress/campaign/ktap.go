package campaign

import (
	"fmt"
	"io"

	"tracehammer/stress/history"
)

// KTAP writes a KTAP report at the end of a campaign, one test for each seed scenario on each target.
type KTAP struct {
	W     io.Writer
	tests []history.KTAP
}

// Report implements Reporter.
func (k *KTAP) Report(e Event) error {
	switch e := e.(type) {
	case Skip:
		name := e.Target
		if e.Scenario != "" {
			name = e.Scenario + " on " + e.Target
		}
		k.tests = append(k.tests, history.KTAP{Name: name, Skip: e.Reason})
	case Ran:
		t := history.KTAP{Name: e.Scenario + " on " + e.Target, OK: e.Bad() == 0}
		t.Diag = append(t.Diag, fmt.Sprintf("%d runs, %d admitted, %d undecided", e.Runs, e.Admitted, e.Unknown))
		if !t.OK {
			t.Diag = append(t.Diag, fmt.Sprintf("%d violations, the first: %s", e.Bad(), e.First))
		}
		k.tests = append(k.tests, t)
	case Summary:
		return history.WriteKTAP(k.W, k.tests)
	}
	return nil
}
