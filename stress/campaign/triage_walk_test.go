package campaign

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
)

// TestSince: which of kernels in an order show a finding, and what can be said of it.
func TestSince(t *testing.T) {
	on := func(s string) (trials []Trial) { // + shows it, - does not, ? cannot tell, x was not tried
		for i, c := range s {
			tr := Trial{Target: string(rune('a' + i)), Runs: 10}
			switch c {
			case '+':
				tr.Hits = 1
			case '?':
				tr.Unknown = 10
			case 'x':
				tr = Trial{Target: tr.Target, Skipped: "no such kernel"}
			}
			trials = append(trials, tr)
		}
		return trials
	}
	for s, want := range map[string]struct {
		since Since
		text  string
	}{
		"":      {Since{}, "no kernel could tell"},
		"x?":    {Since{}, "no kernel could tell"},
		"--":    {Since{Last: "b"}, "no kernel shows it"},
		"++":    {Since{First: "a"}, "first shows in a, and none before it could tell"},
		"-x?++": {Since{First: "d", Last: "a"}, "first shows in d, last does not in a"},
		"--+-":  {Since{First: "c", Last: "b", Gone: "d"}, "first shows in c, last does not in b; gone in d"},
		"-+?-+": {Since{First: "b", Last: "a", Mixed: true}, "first shows in b, last does not in a; between those that show it one does not: it was fixed only there, came back, or is rare"},
		"+-+--": {Since{First: "a", Gone: "d", Mixed: true}, "first shows in a, and none before it could tell; gone in d; between those that show it one does not: it was fixed only there, came back, or is rare"},
	} {
		if got := since(on(s)); got != want.since || got.String() != want.text {
			t.Errorf("%q: %+v, %q; want %+v, %q", s, got, got.String(), want.since, want.text)
		}
	}
}

