package ptrace

import (
	"math/rand/v2"
	"testing"

	"tracehammer/engine"
)

// cycle is the scenario that rates are measured with: fork a child, attach, wait, detach, kill, reap.
func cycle() *engine.Program {
	b := program("main", "child").victim("child")
	b.clone("main", "child", forkFlags).ptrace("main", Attach, "child").wait("main", "child", 0).ptrace("main", Detach, "child").
		kill("main", "child", SIGKILL).wait("main", "child", 0)
	return b.done()
}

// BenchmarkStep is one step of a random walk, Choices included; BenchmarkStepChecked is that with every invariant looked at.
func BenchmarkStep(b *testing.B)        { benchmarkStep(b, engine.Options{}) }
func BenchmarkStepChecked(b *testing.B) { benchmarkStep(b, engine.Options{Check: true}) }

func benchmarkStep(b *testing.B, o engine.Options) {
	m := NewMachine(cycle(), o)
	rng := rand.New(rand.NewPCG(1, 2))
	var w engine.World
	var watch engine.Watch
	var cs []engine.Choice
	runs := 0
	b.ReportAllocs()
	m.Init(&w)
	for b.Loop() {
		cs = w.Choices(cs[:0])
		if len(cs) == 0 {
			m.Init(&w)
			watch.Start()
			runs++
			continue
		}
		c := cs[rng.IntN(len(cs))]
		ev := w.Step(c)
		if o.Check {
			watch.Step(&w, c, ev)
		}
	}
	b.ReportMetric(float64(b.N)/float64(max(runs, 1)), "steps/run")
}

func BenchmarkCopyHash(b *testing.B) {
	m := NewMachine(cycle(), engine.Options{})
	var w, v engine.World
	m.Init(&w)
	for range 20 {
		w.Step(w.Choices(nil)[0])
	}
	b.ReportAllocs()
	for b.Loop() {
		v.CopyFrom(&w)
		v.Hash()
	}
}
