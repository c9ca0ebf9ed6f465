package corpus

import (
	"math/rand/v2"
	"testing"
)

func roundTrip(t *testing.T, s *Scenario) {
	t.Helper()
	text := s.Print()
	back, err := Parse("again", text)
	if err != nil {
		t.Fatalf("printed scenario does not parse: %v\n%s", err, text)
	}
	if got := back.Print(); string(got) != string(text) {
		t.Fatalf("print of parse differs:\n%s\nwas\n%s", got, text)
	}
	c := s.Clone()
	c.Canonical()
	c.Name = "x"
	d := Decode(Encode(s))
	d.Canonical()
	if !Equal(c, d) {
		t.Fatalf("decode of encode differs:\n%s\nwas\n%s", d.Print(), c.Print())
	}
	if _, err := Lower(s); err != nil {
		t.Fatal(err)
	}
}

func FuzzScenarioText(f *testing.F) {
	for _, s := range Seeds() {
		f.Add(s.Print())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := Parse("fuzz", text); err == nil {
			roundTrip(t, s)
		}
	})
}

func FuzzScenarioBytes(f *testing.F) {
	for _, s := range Seeds() {
		f.Add(Encode(s))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 { // of few different values, so that they mean much
		b := make([]byte, rng.IntN(1024))
		most := 1 + rng.IntN(256)
		for i := range b {
			b[i] = byte(rng.IntN(most))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !decode(b).repair() {
			t.Fatal("repairing does not come to an end")
		}
		s := Decode(b)
		if err := s.Validate(); err != nil {
			t.Fatalf("decoded scenario is not valid: %v", err)
		}
		roundTrip(t, s)
	})
}
