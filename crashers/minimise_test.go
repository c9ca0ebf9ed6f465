package crashers

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress"
)

// fakeCheck shows a finding when shows says so, in rate percent of the runs.
type fakeCheck struct {
	shows  func(*corpus.Scenario, stress.Plan) (title string)
	rate   int
	rateOf func(*corpus.Scenario, stress.Plan) int // nil: rate
	tried  [][]byte
	rng    *rand.Rand
}

func (c *fakeCheck) Run(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want *Finding, need int) (Trial, error) {
	c.tried = append(c.tried, s.Print())
	if c.rng == nil {
		c.rng = rand.New(rand.NewPCG(1, 2))
	}
	rate := c.rate
	if c.rateOf != nil {
		rate = c.rateOf(s, plan)
	}
	var t Trial
	got := Finding{Kind: want.Kind, Title: c.shows(s, plan)}
	for t.Runs < plan.Repeat && (need == 0 || t.Hits < need) {
		t.Runs++
		if got.Title != "" && got.SameAs(want) && c.rng.IntN(100) < rate {
			t.Hits++
			t.Finding = got
		}
	}
	return t, ctx.Err()
}

const bloated = `# An attach that races with an exec, and much besides.
scenario bloated
rules R7
proc main
proc p1 of main
thread t2 of p1
proc p3 of main
thread t4 of p3

main:  repeat 3 {
main:    getpid
main:  }
t2:    ptrace TRACEME            => 0
p3:    kill main SIGWINCH        => 0
t4:    gettid
barrier ready main p1 t2
t2:    exit
race 0..20us x50 {
main:    ptrace SEIZE p1 TRACEEXEC|EXITKILL => 0
p1:      execve
p3:      sched_yield
}
main:  r = wait4 p1 WNOHANG
main:  kill r SIGTERM
`

