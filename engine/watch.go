package engine

import "math/bits"

// A Watch looks at one execution of a Machine with Options.Check, step by step, for the invariants of section 7 that neither a
// state nor a step shows: they speak of what happened before. Its memory is not part of the World: only a run from start to
// end can be watched, not a search that goes back.
type Watch struct {
	fresh   uint16         // tasks that were attached at birth and have not stopped yet (46)
	entered uint16         // tasks that reported the entry of the call that they are in (35)
	stops   [maxTasks]int8 // group stops that the real parent was not told of yet (53)
}

// StopKind is what a client says about the tracing stop that a task has just entered.
type StopKind uint8

const (
	StopOther StopKind = iota
	StopEntry          // of a system call
	StopExit           // likewise
	StopSignal
)

// StopNamer is the part of the ptrace client that tells a Watch what a stop is.
type StopNamer interface {
	NameStop(w *World, t TaskID) StopKind
}

// Start begins a run.
func (x *Watch) Start() { *x = Watch{} }

// Step looks at what the last step of w did; it panics with *InvariantError. Without Options.Check it does nothing.
func (x *Watch) Step(w *World, c Choice, ev Event) {
	if !w.m.opt.Check {
		return
	}
	before := w.m.before
	namer, _ := w.m.hooks.(StopNamer)
	for s := w.m.scope.changed &^ 1; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[i]
		born := before.used&(1<<i) == 0
		b := &before.tasks[i]
		switch {
		case born:
			x.entered &^= 1 << i
			x.fresh &^= 1 << i
			if t.is(tfTraced) {
				x.fresh |= 1 << i
			}
		case t.dead() || !t.is(tfTraced):
			x.fresh &^= 1 << i
		case c.Task != int8(i) && b.pending.mask&bit(SIGSTOP) != 0 && t.pending.mask&bit(SIGSTOP) == 0:
			x.fresh &^= 1 << i // a SIGCONT deleted what was to stop it
		}
		if t.depth == 0 || t.dead() {
			x.entered &^= 1 << i
		}
		if !born && b.state != Traced && t.state == Traced && t.is(tfTraced) {
			x.fresh &^= 1 << i
			x.stopped(w, i, namer)
		}
	}
	if ev.Kind == EvBegin || ev.Kind == EvHandler {
		id := TaskID(ev.Actor) + firstTask
		holds(x.fresh&(1<<id) == 0 || w.broken(46, id, "runs before its first stop"))
	}
	x.groupStops(w, before)
}

func (x *Watch) stopped(w *World, i TaskID, namer StopNamer) {
	if namer == nil {
		return
	}
	switch namer.NameStop(w, i) {
	case StopEntry:
		holds(x.entered&(1<<i) == 0 || w.broken(35, i, "a second entry stop of one call"))
		x.entered |= 1 << i
	case StopExit:
		x.entered &^= 1 << i
	case StopSignal:
		holds(x.entered&(1<<i) == 0 || !w.InCall(i) || w.broken(36, i, "a signal-delivery-stop between entry and exit"))
	}
}

// groupStops: a real parent is told of each transition to STOPPED once at most, and of no other.
func (x *Watch) groupStops(w, before *World) {
	for s := before.groups & w.m.scope.procs; s != 0; s &= s - 1 {
		g := bits.TrailingZeros16(s)
		if b, p := &before.procs[g], &w.procs[g]; b.threads.n != 0 && p.threads.n != 0 && b.flags&gfStopStopped == 0 && p.flags&gfStopStopped != 0 {
			x.stops[g]++
		}
	}
	told := false
	for i := range w.m.trace {
		if e := &w.m.trace[i]; e.kind == traceParent {
			told = true
			g := w.tasks[e.task].proc
			x.stops[g]--
			holds(x.stops[g] >= 0 || w.broken(53, e.task, "the real parent is told of a stop that was not, or twice"))
		}
	}
	for s := before.used & w.m.scope.changed; s != 0 && !told; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		if b, t := &before.tasks[i], &w.tasks[i]; b.is(tfGstop) && !t.is(tfGstop) {
			x.stops[b.proc]-- // its tracer is in the real parent's process: one report is enough (R39)
		}
	}
}
