package gen

import (
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

// Free makes a scenario of nothing: a few actors, operations of every kind in any order. Of some tries it takes the first
// that mostly ends, else the one that ends most often.
func (g *Gen) Free() *corpus.Scenario {
	g.mood()
	all := everything
	if g.utrace {
		all = append(utraceTemplates[:len(utraceTemplates):len(utraceTemplates)], everything...)
	}
	verbs := sample(g, all)
	return g.likeliest(nil, -1, func() *corpus.Scenario { return g.random(verbs) })
}

// random is one try: valid, but perhaps with nothing left in it.
func (g *Gen) random(verbs []template) *corpus.Scenario {
	s := &corpus.Scenario{Name: "free", Actors: []corpus.ActorDecl{{Name: "main"}}}
	for range 1 + g.rng.IntN(maxActors-1) {
		g.declare(s)
	}
	for range 3 + g.rng.IntN(maxOps-2) {
		t := pick(g, verbs, func(t template) int { return t.weight })
		g.anywhere(s).insert(g.operation(s, g.anyActor(s), corpus.VerbByName(t.verb)))
	}
	for range g.rng.IntN(8) {
		pick(g, shaping, func(e edit) int { return e.weight }).do(g, s)
	}
	s.Repair()
	return s
}