func parse(t *testing.T, text string) *corpus.Scenario {
	t.Helper()
	s, err := corpus.Parse("test.scn", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func has(s *corpus.Scenario, actor, verb string) bool {
	return slices.ContainsFunc(s.Ops(), func(o *corpus.Op) bool { return o.Actor == actor && o.Verb.Name == verb })
}

var hangTitle = Finding{Kind: Hang, Title: "hang: a <-> b"}

// planOf is a plan with the delays that the scenario says.
func planOf(s *corpus.Scenario) stress.Plan {
	p := stress.Plan{Repeat: 1}
	for _, d := range s.Delays() {
		p.Delays = append(p.Delays, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
	}
	return p
}

func TestMinimiseComesDownToTheCore(t *testing.T) {
	c := &fakeCheck{rate: 40, shows: func(s *corpus.Scenario, _ stress.Plan) string {
		switch {
		case has(s, "main", "ptrace SEIZE") && has(s, "p1", "execve") && has(s, "t2", "ptrace TRACEME"):
			return "hang: a <-> b"
		case has(s, "main", "ptrace SEIZE") && has(s, "p1", "execve"):
			return "hang: something else" // easier to have, and not to be drifted to
		}
		return ""
	}}
	s := parse(t, bloated)
	before := string(s.Print())
	res, err := Minimiser{Check: c, Logf: t.Logf}.Run(context.Background(), s, planOf(s), hangTitle)
	if err != nil {
		t.Fatal(err)
	}
	want := `scenario bloated
rules R7
proc main
proc p1 of main
thread t2 of p1

t2:   ptrace TRACEME
main: ptrace SEIZE p1
p1:   execve
`
	if got := string(res.Scenario.Print()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if string(s.Print()) != before {
		t.Error("the original was changed")
	}
	if !res.Complete || res.Runs != 10 || res.Hits == 0 || len(res.Plan.Delays) != 0 {
		t.Errorf("result %+v", res)
	}
	// The last is the measurement of the result; no candidate before it was tried twice.
	seen := map[string]bool{}
	for _, text := range c.tried[:len(c.tried)-1] {
		if seen[string(text)] && !strings.Contains(string(text), "race") { // of a race also the plan may differ
			t.Errorf("tried twice:\n%s", text)
		}
		seen[string(text)] = true
	}
}

// TestMinimiseKeepsDelaysWithTheirOperations: when operations before them go away, delays of the plan stay with theirs.
func TestMinimiseKeepsDelaysWithTheirOperations(t *testing.T) {
	s := parse(t, `scenario race
proc main
proc p1 of main

race 0..10us {
main:    getpid
main:    getppid
p1:      gettid
p1:      pause
}
`)
	plan := planOf(s)
	for i := range plan.Delays {
		plan.Delays[i] = stress.DelayRange{Lo: int64(1000 * i), Hi: int64(1000*i + 8000)}
	}
	plan.CPUs = []int{0, 1}
	c := &fakeCheck{rate: 100, shows: func(s *corpus.Scenario, p stress.Plan) string {
		d := newDraft(s, p)
		for i, o := range d.racing() {
			// p1's gettid must be late by 5 microseconds, by chance or for sure.
			if r := p.Delays[i]; o.Verb.Name == "gettid" && r.Lo <= 5000 && r.Hi >= 5000 && len(p.CPUs) == 2 && p.CPUs[1] == 1 {
				return "hang: a <-> b"
			}
		}
		return ""
	}}
	res, err := Minimiser{Check: c}.Run(context.Background(), s, plan, hangTitle)
	if err != nil {
		t.Fatal(err)
	}
	// A race is one of two actors at least: one operation of the other stays.
	if res.Scenario.NumOps() != 2 || len(res.Plan.Delays) != 2 {
		t.Fatalf("%+v\n%s", res.Plan, res.Scenario.Print())
	}
	if r := res.Plan.Delays[1]; r.Lo > 5000 || r.Hi < 5000 || r.Hi-r.Lo > 1000 || res.Plan.Delays[0] != (stress.DelayRange{}) {
		t.Errorf("delays %+v", res.Plan.Delays)
	}
	if d := res.Scenario.Delays()[1]; d[0] != 0 || d[1] != time.Duration(res.Plan.Delays[1].Hi) {
		t.Errorf("the scenario says %v, the plan %+v", d, res.Plan.Delays)
	}
	if err := res.Scenario.Validate(); err != nil {
		t.Error(err)
	}
}

// TestMinimiseKeepsTheRate: an operation without which the finding shows, but seldom, stays.
func TestMinimiseKeepsTheRate(t *testing.T) {
	for seed := range uint64(20) {
		c := &fakeCheck{
			rng: rand.New(rand.NewPCG(seed, 0)),
			shows: func(s *corpus.Scenario, _ stress.Plan) string {
				if has(s, "p1", "execve") {
					return "hang: a <-> b"
				}
				return ""
			},
			rateOf: func(s *corpus.Scenario, _ stress.Plan) int {
				if has(s, "t2", "ptrace TRACEME") {
					return 97
				}
				return 25
			},
		}
		s := parse(t, bloated)
		res, err := Minimiser{Check: c}.Run(context.Background(), s, planOf(s), hangTitle)
		if err != nil {
			t.Fatal(err)
		}
		if res.Hits < 8 || res.Scenario.NumOps() > 6 {
			t.Errorf("seed %d: %d of %d\n%s", seed, res.Hits, res.Runs, res.Scenario.Print())
		}
	}
}

// TestMinimiseOnOneCPU: an operation without which the finding shows as long as the machine is fast stays.
func TestMinimiseOnOneCPU(t *testing.T) {
	c := &fakeCheck{
		shows: func(s *corpus.Scenario, _ stress.Plan) string {
			if has(s, "p1", "execve") {
				return "hang: a <-> b"
			}
			return ""
		},
		rateOf: func(s *corpus.Scenario, p stress.Plan) int {
			if !has(s, "t2", "ptrace TRACEME") && len(p.CPUs) > 0 {
				return 5
			}
			return 99
		},
	}
	for _, cpus := range [][]int{nil, {1}} {
		s := parse(t, bloated)
		res, err := Minimiser{Check: c, CPUs: cpus}.Run(context.Background(), s, planOf(s), hangTitle)
		if err != nil {
			t.Fatal(err)
		}
		if has(res.Scenario, "t2", "ptrace TRACEME") != (cpus != nil) || res.Scenario.NumOps() > 3 || len(res.Plan.CPUs) > 0 {
			t.Errorf("CPUs %v: %+v\n%s", cpus, res.Plan, res.Scenario.Print())
		}
	}
}

func TestMinimiseIsBounded(t *testing.T) {
	shows := func(s *corpus.Scenario, _ stress.Plan) string {
		if has(s, "p1", "execve") {
			return "hang: a <-> b"
		}
		return ""
	}
	for steps := 1; steps < 40; steps += 3 {
		c := &fakeCheck{rate: 100, shows: shows}
		s := parse(t, bloated)
		res, err := Minimiser{Check: c, Steps: steps}.Run(context.Background(), s, planOf(s), hangTitle)
		if err != nil {
			t.Fatal(err)
		}
		if res.Steps > steps || !has(res.Scenario, "p1", "execve") || res.Hits == 0 {
			t.Errorf("bound %d: %d steps, %d of %d\n%s", steps, res.Steps, res.Hits, res.Runs, res.Scenario.Print())
		}
	}

	// A context that ends in the middle leaves a valid partial answer too.
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	c := &fakeCheck{rate: 100, shows: func(s *corpus.Scenario, p stress.Plan) string {
		if n++; n == 4 {
			cancel()
		}
		return shows(s, p)
	}}
	s := parse(t, bloated)
	res, err := Minimiser{Check: c}.Run(ctx, s, planOf(s), hangTitle)
	if err != nil || res.Complete || !has(res.Scenario, "p1", "execve") || res.Hits == 0 {
		t.Errorf("cancelled: %+v, %v", res, err)
	}
}

func TestMinimiseOfWhatDoesNotShow(t *testing.T) {
	s := parse(t, bloated)
	never := &fakeCheck{shows: func(*corpus.Scenario, stress.Plan) string { return "" }}
	if _, err := (Minimiser{Check: never}).Run(context.Background(), s, planOf(s), hangTitle); !errors.Is(err, ErrNotShown) {
		t.Errorf("got %v", err)
	}
}

func TestShape(t *testing.T) {
	a := parse(t, "scenario a\nproc main\nproc child of main\n\nmain:  ptrace ATTACH child\nmain:  wait4 child\nmain:  kill child SIGUSR1\n")
	b := parse(t, "scenario b\nproc m\nproc other of m\n\nm:     tkill other SIGTERM\nm:     ptrace SEIZE other TRACEEXIT\nm:     waitid P_ALL 0 WEXITED\n")
	if Shape(a) != Shape(b) || Shape(a) != "attach, kill, wait" {
		t.Errorf("%q and %q", Shape(a), Shape(b))
	}
}

func TestSignatures(t *testing.T) {
	for _, c := range []struct {
		a, b Finding
		same bool
	}{
		{Finding{Kind: Hang, Title: "hang: tid 4101 in 0xffffffff81000000"}, Finding{Kind: Hang, Title: "hang: tid 977 in 0xffffffffa1234567"}, true},
		{Finding{Kind: Hang, Title: "x"}, Finding{Kind: Console, Title: "x"}, false},
		{Finding{Title: "kill returned EPERM"}, Finding{Title: "kill returned ESRCH"}, false},
		{Finding{Title: "status 0x137f"}, Finding{Title: "status 0x57f"}, false},
	} {
		if c.a.SameAs(&c.b) != c.same || (c.a.Coarse() == c.b.Coarse()) != c.same {
			t.Errorf("%+v and %+v: same %v, want %v", c.a, c.b, !c.same, c.same)
		}
	}
	hang := Finding{Kind: Hang, Title: "hang: a <-> b"}
	if hang.Signature("kill") != hang.Signature("wait") {
		t.Error("a hang's signature depends on how it was brought about")
	}
	known := []Finding{{Kind: Hang, Title: "x", Known: KnownAs(54, true)}, {Kind: NotAdmitted, Title: "y", Known: KnownAs(54, true)}}
	if known[0].Signature("a") != known[1].Signature("b") {
		t.Error("a known bug has two signatures")
	}
	back := []Finding{{Kind: Hang, Title: "x", Known: KnownAs(51, false)}, {Kind: Hang, Title: "x", Known: KnownAs(51, true)}}
	if back[0].Coarse() == back[1].Coarse() || !back[0].SameAs(&back[1]) {
		t.Error("a bug that is back is counted with those that kernels are known to have, or does not show like them")
	}
	wrong := Finding{Title: "kill returned EPERM"}
	if wrong.Signature("attach, kill") == wrong.Signature("kill") {
		t.Error("the shape does not tell wrong results apart")
	}
	if id := ID(wrong.Signature("kill")); !validID(id) || id != ID(wrong.Signature("kill")) {
		t.Errorf("id %q", id)
	}
}
