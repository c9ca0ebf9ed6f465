package clients_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/stress/explore"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// shownBy names the seed that shows each planted bug of utrace.
var shownBy = map[engine.Bug]string{
	engine.BugUtraceDoneTooEarly:        "utrace-done-in-order",
	engine.BugUtraceAttachReaping:       "utrace-attach-reaping",
	engine.BugUtraceReportLost:          "utrace-report-after-stop",
	engine.BugUtraceInterruptSlips:      "utrace-interrupt",
	engine.BugUtraceReportingLeft:       "utrace-barrier-idle",
	engine.BugUtraceReapDropped:         "utrace-barrier-idle",
	engine.BugUtraceWakeIgnoresStop:     "utrace-wake-to-stop",
	engine.BugUtraceStopUncounted:       "utrace-group-stop-held",
	engine.BugUtraceStopStaysStopped:    "utrace-stop-stopped",
	engine.BugUtraceDetachThenStop:      "utrace-detach-running",
	engine.BugUtraceHandlerLeaks:        "utrace-handler-leak",
	engine.BugUtraceBogusReport:         "utrace-interrupt-alone",
	engine.BugUtraceBarrierWaitsForMark: "utrace-detach-zombie",
	engine.BugUtraceAttachNoUnion:       "utrace-request-at-once",
	engine.BugUtraceInprogressAdded:     "utrace-events-added",
	engine.BugUtraceStealsSignal:        "utrace-group-stop-first",
	engine.BugUtraceResumeHoldsStop:     "utrace-control-running",
	engine.BugUtraceSignalMissesAttach:  "utrace-signal-attached",
	engine.BugUtraceResumedKeepsStop:    "utrace-entry-again",
	engine.BugUtraceDetachedCalled:      "utrace-detached-silent",
	engine.BugUtraceStepLeftArmed:       "utrace-step-detach",
	engine.BugUtraceStepShared:          "utrace-step-shared",
	engine.BugUtraceQuiesceResetsAbort:  "utrace-abort",
	engine.BugUtraceEntryOrder:          "utrace-entry-order",
	engine.BugUtraceStaleFlags:          "utrace-events-cleared",
	engine.BugUtraceBarrierEarly:        "utrace-barrier-detached",
	engine.BugUtraceSignoHighBit:        "utrace-signo",
	engine.BugUtraceLookupAtReap:        "utrace-reap-lookup",
	engine.BugUtraceAPIAfterReap:        "utrace-death-late",
	engine.BugUtraceSlotOrder:           "utrace-order",
	engine.BugUtraceStopsKilled:         "utrace-killed-first",
	engine.BugUtraceExamineStale:        "utrace-examine-killed",
	engine.BugUtraceAttachGoesOn:        "utrace-attach-fails",
	engine.BugUtraceEventsShrink:        "utrace-events-others",
	engine.BugUtraceDeathReaped:         "utrace-reap",
	engine.BugUtraceDeathAddedLate:      "utrace-death-added",
	engine.BugUtraceReapEarly:           "utrace-reap",
	engine.BugUtraceForeignStopTold:     "utrace-foreign-stop",
	engine.BugUtraceAttachJoins:         "utrace-attach-inside",
	engine.BugUtraceCloneLate:           "utrace-clone-first",
	engine.BugUtraceInterruptAsleep:     "utrace-interrupt-asleep",
	engine.BugUtraceReleaseTwice:        "utrace-detached",
}

// TestBugsShow: each planted bug breaks an invariant, or what its scenario expects, or has a history that the clean engine does
// not admit, in some execution; without it none does.
func TestBugsShow(t *testing.T) {
	for _, bug := range engine.Bugs() {
		if strings.HasPrefix(bug.String(), "utrace-") && shownBy[bug] == "" {
			t.Errorf("no seed shows %v", bug)
		}
	}
	for bug, name := range shownBy {
		t.Run(bug.String(), func(t *testing.T) {
			t.Parallel()
			at := slices.IndexFunc(corpus.Seeds(), func(s *corpus.Scenario) bool { return s.Name == name })
			if at < 0 {
				t.Fatalf("no seed %q", name)
			}
			s := corpus.Seeds()[at]
			if what := broken(t, s, engine.Options{Check: true}); what != "" {
				t.Errorf("without the bug: %s", what)
			}
			what := broken(t, s, engine.Options{Check: true, Bugs: bug.Set()})
			t.Log(what)
			blind := broken(t, s, engine.Options{Bugs: bug.Set()})
			t.Log("without invariants:", blind)
			if what == "" {
				t.Errorf("%s does not show %v", name, bug)
			}
		})
	}
}

// broken explores a scenario and says what is wrong with some execution of it.
func broken(t *testing.T, s *corpus.Scenario, o engine.Options) string {
	t.Helper()
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	p.Clients = clients.Checked(p.Clients)
	r, err := explore.Run(context.Background(), p, o, explore.Options{Limit: 100_000})
	var ie *engine.InvariantError
	switch {
	case errors.As(err, &ie):
		return ie.Error()
	case err != nil:
		t.Fatal(err)
	}
	judge := oracle.New(engine.Profile{})
	for _, out := range r.Outcomes {
		if v := judge.Judge(p, out.History); v.Kind == oracle.NotAdmitted {
			return v.Title
		}
		var calls []corpus.Observed
		for a := range out.History.Actors {
			for _, e := range out.History.Actors[a].Entries {
				if e.Kind == history.Call {
					calls = append(calls, corpus.Observed{Actor: engine.ActorID(a), Instr: e.Instr, Done: e.Done, Res: e.Res})
				}
			}
		}
		for _, m := range s.Check(p, calls, nil) {
			return fmt.Sprintf("%s: got %s, expected %s", s.Ops()[m.Op], m.Got, m.Want)
		}
	}
	return ""
}
