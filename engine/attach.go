package engine

import "slices"

// AttachFlags of AttachEngine (1.4).
type AttachFlags uint8

const (
	AttachMatchOps  AttachFlags = 0x01
	AttachMatchData AttachFlags = 0x02
	AttachCreate    AttachFlags = 0x10
	AttachExclusive AttachFlags = 0x20
)

// AttachEngine is utrace_attach_task (1.4): it attaches an engine of client c with data as its first word, or finds one
// without AttachCreate. The engine has a reference of the caller's, who gives it back with PutEngine. It returns an errno.
//
// Of the table's errors, EPERM and EBUSY are missing: there are no kernel threads here, and ptrace excludes nobody.
func (w *World) AttachEngine(target TaskID, c ClientID, flags AttachFlags, data uint64) (EngineID, int) {
	t := &w.tasks[target]
	u := &t.utrace
	match := noEngine
	for _, e := range u.on() {
		if en := w.engine(target, e); en.live() && (flags&AttachMatchOps == 0 || en.ops == c) && (flags&AttachMatchData == 0 || en.data[0] == data) {
			match = e
			break
		}
	}
	if flags&AttachCreate == 0 {
		if match == noEngine {
			return noEngine, ENOENT
		}
		w.engine(target, match).refs++
		return match, 0
	}
	if c == 0 || int(c) > len(w.m.ops) {
		return noEngine, EINVAL
	}
	place := w.freePlace(target)
	switch {
	case place == noEngine:
		return noEngine, ENOMEM
	case flags&AttachExclusive != 0 && match != noEngine && !w.bug(BugUtraceAttachGoesOn):
		return noEngine, EEXIST
	case (u.n == 0 && t.exitState == ExitDead || u.is(utReap) || t.is(tfReleased)) && !w.bug(BugUtraceAttachReaping):
		return noEngine, ESRCH
	}
	if u.n == 0 && t.exitState == ExitDead {
		u.flags |= utLate
	}
	*w.engine(target, place) = engine{data: EngineData{data}, ops: c, state: engineAttaching, refs: 2}
	u.list[u.n] = place
	u.n++
	if w.bug(BugUtraceAttachJoins) && u.is(utPass) {
		w.splice(target)
	}
	if w.bug(BugUtraceSlotOrder) {
		slices.Sort(u.on())
	}
	if !w.bug(BugUtraceAttachNoUnion) {
		u.events |= EvReap
	}
	if flags&AttachExclusive != 0 && match != noEngine {
		if w.m.opt.Check {
			w.broken(19, target, "EXCLUSIVE attaches beside engine %d", match)
		}
		w.PutEngine(target, place)
		return noEngine, EEXIST
	}
	return place, 0
}

// freePlace is a place of the task that no engine has.
func (w *World) freePlace(target TaskID) EngineID {
	places := EngineID(maxEngines)
	if len(w.m.ops) == 1 {
		places = 1 // World.more is not in use
	}
	for e := range places {
		if w.engine(target, e).state == engineFree {
			return e
		}
	}
	return noEngine
}

// LookupEngine finds the client's live engine on a task. Unlike AttachEngine it takes no reference: what it returns is good
// for the step being made.
func (w *World) LookupEngine(target TaskID, c ClientID) EngineID {
	for _, e := range w.tasks[target].utrace.on() {
		if en := w.engine(target, e); en.ops == c && en.live() {
			return e
		}
	}
	return noEngine
}

// Referred finds an engine of the client on a task that somebody holds a reference to: the live one, else one that is
// detached. Like LookupEngine it takes none.
func (w *World) Referred(target TaskID, c ClientID) EngineID {
	if e := w.LookupEngine(target, c); e != noEngine {
		return e
	}
	for e := range EngineID(maxEngines) {
		if en := w.engine(target, e); en.ops == c && en.state != engineFree {
			return e
		}
	}
	return noEngine
}

// Engines is how many live engines of a client a task has.
func (w *World) Engines(target TaskID, c ClientID) int {
	n := 0
	for _, e := range w.tasks[target].utrace.on() {
		if en := w.engine(target, e); en.ops == c && en.live() {
			n++
		}
	}
	return n
}

// Reporting is the engine whose callback is running on a task, NoEngine if there is none.
func (w *World) Reporting(t TaskID) EngineID { return w.tasks[t].utrace.reporting }

// ClientOf is the client that an engine belongs to.
func (w *World) ClientOf(t TaskID, e EngineID) ClientID { return w.engine(t, e).ops }

// EventsOf are the events that an engine asked for.
func (w *World) EventsOf(t TaskID, e EngineID) Events { return w.engine(t, e).flags &^ engineStop }

// Data is an engine's own state.
func (w *World) Data(t TaskID, e EngineID) *EngineData { return &w.engine(t, e).data }

// OnlyAttached says that nobody holds a reference to an engine but the task that it is attached to.
func (w *World) OnlyAttached(t TaskID, e EngineID) bool {
	en := w.engine(t, e)
	return en.state != engineDetached && en.refs <= 1
}

// GetEngine takes a reference.
func (w *World) GetEngine(t TaskID, e EngineID) { w.engine(t, e).refs++ }

// PutEngine gives a reference back. The last one calls the client's Release and frees the engine (1.2).
func (w *World) PutEngine(t TaskID, e EngineID) {
	en := w.engine(t, e)
	if w.m.opt.Check {
		holds(en.refs > 0 || w.broken(12, t, "engine %d is released twice", e))
	}
	if en.refs--; en.refs > 0 {
		return
	}
	if w.m.opt.Check {
		holds(!en.freed || w.broken(12, t, "engine %d is released again", e))
	}
	w.m.ops[en.ops-1].Release(w, en.ops, &en.data)
	*en = engine{}
}

// unlist takes an engine off its thread's list, and gives back the reference that this was.
func (w *World) unlist(id TaskID, e EngineID) {
	u := &w.tasks[id].utrace
	for i, x := range u.on() {
		if x != e {
			continue
		}
		copy(u.list[i:], u.list[i+1:u.n])
		u.n--
		u.list[u.n] = 0
		if int8(i) < u.attached {
			u.attached--
		}
		break
	}
	en := w.engine(id, e)
	en.state, en.flags, en.looked = engineDetached, 0, false
	if w.bug(BugUtraceReleaseTwice) && en.refs > 1 {
		en.freed = true
		w.m.ops[en.ops-1].Release(w, en.ops, &en.data)
	}
	w.PutEngine(id, e)
}

// drop detaches an engine at once. While a pass takes steps only its thread may change the list (U4): then the engine is
// marked, and the pass takes it off at its end.
func (w *World) drop(id TaskID, e EngineID) {
	if w.tasks[id].utrace.is(utPass) {
		w.engine(id, e).state, w.engine(id, e).flags = engineDetaching, EvQuiesce
	} else {
		w.unlist(id, e)
	}
	w.reset(id)
}

// sweep takes the engines off that were marked.
func (w *World) sweep(id TaskID) bool {
	u, any := &w.tasks[id].utrace, false
	for i := int8(0); i < u.n; {
		if e := u.list[i]; w.engine(id, e).state == engineDetaching {
			w.unlist(id, e)
			any = true
		} else {
			i++
		}
	}
	return any
}
