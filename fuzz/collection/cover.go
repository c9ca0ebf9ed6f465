package collection

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/coverage"
)

// DefaultRuns is how many schedules of a scenario are run to measure what it covers.
const DefaultRuns = 64

// Measure says what an entry covers on the engine: one that is scheduled by its one run, another one by some runs under
// schedules that seed draws. Outcomes by shape are left out: every scenario has its own.
func Measure(ctx context.Context, e *Entry, runs int, seed uint64) ([]coverage.Feature, error) {
	return MeasureOn(ctx, e, e.Input.Profile.Engine(), runs, seed)
}

// MeasureOn is Measure on an engine that is another kernel than the entry says.
func MeasureOn(ctx context.Context, e *Entry, profile engine.Profile, runs int, seed uint64) ([]coverage.Feature, error) {
	p, err := corpus.Lower(e.Input.Scenario)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	o := coverage.Options{Profile: profile, Runs: runs, Seed: seed}
	if e.Scheduled {
		o.Runs, o.Replay = 0, e.Input.Stream[:len(e.Input.Stream):len(e.Input.Stream)]
		if o.Replay == nil {
			o.Replay = []byte{}
		}
	}
	set, err := coverage.Of(ctx, p, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	set.Forget(coverage.Outcome)
	return set.All(), ctx.Err()
}

// Pick is an entry that a choice keeps.
type Pick struct {
	Index int
	Adds  int // features that no entry picked before has
}

// Minimise returns a small choice of entries, given by what each covers, that covers what all of them cover: the one that adds most comes next,
// of equals the one of least cost, and then the first. None of them is implied by the others.
func Minimise(covers [][]coverage.Feature, cost func(i int) int) []Pick {
	q := &gains{cost: cost}
	for i, c := range covers {
		q.items = append(q.items, gain{i, len(c)})
	}
	heap.Init(q)
	times := map[coverage.Feature]int{} // how many of the picked have it
	var picks []Pick
	for q.Len() > 0 {
		top := &q.items[0]
		fresh := 0
		for _, f := range covers[top.index] {
			if times[f] == 0 {
				fresh++
			}
		}
		// What an entry adds only shrinks: one that still leads after having been counted again is the best.
		if fresh < top.adds {
			top.adds = fresh
			heap.Fix(q, 0)
			continue
		}
		g := heap.Pop(q).(gain)
		if g.adds == 0 {
			break
		}
		for _, f := range covers[g.index] {
			times[f]++
		}
		picks = append(picks, Pick{g.index, g.adds})
	}
	// What came early may have become superfluous.
	kept := picks[:0]
	for _, p := range picks {
		if needed(covers[p.Index], times) {
			kept = append(kept, p)
			continue
		}
		for _, f := range covers[p.Index] {
			times[f]--
		}
	}
	return kept
}

func needed(cover []coverage.Feature, times map[coverage.Feature]int) bool {
	for _, f := range cover {
		if times[f] == 1 {
			return true
		}
	}
	return false
}

// gain is what an entry added when it was last counted.
type gain struct{ index, adds int }

// gains is a heap of them, the best on top.
type gains struct {
	items []gain
	cost  func(i int) int
}

func (q *gains) Len() int      { return len(q.items) }
func (q *gains) Swap(i, j int) { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *gains) Push(x any)    { q.items = append(q.items, x.(gain)) }
func (q *gains) Pop() any {
	last := q.items[len(q.items)-1]
	q.items = q.items[:len(q.items)-1]
	return last
}

func (q *gains) Less(i, j int) bool {
	a, b := q.items[i], q.items[j]
	return cmp.Or(cmp.Compare(b.adds, a.adds), cmp.Compare(q.cost(a.index), q.cost(b.index)), cmp.Compare(a.index, b.index)) < 0
}

// Merge says which of the entries, given by what each covers, add something to all that stand before them; the first known
// entries are there anyway.
func Merge(covers [][]coverage.Feature, known int) []Pick {
	seen := map[coverage.Feature]bool{}
	var picks []Pick
	for i, c := range covers {
		adds := 0
		for _, f := range c {
			if !seen[f] {
				seen[f] = true
				adds++
			}
		}
		if i >= known && adds > 0 {
			picks = append(picks, Pick{i, adds})
		}
	}
	return picks
}

// Covered is what entries cover together.
func Covered(covers [][]coverage.Feature) *coverage.Set {
	set := &coverage.Set{}
	for _, c := range covers {
		for _, f := range c {
			set.Add(f)
		}
	}
	return set
}
