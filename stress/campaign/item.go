package campaign

import (
	"hash/maphash"
	"math/rand/v2"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// item is one scenario on one target: a seed or a variation, with what its runs have shown so far.
type item struct {
	scenario *corpus.Scenario
	prog     *engine.Program
	seed     bool
	kept     bool              // its queue has it
	known    []corpus.KnownBug // what the scenario is marked to show on this target's kernel
	delays   *delaySearch
	// suggested are the ranges that the scenario itself names, one for each delay cell.
	suggested []stress.DelayRange
	outcomes  map[uint64]struct{}
	showed    schedule.Stream // schedule of the latest run that ended as none before, where runs have one
	runs      int
	verdicts  Verdicts
	first     string // title of the first violation
	fresh     int    // outcomes that were new, less what too many runs without any have worn off
	dull      bool   // hangs as predicted, or shows what is filed already: more runs teach little
}

func newItem(s *corpus.Scenario, p *engine.Program) *item {
	return &item{scenario: s, prog: p, delays: newDelaySearch(p), suggested: suggestedDelays(s), outcomes: map[uint64]struct{}{}}
}

func suggestedDelays(s *corpus.Scenario) []stress.DelayRange {
	var ranges []stress.DelayRange
	for _, d := range s.Delays() {
		ranges = append(ranges, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
	}
	return ranges
}

// weight is how much an item deserves the next runs.
func (it *item) weight() float64 {
	w := float64(it.fresh+1) / float64(it.runs/32+1)
	if it.dull {
		w /= 50
	}
	return w
}

var outcomeSeed = maphash.MakeSeed()

// note records the outcome of a run; new says that no run of this item ended so before.
func (it *item) note(h *history.History) (new bool) {
	it.runs++
	k := outcomeKey(h)
	if _, ok := it.outcomes[k]; ok {
		return false
	}
	it.outcomes[k] = struct{}{}
	it.fresh++
	it.delays.hit(h.Delays)
	return true
}

// outcomeKey hashes what all calls returned, with tids as actor numbers; order and times are not part of an outcome.
func outcomeKey(h *history.History) uint64 {
	var m maphash.Hash
	m.SetSeed(outcomeSeed)
	maphash.WriteComparable(&m, h.Outcome)
	for a := range h.Actors {
		maphash.WriteComparable(&m, a)
		for _, e := range h.Actors[a].Entries {
			maphash.WriteComparable(&m, resultKey(h, &e))
		}
	}
	return m.Sum64()
}

type key struct {
	instr int32
	kind  history.Kind
	done  bool
	res   engine.Result
}

func resultKey(h *history.History, e *history.Entry) key {
	k := key{e.Instr, e.Kind, e.Done, e.Res}
	k.res.Ret = symbol(h, k.res.Ret)
	for i := range k.res.Out {
		k.res.Out[i] = symbol(h, k.res.Out[i])
	}
	return k
}

// symbol maps a real tid to a number that is the same on every run; other numbers stay.
func symbol(h *history.History, n int64) int64 {
	for a := range h.Actors {
		if t := int64(h.Actors[a].Tid); t != 0 && (n == t || n == -t) {
			return -int64(1<<40) - int64(a)
		}
	}
	return n
}

// edges calls f for each pair of neighbouring events of h in the order of their tickets, as numbers that do not depend on
// the program: which call returned what kind of result after which. A variation that shows a new pair is worth keeping.
func edges(p *engine.Program, h *history.History, f func(uint64)) {
	next := make([]int, len(h.Actors))
	var last uint64
	for {
		best := -1
		for a := range h.Actors {
			es := h.Actors[a].Entries
			for next[a] < len(es) && !es[next[a]].Done {
				next[a]++
			}
			if next[a] < len(es) && (best < 0 || es[next[a]].End < h.Actors[best].Entries[next[best]].End) {
				best = a
			}
		}
		if best < 0 {
			return
		}
		e := &h.Actors[best].Entries[next[best]]
		next[best]++
		this := eventClass(p, best, e)
		f(maphash.Comparable(outcomeSeed, [2]uint64{last, this}))
		last = this
	}
}

// eventClass hashes what happened without saying to whom.
func eventClass(p *engine.Program, actor int, e *history.Entry) uint64 {
	type class struct {
		kind     history.Kind
		call     engine.Call
		req, ret int64
		status   int64
	}
	c := class{kind: e.Kind, ret: min(e.Res.Ret, 1)}
	if e.Kind == history.Handler {
		c.status = e.Res.Out[0]
		return maphash.Comparable(outcomeSeed, c)
	}
	in := &p.Actors[actor].Code[e.Instr]
	c.call = in.Call
	switch in.Call {
	case engine.CallPtrace:
		c.req = in.Args[0].N
	case engine.CallWait4:
		c.status = e.Res.Out[0]
	case engine.CallWaitid:
		c.status = e.Res.Out[1]<<32 | e.Res.Out[2]
	}
	return maphash.Comparable(outcomeSeed, c)
}

// strategy chooses how the engine runs the item: all strategies in turn, or sometimes what surrounds a schedule that showed
// something new.
func (it *item) strategy(rng *rand.Rand) string {
	if len(it.showed) > 0 && rng.IntN(4) == 0 {
		return "mutate:" + it.showed.String()
	}
	return "portfolio"
}

// plan says how to run the item next.
func (it *item) plan(rng *rand.Rand, repeat int, cpus []int) stress.Plan {
	p := stress.Plan{Seed: rng.Uint64(), Repeat: repeat, Delays: it.delays.draw(rng, it.suggested), Final: 16}
	if it.delays.sampling() {
		p.Repeat = min(repeat, delaySamples)
	}
	p.CPUs = placement(rng, len(it.prog.Actors), cpus)
	return p
}

// placement chooses where actors run: mostly wherever the kernel likes, else all on one CPU, or each on a drawn one.
func placement(rng *rand.Rand, actors int, cpus []int) []int {
	n := rng.IntN(4)
	if n < 2 || len(cpus) == 0 {
		return nil
	}
	one := cpus[rng.IntN(len(cpus))]
	placed := make([]int, actors)
	for a := range placed {
		placed[a] = one
		if n == 3 {
			placed[a] = cpus[rng.IntN(len(cpus))]
		}
	}
	return placed
}
