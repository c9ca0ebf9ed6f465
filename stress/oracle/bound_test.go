package oracle_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
)

var (
	boundFor  = flag.Duration("bound.for", 0, "how long TestBoundOnHost takes histories of generated scenarios from this machine's kernel")
	boundSeed = flag.Uint64("bound.seed", 1, "seed of its scenarios")
	boundShow = flag.Int("bound.show", 0, "print that many of the histories that cost most")
)

// ends says that most of a few schedules of the engine end: on a kernel each run that does not costs a deadline.
func ends(s *corpus.Scenario) bool {
	p, err := corpus.Lower(s)
	if err != nil {
		return false
	}
	n := 0
	err = stress.NewEngineTarget(engine.Options{}).Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 8}, func(h *history.History) bool {
		if h.Outcome == history.Complete {
			n++
		}
		return true
	})
	return err == nil && n > 6
}

// cost is what judging one history took.
type cost struct {
	v       oracle.Verdict
	time    time.Duration // of processor
	s       *corpus.Scenario
	entries int
}

// costs are those of many histories of one class.
type costs struct {
	name string
	all  []cost
}

func (c *costs) judge(o *oracle.Oracle, s *corpus.Scenario, p *engine.Program, h *history.History) oracle.Verdict {
	start := threadTime()
	v := o.Judge(p, h)
	took := threadTime() - start
	n := 0
	for i := range h.Actors {
		n += len(h.Actors[i].Entries)
	}
	c.all = append(c.all, cost{v, took, s, n})
	return v
}

// unknown counts the histories that got no verdict within the checker's bounds.
func (c *costs) unknown() (n int) {
	for i := range c.all {
		if c.all[i].v.Kind == oracle.Unknown {
			n++
		}
	}
	return n
}

// report is a row of a table.
func (c *costs) report() string {
	n := len(c.all)
	if n == 0 {
		return ""
	}
	at := func(share float64, value func(*cost) float64) float64 {
		all := make([]float64, n)
		for i := range c.all {
			all[i] = value(&c.all[i])
		}
		slices.Sort(all)
		return all[min(int(share*float64(n)), n-1)]
	}
	quantiles := func(value func(*cost) float64) string {
		return fmt.Sprintf("%.3g | %.3g | %.3g | %.3g", at(0.5, value), at(0.99, value), at(0.999, value), at(1, value))
	}
	slow := 0
	for i := range c.all {
		if c.all[i].time > 100*time.Millisecond {
			slow++
		}
	}
	return fmt.Sprintf("| %s | %d | %s | %s | %s | %d (%.3f %%) | %d |\n", c.name, n,
		quantiles(func(c *cost) float64 { return float64(c.v.States) }),
		quantiles(func(c *cost) float64 { return float64(c.time.Nanoseconds()) / 1e6 }),
		quantiles(func(c *cost) float64 { return float64(c.v.Bytes) / (1 << 20) }),
		c.unknown(), 100*float64(c.unknown())/float64(n), slow)
}

// worst shows the histories that cost most, as many as -bound.show says.
func (c *costs) worst() string {
	slices.SortFunc(c.all, func(a, b cost) int { return b.v.States - a.v.States })
	var b strings.Builder
	for i := range c.all[:min(*boundShow, len(c.all))] {
		c := &c.all[i]
		fmt.Fprintf(&b, "%v, %d states, %v, %d entries\n%s\n", c.v.Kind, c.v.States, c.time, c.entries, c.s.Print())
	}
	return b.String()
}

const costHead = "| histories | n | states: p50 | p99 | p99.9 | worst | ms: p50 | p99 | p99.9 | worst | MiB: p50 | p99 | p99.9 | worst | unknown | over 100 ms |\n" +
	"|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"

// threadTime is the processor time of this thread; the caller has locked itself to it.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// TestBound: of histories of large scenarios that the engine made, 99.5 % get a verdict within oracle.DueStates. Schedules of
// the engine are wilder than a kernel's, where TestBoundOnHost measures 99.9 %. Scenarios and schedules are seeded, so it goes the
// same way every time.
func TestBound(t *testing.T) {
	scenarios := 400
	if testing.Short() {
		scenarios = 50
	}
	o := oracle.New(engine.Profile{})
	g := gen.New(64)
	c := &costs{name: "of the engine, scenarios of 32 to 64 operations"}
	late := 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range scenarios {
		s := g.Long()
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		err = stress.NewEngineTarget(engine.Options{}).Run(context.Background(), p, stress.Plan{Seed: uint64(i), Repeat: 5}, func(h *history.History) bool {
			v := c.judge(o, s, p, h)
			switch {
			case v.Late:
				late++
			case v.Kind != oracle.Admitted && v.Kind != oracle.HangPredicted && (v.Kind != oracle.Hang || !v.Predicted):
				t.Errorf("run %d: %v, %d states: %s\n%s", h.Run, v.Kind, v.States, v.Explanation, s.Print())
			case v.Bytes > oracle.MaxBytes:
				t.Errorf("run %d: %d bytes", h.Run, v.Bytes)
			}
			return !t.Failed()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d late\n%s%s", late, costHead, c.report())
	t.Log(c.worst())
	if late*200 > len(c.all) {
		t.Errorf("%d of %d verdicts took more than %d states", late, len(c.all), oracle.DueStates)
	}
}

// TestBoundOnHost takes histories of generated scenarios from this machine's kernel, and reports what their verdicts cost:
//
//	go test ./stress/oracle -run BoundOnHost -v -bound.for=10m
func TestBoundOnHost(t *testing.T) {
	if *boundFor == 0 {
		t.Skip("no -bound.for")
	}
	target, err := host.New()
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g, rng := gen.New(*boundSeed), rand.New(rand.NewPCG(*boundSeed, 64))
	o := oracle.New(target.Profile())
	o.Log = console.Complaint
	// Variations of a scenario that shows a known bug show it too.
	seeds := slices.DeleteFunc(slices.Clone(corpus.Seeds()), func(s *corpus.Scenario) bool { return len(s.KnownBugs) > 0 })
	typical, big := &costs{name: "of seeds' variations and free scenarios, up to 28 operations"}, &costs{name: "of scenarios of 32 to 64 operations"}
	end := time.Now().Add(*boundFor)
	for i := 0; time.Now().Before(end); i++ {
		var s *corpus.Scenario
		c := typical
		switch i % 3 {
		case 0:
			s = g.Free()
		case 1:
			s = g.Vary(seeds[rng.IntN(len(seeds))])
		case 2:
			s, c = g.Long(), big
		}
		if s.EngineOnly() || !ends(s) {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		plan := stress.Plan{Seed: uint64(i), Repeat: 20, Final: 5}
		for _, d := range s.Delays() {
			plan.Delays = append(plan.Delays, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
		}
		err = target.Run(context.Background(), p, plan, func(h *history.History) bool {
			if v := c.judge(o, s, p, h); v.Kind.Finding() && o.Attribute(p, h, nil) == 0 {
				t.Logf("something for a campaign to find: %v: %s\n%s\n%s", v.Kind, v.Title, v.Explanation, s.Print())
				return false
			}
			return h.Outcome == history.Complete
		})
		if refused := (*stress.ProgramError)(nil); errors.As(err, &refused) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	both := &costs{"all", append(slices.Clone(typical.all), big.all...)}
	t.Logf("costs of verdicts\n%s%s%s%s", costHead, typical.report(), big.report(), both.report())
	t.Log(both.worst())
}
