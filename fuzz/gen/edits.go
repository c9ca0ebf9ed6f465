package gen

import (
	"fmt"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
)

// edit is one kind of change to a scenario. What it leaves broken Repair takes away.
type edit struct {
	weight int
	do     func(g *Gen, s *corpus.Scenario)
}

var edits = []edit{
	{10, (*Gen).insert}, {6, (*Gen).remove}, {4, (*Gen).duplicate}, {6, (*Gen).change}, {4, (*Gen).replace}, {5, (*Gen).swap},
	{3, (*Gen).move}, {6, (*Gen).race}, {3, (*Gen).unrace}, {3, (*Gen).delay}, {3, (*Gen).barrier}, {3, (*Gen).splice},
	{2, (*Gen).addActor}, {1, (*Gen).removeActor}, {1, (*Gen).loop}, {2, (*Gen).create}, {6, (*Gen).extend},
}

// place is a position in a body.
type place struct {
	body *[]corpus.Stmt
	at   int
}

// places lists the positions before, between and behind the statements, except in loops.
func places(s *corpus.Scenario) []place {
	var out []place
	add := func(b *[]corpus.Stmt) {
		for i := range len(*b) + 1 {
			out = append(out, place{b, i})
		}
	}
	add(&s.Body)
	for _, st := range s.Body {
		if r, ok := st.(*corpus.Race); ok {
			add(&r.Body)
		}
	}
	return out
}

func (p place) insert(st corpus.Stmt) { *p.body = slices.Insert(*p.body, p.at, st) }

func (g *Gen) anywhere(s *corpus.Scenario) place { return one(g, places(s)) }

// anyOp draws an operation, nil when there is none.
func (g *Gen) anyOp(s *corpus.Scenario) *corpus.Op {
	ops := s.Ops()
	if len(ops) == 0 {
		return nil
	}
	return one(g, ops)
}

func (g *Gen) anyActor(s *corpus.Scenario) string { return one(g, s.Actors).Name }

func (g *Gen) insert(s *corpus.Scenario) {
	t := pick(g, g.verbs, func(t template) int { return t.weight })
	g.anywhere(s).insert(g.operation(s, g.anyActor(s), corpus.VerbByName(t.verb)))
}

// extend goes on where the scenario ends: with what somebody who is idle then could do.
func (g *Gen) extend(s *corpus.Scenario) {
	idle, ok := g.idling(s)
	if !ok {
		return
	}
	for range 1 + g.rng.IntN(3) {
		next := g.append(s, g.verbs, &idle, 0)
		if next == nil {
			return
		}
		*s = *next
	}
}

func (g *Gen) remove(s *corpus.Scenario) {
	if n := s.NumOps(); n > 1 {
		s.RemoveOp(g.rng.IntN(n))
	}
}

func (g *Gen) duplicate(s *corpus.Scenario) {
	if o := g.anyOp(s); o != nil && o.Created() == "" {
		g.anywhere(s).insert(o.Clone())
	}
}

// change draws one argument anew.
func (g *Gen) change(s *corpus.Scenario) {
	o := g.anyOp(s)
	if o == nil || len(o.Args) == 0 {
		return
	}
	i := g.rng.IntN(len(o.Args))
	switch o.Verb.Params[i].Type {
	case corpus.Child, corpus.WaitIDType, corpus.Fd:
	default:
		if o.Created() == "" || o.Args[1].N&engine.CLONE_THREAD == 0 {
			o.Args[i] = g.arg(s, o, i)
		}
	}
}

// families are verbs that take each other's place.
var families = [][]string{
	{"ptrace ATTACH", "ptrace SEIZE"},
	{"ptrace CONT", "ptrace SYSCALL", "ptrace DETACH", "ptrace SINGLESTEP", "ptrace SYSEMU"},
	{"ptrace LISTEN", "ptrace INTERRUPT", "ptrace KILL"},
	{"kill", "tkill"},
	{"exit", "exit_group"},
	{"getpid", "gettid", "getppid", "sched_yield", "pause", "setsid"},
	{"ptrace GETSIGINFO", "ptrace GETEVENTMSG", "ptrace PEEKSIGINFO", "ptrace GET_SYSCALL_INFO", "ptrace GETREGS"},
}

