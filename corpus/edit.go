package corpus

import (
	"fmt"
	"slices"
	"strconv"
)

// Ops lists the operations in line order: the numbering of engine.Instr.Src, of RemoveOp and of Matches.
func (s *Scenario) Ops() []*Op {
	return s.appendOps(make([]*Op, 0, len(s.Body)+8))
}

func (s *Scenario) appendOps(ops []*Op) []*Op {
	s.Walk(func(st Stmt) {
		if o, ok := st.(*Op); ok {
			ops = append(ops, o)
		}
	})
	return ops
}

// NumOps is the number of operations: lines that are system calls, a serve loop counting as one.
func (s *Scenario) NumOps() int { return len(s.Ops()) }

// Walk calls f for each statement in line order, a race or loop before what is in it.
func (s *Scenario) Walk(f func(Stmt)) { walk(s.Body, f) }

func walk(body []Stmt, f func(Stmt)) {
	for _, st := range body {
		f(st)
		if b := inner(st); b != nil {
			walk(*b, f)
		}
	}
}

// inner is the body of a race or loop, nil for other statements.
func inner(st Stmt) *[]Stmt {
	switch st := st.(type) {
	case *Race:
		return &st.Body
	case *Repeat:
		return &st.Body
	}
	return nil
}

// Actor returns the index of an actor, -1 if there is none of that name.
func (s *Scenario) Actor(name string) int {
	for i := range s.Actors {
		if s.Actors[i].Name == name {
			return i
		}
	}
	return -1
}

// Leader returns the first thread of the process of actor i. Parents that do not exist or form a circle end at themselves.
func (s *Scenario) Leader(i int) int {
	for range s.Actors {
		if !s.Actors[i].Thread {
			break
		}
		p := s.Actor(s.Actors[i].Parent)
		if p < 0 {
			break
		}
		i = p
	}
	return i
}

// Clone copies everything; verbs are shared.
func (s *Scenario) Clone() *Scenario {
	c := *s
	c.Trivia = s.Trivia.clone()
	c.Rules = slices.Clone(s.Rules)
	c.On = slices.Clone(s.On)
	for i := range c.On {
		c.On[i] = c.On[i].clone()
	}
	c.KnownBugs = slices.Clone(s.KnownBugs)
	for i := range c.KnownBugs {
		k := &c.KnownBugs[i]
		k.Trivia, k.On, k.Shows = k.Trivia.clone(), k.On.clone(), slices.Clone(k.Shows)
	}
	c.Actors = slices.Clone(s.Actors)
	for i := range c.Actors {
		c.Actors[i].Trivia = c.Actors[i].Trivia.clone()
	}
	c.Body = cloneBody(s.Body)
	c.Tail = slices.Clone(s.Tail)
	return &c
}

func cloneBody(b []Stmt) []Stmt {
	if b == nil {
		return nil
	}
	c := make([]Stmt, len(b))
	for i, st := range b {
		c[i] = st.clone()
	}
	return c
}

func (t Trivia) clone() Trivia {
	t.Before = slices.Clone(t.Before)
	return t
}

func (c Condition) clone() Condition {
	c.Trivia, c.Arch, c.System = c.Trivia.clone(), slices.Clone(c.Arch), slices.Clone(c.System)
	return c
}

func (o *Op) clone() Stmt { return o.Clone() }

// Clone copies an operation.
func (o *Op) Clone() *Op {
	c := *o
	c.Trivia, c.End = o.Trivia.clone(), o.End.clone()
	c.Args, c.Expect, c.Cases = slices.Clone(o.Args), slices.Clone(o.Expect), slices.Clone(o.Cases)
	for i := range c.Expect {
		c.Expect[i].Out = slices.Clone(c.Expect[i].Out)
	}
	for i := range c.Cases {
		c.Cases[i].Trivia = c.Cases[i].Trivia.clone()
	}
	return &c
}

