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

// Free makes a scenario of nothing: a few actors, and operations of many kinds that do something, at least when they are run
// in the order of lines, but for one in ErrorQuota. Of some it takes the first that mostly ends in any order, else the one that
// ends most often.
func (g *Gen) Free() *corpus.Scenario {
	g.mood()
	all := everything
	if g.utrace {
		all = append(utraceTemplates[:len(utraceTemplates):len(utraceTemplates)], everything...)
	}
	return g.likeliest(nil, -1, seconds, func() *corpus.Scenario { return g.grow(g.swarm(all)) })
}
