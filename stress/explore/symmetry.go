package explore

import (
	"slices"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// symmetry makes a walk visit one of all states that differ only in which of several actors of alike code is which.
//
// It begins at a state that is its own image: every actor of a kind has come as far as the others. From there on, what
// leads to an outcome leads, with actors renamed, to the renamed outcome. So of the states behind it the walk tells only
// those apart that no renaming turns into each other, and every outcome that it comes to stands for all its images.
// Other states that renaming turns into one of those lead to nothing else either.
type symmetry struct {
	*engine.Symmetry
	p    *engine.Program
	n    int   // actors
	best []int // scratch: permutations
	// recent are some states that the walk came to lately, and what their classes go by: it comes to most states several
	// times.
	recent [1 << 14]struct{ print, least engine.Fingerprint }
}

// newSymmetry is nil for a program without alike actors.
func newSymmetry(m *engine.Machine) *symmetry {
	s := m.Symmetry()
	if s == nil {
		return nil
	}
	return &symmetry{Symmetry: s, p: m.Program(), n: len(m.Program().Actors)}
}

// logs is what the actors of a node have logged, so that it can be renamed: a digest of each log without the tids of
// actors that have more than one place, and of each log and such a tid where in the log that is. An actor's prologue
// counts without order.
type logs struct {
	plain [engine.MaxActors]digest
	tids  [engine.MaxActors][engine.MaxActors]digest
}

// follow makes a child what its parent is, after a step that showed ev.
func (y *symmetry) follow(n, child *node, ev engine.Event) {
	child.class = n.class
	*child.shown = *n.shown
	if ev.Kind != engine.EvNone {
		y.add(child.shown, ev)
	}
}

// add extends the digests by an event.
func (y *symmetry) add(l *logs, ev engine.Event) {
	log := &l.plain[ev.Actor]
	if ev.Kind != engine.EvHandler {
		child := y.p.Actors[ev.Actor].Code[ev.Instr].Creates()
		if child != engine.NoActor && (ev.Kind == engine.EvBegin || ev.Res.Ret == int64(child.Tid())) {
			ev = engine.Event{Kind: ev.Kind, Actor: ev.Actor, Instr: -1}
		}
	}
	var found [5]engine.ActorID // whose tid, by place: the return value, Out, the sender
	take := func(place int, v int64) int64 {
		found[place] = engine.NoActor
		if v < 0 || v >= int64(engine.FirstTid)+engine.MaxActors {
			return v
		}
		if a := engine.ActorOf(engine.Tid(v)); a != engine.NoActor && y.Moved()&(1<<a) != 0 {
			found[place] = a
			return 0
		}
		return v
	}
	for i := range found {
		found[i] = engine.NoActor
	}
	if ev.Kind == engine.EvHandler {
		ev.Pid = engine.Tid(take(4, int64(ev.Pid)))
	}
	if ev.Res.TidMask&1 != 0 {
		ev.Res.Ret = take(0, ev.Res.Ret)
	}
	for i := range ev.Res.Out {
		if ev.Res.TidMask&(2<<i) != 0 {
			ev.Res.Out[i] = take(1+i, ev.Res.Out[i])
		}
	}
	log.add(&ev)
	for place, a := range found {
		if a != engine.NoActor {
			var f engine.Fingerprint
			d := &l.tids[ev.Actor][a]
			f.Put(0, d[0])
			f.Put(1, d[1])
			f.Put(2, log[0])
			f.Put(3, uint64(place)+1)
			*d = digest{f.Lo, f.Hi}
		}
	}
}

// renamed is the digest of an actor's log under a permutation.
func (l *logs) renamed(a int, p *engine.Perm, moved uint16) digest {
	var f engine.Fingerprint
	f.Put(0, l.plain[a][0])
	f.Put(1, l.plain[a][1])
	for v := range l.tids[a] {
		if moved&(1<<v) != 0 {
			f.Put(2+2*int(p[v]), l.tids[a][v][0])
			f.Put(3+2*int(p[v]), l.tids[a][v][1])
		}
	}
	return digest{f.Lo, f.Hi}
}

// classify finds what a node is told from others by.
func (y *symmetry) classify(s *seen, n *node) {
	if !n.class {
		if !y.Applies(&n.world) {
			return
		}
		least, fixed := y.least(n)
		if n.class = fixed; fixed || s.has(least) {
			n.key = least
		}
		return
	}
	at := &y.recent[n.print.Lo%uint64(len(y.recent))]
	if at.print != n.print {
		at.print = n.print
		at.least, _ = y.least(n)
	}
	n.key = at.least
}

// look is what a is to others, by and large, whatever its name is.
func (y *symmetry) look(n *node, a int) uint64 {
	return y.Look(&n.world, engine.ActorID(a)) ^ n.shown.plain[a][0]
}

// least is the least fingerprint of all images of a node, which its class goes by, and fixed whether all images are the
// same state. Only images that show actors in the order of their looks come into question, which are few.
func (y *symmetry) least(n *node) (least engine.Fingerprint, fixed bool) {
	var looks [engine.MaxActors]uint64
	for a := range y.n {
		if y.Moved()&(1<<a) != 0 {
			looks[a] = y.look(n, a)
		}
	}
	y.best = y.best[:0]
	var best [engine.MaxActors]uint64
	for i := range y.Order() {
		var image [engine.MaxActors]uint64
		p := y.Perm(i)
		for a := range y.n {
			image[p[a]] = looks[a]
		}
		c := -1
		if len(y.best) > 0 {
			c = slices.Compare(image[:], best[:])
		}
		if c < 0 {
			best, y.best = image, y.best[:0]
		}
		if c <= 0 {
			y.best = append(y.best, i)
		}
	}
	fixed = len(y.best) == y.Order()
	for k, i := range y.best {
		f := y.Print(&n.world, i)
		p := y.Perm(i)
		for a := range y.n {
			d := n.shown.renamed(a, p, y.Moved())
			f.Put(2*int(p[a]), d[0])
			f.Put(2*int(p[a])+1, d[1])
		}
		f.Put(placeClass, 1)
		switch {
		case k == 0:
			least = f
		case f != least:
			fixed = false
			if f.Hi < least.Hi || f.Hi == least.Hi && f.Lo < least.Lo {
				least = f
			}
		}
	}
	return least, fixed
}

// placeClass is the place of what tells the fingerprint of a class of states from that of a state.
const placeClass = 2*engine.MaxActors + 1

// images hands over what an outcome stands for: itself, and what it becomes under the permutations if states are told
// apart by class.
func (y *symmetry) images(o Outcome, class bool, file func(Outcome)) {
	file(o)
	for i := 1; class && i < y.Order(); i++ {
		to := Outcome{History: y.history(o.History, i), Stuck: o.Stuck, Waits: slices.Clone(o.Waits)}
		for k := range to.Waits {
			to.Waits[k] = y.Wait(to.Waits[k], i)
		}
		slices.SortFunc(to.Waits, func(a, b engine.Wait) int { return int(a.Task) - int(b.Task) })
		file(to)
	}
}

// history is the history of an execution with the actors renamed.
func (y *symmetry) history(h *history.History, i int) *history.History {
	to := h.Clone()
	p := y.Perm(i)
	for a := range h.Actors {
		b := p[a]
		to.Actors[b] = h.Actors[a]
		if t := h.Actors[a].Tid; t != 0 {
			to.Actors[b].Tid = int32(b.Tid())
		}
		to.Actors[b].Entries = slices.Clone(h.Actors[a].Entries)
		for k := range to.Actors[b].Entries {
			e := &to.Actors[b].Entries[k]
			switch {
			case e.Kind == history.Handler:
				e.Res.Out[2] = int64(y.Tid(engine.Tid(e.Res.Out[2]), i))
				continue
			case e.Res.TidMask&1 != 0:
				if child := y.p.Actors[a].Code[e.Instr].Creates(); child != engine.NoActor && e.Res.Ret == int64(child.Tid()) {
					e.Res.Ret = int64(y.p.Actors[b].Code[e.Instr].Creates().Tid()) // prologues create alike, not in the same order
					continue
				}
			}
			e.Res = y.Result(e.Res, i)
		}
	}
	return to
}
