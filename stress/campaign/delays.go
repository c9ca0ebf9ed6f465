package campaign

import (
	"math/rand/v2"
	"slices"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// delaySearch looks for the offsets between racing calls at which something new happens.
//
// A race's calls overlap only if they start within each other's duration, and durations differ by machine and by call from
// half a microsecond to milliseconds. So it first samples how long each race takes without delays, then draws each
// participant's delay from the whole of that, and goes back to where a new outcome was.
type delaySearch struct {
	races   []int   // per cell: the barrier that starts its race, -1 for none
	nexts   []place // per cell: the call that follows it
	lengths []int64 // per cell: longest median time, in ns, from the start of its race to the end of one of its calls
	samples [][]int64
	hits    [][]int64 // delays that reached a new outcome
}

type place struct {
	actor engine.ActorID
	instr int32
}

const (
	delaySamples = 8                // histories without delays that lengths come from
	maxHits      = 16               // hits remembered for one program
	maxDelay     = time.Millisecond // no call races for longer; what lasts longer blocks
	minDelay     = 2 * time.Microsecond
)

func newDelaySearch(p *engine.Program) *delaySearch {
	d := &delaySearch{races: make([]int, p.Cells), nexts: make([]place, p.Cells), samples: make([][]int64, p.Cells)}
	for a := range p.Actors {
		race := -1
		var open []int // cells that wait for their call
		for i, in := range p.Actors[a].Code {
			switch {
			case in.Op == engine.OpBarrier:
				race = int(in.Barrier)
			case in.Op == engine.OpDelay:
				d.races[in.Cell] = race
				open = append(open, int(in.Cell))
			case in.Op == engine.OpCall && !in.Harness:
				for _, c := range open {
					d.nexts[c] = place{engine.ActorID(a), int32(i)}
				}
				open = open[:0]
			}
		}
	}
	return d
}

// sampling says that the next runs must be without delays.
func (d *delaySearch) sampling() bool { return len(d.nexts) > 0 && d.lengths == nil }

// sample learns from a run without delays. ticksPerNs converts its cycle counter.
func (d *delaySearch) sample(h *history.History, ticksPerNs float64) {
	if ticksPerNs <= 0 {
		d.lengths = make([]int64, len(d.nexts))
		return
	}
	for c, n := range d.nexts {
		if ns := d.raceTime(h, c, n, ticksPerNs); ns > 0 {
			d.samples[c] = append(d.samples[c], ns)
		}
	}
}

// raceTime is the time from the start of cell c's race to the end of the call after it, 0 if that call did not end.
// A race starts when the last participant arrives at its barrier, after the call before it; no tracer tells that better.
func (d *delaySearch) raceTime(h *history.History, c int, n place, ticksPerNs float64) int64 {
	var start, end uint64
	for o, on := range d.nexts {
		if d.races[o] != d.races[c] {
			continue
		}
		var before uint64
		for _, e := range h.Actors[on.actor].Entries {
			if e.Kind != history.Call || !e.Done {
				continue
			}
			if e.Instr >= on.instr {
				if o == c && e.Instr == on.instr {
					end = e.TSC
				}
				break
			}
			before = e.TSC
		}
		// A participant's later calls in the race come after its own earlier ones, not before the race's start.
		if first := d.firstOf(on.actor, d.races[c]); first == o {
			start = max(start, before)
		}
	}
	if start == 0 || end <= start {
		return 0
	}
	return int64(float64(end-start) / ticksPerNs)
}

// firstOf is the first cell of an actor in a race.
func (d *delaySearch) firstOf(a engine.ActorID, race int) int {
	first := -1
	for c, n := range d.nexts {
		if n.actor == a && d.races[c] == race && (first < 0 || n.instr < d.nexts[first].instr) {
			first = c
		}
	}
	return first
}

// sampled ends the sampling: each race is as long as the longest median of its calls.
func (d *delaySearch) sampled() {
	d.lengths = make([]int64, len(d.nexts))
	for c, s := range d.samples {
		if len(s) == 0 {
			continue
		}
		slices.Sort(s)
		median := s[len(s)/2]
		for o := range d.lengths {
			if d.races[o] == d.races[c] {
				d.lengths[o] = max(d.lengths[o], median)
			}
		}
	}
	for c := range d.lengths {
		d.lengths[c] = min(max(d.lengths[c]*5/4, int64(minDelay)), int64(maxDelay))
	}
	d.samples = nil
}

// draw returns the ranges of the next runs: mostly the whole overlap, sometimes around a hit, sometimes what the scenario
// suggests.
func (d *delaySearch) draw(rng *rand.Rand, suggested []stress.DelayRange) []stress.DelayRange {
	ranges := make([]stress.DelayRange, len(d.nexts))
	if len(ranges) == 0 || d.sampling() {
		return ranges
	}
	switch n := rng.IntN(10); {
	case n < 3 && len(suggested) == len(ranges):
		copy(ranges, suggested)
	case n < 6 && len(d.hits) > 0:
		for c, at := range d.hits[rng.IntN(len(d.hits))] {
			around := at/8 + 200
			ranges[c] = stress.DelayRange{Lo: max(at-around, 0), Hi: at + around}
		}
	default:
		for c, l := range d.lengths {
			ranges[c].Hi = l
		}
		// Half the time one participant starts at once, so that the other's offset is the delay itself.
		if rng.IntN(2) == 0 {
			ranges[rng.IntN(len(ranges))].Hi = 0
		}
	}
	return ranges
}

// hit remembers the delays of a run with a new outcome.
func (d *delaySearch) hit(delays []int64) {
	if len(delays) != len(d.nexts) || len(delays) == 0 {
		return
	}
	if len(d.hits) == maxHits {
		d.hits = d.hits[1:]
	}
	d.hits = append(d.hits, slices.Clone(delays))
}
