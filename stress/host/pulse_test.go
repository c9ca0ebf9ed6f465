package host

import (
	"runtime"
	"testing"
	"time"
)

// A machine that was away for a minute has not waited for a minute.
func TestPulseStandsStillWithTheMachine(t *testing.T) {
	now := time.Now()
	for _, x := range []struct{ every, after, want time.Duration }{
		{beat, 0, 0}, {beat, beat, beat}, {beat, 2 * beat, 2 * beat}, {beat, time.Minute, 2 * beat},
		{restBeat, restBeat, restBeat}, {restBeat, time.Minute, restBeat + beat},
	} {
		p := &pulse{awake: time.Second, last: now, every: x.every}
		if got := p.at(now.Add(x.after)) - p.awake; got != x.want {
			t.Errorf("%v after the last of beats each %v the clock has advanced by %v, expected %v", x.after, x.every, got, x.want)
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

// Without beats the clock would stop after one and a bit.
func TestPulseBeats(t *testing.T) {
	p := startPulse()
	defer p.close()
	for p.now() <= 2*restBeat {
		runtime.Gosched()
	}
	beats := func(every time.Duration) {
		for {
			p.mu.Lock()
			is := p.every
			p.mu.Unlock()
			if is == every {
				return
			}
			runtime.Gosched()
		}
	}
	p.quicken(true)
	beats(beat)
	for end := p.now() + 3*beat; p.now() <= end; {
		runtime.Gosched()
	}
	p.quicken(false)
	beats(restBeat)
}
