// Package coverage says what runs went through, in terms of ptrace and not of code: which rules, which rule of one actor's
// right after which of another's, what calls returned, and after which other returns. It is what tells a run that shows
// something new from one more of the same kind, on the engine and, by the execution that explains a run, on a kernel.
//
// It runs nothing and judges nothing. Nothing here is shared between goroutines, so there are no locks.
package coverage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Kind is a kind of features.
type Kind uint8

const (
	// Rule: an R rule was exercised. A is its number.
	Rule Kind = iota
	// Pair: rule A was exercised by a step of one task, and rule B by one of another task, with no other rule in between.
	Pair
	// Result: A is what some call returned, or which handler ran, without saying to whom.
	Result
	// Sequence: result A, and directly after it, whoever's it is, result B.
	Sequence
	// Block: block A of the kernel's code was gone through.
	Block
	// Outcome: a scenario of shape A ended with all results as in B.
	Outcome
	NumKinds
)

var kindNames = [NumKinds]string{"rule", "pair", "result", "sequence", "block", "outcome"}

func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// Feature is one thing that a run showed. Features of different programs are comparable.
type Feature struct {
	Kind Kind
	A, B uint64
}

// String says what a feature is, for people.
func (f Feature) String() string {
	switch f.Kind {
	case Rule:
		return fmt.Sprintf("R%d", f.A)
	case Pair:
		return fmt.Sprintf("R%d then R%d of another actor", f.A, f.B)
	case Result:
		return resultClass(f.A).String()
	case Sequence:
		if f.A == 0 {
			return fmt.Sprintf("begins with %v", resultClass(f.B))
		}
		return fmt.Sprintf("%v, then %v", resultClass(f.A), resultClass(f.B))
	case Block:
		return fmt.Sprintf("code of the kernel at %#x", f.A)
	case Outcome:
		return fmt.Sprintf("outcome %08x of shape %08x", uint32(f.B), uint32(f.A))
	}
	return f.Kind.String()
}

// Compare orders features: rules first, and within a kind by what they are.
func (f Feature) Compare(g Feature) int {
	return cmp.Or(cmp.Compare(f.Kind, g.Kind), cmp.Compare(f.A, g.A), cmp.Compare(f.B, g.B))
}

// Set is a set of features. The zero Set is empty and ready.
type Set struct {
	rules engine.RuleSet
	after [engine.NumRules]engine.RuleSet // pairs, by their first rule
	rest  map[Feature]struct{}
}

// Add puts a feature into the set and says whether it is new there.
func (s *Set) Add(f Feature) (added bool) {
	if s.Has(f) {
		return false
	}
	switch f.Kind {
	case Rule:
		s.rules.Add(engine.Rule(f.A))
	case Pair:
		s.after[f.A].Add(engine.Rule(f.B))
	default:
		if s.rest == nil {
			s.rest = map[Feature]struct{}{}
		}
		s.rest[f] = struct{}{}
	}
	return true
}

// Has says whether a feature is in the set.
func (s *Set) Has(f Feature) bool {
	switch f.Kind {
	case Rule:
		return s.rules.Has(engine.Rule(f.A))
	case Pair:
		return s.after[f.A].Has(engine.Rule(f.B))
	}
	_, ok := s.rest[f]
	return ok
}

// Merge adds all features of t, and returns those that are new, in the order of Compare.
func (s *Set) Merge(t *Set) (added []Feature) {
	t.Each(func(f Feature) {
		if s.Add(f) {
			added = append(added, f)
		}
	})
	slices.SortFunc(added, Feature.Compare)
	return added
}

// Each calls f for each feature, rules and pairs in order, the others in no order.
func (s *Set) Each(f func(Feature)) {
	for r := range s.rules.All() {
		f(Feature{Rule, uint64(r), 0})
	}
	for a := range s.after {
		for b := range s.after[a].All() {
			f(Feature{Pair, uint64(a), uint64(b)})
		}
	}
	for x := range maps.Keys(s.rest) {
		f(x)
	}
}

// All lists the features in the order of Compare.
func (s *Set) All() []Feature {
	var all []Feature
	s.Each(func(f Feature) { all = append(all, f) })
	slices.SortFunc(all, Feature.Compare)
	return all
}

// Rules are the rules in the set.
func (s *Set) Rules() engine.RuleSet { return s.rules }

// Counts is how many features of each kind the set has.
func (s *Set) Counts() (n [NumKinds]int) {
	n[Rule] = s.rules.Len()
	for a := range s.after {
		n[Pair] += s.after[a].Len()
	}
	for f := range s.rest {
		n[f.Kind]++
	}
	return n
}

// Forget takes all features of a kind other than Rule and Pair away.
func (s *Set) Forget(k Kind) {
	maps.DeleteFunc(s.rest, func(f Feature, _ struct{}) bool { return f.Kind == k })
}

// Clear empties the set.
func (s *Set) Clear() {
	s.rules, s.after = engine.RuleSet{}, [engine.NumRules]engine.RuleSet{}
	clear(s.rest)
}

// Tracer collects the rules and pairs of an execution of the engine into Set. Only steps count that exercise a rule.
type Tracer struct {
	Set  *Set
	last engine.RuleSet
	task engine.TaskID
}

// Begin prepares for a run on m.
func (t *Tracer) Begin(m *engine.Machine) {
	t.task = engine.NoTask
	m.TakeMarked()
}

// Step takes account of a step that m just made.
func (t *Tracer) Step(m *engine.Machine, c engine.Choice) { t.Add(m.TakeMarked(), c.Task) }

// Add takes account of a step of a task that exercised some rules.
func (t *Tracer) Add(now engine.RuleSet, task engine.TaskID) {
	if now == (engine.RuleSet{}) {
		return
	}
	s := t.Set
	for i := range now {
		s.rules[i] |= now[i]
	}
	if t.task != engine.NoTask && t.task != task {
		for a := range t.last.All() {
			for i := range now {
				s.after[a][i] |= now[i]
			}
		}
	}
	t.last, t.task = now, task
}

// Observe adds what a run's history shows: results, sequences, and the outcome of the program's shape.
func (s *Set) Observe(p *engine.Program, h *history.History) {
	s.Add(Feature{Outcome, ShapeOf(p), OutcomeOf(h)})
	last := uint64(0)
	each(h, func(a int, e *history.Entry) {
		if e.Kind == history.Call && p.Actors[a].Code[e.Instr].Src < 0 {
			return // how actors came to be is no operation
		}
		this := uint64(classOf(p, a, e))
		s.Add(Feature{Result, this, 0})
		s.Add(Feature{Sequence, last, this})
		last = this
	})
}

// AddBlocks adds the kernel's code that is new with a run, whatever its outcome.
func (s *Set) AddBlocks(h *history.History) {
	for _, b := range h.Blocks {
		s.Add(Feature{Block, b, 0})
	}
}

// each calls f for the finished entries of all actors in the order of their tickets.
func each(h *history.History, f func(actor int, e *history.Entry)) {
	next := make([]int, len(h.Actors))
	for {
		best := -1
		for a := range h.Actors {
			es := h.Actors[a].Entries
			for next[a] < len(es) && !es[next[a]].Done {
				next[a]++
			}
			if next[a] < len(es) && (best < 0 || es[next[a]].End < h.Actors[best].Entries[next[best]].End) {
				best = a
			}
		}
		if best < 0 {
			return
		}
		f(best, &h.Actors[best].Entries[next[best]])
		next[best]++
	}
}
