package host

import (
	"context"
	"testing"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// prog builds programs for tests: actors by name, calls in order.
type prog struct {
	p engine.Program
}

func (b *prog) actor(name string) *engine.Actor {
	b.p.Actors = append(b.p.Actors, engine.Actor{Name: name})
	return &b.p.Actors[len(b.p.Actors)-1]
}

func call(c engine.Call, args ...any) engine.Instr {
	in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar}
	for i, a := range args {
		switch a := a.(type) {
		case int:
			in.Args[i] = engine.Imm(int64(a))
		case engine.Arg:
			in.Args[i] = a
		}
	}
	return in
}

var end = engine.Instr{Op: engine.OpEnd}

const (
	main_ = engine.ActorID(0)
	fork  = int(17)
)

func attachDetach() *engine.Program {
	child := engine.TidOf(1)
	return &engine.Program{Actors: []engine.Actor{
		{Name: "main", Code: []engine.Instr{
			call(engine.CallClone, fork, 1),
			call(engine.CallPtrace, 16, child, 0, 0),
			call(engine.CallWait4, child, 0),
			call(engine.CallPtrace, 17, child, 0, 0),
			call(engine.CallKill, child, 9),
			call(engine.CallWait4, child, 0),
			end,
		}},
		{Name: "child", Victim: true, Code: []engine.Instr{
			call(engine.CallPause),
			end,
		}},
	}}
}

func TestAttachDetach(t *testing.T) {
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p := attachDetach()
	n := 0
	var el, dr time.Duration
	var d [6]float64
	t0 := time.Now()
	err = h.Run(context.Background(), p, stress.Plan{Repeat: 4000}, func(h *history.History) bool {
		el += h.Elapsed
		dr += h.Drain
		if len(h.Actors[0].Entries) < 6 || h.Actors[0].Entries[5].TSC < h.Actors[0].Entries[4].TSC {
			t.Logf("%d %+v", n, h)
			return false
		}
		for i := 1; i < 6; i++ {
			d[i] += float64(h.Actors[0].Entries[i].TSC-h.Actors[0].Entries[i-1].TSC) / 2.6e3
		}
		n++
		return true
	})
	t.Log(n, time.Since(t0)/time.Duration(max(n, 1)), el/time.Duration(n), dr/time.Duration(n), err)
	for i := range d {
		t.Logf("%d %.1f", i, d[i]/float64(n))
	}
}