func (b *Barrier) clone() Stmt {
	c := *b
	c.Trivia, c.Actors = b.Trivia.clone(), slices.Clone(b.Actors)
	return &c
}

func (r *Race) clone() Stmt {
	c := *r
	c.Trivia, c.End, c.Body = r.Trivia.clone(), r.End.clone(), cloneBody(r.Body)
	return &c
}

func (r *Repeat) clone() Stmt {
	c := *r
	c.Trivia, c.End, c.Body = r.Trivia.clone(), r.End.clone(), cloneBody(r.Body)
	return &c
}

// filter keeps the statements that keep says, and drops races and loops that become empty.
func filter(body []Stmt, keep func(Stmt) bool) []Stmt {
	out := body[:0]
	for _, st := range body {
		if !keep(st) {
			continue
		}
		if b := inner(st); b != nil {
			if *b = filter(*b, keep); len(*b) == 0 {
				continue
			}
		}
		out = append(out, st)
	}
	clear(body[len(out):])
	return out
}

// RemoveOp removes operation i of Ops. The actor that it would have created is then created by its parent at the start.
func (s *Scenario) RemoveOp(i int) {
	op := s.Ops()[i]
	s.Body = filter(s.Body, func(st Stmt) bool { return st != Stmt(op) })
	if a := op.Created(); a != "" {
		s.Actors[s.Actor(a)].By = ""
	}
	s.tidy()
}

// Created is the name of the actor that the operation creates, "" for other operations.
func (o *Op) Created() string {
	if o.Verb.Creates() && len(o.Args) > 0 {
		return o.Args[0].Name
	}
	return ""
}

// RemoveActor removes actor i > 0 with everything it does, every operation that names it, and its children likewise. It
// says whether it could: the first actor stays.
func (s *Scenario) RemoveActor(i int) bool {
	if i <= 0 || i >= len(s.Actors) {
		return false
	}
	gone := map[string]bool{s.Actors[i].Name: true}
	for range s.Actors { // a child may stand before its parent only in invalid scenarios; be total anyway
		for _, d := range s.Actors[1:] {
			if gone[d.Parent] {
				gone[d.Name] = true
			}
		}
	}
	s.Actors = slices.DeleteFunc(s.Actors, func(d ActorDecl) bool { return gone[d.Name] })
	named := func(args []Arg) bool {
		return slices.ContainsFunc(args, func(a Arg) bool { return (a.Kind == ArgActor || a.Kind == ArgNegActor) && gone[a.Name] })
	}
	s.Body = filter(s.Body, func(st Stmt) bool {
		switch st := st.(type) {
		case *Op:
			st.Expect = slices.DeleteFunc(st.Expect, func(e Expect) bool { return named([]Arg{e.Ret}) || named(e.Out) })
			return !gone[st.Actor] && !named(st.Args)
		case *Repeat:
			return !gone[st.Actor]
		case *Barrier:
			st.Actors = slices.DeleteFunc(st.Actors, func(a string) bool { return gone[a] })
		}
		return true
	})
	s.tidy()
	return true
}

// tidy restores what removals may break: actors that no operation creates any more are created at the start, barriers of
// fewer than two actors and uses of variables that nothing sets go away.
func (s *Scenario) tidy() {
	for again := true; again; {
		again = false
		set, created := map[string]bool{}, map[string]bool{}
		for _, o := range s.Ops() {
			set[o.Dst] = true
			created[o.Created()] = true
		}
		s.Body = filter(s.Body, func(st Stmt) bool {
			switch st := st.(type) {
			case *Barrier:
				return len(st.Actors) >= 2
			case *Op:
				if slices.ContainsFunc(st.Args, func(a Arg) bool { return (a.Kind == ArgVar || a.Kind == ArgNegVar) && !set[a.Name] }) {
					again = true
					return false
				}
			}
			return true
		})
		for i := range s.Actors {
			if d := &s.Actors[i]; d.By != "" && !created[d.Name] {
				d.By = ""
			}
		}
	}
}

