package campaign

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

// How a seed becomes what a worker does in one turn.
const (
	workSeeds = "seeds" // seed n is the nth seed scenario of the target, which has its first turn
	workVary  = "vary"  // seed n is the random stream that chooses among what the worker knows, or varies it
)

// Lease is the unit of work: a range of seeds, each of which is one turn of a worker. What is done of it is never done again;
// what a worker had leased when it was lost is leased again.
type Lease struct {
	Target   string `json:"target"`
	Strategy string `json:"strategy"`
	Lo       uint64 `json:"lo"`
	Hi       uint64 `json:"hi"` // is none of it
}

func (l Lease) String() string {
	return fmt.Sprintf("%s on %s, seeds %d to %d", l.Strategy, l.Target, l.Lo, l.Hi)
}

// Leases hands work out. It is safe for concurrent use.
type Leases interface {
	// Take leases up to n seeds of a target, at least one. It waits while there is nothing, until ctx is done.
	Take(ctx context.Context, target string, n uint64) (Lease, error)
	// Done gives a lease back: the seeds before to are done, the others are not.
	Done(l Lease, to uint64) error
}

// leaseTime is about how long a lease takes: so much work a lost worker loses.
const leaseTime = 5 * time.Second

// maxLease bounds the seeds of a lease: a worker may become slower.
const maxLease = 1 << 12

// pacer says how many seeds a worker leases: as many as it does in leaseTime.
type pacer struct{ turn time.Duration }

func (p *pacer) size() uint64 {
	if p.turn <= 0 {
		return 1
	}
	return uint64(min(max(leaseTime/p.turn, 1), maxLease))
}

func (p *pacer) took(d time.Duration, turns uint64) {
	if turns > 0 {
		p.turn = max(d/time.Duration(turns), 1)
	}
}

// stream is the random stream of a seed: the same whoever runs it.
func (l *Lease) stream(campaign, seed uint64) (uint64, uint64) {
	h := fnv.New64a()
	h.Write([]byte(l.Target + "\x00" + l.Strategy)) //nolint:errcheck // it cannot fail
	return campaign ^ h.Sum64(), seed
}

// ledger is the Leases of one process. It says which seeds are done, so that the next process goes on behind them.
type ledger struct {
	mu    sync.Mutex // a leaf
	pools []*seedPool
}

// seedPool is the seeds of one strategy on one target.
type seedPool struct {
	Target   string `json:"target"`
	Strategy string `json:"strategy"`
	End      uint64 `json:"end,omitempty"`   // seeds from here on do not exist; 0: they do
	Next     uint64 `json:"next"`            // seeds from here on were never leased
	Again    []span `json:"again,omitempty"` // were leased and are not done
	out      []span // are leased now
}

// span is the seeds from the first to before the second.
type span [2]uint64

// team adds the pools of a target with some seed scenarios, unless it has them.
func (g *ledger) team(target string, seeds int) {
	if p := g.pool(target, workSeeds); p != nil {
		if p.End == uint64(seeds) {
			return
		}
		// It has others now, by another kernel: all of them have their turn.
		*p = seedPool{Target: target, Strategy: workSeeds, End: uint64(seeds)}
		return
	}
	g.pools = append(g.pools, &seedPool{Target: target, Strategy: workSeeds, End: uint64(seeds)}, &seedPool{Target: target, Strategy: workVary})
}

func (g *ledger) pool(target, strategy string) *seedPool {
	for _, p := range g.pools {
		if p.Target == target && p.Strategy == strategy {
			return p
		}
	}
	return nil
}

// done lists which of the seed scenarios of a target had their turn.
func (g *ledger) done(target string) (seeds []int) {
	p := g.pool(target, workSeeds)
	for n := range p.Next {
		if !slices.ContainsFunc(p.Again, func(s span) bool { return s[0] <= n && n < s[1] }) {
			seeds = append(seeds, int(n))
		}
	}
	return seeds
}

// Take implements Leases. There is always something.
func (g *ledger) Take(_ context.Context, target string, n uint64) (Lease, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, strategy := range []string{workSeeds, workVary} {
		p := g.pool(target, strategy)
		if p == nil {
			continue
		}
		if s, ok := p.take(n); ok {
			return Lease{target, strategy, s[0], s[1]}, nil
		}
	}
	return Lease{}, fmt.Errorf("no work for target %s", target)
}

func (p *seedPool) take(n uint64) (s span, ok bool) {
	switch {
	case len(p.Again) > 0:
		first := &p.Again[0]
		s = span{first[0], min(first[0]+n, first[1])}
		if first[0] = s[1]; first[0] == first[1] {
			p.Again = p.Again[1:]
		}
	case p.End == 0:
		s = span{p.Next, p.Next + n}
		p.Next = s[1]
	case p.Next < p.End:
		s = span{p.Next, min(p.Next+n, p.End)}
		p.Next = s[1]
	default:
		return s, false
	}
	p.out = append(p.out, s)
	return s, true
}

// Done implements Leases.
func (g *ledger) Done(l Lease, to uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pool(l.Target, l.Strategy)
	i := -1
	if p != nil {
		i = slices.Index(p.out, span{l.Lo, l.Hi})
	}
	if i < 0 || to < l.Lo || to > l.Hi {
		return fmt.Errorf("internal error: %v was not leased", l)
	}
	p.out = slices.Delete(p.out, i, i+1)
	if to < l.Hi {
		p.Again = append(p.Again, span{to, l.Hi})
	}
	return nil
}

// save is what a process that goes on needs: what is leased now counts as not done.
func (g *ledger) save() []seedPool {
	g.mu.Lock()
	defer g.mu.Unlock()
	var pools []seedPool
	for _, p := range g.pools {
		s := *p
		s.Again, s.out = slices.Concat(p.Again, p.out), nil
		slices.SortFunc(s.Again, func(a, b span) int { return int(int64(a[0] - b[0])) })
		pools = append(pools, s)
	}
	return pools
}

// restoreLedger is the inverse of save. What cannot be is not believed.
func restoreLedger(pools []seedPool) (*ledger, error) {
	g := &ledger{}
	for _, p := range pools {
		if p.Strategy != workSeeds && p.Strategy != workVary || p.Strategy == workSeeds && p.End == 0 || g.pool(p.Target, p.Strategy) != nil || p.End > 0 && p.Next > p.End {
			return nil, fmt.Errorf("impossible leases of %s on %q", p.Strategy, p.Target)
		}
		at := uint64(0)
		for _, s := range p.Again {
			if s[0] < at || s[0] >= s[1] || s[1] > p.Next {
				return nil, fmt.Errorf("impossible leases of %s on %q", p.Strategy, p.Target)
			}
			at = s[1]
		}
		g.pools = append(g.pools, &p)
	}
	return g, nil
}
