package oracle

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"unsafe"

	"tracehammer/engine"
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

	at       state           // the state that the walk is at
	path     []made          // steps that led there
	nodes    []node          // states on the path from which there are other steps to be tried
	saved    []uint64        // their worlds
	choices  []engine.Choice // their steps, and behind these the next ones of the state that the walk is at
	seen     table
	open     []uint64 // keys of the states on the path, in seen too
	rng      rand.PCG
	states   int
	plain    bool // visit also what cannot lead to an execution that produces the whole history
	attempt  int  // walks begun anew: their turns are drawn
	prio     [engine.MaxTasks]uint8
	straight bool // no step was taken back so far
	found    bool

	best    int // most events matched by any execution
	bestPos positions
	refused []refusal // what the engine would have shown instead, at the longest prefixes
	further []refusal // what it would show after all that the history of a stuck run has; they want nothing
}

// state is a state of the walk.
type state struct {
	world engine.World
	progress
}

// progress is how much of the history an execution has produced.
type progress struct {
	pos     positions
	matched int
	ended   uint16 // actors whose unfinished last call ended unseen
}

// made is a step of the walk and the rules that it exercised.
type made struct {
	marked engine.RuleSet
	choice engine.Choice
}

// node is a state on the path of the walk with the steps still to be tried from it.
type node struct {
	progress
	saved   int  // where its world begins
	choices int  // where its steps begin
	next    int  // the step to be tried next, likewise
	path    int  // steps that led to it
	open    int  // remembered states on the path up to it
	known   bool // it is one of them
}

// maxRefused is how many refusals are kept.
const maxRefused = 64

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
	s.refused, s.further = s.refused[:0], s.further[:0]
	if s.bytes() > keptBytes {
		s.nodes, s.saved, s.choices, s.path, s.open, s.seen = nil, nil, nil, nil, nil, table{}
	}
	s.seen.clear()
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
		for i := 1; i < len(evs); i++ { // nearly sorted: handlers are logged before the call that they interrupt
			for j := i; j > 0 && evs[j].ticket < evs[j-1].ticket; j-- {
				evs[j], evs[j-1] = evs[j-1], evs[j]
			}
		}
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

// run walks until an execution is found, there is none (then complete is true), or the budget is spent.
//
// The walk is depth-first, and a wrong turn near its start may cost everything that lies behind it. So it begins anew after some states, with other
// turns, and each time goes on for longer. What it has seen to the end it does not visit again: every step from there leads to
// what was seen to the end too, or to what the path held when the walk began anew, and that is forgotten.
func (s *search) run(budget int) (complete bool) {
	s.rng.Seed(1, 2)
	s.straight, s.attempt, s.plain = true, 0, false
	for more := firstWalk; ; more += more / 2 {
		all := s.walk(min(budget, s.states+more))
		if all || s.found || s.states >= budget || s.bytes() > MaxBytes {
			return all
		}
		for _, k := range s.open {
			s.seen.remove(k)
		}
		s.straight = false
		s.attempt++
		for i := range s.prio {
			s.prio[i] = uint8(s.rng.Uint64())
		}
	}
}

// firstWalk is how many states are visited before the walk begins anew. Most histories need fewer.
const firstWalk = 300

// memoryEvery is how many states pass between looks at the memory taken.
const memoryEvery = 64

// prefixes walks once more, and through all that is left out otherwise, for the longest prefixes of the history that some execution produces.
func (s *search) prefixes(budget int) {
	s.plain = true
	s.seen.clear()
	s.states, s.best, s.refused = 0, -1, s.refused[:0]
	s.walk(budget)
}

// walk walks until an execution is found, or everything was seen (then all is true), or so many states were visited.
func (s *search) walk(until int) (all bool) {
	s.nodes, s.saved, s.choices, s.path, s.open = s.nodes[:0], s.saved[:0], s.choices[:0], s.path[:0], s.open[:0]
	s.m.Init(&s.at.world)
	s.m.TakeMarked()
	s.at.progress = progress{}
	for ok := true; ; ok = s.back() {
		for ok {
			if s.states >= until || s.states%memoryEvery == 0 && s.bytes() > MaxBytes {
				return false
			}
			c, more := s.arrive()
			if s.found {
				return false
			}
			ok = more && s.step(c)
		}
		if len(s.nodes) == 0 {
			return true
		}
	}
}

