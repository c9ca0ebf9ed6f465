package campaign

import (
	"bytes"
	"strings"
	"testing"
)

var someProgress = Progress{Seconds: 5.2, Remaining: 54.8, Outcomes: 120, NewsSeconds: 3.4, Findings: 2, NewFindings: 1, Minimising: 1,
	Targets: []Count{{Target: "engine", Recent: 8123, Verdicts: Verdicts{Runs: 41_234}}, {Target: "host", Recent: 700, Verdicts: Verdicts{Runs: 3600, Unknown: 36}}}}

func TestProgressText(t *testing.T) {
	const want = "[00:05/01:00 eta 00:55] engine 41.2k runs (8.12k/s) host 3.6k runs (700/s) | outcomes 120 (last new 3s ago) unknown 0.08 % | findings 2 (1 new), minimising 1"
	if got := progressText(someProgress); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back := someProgress
	back.Regressions = 1
	if got := progressText(back); !strings.HasSuffix(got, "| findings 2 (1 new, 1 regressed), minimising 1") {
		t.Errorf("got  %s", got)
	}
}

// A terminal's status line is written over, and gives way to what stays; a pipe gets a line a minute.
func TestStatusLine(t *testing.T) {
	var tty, pipe bytes.Buffer
	for _, text := range []*Text{{Out: &tty, Err: &tty, TTY: true}, {Out: &pipe, Err: &pipe}} {
		p := someProgress
		for p.Seconds = 0; p.Seconds < 121; p.Seconds++ {
			if err := text.Report(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := text.Report(Skip{Target: "host", Reason: "no \x1b[2J"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(pipe.String(), "eta"); n != 2 {
		t.Errorf("%d lines in 2 minutes:\n%s", n, pipe.String())
	}
	if n := strings.Count(tty.String(), "\n"); n != 1 || !strings.HasSuffix(tty.String(), "\r\x1b[Kskipped: target host: no \\x1b[2J\n") {
		t.Errorf("terminal: %q", tty.String())
	}
}

func TestSkipText(t *testing.T) {
	var b bytes.Buffer
	text := &Text{Out: &b, Err: &b}
	skip := func(target, reason string, names ...string) {
		for _, n := range names {
			if err := text.Report(Skip{Target: target, Scenario: n, Reason: reason}); err != nil {
				t.Fatal(err)
			}
		}
	}
	skip("host", "not here", "a", "b", "c", "d", "e")
	skip("uml", "not here", "a\x1b", "b")
	skip("uml", "nor there", "c")
	skip("uml", "not here", "d")
	skip("uml", "no kernel", "")
	skip("uml", "no kernel", "e")
	if err := text.Report(Start{}); err != nil {
		t.Fatal(err)
	}
	const want = `skipped: 5 scenarios on host: not here (a, b, c and 2 more)
skipped: 3 scenarios on uml: not here (a\x1b, b, d)
skipped: c on uml: nor there
skipped: target uml: no kernel
skipped: e on uml: no kernel
`
	if got, _, _ := strings.Cut(b.String(), "racing"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestFoundText(t *testing.T) {
	got := foundText(Found{ID: "0123456789ab", Kind: "hang", Title: "hang: a <-> b", Target: "host", Dir: "/d", New: true, Shown: 9, Of: 10, Operations: 3,
		Scenario: "scenario x\n\nproc main\x1b\n", Command: "stressd repro 0123456789ab"})
	const want = `
NEW FINDING 0123456789ab  (hang on host)
  hang: a <-> b
  not minimal: the time was up before the minimiser was done
    scenario x
    proc main\x1b
  shown by 9 of 10 runs of these 3 operations
  filed in /d
  again:   stressd repro 0123456789ab

`
	if got != want {
		t.Errorf("got:%s", got)
	}
}

// Eight hours of JSON have some thousand lines of progress, not a hundred thousand; everything else comes through.
func TestSeldom(t *testing.T) {
	progress, others := 0, 0
	s := Seldom{Reporter: reporterFunc(func(e Event) error {
		if _, is := e.(Progress); is {
			progress++
		} else {
			others++
		}
		return nil
	})}
	for n := range 5 * 600 {
		if err := s.Report(Progress{Seconds: 7 + float64(n)/5}); err != nil {
			t.Fatal(err)
		}
		if err := s.Report(Found{}); err != nil {
			t.Fatal(err)
		}
	}
	if progress < 100 || progress > 120 || others != 3000 {
		t.Errorf("%d lines of progress in 10 minutes, %d others", progress, others)
	}
}