// Strip removes comments and expectations.
func (s *Scenario) Strip() {
	s.stripTrivia()
	for _, o := range s.Ops() {
		o.Expect = nil
	}
}

func (s *Scenario) stripTrivia() {
	s.Trivia, s.Tail = Trivia{}, nil
	for i := range s.On {
		s.On[i].Trivia = Trivia{}
	}
	for i := range s.KnownBugs {
		s.KnownBugs[i].Trivia = Trivia{}
	}
	for i := range s.Actors {
		s.Actors[i].Trivia = Trivia{}
	}
	s.Walk(func(st Stmt) {
		*st.trivia() = Trivia{}
		switch st := st.(type) {
		case *Op:
			st.End = Trivia{}
			for i := range st.Cases {
				st.Cases[i].Trivia = Trivia{}
			}
		case *Race:
			st.End = Trivia{}
		case *Repeat:
			st.End = Trivia{}
		}
	})
}

// Rename gives actors, variables and barriers new names, all at once; names absent from the map stay.
func (s *Scenario) Rename(actors, vars, barriers map[string]string) {
	name := func(m map[string]string, n *string) {
		if to, ok := m[*n]; ok {
			*n = to
		}
	}
	arg := func(a *Arg) {
		switch a.Kind {
		case ArgActor, ArgNegActor:
			name(actors, &a.Name)
		case ArgVar, ArgNegVar:
			name(vars, &a.Name)
		}
	}
	for i := range s.Actors {
		name(actors, &s.Actors[i].Name)
		name(actors, &s.Actors[i].Parent)
	}
	s.Walk(func(st Stmt) {
		switch st := st.(type) {
		case *Op:
			name(actors, &st.Actor)
			name(vars, &st.Dst)
			for i := range st.Args {
				arg(&st.Args[i])
			}
			for i := range st.Expect {
				arg(&st.Expect[i].Ret)
				for j := range st.Expect[i].Out {
					arg(&st.Expect[i].Out[j])
				}
			}
		case *Repeat:
			name(actors, &st.Actor)
		case *Barrier:
			name(barriers, &st.Name)
			for i := range st.Actors {
				name(actors, &st.Actors[i])
			}
		}
	})
}

// Canonical strips comments and names everything by its place: main, p1 or t1 by actor index, v0 by first use, b0. Two
// scenarios that differ only in names and comments have the same canonical form.
func (s *Scenario) Canonical() {
	s.stripTrivia()
	actors, vars, barriers := map[string]string{}, map[string]string{}, map[string]string{}
	for i, d := range s.Actors {
		actors[d.Name] = canonicalActor(i, d.Thread)
	}
	for _, v := range s.Vars() {
		vars[v] = fmt.Sprintf("v%d", len(vars))
	}
	s.Walk(func(st Stmt) {
		if b, ok := st.(*Barrier); ok {
			barriers[b.Name] = fmt.Sprintf("b%d", len(barriers))
		}
	})
	s.Rename(actors, vars, barriers)
}

func canonicalActor(i int, thread bool) string {
	switch {
	case i == 0:
		return "main"
	case thread:
		return "t" + strconv.Itoa(i)
	}
	return "p" + strconv.Itoa(i)
}

// Vars lists the variables in order of their first mention; the index is the engine.VarID.
func (s *Scenario) Vars() []string { return variables(s.Ops()) }

func variables(ops []*Op) []string {
	var vars []string
	add := func(n string) {
		if n != "" && !slices.Contains(vars, n) {
			vars = append(vars, n)
		}
	}
	for _, o := range ops {
		for _, a := range o.Args {
			if a.Kind == ArgVar || a.Kind == ArgNegVar {
				add(a.Name)
			}
		}
		add(o.Dst)
	}
	return vars
}
