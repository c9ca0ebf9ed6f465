package gen

import (
	"slices"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Growing a scenario: operations are appended one by one, each for an actor that has nothing to do, aimed at whoever it makes
// sense for, and tried on the engine in the order of lines. What the kernel would refuse at once is drawn again.

const (
	// ErrorQuota: one operation in so many is drawn without looking, and stays although it may be refused. Errors and their
	// order are part of what a kernel promises.
	ErrorQuota = 20
	attempts   = 16 // at one operation
	seconds    = 3  // grown scenarios of which one that mostly ends is taken
	doze       = 2  // one in so many operations that sleep is kept, for another one to wake it
	ender      = 6  // likewise of those that end an actor when there is more to come
)

// swarm draws which kinds of operations a scenario has, and how much of each: a scenario in which everything happens is like
// all the others, and what one kind does another undoes (swarm testing, Groce et al., ISSTA 2012).
func (g *Gen) swarm(from []template) []template {
	keep := 1 + g.rng.IntN(4) // of four
	var out []template
	for _, t := range from {
		if g.rng.IntN(4) < keep {
			out = append(out, template{t.verb, max(1, t.weight<<g.rng.IntN(4)>>g.rng.IntN(3))})
		}
	}
	if g.rng.IntN(8) == 0 && len(out) > 0 {
		return out
	}
	for _, names := range backbone {
		out = append(out, template{one(g, names), 12})
	}
	if g.utrace && g.rng.IntN(2) == 0 {
		out = append(out, template{"utrace ATTACH", 24}, template{"utrace CONTROL", 24})
	}
	return out
}

// backbone is what most scenarios have one of each: a tracer, what makes its tracee stop, the report, and what lets it go on.
var backbone = [][]string{
	{"ptrace ATTACH", "ptrace SEIZE", "ptrace SEIZE", "ptrace TRACEME"}, {"kill", "tkill", "ptrace INTERRUPT"},
	{"wait4", "wait4", "waitid", "serve"}, {"ptrace CONT", "ptrace SYSCALL", "ptrace DETACH", "ptrace LISTEN"},
}

// grow is one try at a scenario made of nothing.
func (g *Gen) grow(verbs []template) *corpus.Scenario {
	s := &corpus.Scenario{Name: "free", Actors: []corpus.ActorDecl{{Name: "main"}}}
	for range 1 + g.rng.IntN(maxActors-2) {
		g.declare(s)
	}
	idle, _ := g.idling(s)
	for want := 3 + g.rng.IntN(maxOps-6); s.NumOps() < want; {
		next := g.append(s, verbs, &idle, want-s.NumOps())
		if next == nil {
			break
		}
		s = next
	}
	s = g.wake(s)
	s = g.shape(s)
	return s
}

// try runs s in the order of lines and returns how many operations it has; lines knows the rest.
func (g *Gen) try(s *corpus.Scenario) int {
	n := s.NumOps()
	p, err := corpus.Lower(s)
	if err != nil {
		return -1
	}
	ptrace.Load(&g.machine, p, engine.Options{})
	g.lines.run(&g.machine, n)
	return n
}

// append returns s with one more operation at its end, nil if nothing was found that does anything. idle is how many of its
// operations do nothing, more is how many are still to come. The scenario returned, or else s, was tried last.
func (g *Gen) append(s *corpus.Scenario, verbs []template, idle *int, more int) *corpus.Scenario {
	c := g.look(s)
	for range attempts {
		if len(c.idle) == 0 {
			break
		}
		next := s.Clone()
		blind := g.rng.IntN(ErrorQuota) == 0
		actor := one(g, c.idle)
		if g.rng.IntN(16) == 0 && len(s.Actors) < maxActors {
			g.birth(next, actor)
		} else if o := g.aimed(s, c, actor, verbs, blind); o != nil {
			next.Body = append(next.Body, o)
		} else {
			continue
		}
		next.Repair() // it may take the operation away again
		n, ok := g.idling(next)
		last := next.NumOps() - 1
		if !ok || last < s.NumOps() {
			continue
		}
		most := *idle
		switch f := g.lines.fates[last]; {
		case f == Refused && blind, f == Asleep && len(c.idle) > 1 && g.rng.IntN(doze) == 0:
			most++
		case f != Did:
			continue
		}
		// What ends somebody ends what he could still do: mostly that comes later.
		ends := len(g.look(next).alive) < len(c.alive)
		if n > most || ends && more > 3 && g.rng.IntN(ender) > 0 {
			continue
		}
		*idle = n
		return next
	}
	g.try(s)
	return nil
}

// birth lets an actor create another one.
func (g *Gen) birth(s *corpus.Scenario, parent string) {
	name := g.declare(s)
	s.Actors[len(s.Actors)-1].Parent = parent
	s.Body = append(s.Body, g.creation(&s.Actors[s.Actor(name)]))
}

// scene is what the end of an execution looks like to those who could go on.
type scene struct {
	idle    []string            // actors at their ends, alive and not stopped
	alive   []string            // all that are there
	free    []string            // of these those that nobody traces
	tracees map[string][]string // by tracer
	stopped map[string][]string // those in a stop, by tracer
	waited  map[string][]string // whom an actor could wait for
}

// look makes the scene of the execution tried last.
func (g *Gen) look(s *corpus.Scenario) *scene {
	w := &g.lines.world
	c := &scene{tracees: map[string][]string{}, stopped: map[string][]string{}, waited: map[string][]string{}}
	g.waits = w.Waits(g.waits[:0])
	name := func(a engine.ActorID) string { return s.Actors[a].Name }
	for i := range s.Actors {
		a := engine.ActorID(i)
		if !w.Created(a) {
			continue
		}
		t := engine.TaskOf(a)
		if w.Released(t) {
			continue
		}
		up, real := w.ActorOfTask(w.Parent(t)), w.ActorOfTask(w.RealParent(t))
		for _, p := range []engine.ActorID{up, real} {
			if p != engine.NoActor && !slices.Contains(c.waited[name(p)], name(a)) {
				c.waited[name(p)] = append(c.waited[name(p)], name(a))
			}
		}
		if w.Dead(a) {
			continue
		}
		c.alive = append(c.alive, name(a))
		switch {
		case !w.IsTraced(t):
			c.free = append(c.free, name(a))
		case up != engine.NoActor:
			c.tracees[name(up)] = append(c.tracees[name(up)], name(a))
			if w.Traced(t) {
				c.stopped[name(up)] = append(c.stopped[name(up)], name(a))
			}
		}
		held := slices.ContainsFunc(g.waits, func(x engine.Wait) bool { return x.Actor == a && x.Kind != engine.WaitFutex })
		if w.Parked(a) && !held {
			c.idle = append(c.idle, name(a))
		}
	}
	return c
}

// aimed draws an operation for an actor that makes sense in a scene, nil if the first kinds drawn make none. A blind one is
// of any kind, each as likely as the others, and aimed at nobody.
func (g *Gen) aimed(s *corpus.Scenario, c *scene, actor string, verbs []template, blind bool) *corpus.Op {
	if blind {
		return g.operation(s, actor, corpus.VerbByName(one(g, everything).verb))
	}
	request := g.rng.IntN(2) == 0 // where one makes sense
	for try := range attempts {
		v := corpus.VerbByName(pick(g, verbs, func(t template) int { return t.weight }).verb)
		at, whom, needs := c.targets(v, actor)
		if needs && len(whom) == 0 || request && v.Call != engine.CallPtrace && try < attempts/2 {
			continue
		}
		o := g.operation(s, actor, v)
		if !needs || o.Args[at].Kind != corpus.ArgActor {
			return o
		}
		o.Args[at] = corpus.ActorArg(one(g, whom))
		if v.Call == engine.CallTgkill || v.Call == engine.CallRtTgsigqueueinfo {
			o.Args[0] = corpus.ActorArg(s.Actors[s.Leader(s.Actor(o.Args[1].Name))].Name)
		}
		return o
	}
	return nil
}

// targets are those at whom an operation of an actor makes sense, and which argument names them; needs is false for an
// operation that names nobody.
func (c *scene) targets(v *corpus.Verb, actor string) (at int, whom []string, needs bool) {
	at = slices.IndexFunc(v.Params, func(p corpus.Param) bool { return p.Type == corpus.Pid && !p.Optional })
	if at < 0 {
		return 0, nil, false
	}
	switch v.Call {
	case engine.CallPtrace:
		r, named := v.Request()
		switch {
		case named && (r == ptrace.Attach || r == ptrace.Seize):
			return at, slices.DeleteFunc(slices.Clone(c.free), func(n string) bool { return n == actor }), true
		case named && (r == ptrace.Interrupt || r == ptrace.Kill):
			return at, c.tracees[actor], true
		}
		return at, c.stopped[actor], true
	case engine.CallWait4, engine.CallWaitid:
		return at, c.waited[actor], true
	case engine.CallTgkill, engine.CallRtTgsigqueueinfo:
		at = 1
	}
	return at, c.alive, true
}

// wake ends the sleeps that are left at the end of s, which was tried last: by a signal that kills, or by leaving out what
// sleeps.
func (g *Gen) wake(s *corpus.Scenario) *corpus.Scenario {
	for {
		at := slices.Index(g.lines.fates, Asleep)
		if at < 0 {
			return s
		}
		next := s.Clone()
		if c := g.look(s); len(c.idle) > 0 && g.rng.IntN(3) == 0 {
			kill := corpus.VerbByName("kill")
			next.Body = append(next.Body, &corpus.Op{Actor: one(g, c.idle), Verb: kill,
				Args: []corpus.Arg{corpus.ActorArg(s.Ops()[at].Actor), corpus.Num(engine.SIGKILL)}})
			next.Repair()
			if last := g.try(next) - 1; last == s.NumOps() && g.lines.fates[last] == Did && g.lines.fates[at] != Asleep {
				s = next
				continue
			}
			next = s.Clone()
		}
		next.RemoveOp(at)
		next.Repair()
		s = next
		if g.try(s) <= 0 {
			return s
		}
	}
}

// shape gives a scenario its races, meetings, loops and creations, as long as that leaves what its operations do.
func (g *Gen) shape(s *corpus.Scenario) *corpus.Scenario {
	idle, ok := g.idling(s)
	for range g.rng.IntN(8) {
		next := s.Clone()
		pick(g, shaping, func(e edit) int { return e.weight }).do(g, next)
		next.Repair()
		if n, good := g.idling(next); good && (!ok || n <= idle) && next.NumOps() <= maxOps {
			s, idle, ok = next, n, true
		}
	}
	return s
}

// idling counts the operations of s that do nothing; ok is false if s cannot run.
func (g *Gen) idling(s *corpus.Scenario) (n int, ok bool) {
	if g.try(s) < 0 {
		return 0, false
	}
	for _, f := range g.lines.fates {
		if f != Did {
			n++
		}
	}
	return n, true
}
