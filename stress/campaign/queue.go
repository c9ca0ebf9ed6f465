package campaign

import (
	"math/rand/v2"

	"tracehammer/corpus"
	"tracehammer/stress/coverage"
)

// queue chooses what one worker runs next, when the seed scenarios have had their turn: variations of what has shown something new,
// what has earned more runs, and in between, once each, what earlier campaigns kept.
type queue struct {
	rng    *rand.Rand
	stored []*item // not yet handed out
	items  []*item
	vary   func(parent *corpus.Scenario) *corpus.Scenario
	seen   coverage.Set     // but for outcomes
	recent *coverage.Recent // outcomes by shape; with outcome 0, shapes that ran: that a new one shows an outcome of its own is nothing new
}

const (
	// maxItems bounds the items kept; the dullest variation goes first.
	maxItems = 256
	// maxOutcomes is about how many outcomes a worker remembers, 8 bytes each.
	maxOutcomes = 1 << 18
	// storedShare: one turn in so many is of what earlier campaigns kept, until all of it had one.
	storedShare = 4
)

func newQueue(rng *rand.Rand, recent *coverage.Recent, vary func(*corpus.Scenario) *corpus.Scenario, seeds, stored []*item) *queue {
	q := &queue{rng: rng, vary: vary, stored: stored, recent: recent}
	q.adopt(seeds)
	return q
}

// adopt takes seeds as they are, without a turn.
func (q *queue) adopt(seeds []*item) {
	for _, it := range seeds {
		q.keep(it)
	}
}

// next returns an item to run, of a queue that has some; done must be told about it before next is called again.
func (q *queue) next() *item {
	if n := len(q.stored); n > 0 && q.rng.IntN(storedShare) == 0 {
		it := q.stored[n-1]
		q.stored = q.stored[:n-1]
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
func (q *queue) all() []*item { return q.items }

func (q *queue) empty() bool { return len(q.items) == 0 }

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

// done learns from a turn of it, which showed some features. It returns those that no item of the queue had shown before, and
// whether a variation stays because of some of them. Seeds stay anyway.
func (q *queue) done(it *item, shown *coverage.Set) (fresh, why []coverage.Feature) {
	ran := !q.recent.Add(it.shape, 0)
	for _, f := range shown.All() {
		added := false
		if f.Kind == coverage.Outcome {
			added = q.recent.Add(f.A, f.B)
		} else {
			added = q.seen.Add(f)
		}
		if !added {
			continue
		}
		fresh = append(fresh, f)
		if f.Kind != coverage.Outcome || ran {
			why = append(why, f)
		}
	}
	if it.kept || !it.seed && (len(why) == 0 || it.dull) {
		return fresh, nil
	}
	q.keep(it)
	if it.seed {
		return fresh, nil
	}
	return fresh, why
}

// keep takes an item into the queue.
func (q *queue) keep(it *item) {
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