// replace exchanges an operation's verb within its family; arguments of the same place stay.
func (g *Gen) replace(s *corpus.Scenario) {
	o := g.anyOp(s)
	if o == nil {
		return
	}
	for _, f := range families {
		if !slices.Contains(f, o.Verb.Name) {
			continue
		}
		n := g.operation(s, o.Actor, corpus.VerbByName(one(g, f)))
		for i := range min(len(n.Args), len(o.Args)) {
			if n.Verb.Params[i].Type == o.Verb.Params[i].Type {
				n.Args[i] = o.Args[i]
			}
		}
		o.Verb, o.Args = n.Verb, n.Args
		return
	}
}

// swap exchanges two neighbours.
func (g *Gen) swap(s *corpus.Scenario) {
	if p := g.anywhere(s); p.at > 0 && p.at < len(*p.body) {
		b := *p.body
		b[p.at-1], b[p.at] = b[p.at], b[p.at-1]
	}
}

// move lets another actor do it.
func (g *Gen) move(s *corpus.Scenario) {
	if o := g.anyOp(s); o != nil && o.Created() == "" {
		o.Actor = g.other(s, o.Actor)
	}
}

// ranges of delays: from the width of a window between two instructions to that of a whole exec.
var ranges = []time.Duration{time.Microsecond, 3 * time.Microsecond, 10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond}

// race lets a few neighbouring statements run against each other.
func (g *Gen) race(s *corpus.Scenario) {
	if len(s.Body) < 2 {
		return
	}
	from := g.rng.IntN(len(s.Body) - 1)
	to := min(len(s.Body), from+2+g.rng.IntN(3))
	r := &corpus.Race{Hi: one(g, ranges)}
	for _, st := range s.Body[from:to] {
		switch st := st.(type) {
		case *corpus.Op, *corpus.Repeat:
			r.Body = append(r.Body, st)
		case *corpus.Race:
			r.Body = append(r.Body, st.Body...)
		}
	}
	s.Body = slices.Replace(s.Body, from, to, corpus.Stmt(r))
}

// unrace puts a race's operations in a row.
func (g *Gen) unrace(s *corpus.Scenario) {
	for i, st := range s.Body {
		if r, ok := st.(*corpus.Race); ok && g.rng.IntN(2) == 0 {
			s.Body = slices.Replace(s.Body, i, i+1, r.Body...)
			return
		}
	}
}

func (g *Gen) delay(s *corpus.Scenario) {
	for _, st := range s.Body {
		if r, ok := st.(*corpus.Race); ok && g.rng.IntN(2) == 0 {
			r.Lo, r.Hi = 0, one(g, ranges)
			return
		}
	}
}

// barrier adds a meeting of some actors, or takes one away.
func (g *Gen) barrier(s *corpus.Scenario) {
	if i := g.rng.IntN(len(s.Body) + 1); i < len(s.Body) && g.rng.IntN(2) == 0 {
		if _, ok := s.Body[i].(*corpus.Barrier); ok {
			s.Body = slices.Delete(s.Body, i, i+1)
			return
		}
	}
	b := &corpus.Barrier{Name: freeName(s, "b")}
	for _, d := range s.Actors {
		if g.rng.IntN(2) == 0 {
			b.Actors = append(b.Actors, d.Name)
		}
	}
	place{&s.Body, g.rng.IntN(len(s.Body) + 1)}.insert(b)
}

func freeName(s *corpus.Scenario, prefix string) string {
	taken := map[string]bool{}
	for _, d := range s.Actors {
		taken[d.Name] = true
	}
	s.Walk(func(st corpus.Stmt) {
		if b, ok := st.(*corpus.Barrier); ok {
			taken[b.Name] = true
		}
	})
	for i := 1; ; i++ {
		if n := fmt.Sprintf("%s%d", prefix, i); !taken[n] {
			return n
		}
	}
}

