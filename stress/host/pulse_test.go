package host

import (
	"runtime"
	"testing"
	"time"
)

// A machine that was away for a minute has not waited for a minute.
func TestPulseStandsStillWithTheMachine(t *testing.T) {
	now := time.Now()
	p := &pulse{awake: time.Second, last: now}
	for _, x := range []struct{ after, want time.Duration }{{0, 0}, {beat, beat}, {2 * beat, 2 * beat}, {time.Minute, 2 * beat}} {
		if got := p.at(now.Add(x.after)) - p.awake; got != x.want {
			t.Errorf("%v after the last beat the clock has advanced by %v, expected %v", x.after, got, x.want)
		}
	}
}

func TestPulseKnowsWhatWasLost(t *testing.T) {
	p := &pulse{gaps: [maxGaps]gap{{100, 200}, {300, 1000}}, n: 2}
	for _, x := range []struct{ from, to, want uint64 }{{0, 50, 0}, {0, 2000, 800}, {150, 400, 150}, {350, 360, 10}, {200, 300, 0}} {
		if got := p.lost(x.from, x.to); got != x.want {
			t.Errorf("lost(%d, %d) = %d, expected %d", x.from, x.to, got, x.want)
		}
	}
}

// Without beats the clock would stop after two.
func TestPulseBeats(t *testing.T) {
	p := startPulse()
	defer p.close()
	for p.now() <= 3*beat {
		runtime.Gosched()
	}
}
