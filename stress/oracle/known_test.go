package oracle_test

import (
	"context"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// TestAttribute runs the seeds of known bugs on engines with one of these bugs planted, of the first architecture that has it: each violation that the clean engine
// sees there is attributed to that row, whatever rows the kernel is said to have. Two of them leave the same call asleep, and
// have the same title. A seed may be marked with two rows that leave the same history: which of them it is only the kernel can tell, by
// the rows that it is said to have.
func TestAttribute(t *testing.T) {
	live := []int{5, 101, 102, 103}
	for _, s := range corpus.Seeds() {
		for _, k := range s.KnownBugs {
			bugs := engine.BugsOfRow(k.Row)
			if bugs == (engine.BugSet{}) {
				continue // the cycle of row 54 is one that the engine has
			}
			t.Run(s.Name, func(t *testing.T) {
				p, err := corpus.Lower(s)
				if err != nil {
					t.Fatal(err)
				}
				var profile engine.Profile
				if len(k.On.Arch) > 0 {
					if profile, err = engine.ProfileFor("6.18", k.On.Arch[0]); err != nil {
						t.Fatal(err)
					}
				}
				o := oracle.New(profile)
				seen := 0
				err = stress.NewEngineTarget(engine.Options{Profile: profile, Bugs: bugs}).Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 20}, func(h *history.History) bool {
					if v := o.Judge(p, h); !v.Kind.Finding() {
						return true
					}
					seen++
					for _, live := range [][]int{nil, live, {k.Row}} {
						row := o.Attribute(p, h, live)
						other := !slices.Contains(live, k.Row) && slices.ContainsFunc(s.KnownBugs, func(b corpus.KnownBug) bool { return b.Row == row })
						if row != k.Row && !other {
							t.Errorf("schedule %d, live %v: row %d, expected %d", h.Run, live, row, k.Row)
						}
					}
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				if seen == 0 {
					t.Error("the planted bug never showed")
				}
				t.Logf("%d of 20 schedules show it", seen)
			})
		}
	}
}

// TestAttributeSeveral: what needs two bugs at once is attributed to the first of them, and what no known bug explains to none.
func TestAttributeSeveral(t *testing.T) {
	s := scenario(t, `scenario several
proc main
thread waiter of main
proc member of main
proc inner of main by clone
proc child of main victim
member: sigaction SIGUSR1 HANDLER => 0
main: clone inner CLONE_NEWPID|SIGCHLD => inner
inner: sigaction SIGUSR1 HANDLER => 0
main: sigaction SIGUSR1 SIG_IGN => 0
barrier ready main member inner
main: kill 0 SIGUSR1 => 0
barrier sent main member inner
main: ptrace SEIZE child => 0
main: kill child SIGSTOP => 0
main: wait4 child => child stopped SIGSTOP
main: ptrace CONT child SIGSTOP => 0
main: wait4 child => child event STOP SIGSTOP
barrier met main waiter
race 0..1us {
  waiter: wait4 child WUNTRACED
  main: ptrace DETACH child => 0
}
`)
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle.New(engine.Profile{})
	both := engine.BugsOfRow(101).Or(engine.BugsOfRow(103))
	rows := map[int]int{}
	see := func(h *history.History) bool {
		if v := o.Judge(p, h); v.Kind.Finding() {
			rows[o.Attribute(p, h, []int{5, 101, 102, 103})]++
		}
		return true
	}
	run := func(bugs engine.BugSet) {
		t.Helper()
		clear(rows)
		if err := stress.NewEngineTarget(engine.Options{Bugs: bugs}).Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 4}, see); err != nil {
			t.Fatal(err)
		}
	}
	run(both)
	if rows[101] == 0 || len(rows) != 1 {
		t.Errorf("two bugs at once: %v", rows)
	}
	run(engine.BugDetachNoWake.Set().Or(engine.BugGroupStopTwice.Set()).Or(engine.BugWaitEintr.Set()))
	if rows[101]+rows[102]+rows[103]+rows[5] != 0 {
		t.Errorf("bugs of other rows: %v", rows)
	}
}

func scenario(t *testing.T, text string) *corpus.Scenario {
	t.Helper()
	s, err := corpus.Parse("test.scn", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDeadlockThroughOthers: the deadlock of row 54 is that row, also where the exec waits for a thread whose tracer is stopped by another one.
func TestDeadlockThroughOthers(t *testing.T) {
	p := corpustest.Program(t, `scenario through-others
proc main
thread t of main victim
proc p1 of main victim
proc p2 of main victim
p2:   ptrace SEIZE t
p1:   ptrace SEIZE p2
barrier b main t p1 p2
t:    exit
p1:   ptrace INTERRUPT p2
p1:   wait4 p2
p1:   ptrace ATTACH main
main: execve
`)
	o := oracle.New(engine.Profile{})
	seen := map[string]int{}
	err := stress.NewEngineTarget(engine.Options{}).Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 300}, func(h *history.History) bool {
		if v := o.Judge(p, h); v.Kind.Finding() {
			if seen[v.Title]++; v.Row != engine.RowInRules {
				t.Errorf("schedule %d: %s: row %d, expected %d", h.Run, v.Title, v.Row, engine.RowInRules)
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen["hang: ptrace_stop <-> ptrace_attach <-> begin_new_exec"] == 0 {
		t.Errorf("it never showed, but %v", seen)
	}
}