// splice puts a few statements of another scenario in, done by this scenario's actors.
func (g *Gen) splice(s *corpus.Scenario) {
	if g.alone {
		return
	}
	from := g.donor().Clone()
	from.Strip()
	cast := map[string]string{}
	for _, d := range from.Actors {
		cast[d.Name] = g.actorLike(s, d)
	}
	from.Rename(cast, nil, nil)
	at := g.rng.IntN(len(s.Body) + 1)
	first := g.rng.IntN(len(from.Body))
	for _, st := range from.Body[first:min(len(from.Body), first+2+g.rng.IntN(5))] {
		switch st := st.(type) {
		case *corpus.Op:
			if st.Created() != "" {
				continue
			}
		case *corpus.Barrier:
			st.Name = freeName(s, "b")
		}
		s.Body = slices.Insert(s.Body, at, st)
		at++
	}
}

// actorLike draws an actor of the same kind where there is one.
func (g *Gen) actorLike(s *corpus.Scenario, d corpus.ActorDecl) string {
	if d.Parent == "" {
		return s.Actors[0].Name
	}
	var like []string
	for _, x := range s.Actors {
		if x.Parent != "" && x.Thread == d.Thread {
			like = append(like, x.Name)
		}
	}
	if len(like) == 0 {
		return g.anyActor(s)
	}
	return one(g, like)
}

func (g *Gen) addActor(s *corpus.Scenario) {
	if len(s.Actors) >= maxActors {
		return
	}
	name := g.declare(s)
	t := pick(g, g.verbs, func(t template) int { return t.weight })
	g.anywhere(s).insert(g.operation(s, name, corpus.VerbByName(t.verb)))
}

// declare adds an actor, a process or a thread of anybody's, and returns its name.
func (g *Gen) declare(s *corpus.Scenario) string {
	d := corpus.ActorDecl{Thread: g.rng.IntN(2) == 0, Parent: g.anyActor(s)}
	d.Name = freeName(s, "p")
	if d.Thread {
		d.Name = freeName(s, "t")
	}
	s.Actors = append(s.Actors, d)
	return d.Name
}

func (g *Gen) removeActor(s *corpus.Scenario) {
	if len(s.Actors) > 2 {
		s.RemoveActor(1 + g.rng.IntN(len(s.Actors)-1))
	}
}

// loop repeats an operation.
func (g *Gen) loop(s *corpus.Scenario) {
	p := g.anywhere(s)
	if p.at == len(*p.body) {
		return
	}
	if o, ok := (*p.body)[p.at].(*corpus.Op); ok {
		(*p.body)[p.at] = &corpus.Repeat{Actor: o.Actor, N: 2 + g.rng.IntN(8), Body: []corpus.Stmt{o}}
	}
}

// create makes the creation of an actor an operation that can be raced, traced and have flags.
func (g *Gen) create(s *corpus.Scenario) {
	i := g.rng.IntN(len(s.Actors))
	d := &s.Actors[i]
	if i == 0 || d.By != "" {
		return
	}
	o := g.creation(d)
	// Early, so that the meetings of the new actor stay possible.
	place{&s.Body, g.rng.IntN(min(len(s.Body), 3) + 1)}.insert(o)
}

// creation makes the creation of a declared actor an operation of its parent.
func (g *Gen) creation(d *corpus.ActorDecl) *corpus.Op {
	d.By = "clone"
	if !d.Thread {
		d.By = one(g, []string{"clone", "clone", "fork", "vfork"})
	}
	o := &corpus.Op{Actor: d.Parent, Verb: corpus.VerbByName(d.By), Args: []corpus.Arg{corpus.ActorArg(d.Name)}}
	switch {
	case d.Thread:
		o.Args = append(o.Args, corpus.Num(corpus.ThreadFlags|one(g, threadFlags)))
	case d.By == "clone":
		o.Args = append(o.Args, corpus.Num(one(g, cloneFlags)))
	}
	return o
}
