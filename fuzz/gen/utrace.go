package gen

import (
	"slices"
	"sync"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
)

// NewEngine returns a generator whose scenarios may use utrace, which no kernel has: they are for the engine.
func NewEngine(seed uint64) *Gen {
	g := New(seed)
	g.utrace = true
	return g
}

var utraceTemplates = []template{
	{"utrace ATTACH", 14}, {"utrace CONTROL", 14}, {"utrace EVENTS", 6}, {"utrace BARRIER", 4}, {"utrace LOOKUP", 1}, {"utrace PUT", 2},
	{"utrace PREPARE_EXAMINE", 1}, {"utrace FINISH_EXAMINE", 1}, {"utrace COUNT", 1},
}

var (
	utraceEvents = []int64{int64(engine.EvQuiesce), int64(engine.EvReap), int64(engine.EvClone), int64(engine.EvExec), int64(engine.EvExit),
		int64(engine.EvDeath), int64(engine.EvSyscallEntry), int64(engine.EvSyscallExit), int64(engine.EvSignalAll), int64(engine.EvJctl)}
	utraceActions = []int64{int64(engine.ActStop), int64(engine.ActStop), int64(engine.ActResume), int64(engine.ActResume), int64(engine.ActResume),
		int64(engine.ActInterrupt), int64(engine.ActReport), int64(engine.ActSinglestep), int64(engine.ActDetach), int64(engine.ActDetach), 7}
	attachFlags = []int64{int64(clients.AttachDefault), int64(clients.AttachDefault), int64(engine.AttachCreate), int64(engine.AttachMatchOps),
		int64(engine.AttachMatchOps | engine.AttachMatchData)}
)

// utraceArg draws a value for a parameter that only utrace's verbs have.
func (g *Gen) utraceArg(t corpus.ParamType) (n int64, ok bool) {
	switch t {
	case corpus.Client:
		return int64(1 + g.rng.IntN(int(clients.NumKinds)-1)), true
	case corpus.UtraceEvents:
		for range 1 + g.rng.IntN(4) {
			n |= one(g, utraceEvents)
		}
		return n, true
	case corpus.UtraceAction:
		return one(g, utraceActions), true
	case corpus.AttachFlags:
		return one(g, attachFlags), true
	case corpus.Callback:
		return int64(g.rng.IntN(int(clients.NumCallbacks))), true
	}
	return 0, false
}

// templates are the kinds of operations that this generator inserts.
func (g *Gen) templates() []template {
	if g.utrace {
		return append(utraceTemplates[:len(utraceTemplates):len(utraceTemplates)], templates...)
	}
	return templates
}

// kernelSeeds are the seeds that kernels can run.
var kernelSeeds = sync.OnceValue(func() []*corpus.Scenario {
	return slices.DeleteFunc(slices.Clone(corpus.Seeds()), (*corpus.Scenario).EngineOnly)
})

// seeds are the scenarios that others may be made of.
func (g *Gen) seeds() []*corpus.Scenario {
	if g.utrace {
		return corpus.Seeds()
	}
	return kernelSeeds()
}
