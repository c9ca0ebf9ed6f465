package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
)

// events keeps what a campaign reported, and ends it at its first finding.
type events struct {
	all  []Event
	stop context.CancelFunc
}

func (e *events) Report(ev Event) error {
	e.all = append(e.all, ev)
	if _, ok := ev.(Found); ok {
		e.stop()
	}
	return nil
}

func (e *events) found() (fs []Found) {
	for _, ev := range e.all {
		if f, ok := ev.(Found); ok {
			fs = append(fs, f)
		}
	}
	return fs
}

// buggy opens engines with planted bugs in place of a kernel.
func buggy(bugs engine.BugSet) Opener {
	return func(context.Context, string) (stress.Target, error) {
		return stress.NewEngineTarget(engine.Options{Bugs: bugs}), nil
	}
}

func campaignOn(t *testing.T, state string, open Opener, scenarios ...*corpus.Scenario) (*events, Summary) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e := &events{stop: cancel}
	sum, err := Run(ctx, Config{Targets: []string{"engine"}, Scenarios: scenarios, Seed: 1, Workers: 1, State: state, Reporter: e, Open: open})
	if err != nil {
		t.Fatal(err)
	}
	if last, ok := e.all[len(e.all)-1].(Summary); !ok || last.Runs != sum.Runs {
		t.Errorf("the last event is %#v, expected the summary", e.all[len(e.all)-1])
	}
	return e, sum
}

func TestCampaignFilesPlantedBug(t *testing.T) {
	state := t.TempDir()
	open := buggy(engine.BugListenError.Set())
	e, sum := campaignOn(t, state, open, corpustest.Seed(t, "listen-errors"))
	fs := e.found()
	if len(fs) != 1 {
		t.Fatalf("%d findings, expected 1", len(fs))
	}
	f := fs[0]
	if f.Kind != "not-admitted" || !f.New || f.Regression || f.Operations > 8 || !strings.Contains(f.Title, "LISTEN") {
		t.Errorf("finding %+v", f)
	}
	if sum.NotAdmitted == 0 || sum.Findings != 1 || sum.NewFindings != 1 {
		t.Errorf("summary %+v", sum)
	}
	if _, err := os.Stat(filepath.Join(f.Dir, "scenario.scn")); err != nil {
		t.Error(err)
	}

	// Another campaign sees it again: it is not new, and a regression once somebody has closed it.
	again, sum := campaignOn(t, state, open, corpustest.Seed(t, "listen-errors"))
	if fs := again.found(); len(fs) != 1 || fs[0].New || fs[0].ID != f.ID || sum.NewFindings != 0 {
		t.Errorf("seen again: %+v, summary %+v", fs, sum)
	}
	if err := os.WriteFile(filepath.Join(f.Dir, "state"), []byte("fixed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	closed, sum := campaignOn(t, state, open, corpustest.Seed(t, "listen-errors"))
	if fs := closed.found(); len(fs) != 1 || !fs[0].Regression || sum.Regressions != 1 {
		t.Errorf("seen again after it was closed: %+v, summary %+v", fs, sum)
	}

	text, err := os.ReadFile(filepath.Join(state, campaignsFile))
	if err != nil || bytes.Count(text, []byte("\n")) != 3 {
		t.Errorf("record of campaigns: %v\n%s", err, text)
	}
	var list bytes.Buffer
	if err := List(state, nil, ListText{&list}); err != nil || !strings.Contains(list.String(), f.ID) {
		t.Errorf("list: %v %s", err, list.String())
	}
	var show bytes.Buffer
	if err := Show(state, f.ID[:6], false, &show); err != nil || !strings.Contains(show.String(), f.Title) {
		t.Errorf("show: %v %s", err, show.String())
	}
}

// The engine without bugs does not show what the buggy one did.
func TestReproTellsKernelsApart(t *testing.T) {
	state := t.TempDir()
	e, _ := campaignOn(t, state, buggy(engine.BugListenError.Set()), corpustest.Seed(t, "listen-errors"))
	res, err := Repro(t.Context(), state, e.found()[0].ID, "engine", 20)
	if err != nil {
		t.Fatal(err)
	}
	if res.Shown || res.Runs != 20 || res.Doubtful() {
		t.Errorf("%+v: %v", res, res)
	}
	if _, err := Repro(t.Context(), state, "ffff", "", 1); !errors.As(err, new(*crashers.NotFoundError)) {
		t.Errorf("repro of an unknown finding: %v", err)
	}
}

func TestCampaignWithoutFindings(t *testing.T) {
	state := t.TempDir()
	var out bytes.Buffer
	sum, err := Run(t.Context(), Config{Targets: []string{"engine"}, Scenarios: corpus.Seeds(), For: 500 * time.Millisecond, Seed: 1, State: state,
		Reporter: Tee{JSON{&out}, &KTAP{W: &out}}})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Findings != 0 || sum.Runs != sum.Admitted+sum.HangsPredicted+sum.Unknown {
		t.Errorf("summary %+v", sum)
	}
	jsonLines, ktap, _ := strings.Cut(out.String(), "KTAP version 1\n")
	lines := strings.Split(strings.TrimSpace(jsonLines), "\n")
	var last struct {
		Schema                                                       int
		Event                                                        string
		Scenarios, Operations                                        int
		Admitted, NotAdmitted, Unknown, Hangs, Findings, NewFindings *int
		Seconds                                                      float64
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Schema != Schema || last.Event != "summary" || last.Scenarios == 0 || last.Operations == 0 || last.Admitted == nil || last.NotAdmitted == nil ||
		last.Unknown == nil || last.Hangs == nil || last.Findings == nil || last.NewFindings == nil || last.Seconds < 0.5 {
		t.Errorf("last line %s", lines[len(lines)-1])
	}
	if !strings.Contains(ktap, "attach-detach on engine") {
		t.Errorf("KTAP report:\n%s", ktap)
	}
}
