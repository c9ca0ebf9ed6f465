package oracle

import (
	"fmt"
	"sort"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
)

// event is one observable thing that an actor did, in the order of its log.
type event struct {
	kind   engine.EventKind
	instr  int32
	ticket uint64
	entry  int32 // index into the actor's entries
	// need[b] is how many of actor b's events must have happened before this one (EvBegin only): those whose upper bound
	// in time lies before the ticket taken ahead of this call.
	need [engine.MaxActors]int32
}

// positions is how many events of each actor an execution has matched.
type positions [engine.MaxActors]int32

// search looks for an execution of the engine that produces a history: a depth-first walk over engine states with the
// actors' positions in their logs, memoised, in which every observable step must be the actor's next event, real-time
// order is kept (what ended before a call was made happened before it), and silent steps may fall anywhere.
type search struct {
	p *engine.Program
	m *engine.Machine
	h *history.History

	events [engine.MaxActors][]event
	total  int

	nodes  []node
	seen   map[key]struct{}
	states int
	found  bool
	final  engine.World

	best    int // most events matched by any execution
	bestPos positions
	refused []refusal // what the engine would have shown instead, at the longest prefixes
}

type key struct {
	world uint64
	pos   positions
}

// node is one state on the path of the walk with the steps still to be tried from it.
type node struct {
	world   engine.World
	pos     positions
	ended   uint16 // actors whose unfinished last call ended unseen
	matched int
	choices []engine.Choice
	next    int
}

// refusal is an observable step that the engine could take where the history shows something else.
type refusal struct {
	actor engine.ActorID
	want  event
	got   engine.Event
}

// loadError is a history that no kernel can have produced, whatever the rules.
type loadError struct {
	title, text string
	actor       engine.ActorID
	instr       int32
}

func (s *search) load(h *history.History) *loadError {
	s.h = h
	s.total, s.best, s.found, s.states = 0, -1, false, 0
	s.refused = s.refused[:0]
	if s.seen == nil {
		s.seen = make(map[key]struct{}, 256)
	} else {
		clear(s.seen)
	}
	for a := range s.events {
		s.events[a] = s.events[a][:0]
	}
	for a := range h.Actors {
		evs := s.events[a]
		entries := h.Actors[a].Entries
		for i := range entries {
			e := &entries[i]
			if e.Kind == history.Handler {
				evs = append(evs, event{kind: engine.EvHandler, ticket: e.Begin, entry: int32(i)})
				continue
			}
			evs = append(evs, event{kind: engine.EvBegin, instr: e.Instr, ticket: e.Begin, entry: int32(i)})
			if e.Done {
				if e.End <= e.Begin {
					return &loadError{title: "tickets run backwards", actor: engine.ActorID(a), instr: e.Instr,
						text: fmt.Sprintf("actor %d entry %d: ticket %d before the call, %d after it", a, i, e.Begin, e.End)}
				}
				evs = append(evs, event{kind: engine.EvEnd, instr: e.Instr, ticket: e.End, entry: int32(i)})
			}
		}
		sort.SliceStable(evs, func(i, j int) bool { return evs[i].ticket < evs[j].ticket })
		s.events[a] = evs
		s.total += len(evs)
	}
	for a := range h.Actors {
		var done [engine.MaxActors]int32
		for i := range s.events[a] {
			ev := &s.events[a][i]
			if ev.kind != engine.EvBegin {
				continue
			}
			for b := range h.Actors {
				if b == a {
					continue
				}
				other := s.events[b]
				n := done[b]
				for j := n; int(j) < len(other) && other[j].ticket < ev.ticket; j++ {
					// A begin that lies before this one's ticket says nothing by itself: its call happened after its
					// ticket, perhaps after this one. Ends and handlers happened before their tickets.
					if other[j].kind != engine.EvBegin {
						n = j + 1
					}
				}
				done[b] = n
			}
			ev.need = done
		}
	}
	return nil
}

// push makes room for one more node and returns it; its choices slice is reused.
func (s *search) push() *node {
	if len(s.nodes) < cap(s.nodes) {
		s.nodes = s.nodes[:len(s.nodes)+1]
	} else {
		s.nodes = append(s.nodes, node{})
	}
	n := &s.nodes[len(s.nodes)-1]
	n.next = 0
	n.choices = n.choices[:0]
	return n
}

