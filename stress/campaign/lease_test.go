package campaign

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// Whatever workers take, give back and lose, and however often the process is killed, each seed is done exactly once, and those that are
// not done are leased again.
func TestLedgerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const seeds = 20
		g := &alone{}
		g.Team("host", seeds)
		g.Team("engine", 3)
		done := map[string]map[uint64]bool{workSeeds: {}, workVary: {}}
		var out []Lease
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1, 2:
				l, err := g.Take(t.Context(), "host", rapid.Uint64Range(1, 9).Draw(t, "n"))
				if err != nil || l.Lo >= l.Hi || l.Target != "host" {
					t.Fatalf("lease %v: %v", l, err)
				}
				for _, o := range out {
					if o.Strategy == l.Strategy && l.Lo < o.Hi && o.Lo < l.Hi {
						t.Fatalf("%v and %v are leased at the same time", o, l)
					}
				}
				for n := l.Lo; n < l.Hi; n++ {
					if done[l.Strategy][n] {
						t.Fatalf("%v: seed %d is done", l, n)
					}
				}
				out = append(out, l)
			case 3, 4:
				if len(out) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
				l := out[i]
				to := rapid.Uint64Range(l.Lo, l.Hi).Draw(t, "to")
				if err := g.Done(t.Context(), l, to); err != nil {
					t.Fatal(err)
				}
				for n := l.Lo; n < to; n++ {
					done[l.Strategy][n] = true
				}
				out = append(out[:i], out[i+1:]...)
				if g.Done(t.Context(), l, to) == nil {
					t.Fatalf("%v was given back twice", l)
				}
			case 5: // killed, and on with what is on record
				b, err := json.Marshal(g.save())
				if err != nil {
					t.Fatal(err)
				}
				g = &alone{}
				if err := json.Unmarshal(b, &g.Ledger); err != nil {
					t.Fatal(err)
				}
				if err := g.Check(); err != nil {
					t.Fatal(err)
				}
				g.Team("host", seeds)
				out = nil
			}
		}
		for _, l := range out {
			if err := g.Done(t.Context(), l, l.Lo); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range g.done("host") {
			if !done[workSeeds][uint64(n)] {
				t.Fatalf("seed %d counts as done", n)
			}
		}
		// All seeds have their turn before anything else.
		for len(done[workSeeds]) < seeds {
			l, err := g.Take(t.Context(), "host", 1)
			if err != nil || l.Strategy != workSeeds {
				t.Fatalf("%v, %v; %d seeds are done", l, err, len(done[workSeeds]))
			}
			done[workSeeds][l.Lo] = true
		}
		if l, _ := g.Take(t.Context(), "host", 1); l.Strategy != workVary {
			t.Fatalf("then %v", l)
		}
	})
}

// A record is a file: what it cannot say is not believed.
func TestLedgerRefuses(t *testing.T) {
	for _, pools := range [][]*seedPool{
		{{Target: "host", Strategy: "other"}},
		{{Target: "host", Strategy: workSeeds}},
		{{Target: "host", Strategy: workSeeds, End: 3, Next: 4}},
		{{Target: "host", Strategy: workVary}, {Target: "host", Strategy: workVary}},
		{{Target: "host", Strategy: workVary, Next: 9, Again: []span{{3, 3}}}},
		{{Target: "host", Strategy: workVary, Next: 9, Again: []span{{3, 5}, {4, 6}}}},
		{{Target: "host", Strategy: workVary, Next: 9, Again: []span{{8, 10}}}},
	} {
		if g := (Ledger{pools}); g.Check() == nil {
			t.Errorf("%+v is one", g)
		}
	}
}

// A worker leases as much as takes leaseTime.
func TestPacer(t *testing.T) {
	var p pacer
	if n := p.size(); n != 1 {
		t.Errorf("first %d", n)
	}
	p.took(leaseTime/50, 2)
	if n := p.size(); n != 100 {
		t.Errorf("then %d", n)
	}
	p.took(20*leaseTime, 1)
	if n := p.size(); n != 1 {
		t.Errorf("slow: %d", n)
	}
	p.took(1, 1)
	if n := p.size(); n != maxLease {
		t.Errorf("fast: %d", n)
	}
}