// step makes a step from the state that the walk is at; it says whether the history shows it.
func (s *search) step(c engine.Choice) bool {
	ev := s.at.world.Step(c)
	s.path = append(s.path, made{s.m.TakeMarked(), c})
	return ev.Kind == engine.EvNone || s.match(&s.at.progress, ev)
}

// back goes back to the last state from which there is another step to be tried, and makes that.
func (s *search) back() bool {
	s.straight = false
	n := &s.nodes[len(s.nodes)-1]
	s.at.world.Restore(s.saved[n.saved:])
	s.at.progress = n.progress
	s.path, s.open = s.path[:n.path], s.open[:n.open]
	if !n.known {
		if !s.remember() {
			s.drop()
			return false
		}
		n.known, n.open = true, len(s.open)
	}
	c := s.choices[n.next]
	if n.next++; n.next == len(s.choices) {
		s.drop()
	}
	return s.step(c)
}

// drop takes the last node away.
func (s *search) drop() {
	n := &s.nodes[len(s.nodes)-1]
	s.saved, s.choices, s.nodes = s.saved[:n.saved], s.choices[:n.choices], s.nodes[:len(s.nodes)-1]
}

// arrive accounts for the state that the walk is at, and returns the step to be tried first from it. If there are others, the
// state is kept. There is none if nothing can happen, if the walk has been there, or if the search is over.
func (s *search) arrive() (first engine.Choice, ok bool) {
	s.states++
	w := &s.at.world
	if s.at.matched > s.best {
		s.best, s.bestPos = s.at.matched, s.at.pos
		s.refused = s.refused[:0]
	}
	if s.at.matched == s.total && s.h.Outcome != history.Stuck && s.ended(w) {
		s.found = true
		return first, false
	}
	if !s.plain && s.lost(w) {
		return first, false
	}
	from := len(s.choices)
	s.choices = w.Choices(s.choices)
	cs := s.choices[from:]
	if s.at.matched == s.total && quiescent(cs) && s.ended(w) {
		s.found = true
		return first, false
	}
	switch {
	case len(cs) == 0:
		return first, false
	case len(cs) == 1 && s.states%forced != 0:
		s.choices = s.choices[:from]
		return cs[0], true
	}
	if !s.plain {
		if c, alone, dead := s.local(cs); alone && s.states%forced != 0 || dead {
			s.choices = s.choices[:from]
			return c, !dead
		}
	}
	if !s.straight && !s.remember() {
		s.choices = s.choices[:from]
		return first, false
	}
	s.order(cs)
	if s.attempt > 0 {
		i := s.turn(cs)
		cs[0], cs[i] = cs[i], cs[0]
	}
	first = cs[0]
	if len(cs) == 1 {
		s.choices = s.choices[:from]
		return first, true
	}
	s.nodes = append(s.nodes, node{progress: s.at.progress, saved: len(s.saved), choices: from, next: from + 1, path: len(s.path), open: len(s.open), known: !s.straight})
	s.saved = w.Snapshot(s.saved)
	return first, true
}

// turn draws the step to be tried first: every second walk any, in the others, one of the task that is first in an order drawn for the walk,
// so that somebody is late for everything.
func (s *search) turn(cs []engine.Choice) (first int) {
	r := s.rng.Uint64()
	first = int(r >> 32 % uint64(len(cs)))
	if s.attempt%2 == 1 || r%16 == 0 {
		return first
	}
	for i, c := range cs {
		if s.prio[c.Task] > s.prio[cs[first].Task] {
			first = i
		}
	}
	return first
}

