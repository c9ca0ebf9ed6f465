package fuzz

import (
	"fmt"
	"hash/crc32"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
)

// Bounds of what a target runs, so that no input takes long: what needs more says little that a shorter one does not.
const (
	maxData   = 1 << 12                                 // bytes
	maxSteps  = 2048                                    // of one run
	longSteps = maxSteps + maxData + schedule.FairSteps // enough to tell a livelock
	longShare = 128                                     // one input of so many may take longSteps
	// maxStates is what the checker may visit. A history that needs more is undecided, which is never a violation.
	maxStates  = 20_000
	moreStates = 50_000 // of FuzzChecker: one schedule of a planted bug takes 33,000
)

// runner makes runs on the engine, one after another; what it is made of is used again.
type runner struct {
	in       input.Input // what runs, for violations
	decoder  input.Decoder
	program  *engine.Program
	machine  engine.Machine
	driver   schedule.Driver
	world    engine.World
	watch    engine.Watch
	recorder stress.Recorder
	hist     history.History
	see      func(engine.Choice, engine.Event) // of the run
	look     func(engine.Choice, engine.Event) // of what comes behind its end
	oracles  [256]*oracle.Oracle               // by profile
}

func newRunner() *runner {
	r := &runner{program: new(engine.Program)}
	r.look = func(c engine.Choice, e engine.Event) { r.watch.Step(&r.world, c, e) }
	r.see = func(c engine.Choice, e engine.Event) {
		r.watch.Step(&r.world, c, e)
		r.recorder.Add(e)
	}
	return r
}

// stackOfRun is about what a run with the checker needs.
const stackOfRun = 12 << 10

// deepen makes the stack large enough for a run at once. Fuzzers call each target in a new goroutine, whose small stack would be
// doubled several times on the way down, and copied with all that is on it by then.
//
//go:noinline
func deepen(n byte) byte {
	var room [stackOfRun]byte
	room[n] = n
	return room[n/2]
}

// load takes an input apart into what is to run. It says no to what has no operations, and unless grown to what a scenario would grow of:
// that takes ten times as long as the run.
func (r *runner) load(data []byte, grown bool) (*engine.Program, bool) {
	if len(data) > maxData || !grown && input.Grows(data) {
		return nil, false
	}
	deepen(byte(len(data)))
	if r.driver.Limit = maxSteps; share(data, longShare) {
		r.driver.Limit = longSteps
	}
	r.in = r.decoder.Run(data)
	input.Bound(r.in.Scenario)
	if len(r.in.Scenario.Body) == 0 {
		return nil, false
	}
	r.program = corpus.LowerAgain(r.program, r.in.Scenario)
	return r.program, true
}

// run makes one run of the machine under a strategy, and goes on behind its end until nothing can happen any more, or it is
// too long. What it broke of the engine's invariants it panics with; else r.hist is what actors logged.
func (r *runner) run(s schedule.Strategy) schedule.End {
	r.machine.Init(&r.world)
	r.watch.Start()
	r.recorder.Start(&r.hist, r.machine.Program())
	end := r.driver.Run(&r.world, s, 0, 0, r.see)
	if end == schedule.Endless {
		return end
	}
	if r.hist.Outcome = history.Stuck; end == schedule.Done {
		r.hist.Outcome = history.Complete
	}
	r.recorder.Finish(&r.world)
	if end == schedule.Done {
		end = r.driver.Settle(&r.world, r.look)
	}
	switch end {
	case schedule.Quiescent:
		r.world.CheckLiveness()
	case schedule.Livelock:
		r.fail("livelock: after %d steps, the last %d of them fair, no actor gets on", r.driver.Steps, schedule.FairSteps)
	}
	return end
}

// judge asks the checker, which may visit so many states, whether the engine of the input's profile, without planted bugs, admits r.hist as a run of p.
func (r *runner) judge(p *engine.Program, states int) oracle.Verdict {
	o := r.oracles[r.in.Profile]
	if o == nil {
		o = oracle.New(r.in.Profile.Engine())
		r.oracles[r.in.Profile] = o
	}
	o.Budget = states
	v := o.Judge(p, &r.hist)
	// A hang that the engine predicts is a bug that the rules describe.
	if v.Kind.Finding() && !(v.Kind == oracle.Hang && v.Predicted) {
		r.fail("%v: %s\n%s", v.Kind, v.Title, v.Explanation)
	}
	return v
}

// share says whether the input is one of those, one of n, with which something is done that would take too long with all.
// The bytes alone decide, so an input is always treated alike.
func share(data []byte, n uint32) bool { return crc32.ChecksumIEEE(data)%n == 0 }

func (r *runner) fail(format string, args ...any) {
	panic(&violation{in: r.in, what: fmt.Sprintf(format, args...)})
}

// guard turns what a run broke into a violation with the input that broke it; deferred by targets.
func (r *runner) guard(target string) {
	switch p := recover().(type) {
	case nil:
	case *violation:
		p.target = target
		panic(p)
	case *engine.InvariantError:
		panic(&violation{target, r.in, p.Error()})
	default:
		panic(&violation{target, r.in, fmt.Sprintf("panic: %v", p)})
	}
}

// violation is what a target panics with.
type violation struct {
	target string
	in     input.Input
	what   string
}

func (v *violation) Error() string {
	profile := ""
	if v.in.Profile.String() != "" {
		profile = " --profile " + v.in.Profile.String()
	}
	return fmt.Sprintf("%s: %s\nplanted bugs: %v\n\n%s\nshow it again, with the scenario in FILE: stressd explore%s --strategy replay:%v --runs 1 FILE",
		v.target, v.what, bugs, v.in.Scenario.Print(), profile, v.in.Stream)
}

// acted says whether any call of the scenario had an effect: it succeeded.
func acted(h *history.History) bool {
	for a := range h.Actors {
		for i := range h.Actors[a].Entries {
			if e := &h.Actors[a].Entries[i]; e.Kind == history.Call && e.Done && e.Res.Ret >= 0 {
				return true
			}
		}
	}
	return false
}
