package crashers_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/power"
)

// updating says whether golden files are to be written: the flag is of the tests inside the package.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// around puts a scenario's actors and operations between others that have nothing to do with it.
const around = `scenario around
proc main
proc child of main
proc by of main
proc stander of by victim
thread gossip of main

gossip: gettid
by:     ptrace ATTACH stander
by:     wait4 stander
main:   sigprocmask SIG_BLOCK SIGUSR2
%s
by:     kill stander SIGTERM
gossip: r = getppid
main:   getpgid r
by:     ptrace DETACH stander SIGKILL
`

var exactCases = []struct {
	bug  engine.Bug
	core string
	kind crashers.Kind
}{
	{engine.BugDetachNoWake, "main: ptrace ATTACH child\nmain: wait4 child\nmain: ptrace DETACH child", crashers.Invariant},
	{engine.BugListenError, "main: ptrace SEIZE child EXITKILL\nmain: kill child SIGUSR1\nmain: wait4 child __WALL\nmain: ptrace LISTEN child", crashers.NotAdmitted},
	{engine.BugAttachErrno, "main: ptrace SEIZE child TRACEEXIT\nchild: exit 4\nby: ptrace ATTACH child", crashers.NotAdmitted},
	{engine.BugInterruptLost, "main: ptrace SEIZE child\nchild: pause\nmain: ptrace INTERRUPT child\nmain: wait4 child", crashers.Hang},
}

func bloat(t *testing.T, core string) (*corpus.Scenario, *engine.Program) {
	t.Helper()
	s, err := corpus.Parse("around.scn", fmt.Appendf(nil, around, core))
	if err != nil {
		t.Fatal(err)
	}
	return s, lower(t, s)
}

func lower(t *testing.T, s *corpus.Scenario) *engine.Program {
	t.Helper()
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sight is the first run of a scenario that shows something of the kind, in the order of seeds.
func sight(t *testing.T, h *power.Hunter, p *engine.Program, kind crashers.Kind) (crashers.Finding, stress.Plan) {
	t.Helper()
	for seed := range uint64(5000) {
		seen, err := h.Try(context.Background(), p, seed)
		if err != nil {
			t.Fatal(err)
		}
		for o := range power.NumOracles {
			if f, ok := seen.By(o); ok && f.Kind == kind {
				return f, stress.Plan{Schedule: seen.Schedule(o)}
			}
		}
	}
	t.Fatalf("no schedule shows a finding of kind %v", kind)
	panic("unreachable")
}

// TestExact: what shows under one of many schedules comes down to its core, with a schedule that shows it each time and
// preempts little; the golden file says how it reads.
func TestExact(t *testing.T) {
	var text strings.Builder
	for _, c := range exactCases {
		s, p := bloat(t, c.core)
		h := power.NewHunter(c.bug)
		want, plan := sight(t, h, p, c.kind)
		m, err := crashers.Minimiser{Check: h}.Run(context.Background(), s, plan, want)
		if err != nil {
			t.Errorf("%v: %v", c.bug, err)
			continue
		}
		if !m.Complete || m.Hits != 1 || m.Runs != 1 || !m.Finding.SameAs(&want) {
			t.Errorf("%v: %+v", c.bug, m)
		}
		if n := m.Scenario.NumOps(); n > strings.Count(c.core, "\n")+1 {
			t.Errorf("%v: %d operations are left", c.bug, n)
		}
		q := lower(t, m.Scenario)
		for range 3 {
			again, err := power.NewHunter(c.bug).Replay(context.Background(), q, m.Plan.Schedule, &want)
			if err != nil || again.Hits != 1 {
				t.Errorf("%v: it does not show again: %v", c.bug, err)
			}
		}
		fmt.Fprintf(&text, "%v: %s\n\n%s\n%s\n", c.bug, m.Finding.Title, m.Scenario.Print(), m.Words())
	}
	const golden = "testdata/exact.txt"
	if updating() {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

// TestExactIsBounded: at each bound the answer shows the finding, under its schedule.
func TestExactIsBounded(t *testing.T) {
	c := exactCases[0]
	s, p := bloat(t, c.core)
	h := power.NewHunter(c.bug)
	want, plan := sight(t, h, p, c.kind)
	for steps := 1; steps < 12; steps += 2 {
		m, err := crashers.Minimiser{Check: h, Steps: steps}.Run(context.Background(), s, plan, want)
		if err != nil {
			t.Fatal(err)
		}
		q := lower(t, m.Scenario)
		if again, err := h.Replay(context.Background(), q, m.Plan.Schedule, &want); err != nil || again.Hits != 1 || m.Steps > steps {
			t.Errorf("bound %d, %d steps: %+v, %v\n%s", steps, m.Steps, again, err, m.Scenario.Print())
		}
	}
	// Without a schedule one is found.
	if m, err := (crashers.Minimiser{Check: h}).Run(context.Background(), s, stress.Plan{}, want); err != nil || m.Plan.Schedule == nil {
		t.Errorf("%+v, %v", m, err)
	}
	// Nothing shows on an engine without the bug.
	clean := power.NewHunter(engine.BugListenError)
	if _, err := (crashers.Minimiser{Check: clean}).Run(context.Background(), s, plan, want); !errors.Is(err, crashers.ErrNotShown) {
		t.Errorf("got %v", err)
	}
}
