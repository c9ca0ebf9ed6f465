package oracle

import (
	"context"
	"math/rand/v2"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// TestSearchLeavesNothingOut compares the search with one that visits every state, in one walk, on histories of seeds and of
// generated scenarios that engines with planted bugs made, every other one garbled besides: what the one admits the other admits.
func TestSearchLeavesNothingOut(t *testing.T) {
	n := 1500
	if testing.Short() {
		n = 400
	}
	const budget = 60_000
	g, rng := gen.NewEngine(9), rand.New(rand.NewPCG(9, 9))
	seeds, bugs := corpus.Seeds(), engine.Bugs()
	admitted, rejected, long := 0, 0, 0
	states, plain := 0, 0
	for i := range n {
		s := seeds[i%len(seeds)]
		switch i % 3 {
		case 1:
			s = g.Vary(s)
		case 2:
			s = g.Free()
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		o := engine.Options{Bugs: bugs[rng.IntN(len(bugs))].Set()}
		judge := New(engine.Profile{})
		if judge.Budget = budget; i%4 == 0 {
			judge.bugs = o.Bugs // as a twin does
		}
		whole := search{p: p, m: ptrace.NewMachine(p, engine.Options{Bugs: judge.bugs})}
		err = stress.NewEngineTarget(o).Run(context.Background(), p, stress.Plan{Seed: uint64(i), Repeat: 3}, func(h *history.History) bool {
			if h = h.Clone(); rng.IntN(2) == 0 {
				garble(rng, h)
			}
			if err := whole.load(h); err != nil {
				t.Fatalf("%s: %s", s.Print(), err.text)
			}
			whole.prefixes(budget)
			if whole.states >= budget {
				long++
				return true
			}
			v := judge.Judge(p, h)
			states, plain = states+v.States, plain+whole.states
			if v.Kind == Invariant || v.Kind == Unknown {
				return true
			}
			if whole.found {
				admitted++
			} else {
				rejected++
			}
			if judge.search.found != whole.found {
				t.Errorf("the search says %v, one that leaves nothing out finds an execution: %v\n%s\n%s", v.Kind, whole.found, v.Explanation, s.Print())
			}
			return !t.Failed()
		})
		if err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d histories admitted, %d not, %d too long for a walk through everything; %d of %d states", admitted, rejected, long, states, plain)
	if rejected < n/20 || admitted < n {
		t.Errorf("only %d histories admitted and %d not: nothing to compare", admitted, rejected)
	}
}

// garble gives a call the result of another call of the same actor.
func garble(rng *rand.Rand, h *history.History) {
	es := h.Actors[rng.IntN(len(h.Actors))].Entries
	if len(es) == 0 {
		return
	}
	if to, from := &es[rng.IntN(len(es))], es[rng.IntN(len(es))]; to.Done && to.Kind == from.Kind {
		to.Res = from.Res
	}
}

// TestTable compares the set of keys with a map, removals included.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var s table
	ref := map[uint64]bool{}
	var all []uint64
	for range 200_000 {
		k := rng.Uint64()
		switch rng.IntN(4) {
		case 0:
			k = 1 + k%300 // crowded, so that runs of full slots wrap around
		case 1:
			k |= 0xffffffffffffff00
		}
		if len(all) > 0 && rng.IntN(3) == 0 {
			k = all[rng.IntN(len(all))]
			if ref[k] && rng.IntN(2) == 0 {
				s.remove(k)
				delete(ref, k)
				continue
			}
		}
		all = append(all, k)
		if fresh := s.add(k); fresh == ref[k] {
			t.Fatalf("%x: fresh %v, in it before %v", k, fresh, ref[k])
		}
		ref[k] = true
		if s.n != len(ref) {
			t.Fatalf("%d keys, want %d", s.n, len(ref))
		}
	}
}
