// Package corpustest has what tests of many packages do with scenarios: lower one from text, and find a seed.
package corpustest

import (
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
)

// Lower parses a scenario and returns it with its program.
func Lower(tb testing.TB, text string) (*corpus.Scenario, *engine.Program) {
	tb.Helper()
	s, err := corpus.Parse(tb.Name(), []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		tb.Fatal(err)
	}
	return s, p
}

// Program is Lower without the scenario.
func Program(tb testing.TB, text string) *engine.Program {
	tb.Helper()
	_, p := Lower(tb, text)
	return p
}

// Calls finds the calls of an actor in a program by their text, in order; it fails where there is none.
func Calls(tb testing.TB, s *corpus.Scenario, p *engine.Program, actor, call string) (instrs []int32) {
	tb.Helper()
	a := s.Actor(actor)
	for i := range p.Actors[a].Code {
		if p.Actors[a].Code[i].Op == engine.OpCall && corpus.FormatCall(p, engine.ActorID(a), int32(i)) == call {
			instrs = append(instrs, int32(i))
		}
	}
	if instrs == nil {
		tb.Fatalf("%s makes no call %s", actor, call)
	}
	return instrs
}

// Seed returns the seed of a name.
func Seed(tb testing.TB, name string) *corpus.Scenario {
	tb.Helper()
	for _, s := range corpus.Seeds() {
		if s.Name == name {
			return s
		}
	}
	tb.Fatalf("no seed %q", name)
	return nil
}
