package corpus

import "testing"

// Whatever a minimiser removes, what is left is valid, or becomes so by Repair, and every removal takes something away.
func TestRemovals(t *testing.T) {
	for _, s := range Seeds() {
		before := string(s.Print())
		for i := range s.Ops() {
			c := s.Clone()
			c.RemoveOp(i)
			c.Repair()
			if err := c.Validate(); err != nil || c.NumOps() >= s.NumOps() {
				t.Errorf("%s without operation %d: %d operations, %v", s.Name, i, c.NumOps(), err)
			}
		}
		for i := range s.Actors {
			c := s.Clone()
			if removed := c.RemoveActor(i); removed == (i == 0) {
				t.Errorf("%s: actor %d removed %v", s.Name, i, removed)
			}
			c.Repair()
			if err := c.Validate(); err != nil || len(c.Actors) > len(s.Actors) {
				t.Errorf("%s without actor %d: %v", s.Name, i, err)
			}
		}
		if string(s.Print()) != before {
			t.Errorf("%s: editing a clone changed the original", s.Name)
		}
	}
}

// Repair leaves valid scenarios alone.
func TestRepairIdentity(t *testing.T) {
	for _, s := range Seeds() {
		c := s.Clone()
		c.Repair()
		if !Equal(c, s) {
			t.Errorf("Repair changed %s", s.Name)
		}
	}
}

// Names and comments make no difference to the canonical form.
func TestCanonical(t *testing.T) {
	for _, s := range Seeds() {
		a, b := s.Clone(), s.Clone()
		names := map[string]string{}
		for i, d := range b.Actors {
			names[d.Name] = string([]byte{'z', byte('a' + i)})
		}
		b.Rename(names, nil, nil)
		a.Canonical()
		b.Canonical()
		if !Equal(a, b) {
			t.Errorf("%s: canonical form depends on names", s.Name)
		}
		if err := a.Validate(); err != nil {
			t.Error(err)
		}
	}
}
