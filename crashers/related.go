package crashers

import (
	"slices"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/steer"
)

// What a run that shows a finding says about which operations can have to do with it.

// showsAt is the number of steps of an exact run after which the finding is there.
func showsAt(t *Trial, run *steer.Run) int {
	at := len(run.Steps)
	switch {
	case t.Finding.Kind == Hang:
	case t.Finding.Actor == engine.NoActor && (t.Finding.Kind == Invariant || t.Finding.Kind == Crash):
		decided := 0
		for i := range run.Steps {
			if run.Steps[i].Decided {
				decided++
			}
			if decided == len(t.Stream) {
				return i + 1
			}
		}
	case t.Finding.Instr >= 0:
		for i := range run.Steps {
			if ev := &run.Steps[i].Event; ev.Kind == engine.EvEnd && ev.Actor == t.Finding.Actor && ev.Instr == t.Finding.Instr {
				at = i + 1 // in a loop the last
			}
		}
	}
	return at
}

// begun says which operations, by their number, had begun when the finding showed; nil if that is not known.
func (s *shown) begun() []bool {
	ops := make([]bool, s.s.NumOps())
	p, err := corpus.Lower(s.s)
	if err != nil {
		return nil
	}
	mark := func(a engine.ActorID, instr int32) {
		if in := instrAt(p, Site{a, instr}); in != nil && in.Src >= 0 && int(in.Src) < len(ops) {
			ops[in.Src] = true
		}
	}
	switch {
	case s.run != nil:
		for _, st := range s.run.Steps[:showsAt(&s.Trial, s.run)] {
			if st.Event.Kind == engine.EvBegin {
				mark(st.Event.Actor, st.Event.Instr)
			}
		}
	case s.History != nil:
		until := s.shownTicket()
		for a := range s.History.Actors {
			for _, e := range s.History.Actors[a].Entries {
				if e.Kind == history.Call && e.Begin <= until {
					mark(engine.ActorID(a), e.Instr)
				}
			}
		}
	default:
		return nil
	}
	return ops
}

// shownTicket is the last ticket of the history that has to do with the finding.
func (s *shown) shownTicket() uint64 {
	f := &s.Finding
	if f.Kind == Hang || f.Actor < 0 || int(f.Actor) >= len(s.History.Actors) {
		return ^uint64(0)
	}
	until := ^uint64(0)
	for i, e := range s.History.Actors[f.Actor].Entries {
		if e.Kind == history.Call && e.Done && e.Instr == f.Instr || f.Instr < 0 && i == int(f.Entry) {
			until = e.End
		}
	}
	return until
}

// culprits are the actors that the finding is about: who made the call at which it shows, whose calls never returned, who made
// the last step.
func (s *shown) culprits() (actors []string) {
	name := func(a engine.ActorID) {
		if a >= 0 && int(a) < len(s.s.Actors) && !slices.Contains(actors, s.s.Actors[a].Name) {
			actors = append(actors, s.s.Actors[a].Name)
		}
	}
	name(s.Finding.Actor)
	switch {
	case s.Finding.Kind == Hang && s.History != nil:
		if p, err := corpus.Lower(s.s); err == nil {
			for _, site := range inFlight(p, s.History) {
				name(site.Actor)
			}
		}
	case len(actors) == 0 && s.run != nil:
		if at := showsAt(&s.Trial, s.run); at > 0 {
			name(s.run.Actor(at - 1))
		}
	}
	return actors
}

// related lists the operations that a few actors make or that name them, and adds to these who makes them. The variables that
// these use are set.
func related(s *corpus.Scenario, actors []string) (ops []int, wider []string) {
	wider = slices.Clone(actors)
	var vars []string
	all := s.Ops()
	for i := len(all) - 1; i >= 0; i-- {
		o := all[i]
		if !slices.Contains(actors, o.Actor) && !slices.Contains(vars, o.Dst) && !slices.ContainsFunc(o.Args, func(a corpus.Arg) bool {
			return (a.Kind == corpus.ArgActor || a.Kind == corpus.ArgNegActor) && slices.Contains(actors, a.Name)
		}) {
			continue
		}
		ops = append(ops, i)
		for _, a := range o.Args {
			if a.Kind == corpus.ArgVar || a.Kind == corpus.ArgNegVar {
				vars = append(vars, a.Name)
			}
		}
		if !slices.Contains(wider, o.Actor) {
			wider = append(wider, o.Actor)
		}
	}
	return ops, wider
}

// only tries the best without all operations but some.
func (j *minimising) only(keep func(op int) bool) bool {
	return j.try(func(d *draft) bool {
		changed := false
		for i := len(d.origin) - 1; i >= 0; i-- {
			if !keep(i) {
				d.removeOrigin(i)
				changed = true
			}
		}
		return changed
	})
}

// tail removes what was not begun when the finding showed.
func (j *minimising) tail() bool {
	begun := j.trail[len(j.trail)-1].begun()
	return begun != nil && j.only(func(op int) bool { return begun[op] })
}

// unrelated removes what has nothing to do with the actors that the finding is about, or with those who deal with them, and so
// on.
func (j *minimising) unrelated() bool {
	actors := j.trail[len(j.trail)-1].culprits()
	for len(actors) > 0 && !j.over() {
		ops, wider := related(j.best.s, actors)
		if len(ops) == j.best.s.NumOps() {
			return false
		}
		if j.only(func(op int) bool { return slices.Contains(ops, op) }) {
			return true
		}
		if len(wider) == len(actors) {
			return false
		}
		actors = wider
	}
	return false
}
