package gen

import (
	"context"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

func TestVariationsAreValid(t *testing.T) {
	seeds := corpus.Seeds()
	g := New(1)
	different := map[string]bool{}
	n := 3000
	if testing.Short() {
		n = 500
	}
	for i := range n {
		s := seeds[i%len(seeds)]
		before := string(s.Print())
		v := s
		for range 1 + i%4 {
			v = g.Vary(v)
		}
		if err := v.Validate(); err != nil {
			t.Fatalf("variation of %s: %v\n%s", s.Name, err, v.Print())
		}
		if _, err := corpus.Parse("variation", v.Print()); err != nil {
			t.Fatalf("variation of %s does not parse: %v\n%s", s.Name, err, v.Print())
		}
		if _, err := corpus.Lower(v); err != nil {
			t.Fatal(err)
		}
		if string(s.Print()) != before {
			t.Fatalf("%s was changed", s.Name)
		}
		if v.NumOps() > max(maxOps, s.NumOps()) || len(v.Actors) > max(maxActors, len(s.Actors)) {
			t.Errorf("variation of %s has %d operations, %d actors", s.Name, v.NumOps(), len(v.Actors))
		}
		different[string(v.Print())] = true
	}
	if len(different) < n*8/10 {
		t.Errorf("%d different variations of %d", len(different), n)
	}
}

func TestFreeIsValid(t *testing.T) {
	g := New(5)
	verbs := map[string]bool{}
	n := 600
	if testing.Short() {
		n = 150
	}
	blocked := 0
	for range n {
		s := g.Free()
		if err := s.Validate(); err != nil {
			t.Fatalf("%v\n%s", err, s.Print())
		}
		if _, err := corpus.Parse("free", s.Print()); err != nil {
			t.Fatalf("does not parse: %v\n%s", err, s.Print())
		}
		if len(s.Actors) > maxActors || s.NumOps() > maxOps {
			t.Errorf("%d actors, %d operations", len(s.Actors), s.NumOps())
		}
		if g.ends(s) < schedules {
			blocked++
		}
		for _, o := range s.Ops() {
			verbs[o.Verb.Name] = true
		}
	}
	if blocked > n/4 {
		t.Errorf("%d of %d can block", blocked, n)
	}
	if testing.Short() {
		return
	}
	for _, v := range corpus.Verbs {
		if !verbs[v.Name] && !v.EngineOnly() {
			t.Errorf("no scenario has %s", v.Name)
		}
	}
}

func TestSameSeedSameVariations(t *testing.T) {
	a, b := New(7), New(7)
	for _, s := range corpus.Seeds()[:10] {
		if x, y := a.Vary(s), b.Vary(s); !corpus.Equal(x, y) {
			t.Fatalf("two generators of one seed differ:\n%s\n%s", x.Print(), y.Print())
		}
	}
}

// Most variations can end: those that cannot cost a run its whole deadline.
func TestLongIsValid(t *testing.T) {
	g := New(9)
	n, long, blocked := 60, 0, 0
	for range n {
		s := g.Long()
		if _, err := corpus.Parse("long", s.Print()); err != nil {
			t.Fatalf("does not parse: %v\n%s", err, s.Print())
		}
		if len(s.Actors) > maxActors || s.NumOps() > corpus.MaxOps {
			t.Errorf("%d actors, %d operations", len(s.Actors), s.NumOps())
		}
		if s.NumOps() > maxOps {
			long++
		}
		if g.ends(s) < schedules {
			blocked++
		}
	}
	if long < n*3/4 || blocked > n/2 {
		t.Errorf("of %d scenarios %d are long, and %d can block", n, long, blocked)
	}
}

func TestMostVariationsEnd(t *testing.T) {
	g := New(3)
	blocked, n := 0, 400
	for i := range n {
		if v := g.Vary(corpus.Seeds()[i%len(corpus.Seeds())]); g.ends(v) < schedules {
			blocked++
		}
	}
	if blocked > n/10 {
		t.Errorf("%d of %d variations can only block", blocked, n)
	}
}

// What is made for kernels uses no utrace; what is made for the engine does, and keeps every invariant.
func TestUtrace(t *testing.T) {
	var seeds []*corpus.Scenario
	for _, s := range corpus.Seeds() {
		if !s.EngineOnly() {
			seeds = append(seeds, s)
		}
	}
	n := 400
	if testing.Short() {
		n = 80
	}
	plain, full := New(7), NewEngine(7)
	used := 0
	for i := range n {
		for _, s := range []*corpus.Scenario{plain.Vary(seeds[i%len(seeds)]), plain.Free()} {
			if s.EngineOnly() {
				t.Fatalf("no kernel can run\n%s", s.Print())
			}
		}
		for _, s := range []*corpus.Scenario{full.Vary(seeds[i%len(seeds)]), full.Free()} {
			if s.EngineOnly() {
				used++
			}
			p, err := corpus.Lower(s)
			if err != nil {
				t.Fatalf("%v\n%s", err, s.Print())
			}
			p.Clients = clients.Checked(p.Clients)
			target := stress.NewEngineTarget(engine.Options{Check: true})
			err = target.Run(context.Background(), p, stress.Plan{Seed: uint64(i), Repeat: 20}, func(*history.History) bool { return true })
			if err != nil {
				t.Errorf("%v\n%s", err, s.Print())
			}
		}
	}
	if used < n/2 {
		t.Errorf("%d of %d scenarios use utrace", used, 2*n)
	}
}
