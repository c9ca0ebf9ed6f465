package engine

import "math/bits"

// The invariants of section 7 about report passes and notifications: about who is called, in which order, and what comes of
// what is returned. They are seen in what a step did (trace.go), with the pass as it stood before the step. checkTrace
// computes anew, from attach order and returns alone, what the pass should have come to; it panics with *InvariantError.

func (w *World) checkTrace(before *World, c Choice) {
	w.checkOrder(before)
	w.checkPass(before, c.Task)
	w.checkEntryKilled(before, c.Task)
	w.checkTold(before)
}

// checkOrder: the list is in attach order. What stays on it keeps its place among the others, and newcomers come last (6).
// It also looks at what nobody may gain after a death (14), and at deaths that are to be reported (14).
func (w *World) checkOrder(before *World) {
	for s := before.used & w.m.scope.changed; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		b, t := &before.tasks[id], &w.tasks[id]
		if b.utrace.n == 0 {
			continue
		}
		last, fresh := -1, false
		for _, e := range t.utrace.on() {
			at := b.utrace.index(e)
			if at >= 0 && !before.engine(id, e).live() && w.engine(id, e).live() {
				at = -1 // a newcomer that got the number of one that was detached
			}
			holds(at < 0 || at > last && !fresh || w.broken(6, id, "engine %d has another's place in the order of attaching", e))
			if last = max(last, at); at < 0 {
				fresh = true
				continue
			}
			was, en := before.engine(id, e), w.engine(id, e)
			if b.exitState != Alive && was.live() && en.live() {
				holds(en.flags&^was.flags&EvDeathEvents == 0 ||
					w.broken(14, id, "engine %d gains %#x after the thread's death", e, en.flags&^was.flags))
			}
			if b.exitState == Alive && t.exitState != Alive && en.live() && en.flags&EvDeath != 0 && !w.alone(id) {
				holds(t.utrace.is(utDying|utReap) || w.broken(14, id, "dies without a report to engine %d, which asked for it", e))
			}
		}
	}
}

// index is an engine's place on the list, -1 if it is not there.
func (u *utrace) index(e EngineID) int {
	for i, x := range u.on() {
		if x == e {
			return i
		}
	}
	return -1
}

// passCheck is a pass as it should go: from attach order, flags and returns.
type passCheck struct {
	w, before *World
	task      TaskID
	list      *utrace // on which the pass's engines are
	running   bool
	kind      passKind
	event     Events
	next      int  // in the order of this pass: whose turn comes, or is under way
	quiesced  bool // it had its report_quiesce
	result    passResult
	stop      bool // someone may have contributed STOP whose flag changed in this very step
}

// checkPass follows what passes of the task that made the step did in it: 6, 7, 9 to 11, 14 and 17.
func (w *World) checkPass(before *World, id TaskID) {
	b, t := &before.tasks[id], &w.tasks[id]
	p := passCheck{w: w, before: before, task: id}
	if b.depth > 0 && b.top().stage == stPass {
		f := b.top()
		r, phase := f.load()
		p.start(&b.utrace, passKind(f.ev), f.code)
		p.next, p.quiesced, p.result = int(f.a), phase == phaseAgain, r
	}
	detached, dead := uint8(0), uint8(0)
	for i := range w.m.trace {
		e := &w.m.trace[i]
		switch e.kind {
		case traceBegin:
			holds(!p.running || w.broken(5, id, "a pass begins in a pass"))
			list := &t.utrace
			if list.n == 0 { // the step released the task behind its death pass, for a reaper who waited for that
				gone := b.utrace
				gone.attached = gone.n
				list = &gone
			}
			p.start(list, e.pass, e.arg)
		case traceQuiesce, traceSpecific:
			p.called(e)
			if e.live && e.action == ActDetach {
				if detached |= 1 << e.engine; e.pass == passDeath {
					dead |= 1 << e.engine
				}
			}
		case traceEnd:
			p.skip(int(p.list.attached))
			p.compare(e.action, e.resume, e.abort)
			if e.action == ActStop && e.pass != passSignal && e.pass != passReport && t.state == Traced && t.utrace.n > 0 {
				holds(t.utrace.resume <= e.resume || w.broken(17, id, "stops, and %v that an engine returned is forgotten", e.resume))
			}
			p.running = false
		case traceReap:
			was := before.engine(e.task, e.engine)
			bit := uint8(1) << e.engine
			holds(e.task != id || dead&bit == 0 || w.broken(11, e.task, "report_reap of engine %d, which its death took away", e.engine))
			holds(was.live() && was.flags&EvReap != 0 || w.broken(10, e.task, "report_reap of engine %d with flags %#x", e.engine, was.flags))
			holds(e.task == id || !before.tasks[e.task].utrace.is(utDying) ||
				w.broken(10, e.task, "report_reap before the report of the death is over"))
		}
	}
	if p.running && t.depth > 0 && t.top().stage == stPass {
		f := t.top()
		holds(p.list != &b.utrace || t.utrace.attached == b.utrace.attached ||
			w.broken(7, id, "%d engines take part in a pass that began with %d", t.utrace.attached, b.utrace.attached))
		r, _ := f.load()
		p.skip(int(f.a))
		p.compare(r.action, r.resume, r.abort)
	}
	for e := range EngineID(maxEngines) {
		if detached>>e&1 == 0 {
			continue
		}
		n := 9
		if dead>>e&1 != 0 {
			n = 11
		}
		holds(t.utrace.index(e) < 0 || !w.engine(id, e).live() || w.broken(n, id, "engine %d returned DETACH and stays", e))
	}
}

