package engine

import (
	"iter"
	"math/bits"
)

// Marks counts how often each R rule was exercised, by number.
type Marks [NumRules]uint64

// Add adds what other counts.
func (m *Marks) Add(other *Marks) {
	for r := range m {
		m[r] += other[r]
	}
}

// Marks returns how often each R rule was exercised on this machine.
func (m *Machine) Marks() Marks { return m.marks }

// ResetMarks starts counting anew.
func (m *Machine) ResetMarks() { m.marks = Marks{} }

// RuleSet is a set of R rules.
type RuleSet [(NumRules + 63) / 64]uint64

// Add puts a rule into the set.
func (s *RuleSet) Add(r Rule) { s[r/64] |= 1 << (r % 64) }

// Has says whether a rule is in the set.
func (s *RuleSet) Has(r Rule) bool { return s[r/64]&(1<<(r%64)) != 0 }

// Len is the number of rules in the set.
func (s *RuleSet) Len() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// All yields the rules of the set, ascending.
func (s *RuleSet) All() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(Rule(64*i + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// TakeMarked returns the rules that were exercised since it was called last: by the last step, if it is called after each.
func (m *Machine) TakeMarked() RuleSet {
	s := m.marked
	m.marked = RuleSet{}
	return s
}

// Mark counts a rule that a client implements.
func (w *World) Mark(r Rule) { w.mark(r) }

func (w *World) mark(r Rule) {
	w.m.marks[r]++
	w.m.marked.Add(r)
}