func TestKernels(t *testing.T) {
	own := "qemu:" + hostMachine() + "@"
	for in, want := range map[string]string{
		"@bookworm,@trixie,/boot/vmlinuz":       own + "bookworm," + own + "trixie," + own + "/boot/vmlinuz",
		"qemu:s390x,@sid,./bzImage":             "qemu:s390x,qemu:s390x@sid,qemu:s390x@./bzImage",
		"uml:./a/linux,./b/linux,host":          "uml:./a/linux,uml:./b/linux,host",
		"engine:linux-5.10,engine,qemu:arm64@x": "engine:linux-5.10,engine,qemu:arm64@x",
		"uml,@trixie":                           "",
		"trixie":                                "",
		"qemu:":                                 "",
		"":                                      "",
		"@":                                     "",
	} {
		got, err := Kernels(strings.Split(in, ","))
		if (err == nil) != (want != "") || strings.Join(got, ",") != want {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
}

// listenError opens an engine that has that bug in place of any target.
var listenError = buggy(engine.BugListenError.Set())

// filedFinding is a state directory in which a campaign filed one finding, on an engine with a planted bug.
func filedFinding(t *testing.T) (state, id string) {
	t.Helper()
	state = t.TempDir()
	e, _ := campaignOn(t, state, listenError, corpustest.Seed(t, "listen-errors"))
	if len(e.found()) != 1 {
		t.Fatalf("%+v", e.found())
	}
	return state, e.found()[0].ID
}

// TestWalk: the new findings are tried where they were found and elsewhere, what comes of it is their state, and is theirs on the
// next day.
func TestWalk(t *testing.T) {
	state, id := filedFinding(t)
	const broken = "engine:listen-error"
	var out collected
	asked := 0
	cfg := WalkConfig{State: state, Targets: []string{broken, "engine", "nowhere"}, Kernels: []string{"engine:linux-6.1", "engine"}, Times: 1000, Minimise: time.Second, Reporter: &out,
		Open: func(ctx context.Context, name string) (stress.Target, error) {
			switch name {
			case "nowhere":
				return nil, &stress.EnvError{What: "no\x1b nowhere", Err: os.ErrNotExist, Hint: "make one"}
			case "engine":
				return listenError(ctx, name)
			}
			return Open(ctx, name)
		},
		Ask: func(*Walked) (bool, error) { asked++; return true, nil },
	}
	sum, err := Walk(t.Context(), cfg)
	if err != nil || sum.Findings != 1 || sum.By["reproducing"] != 1 || asked != 1 || sum.Left != 0 {
		t.Fatalf("%+v, asked %d times, %v", sum, asked, err)
	}
	d := out.events[0].(*Walked)
	if d.Was != crashers.StateNew || d.State != crashers.StateReproducing || d.Found.Hits == 0 || d.Since != (Since{First: "engine", Last: "engine:linux-6.1"}) {
		t.Errorf("%+v", d)
	}
	if len(d.Compared) != 2 || d.Compared[0].Hits == 0 || d.Compared[1].Skipped == "" || len(d.Kernels) != 2 || d.Kernels[0].Missed > crashers.MaxMiss || d.Kernels[0].Missed == 0 {
		t.Errorf("%+v, %+v", d.Compared, d.Kernels)
	}
	var page bytes.Buffer
	for _, e := range out.events {
		if err := (WalkText{&page}).Report(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"  since    first shows in engine, last does not in engine:linux-6.1\n", "  also     engine (", "           nowhere: not tried: ", "1 finding triaged in "} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
	if strings.ContainsRune(page.String(), '\x1b') {
		t.Errorf("an escape in %q", page.String())
	}
	marks, err := crashers.OpenMarks(state)
	if err != nil {
		t.Fatal(err)
	}
	tried, err := marks.Tried(id)
	if err != nil || !slices.Equal(targetsOf(tried), []string{broken, "engine", "engine:linux-6.1"}) {
		t.Errorf("%+v, %v", tried, err)
	}

	// It is not new any more. Named, it is tried again, and found fixed by nobody: what is closed stays closed until it shows.
	if sum, err := Walk(t.Context(), cfg); err != nil || sum.Findings != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	cfg.IDs, cfg.Open, cfg.Kernels, cfg.Targets = []string{id[:5]}, buggy(engine.BugSet{}), nil, nil
	for _, step := range []struct{ is, becomes crashers.State }{
		{crashers.StateReproducing, crashers.StateOpen}, {crashers.StateKnown, crashers.StateKnown}, {crashers.StateInvalid, crashers.StateInvalid},
		{crashers.StateFixed, crashers.StateFixed},
	} {
		if err := os.WriteFile(filepath.Join(marks.Dir(id), "state"), []byte(step.is.String()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		sum, err := Walk(t.Context(), cfg)
		if m, merr := marks.Meta(id); err != nil || merr != nil || sum.Findings != 1 || m.State != step.becomes {
			t.Errorf("%v that does not show: %v, %+v, %v", step.is, m.State, sum, errors.Join(err, merr))
		}
	}
	cfg.Open = nil
	if _, err := Walk(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if m, err := marks.Meta(id); err != nil || m.State != crashers.StateRegressed {
		t.Errorf("fixed, and shown: %v, %v", m.Status, err)
	}
}

func targetsOf(tried []crashers.Tried) (names []string) {
	for _, t := range tried {
		names = append(names, t.Target)
	}
	return names
}

// TestWalkWithoutTargets: findings that cannot be tried stay new, and that is an error of the environment.
func TestWalkWithoutTargets(t *testing.T) {
	state, id := filedFinding(t)
	open := func(context.Context, string) (stress.Target, error) {
		return nil, &stress.EnvError{What: "no machine", Err: os.ErrNotExist}
	}
	var out collected
	sum, err := Walk(t.Context(), WalkConfig{State: state, Times: 10, Minimise: time.Second, Reporter: &out, Open: open})
	if !CannotRun(err) || sum.Untried != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	r, err := crashers.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.Meta(id); err != nil || m.State != crashers.StateNew {
		t.Errorf("%v, %v", m.Status, err)
	}
}

// TestPrompt: what somebody types becomes marks; who types nothing, or something else, loses nothing.
func TestPrompt(t *testing.T) {
	state, id := filedFinding(t)
	var out bytes.Buffer
	p := &Prompt{Ctx: t.Context(), In: strings.NewReader("o Jane Doe\nn on the board, too\nwhat?\nd ffff\nk reported\n\nq\n"), Out: &out, State: state}
	d := &Walked{ID: id}
	for i, want := range []bool{true, false, true} { // enter, q, and nobody there
		if more, err := p.Ask(d); err != nil || more != want {
			t.Errorf("%d: %v, %v\n%s", i, more, err, out.String())
		}
	}
	r, err := crashers.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Meta(id)
	notes, nerr := r.Notes(id)
	if err != nil || nerr != nil || m.State != crashers.StateKnown || m.Owner != "Jane Doe" || !strings.Contains(notes, ": on the board, too\n") || !strings.Contains(notes, ": reported\n") {
		t.Errorf("%+v, %q, %v", m.Status, notes, errors.Join(err, nerr))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	if more, err := (&Prompt{Ctx: ctx, In: blocked{}, Out: &out, State: state}).Ask(d); more || err == nil {
		t.Errorf("%v, %v", more, err)
	}
}

// blocked is somebody who never types.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }
