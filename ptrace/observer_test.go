package ptrace

import (
	"strings"
	"testing"

	"tracehammer/engine"
)

// observer is a second client of utrace: it watches every event of every task that descends from the one it is on, and does
// nothing. With two engines a report takes a step for each.
type observer struct{ calls *int }

const observed = engine.EvQuiesce | engine.EvClone | engine.EvExec | engine.EvExit | engine.EvSyscallEntry | engine.EvSyscallExit | engine.EvSignalAll | engine.EvReap

func (o observer) seen() engine.Action { *o.calls++; return engine.ActResume }

func (o observer) ReportQuiesce(*engine.World, engine.TaskID, engine.EngineID, engine.Events) engine.Action {
	return o.seen()
}
func (o observer) ReportSignal(_ *engine.World, _ engine.TaskID, _ engine.EngineID, _ engine.Events, so engine.SignalAction) (engine.Action, engine.SignalAction) {
	return o.seen(), so
}
func (o observer) ReportClone(*engine.World, engine.TaskID, engine.EngineID, engine.TaskID) engine.Action {
	return o.seen()
}
func (o observer) ReportExec(*engine.World, engine.TaskID, engine.EngineID, engine.Tid) engine.Action {
	return o.seen()
}
func (o observer) ReportSyscallEntry(_ *engine.World, _ engine.TaskID, _ engine.EngineID, so engine.EntrySoFar) (engine.Action, bool) {
	return o.seen(), so.Abort
}
func (o observer) ReportSyscallExit(*engine.World, engine.TaskID, engine.EngineID) engine.Action {
	return o.seen()
}
func (o observer) ReportExit(*engine.World, engine.TaskID, engine.EngineID, uint16) engine.Action {
	return o.seen()
}
func (o observer) ReportDeath(*engine.World, engine.TaskID, engine.EngineID) engine.Action {
	return o.seen()
}
func (o observer) ReportJctl(*engine.World, engine.TaskID, engine.EngineID, int32, int32) engine.Action {
	return o.seen()
}
func (o observer) Release(*engine.World, engine.ClientID, *engine.EngineData) {}
func (o observer) ReportReap(*engine.World, engine.TaskID, engine.EngineID)   { o.seen() }
func (o observer) ReportExtra(*engine.World, engine.TaskID, engine.EngineID, engine.Extra, uint16) engine.Action {
	return o.seen()
}
func (o observer) Inherit(w *engine.World, _ engine.TaskID, _ engine.EngineID, child engine.TaskID, _ int64) {
	attachObserver(w, child)
}
func (o observer) Entered(*engine.World, engine.TaskID, engine.EngineID) {}
func (o observer) Stopped(*engine.World, engine.TaskID, engine.EngineID) {}
func (o observer) Left(*engine.World, engine.TaskID, engine.EngineID)    {}

func attachObserver(w *engine.World, t engine.TaskID) {
	e, _ := w.AttachEngine(t, self+1, engine.AttachCreate|engine.AttachExclusive|engine.AttachMatchOps, 0)
	w.SetEvents(t, e, observed)
}

// TestObserved runs programs with and without an observer on every task: nobody can tell (O1 to O5, invariant 31).
func TestObserved(t *testing.T) {
	for name, p := range map[string]*engine.Program{
		"cycle":  cycle(),
		"events": events(),
		"stop":   stopped(),
	} {
		t.Run(name, func(t *testing.T) {
			plain := strings.Join(explore(t, p, engine.Options{}).list(), "\n")
			calls := 0
			x := &explorer{p: p, m: NewMachine(p, engine.Options{Check: true}, observer{&calls}), seen: map[string]bool{}, outcomes: map[string]bool{}, stuck: map[string][]engine.Wait{}}
			var w engine.World
			x.m.Init(&w)
			attachObserver(&w, 1)
			x.walk(t, &w, make([]string, len(p.Actors)))
			if got := strings.Join(x.list(), "\n"); got != plain {
				t.Errorf("observed:\n%s\nnot observed:\n%s", got, plain)
			}
			if calls == 0 {
				t.Error("the observer was never called")
			}
			t.Logf("%d states, %d calls", x.states, calls)
		})
	}
}

func events() *engine.Program {
	b := program("main", "child", "grand").create("main", "child", forkFlags)
	b.ptrace("main", Seize, "child", 0, int(OTracefork|OTraceexit)).barrier("main", "child").clone("child", "grand", forkFlags).do("grand", engine.CallExit, 1)
	b.wait("main", "child", wall).ptrace("main", Geteventmsg, "child").wait("main", "grand", wall).ptrace("main", Cont, "grand").
		wait("main", "grand", wall).ptrace("main", Geteventmsg, "grand").ptrace("main", Detach, "grand").ptrace("main", Detach, "child")
	return b.done()
}

func stopped() *engine.Program {
	b := program("main", "child").create("main", "child", forkFlags)
	b.kill("main", "child", SIGSTOP).wait("main", "child", engine.WUNTRACED).ptrace("main", Attach, "child").wait("main", "child", 0).
		ptrace("main", Cont, "child").wait("main", "child", 0).kill("main", "child", SIGKILL).wait("main", "child", 0)
	return b.done()
}

// holder is a client that keeps a task stopped while its data says so.
type holder struct{ observer }

func (h holder) ReportQuiesce(w *engine.World, t engine.TaskID, e engine.EngineID, _ engine.Events) engine.Action {
	if w.Data(t, e)[0] != 0 {
		return engine.ActStop
	}
	return h.seen()
}

// TestHeld stops a tracee by another engine: its ptrace stop goes on as usual, no restart by the tracer runs it, and the
// other engine's stop never becomes a wait status (H2, invariants 29 and 31).
func TestHeld(t *testing.T) {
	b := program("main", "child").create("main", "child", forkFlags)
	b.ptrace("main", Attach, "child").wait("main", "child", 0).barrier("main", "child")
	b.ptrace("main", Cont, "child").do("main", engine.CallWait4, -1, engine.WNOHANG).ptrace("main", Cont, "child")
	// The child can only meet main once it runs, so nobody meets: the barrier is main's alone.
	b.p.Barriers[0].Parties = 1
	b.p.Actors[1].Code = nil
	p := b.done()
	calls := 0
	m := NewMachine(p, engine.Options{Check: true}, holder{observer{&calls}})
	var w engine.World
	m.Init(&w)
	const child engine.TaskID = 2
	var log []int64
	run := func() {
		for {
			cs := w.Choices(nil)
			if len(cs) == 0 {
				return
			}
			if ev := w.Step(cs[0]); ev.Kind == engine.EvEnd && ev.Actor == 0 {
				log = append(log, ev.Res.Ret)
				if len(log) == 2 { // waited for: now the other engine wants it stopped, too
					e, errno := w.AttachEngine(child, self+1, engine.AttachCreate, 0)
					if errno != 0 || w.SetEvents(child, e, engine.EvQuiesce) != 0 || w.Control(child, e, engine.ActStop, false) != 0 {
						t.Fatal("cannot hold the stopped child")
					}
					w.Data(child, e)[0] = 1
				}
			}
		}
	}
	run()
	want := []int64{0, int64(w.TidOf(child)), 0, 0, -engine.ESRCH}
	if len(log) != len(want) {
		t.Fatalf("results %v, want %v", log, want)
	}
	for i := range want {
		if log[i] != want[i] {
			t.Fatalf("results %v, want %v", log, want)
		}
	}
	if !w.Traced(child) {
		t.Fatal("the child runs although an engine holds it")
	}
	e := w.LookupEngine(child, self+1)
	w.Data(child, e)[0] = 0
	if errno := w.Control(child, e, engine.ActResume, false); errno != 0 {
		t.Fatal(errno)
	}
	run()
	if w.Traced(child) || !w.Done() {
		t.Fatal("the child did not go on")
	}
	if errno := w.Control(child, e, engine.ActDetach, false); errno != 0 {
		t.Fatal(errno)
	}
	if errno := w.Control(child, e, engine.ActResume, false); errno != engine.ESRCH {
		t.Fatalf("control of a detached engine: %d", errno)
	}
}
