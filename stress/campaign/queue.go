package campaign

import (
	"math/rand/v2"

	"tracehammer/corpus"
)

// queue hands out what one worker runs next: every seed scenario once, then variations of what has shown something new, and
// what has earned more runs.
type queue struct {
	rng   *rand.Rand
	seeds []*item // not yet handed out
	items []*item
	vary  func(parent *corpus.Scenario) *corpus.Scenario
	seen  map[uint64]struct{} // edges
}

// maxItems bounds the items kept; the dullest variation goes first.
const maxItems = 256

func newQueue(rng *rand.Rand, vary func(*corpus.Scenario) *corpus.Scenario, seeds []*item) *queue {
	return &queue{rng: rng, vary: vary, seeds: seeds, seen: map[uint64]struct{}{}}
}

// next returns an item to run; done must be told about it before next is called again.
func (q *queue) next() *item {
	if len(q.seeds) > 0 {
		it := q.seeds[0]
		q.seeds = q.seeds[1:]
		return it
	}
	it := q.pick()
	if q.rng.IntN(2) == 0 {
		if v := q.variation(it.scenario); v != nil {
			return v
		}
	}
	return it
}

// all lists what the queue holds.
func (q *queue) all() []*item { return append(q.seeds, q.items...) }

// pick draws an item by weight.
func (q *queue) pick() *item {
	var sum float64
	for _, it := range q.items {
		sum += it.weight()
	}
	at := q.rng.Float64() * sum
	for _, it := range q.items {
		if at -= it.weight(); at < 0 {
			return it
		}
	}
	return q.items[len(q.items)-1]
}

// variation returns a new item made of parent, nil when what came out cannot run.
func (q *queue) variation(parent *corpus.Scenario) *item {
	v := q.vary(parent)
	p, err := corpus.Lower(v)
	if err != nil || v.NumOps() == 0 {
		return nil
	}
	return newItem(v, p)
}

// done learns from a turn of it, which showed edges. Seeds stay; a variation stays if one of the edges is the first of its
// kind.
func (q *queue) done(it *item, edges []uint64) {
	novel := false
	for _, e := range edges {
		if _, ok := q.seen[e]; !ok {
			q.seen[e] = struct{}{}
			novel = true
		}
	}
	if it.kept || !it.seed && (!novel || it.dull) {
		return
	}
	it.kept = true
	q.items = append(q.items, it)
	if len(q.items) <= maxItems {
		return
	}
	worst := -1
	for i, o := range q.items {
		if !o.seed && (worst < 0 || o.weight() < q.items[worst].weight()) {
			worst = i
		}
	}
	if worst >= 0 {
		q.items[worst] = q.items[len(q.items)-1]
		q.items = q.items[:len(q.items)-1]
	}
}