func (s *search) run(budget int) {
	s.nodes = s.nodes[:0]
	root := s.push()
	s.m.Init(&root.world)
	root.pos, root.ended, root.matched = positions{}, 0, 0
	if s.arrive(root) {
		return
	}
	var work engine.World
	for len(s.nodes) > 0 {
		n := &s.nodes[len(s.nodes)-1]
		if n.next >= len(n.choices) {
			s.nodes = s.nodes[:len(s.nodes)-1]
			continue
		}
		c := n.choices[n.next]
		n.next++
		work.CopyFrom(&n.world)
		ev := work.Step(c)
		pos, ended, matched := n.pos, n.ended, n.matched
		if ev.Kind != engine.EvNone && !s.match(&pos, &ended, &matched, ev) {
			continue
		}
		if s.states >= budget {
			return
		}
		child := s.push()
		child.world.CopyFrom(&work)
		child.pos, child.ended, child.matched = pos, ended, matched
		if s.arrive(child) {
			return
		}
	}
}

// arrive accounts for a new state at the top of the path; it says whether the search is over.
func (s *search) arrive(n *node) bool {
	k := key{n.world.Hash(), n.pos}
	if n.ended != 0 {
		k.world ^= uint64(n.ended) * 0x9e3779b97f4a7c15
	}
	if _, dup := s.seen[k]; dup {
		s.nodes = s.nodes[:len(s.nodes)-1]
		return false
	}
	s.seen[k] = struct{}{}
	s.states++
	if n.matched > s.best {
		s.best, s.bestPos = n.matched, n.pos
		s.refused = s.refused[:0]
	}
	stuck := s.h.Outcome == history.Stuck
	if n.matched == s.total && !stuck && s.ended(&n.world) {
		s.found = true
		s.final.CopyFrom(&n.world)
		return true
	}
	n.choices = n.world.Choices(n.choices)
	if n.matched == s.total && quiescent(n.choices) && s.ended(&n.world) {
		s.found = true
		s.final.CopyFrom(&n.world)
		return true
	}
	s.order(n)
	return false
}

// mark adds to sum and covered the rules of the execution that was found: the walk itself counts those of everything that it
// tried.
func (s *search) mark(sum *engine.Marks, covered *coverage.Set) {
	s.m.ResetMarks()
	var w engine.World
	s.m.Init(&w)
	t := coverage.Tracer{Set: covered}
	t.Begin(s.m)
	for i := range s.nodes[:len(s.nodes)-1] {
		n := &s.nodes[i]
		c := n.choices[n.next-1]
		w.Step(c)
		t.Step(s.m, c)
	}
	found := s.m.Marks()
	sum.Add(&found)
}

// ended says whether the actors are where the history says that they ended: parked, dead, or, in a run that got stuck,
// neither. Of victims only parking is known.
func (s *search) ended(w *engine.World) bool {
	for i := range s.h.Actors {
		a, id := &s.h.Actors[i], engine.ActorID(i)
		switch {
		case a.Tid == 0:
		case a.Parked:
			if !w.Parked(id) {
				return false
			}
		case s.p.Actors[i].Victim:
		case s.h.Outcome == history.Complete || s.gone(id):
			if !w.Dead(id) {
				return false
			}
		case w.Parked(id) || w.Dead(id):
			return false
		}
	}
	return true
}

// quiescent says that nothing will happen any more, but for timers: they may be longer than the deadline.
func quiescent(choices []engine.Choice) bool {
	for _, c := range choices {
		if c.Kind != engine.ChoiceTimer {
			return false
		}
	}
	return true
}

// order sorts the steps to try: tasks whose actor's next event came first in real time go first, because that is how it
// mostly happened.
func (s *search) order(n *node) {
	cs := n.choices
	if len(cs) < 2 {
		return
	}
	rank := func(c engine.Choice) uint64 {
		a := n.world.ActorOfTask(c.Task)
		if a < 0 || int(n.pos[a]) >= len(s.events[a]) {
			return 1 << 62
		}
		return s.events[a][n.pos[a]].ticket<<2 | uint64(c.Kind)&3
	}
	for i := 1; i < len(cs); i++ {
		for j := i; j > 0 && rank(cs[j]) < rank(cs[j-1]); j-- {
			cs[j], cs[j-1] = cs[j-1], cs[j]
		}
	}
}

