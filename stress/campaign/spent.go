package campaign

import (
	"math"
	"time"
)

// spent is what runs took: those of an item, or of all that a worker made.
type spent struct {
	runs int
	time time.Duration
}

const forever time.Duration = math.MaxInt64

func (s *spent) add(runs int, d time.Duration) { s.runs, s.time = s.runs+runs, s.time+d }

// on is how long n runs take; forever as long as nothing is known.
func (s *spent) on(n int) time.Duration {
	if s.runs == 0 {
		return forever
	}
	return s.time / time.Duration(s.runs) * time.Duration(n)
}

// within is how many runs are a turn that may last d.
func (s *spent) within(d time.Duration) int {
	if d == forever || s.runs == 0 {
		return laterRuns
	}
	return int(min(max(d/max(s.on(1), 1), leastRuns), laterRuns))
}
