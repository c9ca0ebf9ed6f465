package campaign

import (
	"testing"
	"time"
)

// TestRemaining: a campaign ends with its time or with its runs, whichever is first; what is not known yet is not guessed.
func TestRemaining(t *testing.T) {
	target := func(runs uint64, rate float64) (c Count) {
		c.Runs, c.Recent = runs, rate
		return c
	}
	for _, c := range []struct {
		planned time.Duration
		runs    uint64
		targets []Count
		want    time.Duration
	}{
		{0, 0, []Count{target(5, 1)}, 0},
		{time.Minute, 0, []Count{target(5, 1)}, 50 * time.Second},
		{time.Second, 0, []Count{target(5, 1)}, 0},
		{time.Minute, 45, []Count{target(5, 2)}, 20 * time.Second},
		{time.Minute, 4500, []Count{target(5, 2)}, 50 * time.Second},
		{0, 4505, []Count{target(5, 2)}, 2250 * time.Second},
		{0, 45, []Count{target(5, 2), target(100, 0), target(15, 1)}, 30 * time.Second},
		{time.Minute, 45, []Count{target(0, 0), target(100, 9)}, 50 * time.Second},
		{0, 45, []Count{target(0, 0), target(100, 9)}, 0},
		{time.Minute, 45, []Count{target(45, 9)}, 0},
	} {
		if got := remaining(c.planned, 10*time.Second, c.targets, c.runs); got != c.want {
			t.Errorf("%v planned, %d runs, %d targets: %v, want %v", c.planned, c.runs, len(c.targets), got, c.want)
		}
	}
}
