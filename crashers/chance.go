package crashers

import (
	"errors"
	"fmt"
)

const (
	// MaxMiss is the chance up to which runs that do not show a finding may have missed it when it is called gone.
	MaxMiss = 1e-3
	// maxTell bounds the runs that are made for that.
	maxTell = 100_000
)

// ErrTooRare: a finding shows so seldom that no bearable number of runs tells whether it is gone.
var ErrTooRare = errors.New("it shows too seldom")

// Missed is the chance that none of n runs shows a finding that showed in hits of runs, whatever share of runs it really shows in:
// before it was measured, every share was as likely as any other (Laplace's rule of succession, n times). So a rate that few runs
// measured counts for less than the same of many.
func Missed(hits, runs, n int) float64 {
	p := 1.0
	for i := range n {
		p *= float64(runs-hits+1+i) / float64(runs+2+i)
	}
	return p
}

// RunsToTell is how many runs in a row must not show the finding before the chance that they missed it is at most MaxMiss. Where a
// schedule shows it each time, drawn schedules are runs of which nothing is known; that schedule comes first among them.
func (m *Meta) RunsToTell() (n int, chance float64, err error) {
	hits, runs := m.Rated()
	chance = 1
	for n < maxTell {
		chance *= float64(runs-hits+1+n) / float64(runs+2+n)
		if n++; chance <= MaxMiss {
			return n, chance, nil
		}
	}
	return n, chance, fmt.Errorf("%w, %s: more than %d runs would be needed to tell that it is gone", ErrTooRare, m.Rate(), maxTell)
}

// Rated is in how many of how many drawn runs the finding showed when it was measured.
func (m *Meta) Rated() (hits, runs int) {
	if m.Exact {
		return 0, 0
	}
	return m.Hits, m.Runs
}
