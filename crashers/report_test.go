package crashers

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/golden"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

const deadlock = `scenario attach-exec
rules R7 R67
known-bug 54 shows hang
proc main
proc child of main
thread t of child

t:     ptrace TRACEME
barrier ready main child t
race 0..200us {
main:    ptrace ATTACH child
child:   execve
}
`

// deadlocked is a minimised row 54, with a history as the host target would give it.
func deadlocked(t *testing.T) *Minimal {
	t.Helper()
	s := parse(t, deadlock)
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	at := func(actor string, c engine.Call) int32 {
		code := p.Actors[s.Actor(actor)].Code
		return int32(slices.IndexFunc(code, func(in engine.Instr) bool { return in.Op == engine.OpCall && in.Call == c }))
	}
	entry := func(instr int32, begin, end uint64, ret int64) history.Entry {
		return history.Entry{Kind: history.Call, Instr: instr, Done: end != 0, Begin: begin, End: end, Res: engine.Result{Ret: ret}}
	}
	h := &history.History{
		Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Outcome: history.Stuck, Elapsed: 301e6, Delays: []int64{180_000, 2_000},
		Actors: []history.Actor{
			{Tid: 2, Entries: []history.Entry{entry(at("main", engine.CallClone), 1, 2, 3), entry(at("main", engine.CallPtrace), 8, 0, 0)}},
			{Tid: 3, Entries: []history.Entry{entry(at("child", engine.CallClone), 3, 4, 4), entry(at("child", engine.CallExecve), 7, 0, 0)}},
			{Tid: 4, Entries: []history.Entry{entry(at("t", engine.CallPtrace), 5, 6, 0)}},
		},
		Hang: &history.Snapshot{Threads: []history.Thread{
			{Actor: 0, Tid: 2, State: 'S', Wchan: "ptrace_attach"},
			{Actor: 1, Tid: 3, State: 'D', Wchan: "begin_new_exec"},
			{Actor: 2, Tid: 4, State: 'Z', TracerPid: 2},
		}},
	}
	f := Finding{Kind: Hang, Title: "hang: ptrace_attach <-> begin_new_exec", Rules: []int{7, 66, 67},
		Explanation: "tasks wait for each other\n  main: cred_guard_mutex, on child\n  child: de_thread, on t\n  t: being reaped, on main\n",
		Actor:       0, Instr: at("main", engine.CallPtrace)}
	return &Minimal{Trial: Trial{Hits: 10, Runs: 10, History: h, Finding: f}, Scenario: s, Complete: true,
		Plan: stress.Plan{Seed: 54, Repeat: 30, Delays: []stress.DelayRange{{Lo: 100_000, Hi: 300_000}, {}}}}
}

func TestNewCrasher(t *testing.T) {
	c, err := New(deadlocked(t), KnownAs(54, true), Origin{Program: "stressd", Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", State: "state"})
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/report.md", c.Report)
	if c.Repro == nil || c.Ops != 3 || c.Coarse != "known-bug 54" || c.ID != ID("known-bug 54") {
		t.Errorf("%+v", c.Meta)
	}
	s := openStore(t, t.TempDir())
	if isNew, err := s.Put(c, t0); err != nil || !isNew {
		t.Fatalf("%v, %v", isNew, err)
	}
	back, err := s.Load(c.ID)
	if err != nil || !bytes.Equal(back.Report, c.Report) || !bytes.Equal(back.Repro, c.Repro) {
		t.Errorf("read back: %v", err)
	}

	engineOnly, err := New(deadlocked(t), Known{}, Origin{Program: "stressd", Target: "engine", Kernel: "Linux 6.18.44", Arch: "amd64", State: "state"})
	if err != nil || engineOnly.Repro != nil || !strings.Contains(string(engineOnly.Report), "no C program") {
		t.Errorf("a finding about the engine: %v", err)
	}
}

// TestReportIsSafe: nothing untrusted breaks out of its block or reaches a terminal.
func TestReportIsSafe(t *testing.T) {
	m := deadlocked(t)
	m.Finding.Title = "hang \x1b[2J\n# own heading */ int x;"
	m.Finding.Explanation = "a\n```\n# heading\n\x1b]0;title\a"
	c, err := New(m, Known{}, Origin{Program: "stressd", Target: "host", Kernel: "Linux\x07", Arch: "amd64", State: "state"})
	if err != nil {
		t.Fatal(err)
	}
	headings := 0
	for l := range strings.Lines(string(c.Report)) {
		if strings.HasPrefix(l, "#") {
			headings++
		}
	}
	if headings != 5 || bytes.ContainsAny(c.Report, "\x1b\a") {
		t.Errorf("%d headings\n%q", headings, c.Report)
	}
	compile(t, c.Repro)
}
