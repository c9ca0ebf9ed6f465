package fuzz

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

var replayRunner = newRunner()

// strategies are those of schedule.Names that need no argument, and depths of pct.
var strategies = [...]string{"random", "pct", "pct:1", "pct:3", "pct:9", "pos", "urw", "surw", "portfolio"}

// FuzzReplay makes runs of a scenario of FuzzPtrace's by some strategy: the stream's first byte says which, its next eight
// are the seed. It asserts of each of a few runs, which the strategy may learn from, that its decision stream replays to
// the identical run: the same steps, the same events, the same last state, the same stream again. The same holds for the
// input's own stream, of which a run never uses more decisions than there are, for a mutation of it, and for its text form.
func FuzzReplay(data []byte) int {
	r := replayRunner
	defer r.guard("FuzzReplay")
	p, ok := r.load(data, false)
	if !ok {
		return never
	}
	ptrace.Load(&r.machine, p, engine.Options{Profile: r.in.Profile.Engine(), Bugs: bugs})
	given := r.in.Stream
	name, seed := strategies[0], uint64(0)
	if len(given) > 0 {
		name = strategies[int(given[0])%len(strategies)]
		var b [8]byte
		copy(b[:], given[1:])
		seed = binary.LittleEndian.Uint64(b[:])
	}
	s, err := schedule.Parse(name)
	if err != nil {
		r.fail("%v", err)
	}
	r.driver.Shape = schedule.Shape{}
	for run := range uint64(3) {
		r.replays(name, s, seed, run)
	}
	r.replays("the input's stream", schedule.Replay(given), 0, 0)
	if n := len(r.driver.Stream); n > len(given) {
		r.fail("%d decisions of %d bytes", n, len(given))
	}
	r.replays("a mutation of the input's stream", schedule.Replay(given.Mutate(nil, rand.New(rand.NewPCG(seed, 1)))), 0, 0)
	back, err := schedule.ParseStream(given.String())
	if err != nil || !slices.Equal(back, given) {
		r.fail("the stream %v reads back as %v, %v", given, back, err)
	}
	return neutral
}

// once is what is compared of two runs.
type once struct {
	end    schedule.End
	steps  int
	last   engine.Fingerprint
	events uint64 // a hash of them, in order
	stream schedule.Stream
}

func (r *runner) once(s schedule.Strategy, seed, run uint64) once {
	o := once{events: 14695981039346656037}
	r.machine.Init(&r.world)
	o.end = r.driver.Run(&r.world, s, seed, run, func(c engine.Choice, e engine.Event) {
		for _, n := range [...]int64{int64(c.Task), int64(c.Kind), int64(c.Alt), int64(e.Kind), int64(e.Actor), int64(e.Instr), e.Res.Ret,
			e.Res.Out[0], e.Res.Out[1], e.Res.Out[2], int64(e.Signo), int64(e.Code), int64(e.Pid)} {
			o.events = (o.events ^ uint64(n)) * 1099511628211
		}
	})
	o.steps, o.last, o.stream = r.driver.Steps, r.world.Fingerprint(), slices.Clone(r.driver.Stream)
	return o
}

// replays makes a run, and again by its stream.
func (r *runner) replays(name string, s schedule.Strategy, seed, run uint64) {
	first := r.once(s, seed, run)
	shape := r.driver.Shape
	again := r.once(schedule.Replay(first.stream), seed+1, 0)
	r.driver.Shape = shape
	if first.end != again.end || first.steps != again.steps || first.last != again.last || first.events != again.events || !slices.Equal(first.stream, again.stream) {
		r.fail("run %d by %s, seed %d: %v after %d steps, stream %v, was replayed as %v after %d steps, stream %v", run, name, seed,
			first.end, first.steps, first.stream, again.end, again.steps, again.stream)
	}
}
