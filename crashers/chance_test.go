package crashers

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestRunsToTell: as many runs as the closed form says, and one less is too few.
func TestRunsToTell(t *testing.T) {
	for _, c := range []struct {
		meta Meta
		want int
	}{
		{Meta{Hits: 10, Runs: 10}, 4},
		{Meta{Hits: 1, Runs: 10}, 322}, // 10*11/((10+n)(11+n)) <= 1/1000
		{Meta{Hits: 1, Runs: 31}, 965}, // 31*32/((31+n)(32+n))
		{Meta{}, 1000},                 // 1/(1+n), rounded
		{Meta{Hits: 9, Runs: 9, Exact: true}, 1000},
		{Meta{Runs: 10}, 10989}, // 11/(11+n)
	} {
		n, chance, err := c.meta.RunsToTell()
		hits, runs := c.meta.Rated()
		if err != nil || n != c.want || chance > MaxMiss || math.Abs(chance-Missed(hits, runs, n)) > 1e-9 || Missed(hits, runs, n-1) <= MaxMiss {
			t.Errorf("%d of %d: %d runs, chance %g, %v; want %d", c.meta.Hits, c.meta.Runs, n, chance, err, c.want)
		}
	}
	if _, _, err := (&Meta{Runs: math.MaxInt / 8}).RunsToTell(); !errors.Is(err, ErrTooRare) {
		t.Errorf("%v", err)
	}
}

// TestMissedIsTheChance: of shares that are drawn evenly, those that showed hits of runs miss n more as often as Missed says. A
// binomial test: 5 standard deviations, so that it fails by chance once in two million times.
func TestMissedIsTheChance(t *testing.T) {
	const hits, runs, more, all = 2, 5, 4, 40_000
	rng, kept, missed := rand.New(rand.NewPCG(1, 2)), 0, 0
	for kept < all {
		share, seen := rng.Float64(), 0
		for range runs {
			if rng.Float64() < share {
				seen++
			}
		}
		if seen != hits {
			continue
		}
		kept++
		gone := true
		for range more {
			gone = gone && rng.Float64() >= share
		}
		if gone {
			missed++
		}
	}
	p := Missed(hits, runs, more)
	if got, dev := float64(missed)/all, 5*math.Sqrt(p*(1-p)/all); math.Abs(got-p) > dev {
		t.Errorf("missed by %g, Missed says %g (5 standard deviations are %g)", got, p, dev)
	}
}
