package engine

// Marks returns how often each R rule was exercised on this machine, by number.
func (m *Machine) Marks() [NumRules]uint64 { return m.marks }

// ResetMarks starts counting anew.
func (m *Machine) ResetMarks() { m.marks = [NumRules]uint64{} }

// Mark counts a rule that a client implements.
func (w *World) Mark(r Rule) { w.m.marks[r]++ }
