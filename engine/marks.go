package engine

import "embed"

// Sources are the files of this package: what rules they cite says where a rule is implemented (stress/rules).
//
//go:embed *.go
var Sources embed.FS

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

// Mark counts a rule that a client implements.
func (w *World) Mark(r Rule) { w.m.marks[r]++ }