func (p *passCheck) start(list *utrace, k passKind, arg uint16) {
	p.running, p.list, p.kind, p.event = true, list, k, k.event(arg)
	p.next, p.quiesced, p.stop, p.result = 0, false, false, passResult{action: ActResume, resume: ActResume}
}

// turn is when in the pass an engine is asked: in attach order, the last one first at a syscall's entry (O1).
func (p *passCheck) turn(at int) int {
	if p.kind == passEntry {
		return int(p.list.attached) - 1 - at
	}
	return at
}

// called is a callback that returned.
func (p *passCheck) called(e *traced) {
	w, at := p.w, p.list.index(e.engine)
	holds(p.running && e.pass == p.kind || w.broken(6, p.task, "a callback outside of its pass"))
	holds(at >= 0 && at < int(p.list.attached) || w.broken(7, p.task, "engine %d is called in a pass that began before it came", e.engine))
	turn := p.turn(at)
	holds(turn >= p.next || w.broken(6, p.task, "engine %d is called out of its turn, or again", e.engine))
	p.skip(turn)
	holds(e.kind == traceSpecific || !p.quiesced && !p.kind.signals() ||
		w.broken(6, p.task, "a second callback of engine %d before its specific one", e.engine))
	p.quiesced = true
	if e.kind == traceSpecific || e.action == ActDetach || !e.live {
		p.next, p.quiesced = turn+1, false
	}
	if e.kind == traceSpecific && p.kind == passEntry {
		p.result.abort = e.abort // the last one that was asked decides, whatever report_quiesce of others says (C2)
	}
	if !e.live || e.action == ActDetach {
		return
	}
	if e.action != ActStop {
		p.result.resume = min(p.result.resume, e.action)
	}
	p.result.action = min(p.result.action, e.action)
}

// skip is that the pass comes to an engine without having called those before it: then they did not want it. One that keeps the
// thread stopped goes on doing so (O5).
func (p *passCheck) skip(to int) {
	for ; p.next < to; p.next++ {
		e := p.list.list[p.turn(p.next)]
		was, en := p.before.engine(p.task, e), p.w.engine(p.task, e)
		want := p.event
		if !p.quiesced {
			want |= EvQuiesce
		}
		n := 6
		if p.kind == passDeath {
			n = 14
		}
		holds(was.flags&en.flags&want == 0 || !was.live() || !en.live() ||
			p.w.broken(n, p.task, "engine %d is passed over and has flags %#x", e, en.flags))
		switch held := was.flags & engineStop; {
		case p.quiesced:
		case held&en.flags != 0:
			p.result.action = ActStop
		case held|en.flags&engineStop != 0:
			p.stop = true
		}
		p.quiesced = false
	}
}

func (p *passCheck) compare(action, resume Action, abort bool) {
	w := p.w
	holds(action == p.result.action || action == ActStop && p.stop ||
		w.broken(17, p.task, "the pass does %v, its engines returned %v", action, p.result.action))
	holds(resume == p.result.resume || w.broken(17, p.task, "the pass does %v besides, its engines returned %v", resume, p.result.resume))
	holds(p.kind != passEntry || abort == p.result.abort ||
		w.broken(17, p.task, "the call is aborted: %v, the last engine said: %v", abort, p.result.abort))
}

// checkEntryKilled: who leaves an entry stop killed does not make its call (21).
func (w *World) checkEntryKilled(before *World, id TaskID) {
	b, t := &before.tasks[id], &w.tasks[id]
	if b.depth < 2 || b.top().stage != stTraced || b.frames[b.depth-2].stage != stAfterEntry || !b.fatalPending() {
		return
	}
	for i := range w.m.trace {
		holds(w.m.trace[i].kind != traceBody || w.broken(21, id, "killed at the entry of %v, and executes it", t.call))
	}
	st := t.frames[0].stage
	holds(st != stSeccomp && st != stAfterSeccomp && st != stBody || w.broken(21, id, "killed at the entry of %v, and goes on with it", t.call))
}

// checkTold: a tracer is told of each of ptrace's stops once, when it can be seen, and of no other (29).
func (w *World) checkTold(before *World) {
	told := uint16(0)
	for i := range w.m.trace {
		e := &w.m.trace[i]
		if e.kind != traceTold {
			continue
		}
		b := &before.tasks[e.task]
		again := b.state == Traced && b.top().stage == stTraced || told&(1<<e.task) != 0
		holds(e.live || w.broken(29, e.task, "its tracer is told of a stop that is not ptrace's, or not yet to be seen"))
		holds(!again || w.broken(29, e.task, "its tracer is told twice of a stop"))
		told |= 1 << e.task
	}
	for s := before.used & w.m.scope.changed; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		b, t := &before.tasks[id], &w.tasks[id]
		if b.depth > 0 && b.top().stage == stStopNotify && b.state == Traced && t.depth == b.depth && t.top().stage == stTraced {
			holds(told&(1<<id) != 0 || !before.ptraceStops(id) || w.broken(29, id, "nobody is told of its stop"))
		}
	}
}
