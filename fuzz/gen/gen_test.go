package gen

import (
	"testing"

	"tracehammer/corpus"
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

func TestSameSeedSameVariations(t *testing.T) {
	a, b := New(7), New(7)
	for _, s := range corpus.Seeds()[:10] {
		if x, y := a.Vary(s), b.Vary(s); !corpus.Equal(x, y) {
			t.Fatalf("two generators of one seed differ:\n%s\n%s", x.Print(), y.Print())
		}
	}
}

// Most variations can end: those that cannot cost a run its whole deadline.
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
