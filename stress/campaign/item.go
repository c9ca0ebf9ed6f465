package campaign

import (
	"math/rand/v2"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
)

// item is one scenario on one target: a seed or a variation, with what its runs have shown so far.
type item struct {
	scenario *corpus.Scenario
	prog     *engine.Program
	seed     bool
	kept     bool              // its queue has it
	stored   bool              // an earlier campaign kept it: the state directory has it
	known    []corpus.KnownBug // what the scenario is marked to show on this target's kernel
	shape    uint64            // of prog
	delays   *delaySearch
	// suggested are the ranges that the scenario itself names, one for each delay cell.
	suggested []stress.DelayRange
	number    uint64          // among those of its worker, from its first turn on
	showed    schedule.Stream // schedule of the latest run that ended as none before, where runs have one
	runs      int
	spent     spent
	// operations that the runs made: what they cost, about.
	operations uint64
	verdicts   Verdicts
	first      string // title of the first violation
	fresh      int    // outcomes that were new
	dull       bool   // hangs as predicted, or shows what is filed already: more runs teach little
}

func newItem(s *corpus.Scenario, p *engine.Program) *item {
	return &item{scenario: s, prog: p, shape: coverage.ShapeOf(p), delays: newDelaySearch(p), suggested: suggestedDelays(s)}
}

func suggestedDelays(s *corpus.Scenario) []stress.DelayRange {
	var ranges []stress.DelayRange
	for _, d := range s.Delays() {
		ranges = append(ranges, stress.DelayRange{Lo: int64(d[0]), Hi: int64(d[1])})
	}
	return ranges
}

// weight is how much an item deserves the next runs: what it has shown for what it has cost. By runs alone long scenarios, whose races end in more
// ways, would crowd out the others, and twice as much for each run. By time they do too (docs/architecture.md).
func (it *item) weight() float64 {
	w := float64(it.fresh+1) / float64(it.operations/384+1)
	if it.dull {
		w /= 50
	}
	return w
}

// maxItemOutcomes is how many outcomes are an item's share: no further one is new.
const maxItemOutcomes = 1 << 12

// note records the outcome of a run; new says that no run of this item ended so before, as far as recent, its worker's, remembers.
func (it *item) note(h *history.History, recent *coverage.Recent) (new bool) {
	it.runs++
	if !recent.Add(it.number, coverage.OutcomeOf(h)) || it.fresh == maxItemOutcomes {
		return false
	}
	it.fresh++
	it.delays.hit(h.Delays)
	return true
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
