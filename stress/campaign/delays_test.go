package campaign

import (
	"math/rand/v2"
	"testing"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
)

// racers is a program of two actors that race one call each, after a call that lets both be seen.
func racers() *engine.Program {
	code := func(cell int16) []engine.Instr {
		return []engine.Instr{
			{Op: engine.OpCall, Call: engine.CallGetpid},
			{Op: engine.OpBarrier, Barrier: 0},
			{Op: engine.OpDelay, Cell: cell},
			{Op: engine.OpCall, Call: engine.CallGetppid},
			{Op: engine.OpEnd},
		}
	}
	return &engine.Program{Actors: []engine.Actor{{Name: "a", Code: code(0)}, {Name: "b", Code: code(1)}},
		Barriers: []engine.Barrier{{Parties: 2, Align: true}}, Cells: 2}
}

// timed is a run of racers: a arrives first, b later; their calls end at these cycles.
func timed(endA, endB uint64) *history.History {
	entries := func(arrive, end uint64) []history.Entry {
		return []history.Entry{{Instr: 0, Done: true, TSC: arrive}, {Instr: 3, Done: true, TSC: end}}
	}
	return &history.History{Actors: []history.Actor{{Tid: 5, Entries: entries(1000, endA)}, {Tid: 6, Entries: entries(4000, endB)}}}
}

func TestDelaySearch(t *testing.T) {
	d := newDelaySearch(racers())
	rng := rand.New(rand.NewPCG(1, 1))
	if !d.sampling() || d.draw(rng, nil)[0] != (stress.DelayRange{}) {
		t.Fatal("the first runs must be without delays")
	}
	// Two cycles a nanosecond. The race starts when b has arrived, at 4000.
	for range 3 {
		d.sample(timed(24_000, 44_000), 2)
	}
	d.sampled()
	const longest = (44_000 - 4000) / 2
	for c, l := range d.lengths {
		if l != longest*5/4 {
			t.Errorf("cell %d: length %d ns, expected %d", c, l, longest*5/4)
		}
	}

	d.hit([]int64{16_000, 0})
	suggested := []stress.DelayRange{{Lo: 1, Hi: 2}, {Lo: 3, Hi: 4}}
	var whole, near, said int
	for range 1000 {
		r := d.draw(rng, suggested)
		switch {
		case r[0] == suggested[0] && r[1] == suggested[1]:
			said++
		case r[0].Lo > 0:
			near++
			if r[0].Lo > 16_000 || r[0].Hi < 16_000 {
				t.Fatalf("%+v is not around the hit", r)
			}
		default:
			whole++
			if max(r[0].Hi, r[1].Hi) != longest*5/4 {
				t.Fatalf("%+v does not cover the overlap", r)
			}
		}
	}
	if whole < 300 || near < 200 || said < 200 {
		t.Errorf("%d draws over the whole overlap, %d near a hit, %d as the scenario says", whole, near, said)
	}
}

// Races whose calls never end still get delays.
func TestDelaySearchWithoutSamples(t *testing.T) {
	d := newDelaySearch(racers())
	h := timed(24_000, 44_000)
	h.Actors[0].Entries[1].Done, h.Actors[1].Entries[1].Done = false, false
	d.sample(h, 2)
	d.sampled()
	for c, l := range d.lengths {
		if l != int64(minDelay) {
			t.Errorf("cell %d: length %d ns, expected %d", c, l, int64(minDelay))
		}
	}
}

func TestOutcomeIgnoresTids(t *testing.T) {
	a, b := timed(1, 2), timed(3, 4)
	a.Actors[0].Entries[1].Res.Ret = 6
	b.Actors[1].Tid, b.Actors[0].Entries[1].Res.Ret = 700, 700
	if coverage.OutcomeOf(a) != coverage.OutcomeOf(b) {
		t.Error("the same outcome with other tids has another key")
	}
	b.Actors[0].Entries[1].Res.Ret = -3
	if coverage.OutcomeOf(a) == coverage.OutcomeOf(b) {
		t.Error("another result has the same key")
	}
}
