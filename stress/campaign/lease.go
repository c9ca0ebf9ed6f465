package campaign

import (
	"cmp"
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
	By       string `json:"by"` // who has it, as a fleet names it
}

func (l Lease) String() string {
	return fmt.Sprintf("%s on %s, seeds %d to %d", l.Strategy, l.Target, l.Lo, l.Hi)
}

// Leases hands work out. It is safe for concurrent use.
type Leases interface {
	// Take leases up to n seeds of a target, at least one. It waits while there is nothing, until ctx is done.
	Take(ctx context.Context, target string, n uint64) (Lease, error)
	// Done gives a lease back: the seeds before to are done, the others are not.
	Done(ctx context.Context, l Lease, to uint64) error
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

// Ledger says which seeds of targets are done, leased, and by whom. It is a value that a file or a database keeps: a process alone has one in
// its record, several share one for each target (package stress/fleet). It takes no locks.
type Ledger struct {
	Pools []*seedPool `json:"pools"`
}

// seedPool is the seeds of one strategy on one target.
type seedPool struct {
	Target   string  `json:"target"`
	Strategy string  `json:"strategy"`
	End      uint64  `json:"end,omitempty"`   // seeds from here on do not exist; 0: they do
	Next     uint64  `json:"next"`            // seeds from here on were never leased
	Again    []span  `json:"again,omitempty"` // were leased and are not done
	Out      []owned `json:"out,omitempty"`   // are leased now
}

// span is the seeds from the first to before the second.
type span [2]uint64

// owned is a span that somebody has leased.
type owned struct {
	Span span   `json:"span"`
	By   string `json:"by"`
}

// Team adds the pools of a target with some seed scenarios, unless it has them.
func (g *Ledger) Team(target string, seeds int) {
	if p := g.pool(target, workSeeds); p != nil {
		if p.End == uint64(seeds) {
			return
		}
		// It has others now, by another kernel: all of them have their turn.
		*p = seedPool{Target: target, Strategy: workSeeds, End: uint64(seeds)}
		return
	}
	g.Pools = append(g.Pools, &seedPool{Target: target, Strategy: workSeeds, End: uint64(seeds)}, &seedPool{Target: target, Strategy: workVary})
}

func (g *Ledger) pool(target, strategy string) *seedPool {
	for _, p := range g.Pools {
		if p.Target == target && p.Strategy == strategy {
			return p
		}
	}
	return nil
}

// done lists which of the seed scenarios of a target had their turn.
func (g *Ledger) done(target string) (seeds []int) {
	p := g.pool(target, workSeeds)
	for n := range p.Next {
		has := func(s span) bool { return s[0] <= n && n < s[1] }
		if !slices.ContainsFunc(p.Again, has) && !slices.ContainsFunc(p.Out, func(o owned) bool { return has(o.Span) }) {
			seeds = append(seeds, int(n))
		}
	}
	return seeds
}

// Take leases up to n seeds of a target to somebody: seed scenarios first.
func (g *Ledger) Take(by, target string, n uint64) (Lease, error) {
	for _, strategy := range []string{workSeeds, workVary} {
		p := g.pool(target, strategy)
		if p == nil {
			continue
		}
		if s, ok := p.take(n); ok {
			p.Out = append(p.Out, owned{s, by})
			return Lease{target, strategy, s[0], s[1], by}, nil
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
	return s, true
}

// Held is what somebody has leased.
func (g *Ledger) Held(by string) (l Lease, ok bool) {
	for _, p := range g.Pools {
		for _, o := range p.Out {
			if o.By == by {
				return Lease{p.Target, p.Strategy, o.Span[0], o.Span[1], by}, true
			}
		}
	}
	return l, false
}

// Leased says whether anybody has leased anything.
func (g *Ledger) Leased() bool {
	return slices.ContainsFunc(g.Pools, func(p *seedPool) bool { return len(p.Out) > 0 })
}

// LostLeaseError is a lease that is given back by somebody who does not have it: it was taken for lost, and leased again.
type LostLeaseError struct {
	Lease Lease
	By    string
}

func (e *LostLeaseError) Error() string {
	return fmt.Sprintf("%v is not leased to %q any more", e.Lease, e.By)
}

// Done takes a lease back: the seeds before to are done, the others are not.
func (g *Ledger) Done(by string, l Lease, to uint64) error {
	p := g.pool(l.Target, l.Strategy)
	i := -1
	if p != nil {
		i = slices.Index(p.Out, owned{span{l.Lo, l.Hi}, by})
	}
	if i < 0 || to < l.Lo || to > l.Hi {
		return &LostLeaseError{l, by}
	}
	p.Out = slices.Delete(p.Out, i, i+1)
	if to < l.Hi {
		p.Again = append(p.Again, span{to, l.Hi})
	}
	return nil
}

// Lost takes back what those have leased who are not there any more, and says how many leases that were.
func (g *Ledger) Lost(there func(by string) bool) (n int) {
	for _, p := range g.Pools {
		p.Out = slices.DeleteFunc(p.Out, func(o owned) bool {
			if there(o.By) {
				return false
			}
			p.Again = append(p.Again, o.Span)
			n++
			return true
		})
	}
	return n
}

// Check says whether a ledger that was read can be one.
func (g *Ledger) Check() error {
	seen := map[[2]string]bool{}
	for _, p := range g.Pools {
		bad := fmt.Errorf("impossible leases of %s on %q", p.Strategy, p.Target)
		key := [2]string{p.Target, p.Strategy}
		if p.Strategy != workSeeds && p.Strategy != workVary || p.Strategy == workSeeds && p.End == 0 || seen[key] || p.End > 0 && p.Next > p.End {
			return bad
		}
		seen[key] = true
		spans := slices.Clone(p.Again)
		for _, o := range p.Out {
			spans = append(spans, o.Span)
		}
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a[0], b[0]) })
		at := uint64(0)
		for _, s := range spans {
			if s[0] < at || s[0] >= s[1] || s[1] > p.Next {
				return bad
			}
			at = s[1]
		}
	}
	return nil
}

// alone is the Leases of one process.
type alone struct {
	mu sync.Mutex // a leaf
	Ledger
}

// Take implements Leases. There is always something.
func (a *alone) Take(_ context.Context, target string, n uint64) (Lease, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Ledger.Take("", target, n)
}

// Done implements Leases.
func (a *alone) Done(_ context.Context, l Lease, to uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Ledger.Done("", l, to)
}

// save is what a process that goes on needs: what is leased now counts as not done.
func (a *alone) save() (g Ledger) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.Pools {
		c := *p
		c.Again, c.Out = slices.Clone(p.Again), slices.Clone(p.Out)
		g.Pools = append(g.Pools, &c)
	}
	g.Lost(func(string) bool { return false })
	return g
}
