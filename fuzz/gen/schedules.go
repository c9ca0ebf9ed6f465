package gen

import (
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// Near returns a variation of s, a schedule of p on a kernel of the given profile that showed something. It departs from s where two
// tasks were about to do what concerns both (a ptrace request beside an exec, a signal beside a wait) and lets the other one
// go first; elsewhere the order of steps is hardly anybody's business. What comes behind is as it was, or drawn.
func (g *Gen) Near(p *engine.Program, profile engine.Profile, s schedule.Stream) schedule.Stream {
	points := g.contended(p, profile, s)
	if len(points) == 0 {
		return s.Mutate(nil, g.rng)
	}
	out := append(schedule.Stream(nil), s...)
	last := 0
	for range 1 + g.rng.IntN(3) {
		d := one(g, points)
		out[d.at] = one(g, d.others)
		last = max(last, d.at)
	}
	if g.rng.IntN(2) == 0 {
		for i := last + 1; i < len(out); i++ {
			out[i] = byte(g.rng.Uint32())
		}
	}
	return out
}

// contention is a decision of a stream at which another task could have come first that has to do with the one that did.
type contention struct {
	at     int
	others []byte // choices of such tasks
}

// contended finds the contentions of a schedule.
func (g *Gen) contended(p *engine.Program, profile engine.Profile, s schedule.Stream) (found []contention) {
	w := &g.world
	ptrace.NewMachine(p, engine.Options{Profile: profile}).Init(w)
	for at := 0; at < len(s) && !w.Done(); {
		cs := w.Choices(g.choices[:0])
		g.choices = cs
		if len(cs) == 0 {
			break
		}
		i := 0
		if len(cs) > 1 {
			i = int(s[at]) % len(cs)
			if others := rivals(w, cs, i); len(others) > 0 {
				found = append(found, contention{at, others})
			}
			at++
		}
		w.Step(cs[i])
	}
	return found
}

// rivals are the choices of other tasks that are about something, and concern a task that choice i concerns as well.
func rivals(w *engine.World, cs []engine.Choice, i int) (others []byte) {
	if w.SubjectOf(cs[i]) == engine.SubjectUser {
		return nil
	}
	set := w.Concerns(cs[i])
	for j, c := range cs {
		if c.Task != cs[i].Task && w.SubjectOf(c) != engine.SubjectUser && w.Concerns(c)&set != 0 {
			others = append(others, byte(j))
		}
	}
	return others
}
