package engine

import "math/bits"

// Waits appends what each blocked task waits for. A step that can happen is no wait, but a sleep that a timer ends is.
func (w *World) Waits(dst []Wait) []Wait {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		if wt := w.waitOf(id); wt.Kind != WaitNone {
			dst = append(dst, wt)
		}
	}
	return dst
}

type waitOn struct {
	Wait
	n int
}

func (o *waitOn) on(t int8) {
	if o.n < MaxWaitOn && t > 0 {
		o.On[o.n] = Tid(t)
		o.n++
	}
}

func (w *World) waitOf(id TaskID) Wait {
	t := &w.tasks[id]
	o := waitOn{Wait: Wait{Task: id, Actor: w.ActorOfTask(id), Tid: Tid(t.tid), Call: t.call}}
	p := w.procOf(t)
	switch {
	case t.is(tfReleased):
		return Wait{}
	case t.state == Dead:
		o.Kind = WaitZombie
		if t.is(tfTraced) || w.isLeader(id) {
			o.on(w.tasks[t.parent].tid)
		}
		if w.delayedLeader(id) {
			o.n = 0
			o.On = [MaxWaitOn]Tid{}
			for _, i := range w.threads(p) {
				if i != id {
					o.on(w.tasks[i].tid)
				}
			}
		}
	case t.state == Stopped:
		o.Kind = WaitGroupStop
	case t.state == Traced:
		o.Kind = WaitPtraceStop
		if !w.m.hooked || !w.ptraceStops(id) {
			o.Kind = WaitEngine
			break
		}
		// R112: the one stop that SIGKILL may not end; a frozen tracee, the other case, is within one step here.
		if t.depth > 1 && t.frames[t.depth-2].stage == stExitSignals {
			o.Kind = WaitExitEvent
		}
		o.on(w.tasks[t.parent].tid)
	case t.state != Interruptible && t.state != Killable:
		return Wait{}
	default:
		w.waitInCall(id, t, p, &o)
	}
	return o.Wait
}

func (w *World) waitInCall(id TaskID, t *task, p *proc, o *waitOn) {
	f := t.top()
	switch f.stage {
	case stWait:
		o.Kind = WaitChild
		what, _ := w.waitOpts(t)
		for _, i := range w.threads(p) {
			u := &w.tasks[i]
			for _, l := range [2]*list{&u.children, &u.ptraced} {
				for _, c := range l.at[:l.n] {
					if w.eligiblePid(&what, &w.tasks[c]) {
						o.on(w.tasks[c].tid)
					}
				}
			}
		}
	case stFutex:
		o.Kind = WaitFutex
	case stPause:
		o.Kind = WaitSignal
	case stSleep:
		o.Kind = WaitSleep
	case stCloneVforked:
		o.Kind = WaitVfork
		o.on(w.tasks[f.a].tid)
	case stExecGuard, stTsync:
		o.Kind = WaitCredGuard
		o.on(w.holder(t.proc))
	case stExecSiblings, stExecLeader:
		o.Kind = WaitDeThread
		for _, i := range w.threads(p) {
			u := &w.tasks[i]
			if i == id || (f.stage == stExecLeader) != (i == p.leader) {
				continue
			}
			o.on(u.tid)
		}
	case stClient:
		if t.call == CallUtrace {
			o.Kind = WaitBarrier
			o.on(w.tasks[f.b].tid)
		} else if t.state == Interruptible {
			o.Kind = WaitCredGuard
			o.on(w.holder(w.tasks[f.b].proc))
		} else {
			o.Kind = WaitTrapping
			o.on(w.tasks[f.b].tid)
		}
	}
}

func (w *World) holder(g int8) int8 {
	if h := w.procs[g].guard; h != NoTask {
		return w.tasks[h].tid
	}
	return 0
}
