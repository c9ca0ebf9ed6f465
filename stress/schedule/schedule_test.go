package schedule_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// run is what one run showed.
type run struct {
	end    schedule.End
	events []engine.Event
	print  engine.Fingerprint // of its last state
	stream schedule.Stream
	steps  int
}

func (r *run) String() string {
	return fmt.Sprintf("%v after %d steps, stream %v", r.end, r.steps, r.stream)
}

func same(a, b *run) bool {
	return a.end == b.end && a.steps == b.steps && a.print == b.print && slices.Equal(a.events, b.events) && slices.Equal(a.stream, b.stream)
}

// bench is a program with a driver of its own.
type bench struct {
	m *engine.Machine
	d schedule.Driver
	w engine.World
}

func (b *bench) run(s schedule.Strategy, seed uint64) *run {
	var r run
	b.m.Init(&b.w)
	r.end = b.d.Run(&b.w, s, seed, uint64(b.d.Shape.Runs), func(_ engine.Choice, e engine.Event) {
		if e.Kind != engine.EvNone {
			r.events = append(r.events, e)
		}
	})
	r.print, r.stream, r.steps = b.w.Fingerprint(), slices.Clone(b.d.Stream), b.d.Steps
	return &r
}

func lower(tb testing.TB, s *corpus.Scenario, bugs ...engine.Bug) *engine.Machine {
	tb.Helper()
	p, err := corpus.Lower(s)
	if err != nil {
		tb.Fatal(err)
	}
	var o engine.Options
	for _, b := range bugs {
		o.Bugs = o.Bugs.Or(b.Set())
	}
	return ptrace.NewMachine(p, o)
}

func parse(tb testing.TB, name string) schedule.Strategy {
	tb.Helper()
	s, err := schedule.Parse(name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var names = []string{"", "random", "pct", "pct:1", "pct:3", "pct:5", "pos", "urw", "surw", "portfolio", "mutate:AQIDBAUG", "along:AQIDBAUG"}

// TestEveryStrategyReplays: whatever chose, the stream makes the identical run again, and the same seed the same stream.
func TestEveryStrategyReplays(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				m := lower(t, rapid.SampledFrom(corpus.Seeds()).Draw(r, "scenario"))
				seed := rapid.Uint64().Draw(r, "seed")
				a, b, back := &bench{m: m}, &bench{m: m}, &bench{m: m}
				sa, sb := parse(t, name), parse(t, name)
				for range rapid.IntRange(1, 12).Draw(r, "runs") {
					first, second := a.run(sa, seed), b.run(sb, seed)
					if !same(first, second) {
						r.Fatalf("the same seed made %v and %v", first, second)
					}
					if again := back.run(schedule.Replay(first.stream), 0); !same(first, again) {
						r.Fatalf("%v was replayed as %v", first, again)
					}
					text, err := schedule.ParseStream(first.stream.String())
					if err != nil || !slices.Equal(text, first.stream) {
						r.Fatalf("stream %v reads back as %v, %v", first.stream, text, err)
					}
				}
			})
		})
	}
}

func TestParse(t *testing.T) {
	for _, name := range []string{"pct:0", "pct:10", "pct:x", "random:1", "fast", "replay:!", "replay", "urw:2"} {
		if s, err := schedule.Parse(name); err == nil {
			t.Errorf("%q is %T", name, s)
		}
	}
}