// match says whether ev is what the history shows next of its actor, and advances the position if so.
func (s *search) match(pos *positions, ended *uint16, matched *int, ev engine.Event) bool {
	a := ev.Actor
	evs := s.events[a]
	i := int(pos[a])
	if i >= len(evs) {
		return s.beyond(ended, ev)
	}
	want := &evs[i]
	ok := want.kind == ev.Kind
	if ok {
		switch ev.Kind {
		case engine.EvBegin:
			ok = want.instr == ev.Instr
			for b := range s.h.Actors {
				if pos[b] < want.need[b] {
					return false // too early in real time; not something that the engine refuses
				}
			}
		case engine.EvEnd:
			ok = want.instr == ev.Instr && s.same(a, want, ev.Res)
		case engine.EvHandler:
			out := &s.h.Actors[a].Entries[want.entry].Res.Out
			ok = out[0] == int64(ev.Signo) && out[1] == int64(ev.Code) && s.sameTid(out[2], ev.Pid)
		}
	}
	if !ok {
		if *matched == s.best && len(s.refused) < 64 {
			s.refused = append(s.refused, refusal{a, *want, ev})
		}
		return false
	}
	pos[a]++
	*matched++
	return true
}

// beyond decides about events after an actor's last recorded one. The call in flight at the cut may have ended, and a
// handler may have been entered, without either having been logged; a call cannot have begun.
func (s *search) beyond(ended *uint16, ev engine.Event) bool {
	if ev.Kind == engine.EvBegin || s.h.Outcome == history.Stuck && !s.gone(ev.Actor) {
		return false
	}
	bit := uint16(1) << uint(ev.Actor)
	if ev.Kind == engine.EvEnd {
		es := s.h.Actors[ev.Actor].Entries
		if *ended&bit != 0 || len(es) == 0 {
			return false
		}
	}
	*ended |= bit
	return true
}

// gone says that a stuck run's watcher no longer found the actor alive.
func (s *search) gone(a engine.ActorID) bool {
	if f := s.h.Actors[a].Final; f != nil {
		return f.Dead()
	}
	if s.h.Hang == nil {
		return false
	}
	for i := range s.h.Hang.Threads {
		t := &s.h.Hang.Threads[i]
		if t.Actor == a {
			return history.DeadState(t.State)
		}
	}
	return true
}

// same compares a recorded result with the engine's; values that the engine calls tids go through the run's bijection.
func (s *search) same(a engine.ActorID, want *event, got engine.Result) bool {
	rec := &s.h.Actors[a].Entries[want.entry].Res
	in := &s.p.Actors[a].Code[want.instr]
	if rec.Ret >= 0 && got.Ret >= 0 && signOnly(in) {
		return true
	}
	if !s.sameValue(rec.Ret, got.Ret, got.TidMask&1 != 0) {
		return false
	}
	for i := range rec.Out {
		if !s.sameValue(rec.Out[i], got.Out[i], got.TidMask&(2<<i) != 0) {
			return false
		}
	}
	return true
}

func (s *search) sameValue(real, sym int64, tid bool) bool {
	if !tid || sym <= 0 {
		return real == sym
	}
	return s.sameTid(real, engine.Tid(sym))
}

func (s *search) sameTid(real int64, sym engine.Tid) bool {
	a := engine.ActorOf(sym)
	if a == engine.NoActor {
		return real == int64(sym) // init is 1 in both worlds, 0 is nobody
	}
	return int(a) < len(s.h.Actors) && real == int64(s.h.Actors[a].Tid) && real != 0
}

// signOnly says that a call's result means only success or failure: descriptor numbers are the process's own business, and
// how long a filter is, its compiler's.
func signOnly(in *engine.Instr) bool {
	return in.Call == engine.CallPidfdOpen || in.Call == engine.CallPtrace && in.Args[0] == engine.Imm(int64(ptrace.SeccompGetFilter))
}