// remember notes the state that the walk is at; false if it was there before. Before the first step is taken back there is nothing to go back to.
func (s *search) remember() bool {
	k := s.key()
	if !s.seen.add(k) {
		return false
	}
	s.open = append(s.open, k)
	return true
}

// local looks for a step that nobody can tell from its place among the others' (engine.World.Local) and that the history shows:
// it is taken alone. If there is one that it does not show, that is the only step that its actor will ever make (dead), unless it only
// comes too early, or need not come.
func (s *search) local(cs []engine.Choice) (c engine.Choice, alone, dead bool) {
	for _, c := range cs {
		if !s.at.world.Local(c) {
			continue
		}
		ev := s.at.world.Shows(c)
		if ev.Kind == engine.EvNone {
			return c, true, false
		}
		g := s.at.progress
		if s.match(&g, ev) {
			return c, true, false
		}
		if i := int(s.at.pos[ev.Actor]); i < len(s.events[ev.Actor]) {
			dead = ev.Kind != s.events[ev.Actor][i].kind || ev.Kind == engine.EvEnd || ev.Instr != s.events[ev.Actor][i].instr
		} else {
			dead = s.h.Outcome == history.Stuck && !s.gone(ev.Actor) && !s.p.Actors[ev.Actor].Victim
		}
		if dead {
			return c, false, true
		}
	}
	return c, false, false
}

// lost says that some actor has still to show something, or to come to its end, and will not, or is dead where the run left it alive.
func (s *search) lost(w *engine.World) bool {
	for i := range s.h.Actors {
		a, id := &s.h.Actors[i], engine.ActorID(i)
		switch {
		case !w.Silent(id):
		case int(s.at.pos[i]) < len(s.events[i]), a.Parked && !w.Parked(id):
			return true
		case s.h.Outcome == history.Stuck && w.Dead(id) && !s.p.Actors[i].Victim && a.Tid != 0 && !s.gone(id):
			return true
		}
	}
	return false
}

// forced is how many states with only one way on may follow each other before one of them is remembered: they may go round.
const forced = 64

// key identifies the state that the walk is at.
func (s *search) key() uint64 {
	k := s.at.world.Hash() ^ uint64(s.at.ended)*0x9e3779b97f4a7c15
	for a := range s.h.Actors {
		k = bits.RotateLeft64(k, 5) * 0x9fb21c651e98df25
		k ^= uint64(s.at.pos[a]+1) * 0xd6e8feb86659fd93
	}
	return k ^ k>>29
}

// keptBytes is what a search may leave to the next one: few need more.
const keptBytes = 1 << 20

// bytes is the memory that the search has taken.
func (s *search) bytes() int {
	return s.seen.bytes() + cap(s.saved)*8 + cap(s.nodes)*int(unsafe.Sizeof(node{})) + cap(s.choices)*int(unsafe.Sizeof(engine.Choice{})) +
		cap(s.path)*int(unsafe.Sizeof(made{})) + cap(s.open)*8
}

// mark adds to sum and covered the rules of the execution that was found: the walk itself tries much more.
func (s *search) mark(sum *engine.Marks, covered *coverage.Set) {
	t := coverage.Tracer{Set: covered}
	t.Begin(s.m)
	for i := range s.path {
		st := &s.path[i]
		t.Add(st.marked, st.choice.Task)
		for r := range st.marked.All() {
			sum[r]++
		}
	}
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
func (s *search) order(cs []engine.Choice) {
	rank := func(c engine.Choice) uint64 {
		a := s.at.world.ActorOfTask(c.Task)
		if a < 0 || int(s.at.pos[a]) >= len(s.events[a]) {
			return 1 << 62
		}
		return s.events[a][s.at.pos[a]].ticket<<2 | uint64(c.Kind)&3
	}
	var ranks [64]uint64
	for i, c := range cs[:min(len(cs), len(ranks))] {
		r, j := rank(c), i
		for ; j > 0 && r < ranks[j-1]; j-- {
			cs[j], ranks[j] = cs[j-1], ranks[j-1]
		}
		cs[j], ranks[j] = c, r
	}
}
