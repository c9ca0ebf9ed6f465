package steer

import (
	"context"
	"hash/maphash"

	"tracehammer/engine"
	"tracehammer/stress/schedule"
)

// Search calls yield with runs of p that are likely to show what an earlier run, nil if there is none, of a program of which
// only a part is kept has shown: the one that follows it, the one that preempts nobody, some at random, and those with one
// departure from the latter. It makes no more than limit runs, and ends when yield returns false or ctx is done. The same seed
// makes the same runs.
func (r *Runner) Search(ctx context.Context, p *engine.Program, earlier *Run, k Kept, limit int, seed uint64, yield func(Run) bool) {
	if earlier != nil && !yield(r.Follow(p, earlier, k)) {
		return
	}
	going := true
	see := func(run Run) bool {
		going = yield(run)
		return going
	}
	sparse := func(run Run, _ int) bool { return see(run) }
	if r.Sparse(ctx, p, 0, 1, sparse); !going {
		return
	}
	random := limit / 4
	r.Random(ctx, p, random, seed, see)
	if going {
		r.Sparse(ctx, p, 1, limit-random, sparse)
	}
}

// strategies are those that know what to do without having seen the program run. A random walk is good at windows of a few
// steps, random priorities at one task that is late for many.
var strategies = [...]string{"random", "pos"}

// Random calls yield with n runs of p under random strategies, until it returns false or ctx is done.
func (r *Runner) Random(ctx context.Context, p *engine.Program, n int, seed uint64, yield func(Run) bool) {
	for i := range n {
		if ctx.Err() != nil {
			return
		}
		s, err := schedule.Parse(strategies[i%len(strategies)])
		if err != nil {
			panic(err) // constant names
		}
		if !yield(r.drive(p, s, seed, uint64(i), nil)) {
			return
		}
	}
}

var keySeed = maphash.MakeSeed()

// Key is equal for runs that leave the same history: same events in the same order, same end. Whoever has judged one knows
// about the other.
func (run *Run) Key() uint64 {
	var h maphash.Hash
	h.SetSeed(keySeed)
	for i := range run.Steps {
		if e := &run.Steps[i].Event; e.Kind != engine.EvNone {
			maphash.WriteComparable(&h, *e)
		}
	}
	maphash.WriteComparable(&h, run.Done)
	maphash.WriteComparable(&h, run.ends)
	return h.Sum64()
}
