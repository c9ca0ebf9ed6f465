package gen

import (
	"fmt"
	"slices"

	"tracehammer/corpus"
)

// everything is all verbs: the templates with their weights, and the others now and then; what no kernel has is left out. Creation is an edit of its own.
var everything = func() []template {
	all := slices.Clone(templates)
	for _, v := range corpus.Verbs {
		if !v.Creates() && !v.EngineOnly() && !slices.ContainsFunc(all, func(t template) bool { return t.verb == v.Name }) {
			all = append(all, template{v.Name, 1})
		}
	}
	return all
}()

// shaping are the edits that give a scenario made of single operations its races, meetings, loops and creations.
var shaping = []edit{
	{8, (*Gen).race}, {5, (*Gen).barrier}, {4, (*Gen).create}, {2, (*Gen).splice}, {1, (*Gen).loop}, {2, (*Gen).swap}, {1, (*Gen).duplicate},
}

// Free makes a scenario of nothing: a few actors, and operations of many kinds that do something, at least when they are run
// in the order of lines, but for one in ErrorQuota. Of some it takes the first that mostly ends in any order, else the one that
// ends most often.
func (g *Gen) Free() *corpus.Scenario {
	g.mood()
	all := g.all()
	return g.likeliest(nil, -1, seconds, func() *corpus.Scenario { return g.grow(g.swarm(all)) })
}

// all are the kinds of operations that a scenario of nothing may have.
func (g *Gen) all() []template {
	if g.utrace {
		return append(utraceTemplates[:len(utraceTemplates):len(utraceTemplates)], everything...)
	}
	return everything
}

// Long makes a scenario of half to all the operations that one may have, out of several that are made of nothing: the actors of each also
// do what those of the others do. It finds what needs more of the past than a short one has; of some it takes the one that ends most often.
func (g *Gen) Long() *corpus.Scenario {
	best, most := g.chain(), -1
	for s := best; ; s = g.chain() {
		n := g.ends(s)
		if n > most {
			best, most = s, n
		}
		if n == schedules || g.rng.IntN(seconds) == 0 {
			return best
		}
	}
}

// chain is a scenario of Long, which may block.
func (g *Gen) chain() *corpus.Scenario {
	s := g.Free()
	want := corpus.MaxOps/2 + g.rng.IntN(corpus.MaxOps/2+1)
	for n := 0; s.NumOps() < want && n < 8; n++ {
		from := g.Free()
		cast := map[string]string{from.Actors[0].Name: s.Actors[0].Name}
		for _, d := range from.Actors[1:] {
			cast[d.Name] = one(g, s.Actors).Name
		}
		barriers := map[string]string{}
		from.Walk(func(st corpus.Stmt) {
			if b, ok := st.(*corpus.Barrier); ok {
				barriers[b.Name] = fmt.Sprintf("%s-%d", b.Name, n)
			}
		})
		from.Rename(cast, nil, barriers)
		longer := s.Clone()
		for _, st := range from.Body {
			if o, ok := st.(*corpus.Op); !ok || o.Created() == "" {
				longer.Body = append(longer.Body, st)
			}
		}
		for longer.NumOps() > want {
			longer.RemoveOp(g.rng.IntN(longer.NumOps()))
		}
		if longer.Repair(); len(longer.Actors) == len(s.Actors) && longer.NumOps() > s.NumOps() {
			s = longer
		}
	}
	return s
}
