package history

import "slices"

// Clone returns a copy that shares nothing with h. Targets reuse the History they hand to yield; whoever keeps one keeps
// a clone.
func (h *History) Clone() *History {
	c := *h
	c.Actors = slices.Clone(h.Actors)
	for i := range c.Actors {
		a := &c.Actors[i]
		a.Entries = slices.Clone(a.Entries)
		if a.Final != nil {
			f := *a.Final
			a.Final = &f
		}
	}
	c.Delays = slices.Clone(h.Delays)
	c.Console = slices.Clone(h.Console)
	c.Schedule = slices.Clone(h.Schedule)
	c.Blocks = nil
	if h.Hang != nil {
		s := &Snapshot{Threads: slices.Clone(h.Hang.Threads)}
		for i := range s.Threads {
			s.Threads[i].Stack = slices.Clone(s.Threads[i].Stack)
		}
		c.Hang = s
	}
	return &c
}
