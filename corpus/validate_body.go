package corpus

import (
	"fmt"
	"slices"

	"tracehammer/engine"
)

// body checks how statements contain each other.
func (v *validator) body() {
	c := containment{v: v, times: 1}
	c.visit(v.s.Body, nil, nil, 0)
	seen := map[string]bool{}
	for _, st := range v.s.Body {
		if b, ok := st.(*Barrier); ok {
			v.check(!seen[b.Name] || v.fault(&b.Trivia, func() { b.Name = v.freeBarrier() }, "two barriers of the name %q", b.Name))
			seen[b.Name] = true
		}
	}
}

// containment is what body knows of the statements so far.
type containment struct {
	v        *validator
	barriers int             // and races
	times    int             // that the loops around make what is in them
	pidfds   int             // that are opened
	dead     map[string]bool // actors whose program has ended
}

func (c *containment) visit(body []Stmt, race *Race, loop *Repeat, depth int) {
	for _, st := range body {
		if c.stmt(st, race, loop, depth); c.v.wrong != nil {
			return
		}
	}
}

func (c *containment) stmt(st Stmt, race *Race, loop *Repeat, depth int) {
	v := c.v
	t := st.trivia()
	if len(c.dead) > 0 {
		for _, a := range Participants([]Stmt{st}) {
			v.check(!c.dead[a] || v.fault(t, v.dropped(a, st), "actor %q has ended before this line", a))
		}
	}
	if v.wrong != nil {
		return
	}
	switch st := st.(type) {
	case *Op:
		v.check(loop == nil || st.Actor == loop.Actor || v.fault(t, v.remove(st), "an operation of %q in a loop of another actor", st.Actor))
		if st.Verb.Call == engine.CallPidfdOpen {
			c.pidfds += c.times
			v.check(c.pidfds <= engine.MaxPidfds || v.fault(t, v.remove(st), "%s is called more than %d times", st.Verb.Name, engine.MaxPidfds))
		}
		ends := st.Verb.Call == engine.CallExit || st.Verb.Call == engine.CallExitGroup
		v.check(loop == nil || !ends && !st.Verb.Creates() || v.fault(t, v.remove(st), "%s in a loop", st.Verb.Name))
		if ends {
			if c.dead == nil {
				c.dead = map[string]bool{}
			}
			c.dead[st.Actor] = true
		}
	case *Barrier:
		c.barriers++
		n := c.barriers
		v.check(race == nil && loop == nil || v.fault(t, v.remove(st), "a barrier in a race or loop"))
		v.check(validName(st.Name) || v.fault(t, func() { st.Name = fmt.Sprintf("b-%d", n) }, "a barrier's name %q: expected a lower-case letter, then letters, digits, - and _", st.Name))
		v.check(len(st.Actors) >= 2 || v.fault(t, v.remove(st), "barrier %q: expected two or more actors", st.Name))
		for i, a := range st.Actors {
			v.check(v.s.Actor(a) >= 0 && slices.Index(st.Actors, a) == i || v.fault(t, leaveOut(st, i), "barrier %q: expected different actors", st.Name))
		}
	case *Race:
		c.barriers++
		v.check(race == nil && loop == nil || v.fault(t, v.remove(st), "a race in a race or loop"))
		v.check(st.Lo >= 0 && st.Lo <= st.Hi && st.Hi <= MaxDelay || v.fault(t, func() {
			st.Hi = max(0, min(st.Hi, MaxDelay))
			st.Lo = max(0, min(st.Lo, st.Hi))
		}, "a race with delays %v..%v, expected 0..%v", st.Lo, st.Hi, MaxDelay))
		v.check(st.Repeat >= 0 && st.Repeat <= MaxRaceRepeat || v.fault(t, func() { st.Repeat = 0 }, "a race repeated %d times, expected at most %d", st.Repeat, MaxRaceRepeat))
		v.check(len(Participants(st.Body)) >= 2 || v.fault(t, func() { v.unwrap(st) }, "expected operations of two or more actors in the race"))
		c.visit(st.Body, st, nil, depth)
	case *Repeat:
		v.check(depth < MaxDepth || v.fault(t, v.remove(st), "expected at most %d loops in each other", MaxDepth))
		v.check(st.N >= 1 && st.N <= MaxRepeat || v.fault(t, func() { st.N = max(1, min(st.N, MaxRepeat)) }, "repeat %d, expected 1 to %d", st.N, MaxRepeat))
		v.check(v.s.Actor(st.Actor) >= 0 && (loop == nil || loop.Actor == st.Actor) || v.fault(t, v.remove(st), "a loop of %q in a loop of another actor", st.Actor))
		v.check(len(st.Body) > 0 || v.fault(t, v.remove(st), "expected operations in the loop"))
		outside := c.times
		c.times = min(c.times*st.N, engine.MaxPidfds+1) // for what is counted, more than enough
		c.visit(st.Body, race, st, depth+1)
		c.times = outside
	}
	v.check(c.barriers <= MaxBarriers || v.fault(t, v.remove(st), "expected at most %d barriers and races", MaxBarriers))
}

func (v *validator) dropped(actor string, st Stmt) func() { return func() { v.drop(actor, st) } }

func leaveOut(b *Barrier, i int) func() {
	return func() { b.Actors = slices.Delete(b.Actors, i, i+1) }
}

// drop takes an actor out of a statement and what is in it.
func (v *validator) drop(actor string, st Stmt) {
	gone := map[Stmt]bool{}
	walk([]Stmt{st}, func(x Stmt) {
		switch x := x.(type) {
		case *Op:
			gone[x] = x.Actor == actor
		case *Barrier:
			x.Actors = slices.DeleteFunc(x.Actors, func(a string) bool { return a == actor })
		}
	})
	v.s.Body = filter(v.s.Body, func(x Stmt) bool { return !gone[x] })
}

func (v *validator) freeBarrier() string {
	for i := 0; ; i++ {
		name := fmt.Sprintf("b%d", i)
		if !slices.ContainsFunc(v.s.Body, func(st Stmt) bool { b, ok := st.(*Barrier); return ok && b.Name == name }) {
			return name
		}
	}
}

// unwrap replaces a race by what is in it.
func (v *validator) unwrap(r *Race) {
	if i := slices.Index(v.s.Body, Stmt(r)); i >= 0 {
		v.s.Body = slices.Concat(v.s.Body[:i], r.Body, v.s.Body[i+1:])
	}
}

// Participants lists the actors that take part in statements, in order of their first mention.
func Participants(body []Stmt) []string {
	var names []string
	add := func(n string) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	walk(body, func(st Stmt) {
		switch st := st.(type) {
		case *Op:
			add(st.Actor)
		case *Barrier:
			for _, a := range st.Actors {
				add(a)
			}
		}
	})
	return names
}
