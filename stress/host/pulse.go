package host

import (
	"sync"
	"time"

	"tracehammer/stress/actor"
)

// beat is how often a pulse looks at the clock while somebody is judged by it. A machine on which a goroutine that sleeps for one beat is
// away for more than two is not running us: it is paused (virtual machines are), or its CPUs are with others.
//
// Else it looks each restBeat: each time a Go program wakes its scheduler makes many system calls (clock_gettime, nanosleep, futex), and a
// User Mode Linux has no vdso.
const (
	beat     = 10 * time.Millisecond
	restBeat = 100 * time.Millisecond
)

// pulse is a clock that stands still while the machine does not run us. A hang or a slow death is judged by it: what nobody
// had a CPU for did not hang.
type pulse struct {
	mu    sync.Mutex
	awake time.Duration // up to the last beat
	last  time.Time     // of the last beat
	every time.Duration // how long after it the next one is due
	quick bool          // the one after that is due a beat later
	gaps  [maxGaps]gap  // the latest, a ring
	n     int
	kick  chan struct{} // to beat now
	stop  chan struct{}
	done  chan struct{}
}

// maxGaps is more than fit into a run's clean-up.
const maxGaps = 256

// gap is a time in which the machine did not run us, by the cycle counter that actors use as well.
type gap struct{ from, to uint64 }

func startPulse() *pulse {
	p := &pulse{last: time.Now(), every: restBeat, kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go p.run()
	return p
}

func (p *pulse) run() {
	defer close(p.done)
	t := time.NewTimer(restBeat)
	defer t.Stop()
	last := actor.Cycles()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
		case <-p.kick:
		}
		now, cycles := time.Now(), actor.Cycles()
		p.mu.Lock()
		if d := now.Sub(p.last); d > p.every+beat {
			p.gaps[p.n%maxGaps] = gap{last, cycles}
			p.n++
		}
		p.awake, p.last, p.every = p.at(now), now, restBeat
		if p.quick {
			p.every = beat
		}
		t.Reset(p.every)
		p.mu.Unlock()
		last = cycles
	}
}

// quicken says whether somebody is judged by the clock from now on.
func (p *pulse) quicken(quick bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if quick && !p.quick {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
	p.quick = quick
}

// at is the clock's time at a moment after the last beat.
func (p *pulse) at(now time.Time) time.Duration { return p.awake + min(now.Sub(p.last), p.every+beat) }

// now is the clock's time.
func (p *pulse) now() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at(time.Now())
}

// lost is how much of a span of cycles the machine did not run us, in cycles.
func (p *pulse) lost(from, to uint64) (cycles uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.gaps[:min(p.n, maxGaps)] {
		if a, b := max(g.from, from), min(g.to, to); a < b {
			cycles += b - a
		}
	}
	return cycles
}

func (p *pulse) close() {
	close(p.stop)
	<-p.done
}
