package gen

import "tracehammer/corpus"

// Measured counts what becomes of the operations of generated scenarios that are run one after another, in the order of their
// lines.
type Measured struct {
	Scenarios  int
	Operations int
	Fates      [NumFates]int
	// Lost are the operations of variations that do nothing although those that they were made of did, as far as counts tell.
	Lost int
}

// Share is the part of the operations that has a fate.
func (m *Measured) Share(f Fate) float64 { return float64(m.Fates[f]) / float64(max(m.Operations, 1)) }

// MeasureFree looks at n scenarios made of nothing.
func (g *Gen) MeasureFree(n int) (m Measured) {
	for range n {
		m.add(g, g.Free(), 0)
	}
	return m
}

// MeasureVary looks at n variations of some scenarios.
func (g *Gen) MeasureVary(n int, of []*corpus.Scenario) (m Measured) {
	for i := range n {
		s := of[i%len(of)]
		idle, _ := g.idling(s)
		m.add(g, g.Vary(s), idle)
	}
	return m
}

func (m *Measured) add(g *Gen, s *corpus.Scenario, idle int) {
	n, ok := g.idling(s)
	if !ok {
		return
	}
	m.Scenarios++
	m.Lost += max(0, n-idle)
	for _, f := range g.lines.fates {
		m.Operations++
		m.Fates[f]++
	}
}