// scenario parses and lowers a text.
func scenario(tb testing.TB, text string, bugs ...engine.Bug) *engine.Machine {
	tb.Helper()
	s, err := corpus.Parse("test", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return lower(tb, s, bugs...)
}

// late is a bug of depth 1: everything of a comes after everything of b. A random walk hits it once in some hundred
// thousand runs; PCT of depth 1 with n = 3 tasks has at least a third of the runs, of which 60 all miss with a probability
// of 3e-11.
const late = `scenario late
proc main
proc a of main
proc b of main
a: gettid
a: gettid
b: gettid
b: gettid
b: gettid
b: gettid
b: gettid
b: gettid
b: gettid
b: gettid
`

func TestPCTFindsLateTask(t *testing.T) {
	b := &bench{m: scenario(t, late)}
	s := parse(t, "pct:1")
	hits := 0
	for range 61 {
		r := b.run(s, 5)
		last := ""
		for _, e := range r.events {
			last += b.m.Program().Actors[e.Actor].Name[:1]
		}
		if strings.LastIndex(last, "b") < strings.Index(last, "a") {
			hits++
		}
	}
	if hits == 0 {
		t.Errorf("in 61 runs never all of b before a")
	}
	if n := b.d.Shape.Tasks; n != 3 {
		t.Errorf("%d tasks measured, want 3", n)
	}
}

// depths are bugs by their depth: so many orderings of the tasks' steps must hold for one to show.
const depths = `scenario depths
proc main
proc a of main
proc b of main
a: gettid
a: gettid
a: gettid
a: gettid
b: gettid
b: gettid
b: gettid
b: gettid
`

// TestPCTKeepsItsBound: the share of runs that show a bug is at least what Assure counts on, for bugs of depth 1 to 3. With what PCT
// promises at least, three standard deviations less would be a chance of one in a thousand; in fact the shares are some times larger.
func TestPCTKeepsItsBound(t *testing.T) {
	// before says that the end of the i-th call of x comes before the begin of the j-th of y.
	before := func(log []string, x string, i int, y string, j int) bool {
		return slices.Index(log, fmt.Sprint(x, "e", i)) < slices.Index(log, fmt.Sprint(y, "b", j))
	}
	for depth := 1; depth <= 3; depth++ {
		b := &bench{m: scenario(t, depths)}
		s := parse(t, fmt.Sprint("pct:", depth))
		hits, runs := 0, 20_000
		for range runs {
			var log []string
			var n [engine.MaxActors][2]int
			for _, e := range b.run(s, 3).events {
				name, kind := b.m.Program().Actors[e.Actor].Name, 0
				if e.Kind == engine.EvEnd {
					kind = 1
				}
				n[e.Actor][kind]++
				log = append(log, fmt.Sprint(name, "be"[kind:kind+1], n[e.Actor][kind]))
			}
			if before(log, "b", 1, "a", 1) && (depth < 2 || before(log, "a", 2, "b", 3)) && (depth < 3 || before(log, "b", 3, "a", 4)) {
				hits++
			}
		}
		as := b.d.Shape.Assure(s)
		if len(as) != 1 || as[0].Depth != depth || as[0].Tasks != 3 || as[0].Runs > runs-1 || as[0].Runs < runs/2 {
			t.Fatalf("assurance of depth %d: %+v", depth, as)
		}
		a := as[0]
		one := 1 / (float64(a.Tasks) * math.Pow(float64(a.Decisions), float64(depth-1)))
		least := float64(runs)*one - 3*math.Sqrt(float64(runs)*one)
		if float64(hits) < least {
			t.Errorf("depth %d: %d of %d runs, the bound promises %.0f", depth, hits, runs, least)
		}
		if want := math.Pow(1-one, float64(a.Runs)); math.Abs(a.Miss-want) > 1e-9*want && want > 1e-200 {
			t.Errorf("depth %d: miss probability %g, want %g", depth, a.Miss, want)
		}
		t.Logf("depth %d: %d of %d runs, the bound promises %.1f; %v", depth, hits, runs, float64(runs)*one, a)
	}
}

// TestAssuranceForgetsShortRuns: runs whose change points were drawn among fewer decisions than a later run had say nothing about it.
func TestAssuranceForgetsShortRuns(t *testing.T) {
	b := &bench{m: scenario(t, depths)}
	s := parse(t, "pct:2")
	for range 50 {
		b.run(s, 3)
	}
	k := b.d.Shape.Assure(s)[0].Decisions
	b.d.Shape.Decisions = k + 1 // as if the last run had been longer
	if a := b.d.Shape.Assure(s)[0]; a.Runs != 0 || a.Miss != 1 || a.Decisions != k+1 {
		t.Errorf("after a run of %d decisions: %+v", k+1, a)
	}
	for range 10 {
		b.run(s, 3)
	}
	if a := b.d.Shape.Assure(s)[0]; a.Runs != 10 || a.Decisions <= k {
		t.Errorf("ten runs later: %+v", a)
	}
}

// TestURWIsUniform: the few steps of a task's only call fall anywhere among those of eight calls of another, so its end lies
// behind the begin of the sixth of them in about two of three runs; a random walk is there within the first few. 600 runs
// leave a third at more than ten standard deviations.
func TestURWIsUniform(t *testing.T) {
	m := scenario(t, strings.Replace(late, "a: gettid\n", "", 1))
	const runs = 600
	late := func(name string) (n int) {
		b, s := &bench{m: m}, parse(t, name)
		for range runs {
			calls := 0
			for _, e := range b.run(s, 3).events {
				switch {
				case m.Program().Actors[e.Actor].Name == "b" && e.Kind == engine.EvBegin:
					calls++
				case m.Program().Actors[e.Actor].Name == "a" && e.Kind == engine.EvEnd && calls >= 6:
					n++
				}
			}
		}
		return n
	}
	if n := late("urw"); n < runs/3 {
		t.Errorf("urw: the call came late in %d of %d runs", n, runs)
	}
	if n := late("random"); n > runs/6 {
		t.Errorf("random walk: the call came late in %d of %d runs", n, runs)
	}
}

// TestStarvedRunEnds: a schedule that starves whoever it can is followed by a fair one, under which every seed ends.
func TestStarvedRunEnds(t *testing.T) {
	for _, s := range corpus.Seeds() {
		b := &bench{m: lower(t, s)}
		if r := b.run(starve{}, 0); r.end == schedule.Livelock || r.end == schedule.Endless {
			t.Errorf("%s: %v", s.Name, r)
		}
	}
}

// TestTrapForNobodyIsALivelock: a trap that no engine is told of comes back for ever. Each time is a step, or no bound would end the run.
func TestTrapForNobodyIsALivelock(t *testing.T) {
	const text = `scenario trap
proc main
proc child of main victim
main: ptrace SEIZE child
main: utrace ATTACH child observer EXEC
main: ptrace INTERRUPT child
main: wait4 child
`
	b := &bench{m: scenario(t, text, engine.BugUtraceEventsShrink)}
	if r := b.run(schedule.Replay(nil), 0); r.end != schedule.Livelock {
		t.Errorf("the run is %v", r)
	}
}

// starve always takes the last choice: of the task that was made last, the alternative that leads on least.
type starve struct{}

func (starve) Begin(*engine.World, *schedule.Shape, *rand.Rand) {}
func (starve) Choose(_ *engine.World, cs []engine.Choice) int   { return len(cs) - 1 }

// BenchmarkRun is runs of three actors with twelve operations each, by each strategy, invariants off.
func BenchmarkRun(b *testing.B) {
	m := scenario(b, twelve)
	for _, name := range []string{"random", "pct:3", "pos", "urw", "surw"} {
		b.Run(name, func(b *testing.B) {
			var d schedule.Driver
			var w engine.World
			s, steps := parse(b, name), 0
			b.ReportAllocs()
			for b.Loop() {
				m.Init(&w)
				d.Run(&w, s, 1, uint64(d.Shape.Runs), nil)
				steps += d.Steps
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "schedules/s")
			b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}

// twelve has three actors with twelve operations each.
var twelve = "scenario twelve\nproc main\nproc one of main\nproc two of main\n" +
	strings.Repeat("main: ptrace SEIZE one\nmain: ptrace INTERRUPT one\nmain: wait4 one WNOHANG\nmain: ptrace DETACH one\n", 3) +
	strings.Repeat("one: gettid\none: kill two SIGSTOP\none: sigprocmask SIG_BLOCK SIGUSR1\n", 4) +
	strings.Repeat("two: getpid\ntwo: kill one SIGCONT\ntwo: kill one SIGUSR2\ntwo: sigpending\n", 3)

// TestNothingToDecide: a program of one actor has runs without any decision, and every strategy makes them.
func TestNothingToDecide(t *testing.T) {
	s, err := corpus.Parse("test", []byte("scenario alone\nproc main\nmain: getpid => main\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		strategy := parse(t, name)
		m := lower(t, s)
		var d schedule.Driver
		var w engine.World
		for run := range uint64(20) {
			m.Init(&w)
			if end := d.Run(&w, strategy, 1, run, nil); end != schedule.Done {
				t.Errorf("%s: run %d is %v", name, run, end)
			}
		}
	}
}
