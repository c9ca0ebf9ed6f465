package engine

import "math"

// Symmetry: which actors can change places.
//
// A permutation of actors is used if it turns the program into itself: each actor's code behind its prologue, which
// creates those that the scenario only declares, is that of the actor whose place it takes, if whom it names and the
// variables that it keeps are renamed alike. Then a state and the state with the actors' names changed (rename.go) lead
// to the same, with names changed alike: steps do not look at what number a task has.
//
// What they look at is order. The lists of tracees and of engines, queues and filters are left as they are: two states
// in which these differ are different. But siblings are born one after another, so no state would ever be that of
// another with siblings exchanged. Births and the lists of children and threads are therefore left out of comparisons,
// and actors stay in their places (toldApart) where a program may ask who was first: by a wait for any child, a signal
// to many, or one to a process whose threads could all take it.
//
// docs/exploration.md has the argument.

// A program names its actors by ArgTid and by what calls return, never by a number of its own: package corpus sees to that.

// Perm is a permutation of actors: Perm[a] is the actor whose place a takes.
type Perm [MaxActors]ActorID

// Symmetry is a group of permutations of a program's actors. Like its Machine it belongs to one goroutine.
type Symmetry struct {
	m     *Machine
	perms []renaming // the first is the identity
	moved uint16     // actors that some permutation moves
	tids  [MaxVars]bool
	// agrees says of each instruction whether all permutations turn what follows into itself as it stands, order of creation
	// included.
	agrees  [MaxActors][]bool
	scratch [2]World // the second stays empty
}

// maxOrder bounds the permutations: those of five actors.
const maxOrder = 120

// Renamer is what Hooks have to be for a program with ptrace calls to have a Symmetry.
type Renamer interface {
	// Rename renames the tids in the data of an engine.
	Rename(d *EngineData, to func(Tid) Tid)
	// Traces says whether a CallPtrace may make its caller a tracee, or the children of tracees.
	Traces(in *Instr) (self, children bool)
}

// Symmetry finds which actors of the program can change places; nil if none can.
func (m *Machine) Symmetry() *Symmetry {
	pinned := uint16(1) // nobody creates actor 0
	if _, ok := m.hooks.(Renamer); m.hooked && !ok {
		return nil
	}
	if !m.alike() || len(m.ops) > 1 || m.opt.Bugs.Has(BugStaleMessage) || m.opt.Profile.Old.Has(SwMessageStays) {
		return nil // what is left of a message is no longer known to be a tid
	}
	s := &Symmetry{m: m}
	if !s.types() {
		return nil
	}
	for {
		if !s.permutations(pinned) {
			return nil
		}
		more := m.toldApart(s.moved)
		if more == 0 {
			break
		}
		pinned |= more
	}
	s.scratch[1].m = m
	s.agree()
	return s
}

// Order is the number of permutations; number 0 changes nothing.
func (s *Symmetry) Order() int { return len(s.perms) }

// Perm is one of the permutations.
func (s *Symmetry) Perm(i int) *Perm { return &s.perms[i].actor }

// Moved are the actors that some permutation moves: a bit an actor.
func (s *Symmetry) Moved() uint16 { return s.moved }

// Applies says whether every permutation turns what is left of the program into itself.
func (s *Symmetry) Applies(w *World) bool {
	for a := range s.m.prog.Actors {
		id := TaskID(a) + firstTask
		if w.used&(1<<id) != 0 && w.tasks[id].state == Dead {
			continue
		}
		if !s.agrees[a][w.position(ActorID(a))] {
			return false
		}
	}
	return true
}

// creation says whether an instruction creates an actor that the scenario only declares.
func (in *Instr) creation() bool { return in.Op == OpCall && in.Call == CallClone && in.Src < 0 }

// Creates is the actor that an instruction creates because the scenario declares it, NoActor if it is another.
func (in *Instr) Creates() ActorID {
	if !in.creation() {
		return NoActor
	}
	return ActorID(in.Args[1].N)
}

// prologue is the number of instructions that an actor begins with to create others.
func (m *Machine) prologue(a ActorID) int {
	code, n := m.prog.Actors[a].Code, 0
	for code[n].creation() {
		n++
	}
	return n
}

// alike says whether any two actors look alike at all: most programs have none that do.
func (m *Machine) alike() bool {
	for a := range m.prog.Actors {
		for b := 1; b < a; b++ {
			if m.similar(ActorID(a), ActorID(b)) {
				return true
			}
		}
	}
	return false
}

// similar says whether two actors' codes are the same but for names.
func (m *Machine) similar(a, b ActorID) bool {
	x, y := &m.prog.Actors[a], &m.prog.Actors[b]
	if len(x.Code) != len(y.Code) || x.Victim != y.Victim || m.prologue(a) != m.prologue(b) {
		return false
	}
	for i := range x.Code {
		if !x.Code[i].similar(&y.Code[i]) {
			return false
		}
	}
	return true
}

// similar says whether two instructions are the same but for names. Where a call comes from, and how long a delay lasts,
// is nothing to the engine.
func (in *Instr) similar(b *Instr) bool {
	if in.Op != b.Op || in.Call != b.Call || in.Harness != b.Harness || in.Imm != b.Imm || in.Target != b.Target ||
		in.Mask != b.Mask || in.Match != b.Match || in.Barrier != b.Barrier || (in.Src < 0) != (b.Src < 0) {
		return false
	}
	for i, x := range in.Args {
		if y := b.Args[i]; x.Kind != y.Kind || x.Kind == ArgImm && x.N != y.N && !(in.Call == CallClone && i == 1) {
			return false
		}
	}
	return true
}

// types finds the variables that hold tids; false if a variable may hold a tid or not, or if a program looks into a tid.
func (s *Symmetry) types() bool {
	var number [MaxVars]bool
	for a := range s.m.prog.Actors {
		for i := range s.m.prog.Actors[a].Code {
			in := &s.m.prog.Actors[a].Code[i]
			switch in.Op {
			case OpCall:
				if in.Dst >= 0 {
					if returnsTid(in.Call) {
						s.tids[in.Dst] = true
					} else {
						number[in.Dst] = true
					}
				}
				if in.DstOut >= 0 {
					if in.Call != CallWait4 {
						return false
					}
					number[in.DstOut] = true
				}
			case OpSet, OpAdd:
				number[in.Dst] = true
			case OpBranch:
				if in.Mask != math.MinInt64 { // all but the question whether a call failed
					number[in.Var] = true
				}
			}
		}
	}
	for v := range number {
		if number[v] && s.tids[v] {
			return false
		}
	}
	return true
}

// returnsTid says whether a call's return value is a tid when it is no error.
func returnsTid(c Call) bool {
	switch c {
	case CallClone, CallGetpid, CallGettid, CallGetppid, CallSetsid, CallGetpgid, CallGetsid, CallWait4:
		return true
	}
	return false
}

// permutations finds the group that leaves some actors in their places: all of it, or what of it moves the first few
// actors only if that has too many members. False if only the identity is left.
func (s *Symmetry) permutations(pinned uint16) bool {
	for limit := len(s.m.prog.Actors); limit > 1; limit-- {
		f := finder{s: s, pinned: pinned | everybody&^(1<<limit-1)}
		s.perms = s.perms[:0]
		if f.place(0) {
			break
		}
	}
	s.moved = 0
	for i := range s.perms {
		for a, b := range s.perms[i].actor {
			if ActorID(a) != b {
				s.moved |= 1 << a
			}
		}
	}
	return s.moved != 0
}

// finder places one actor after another.
type finder struct {
	s      *Symmetry
	pinned uint16
	taken  uint16
	perm   Perm
	tries  int
}

// place tries all places for actor a and those behind it; false if there are too many. The identity comes first.
func (f *finder) place(a ActorID) bool {
	m := f.s.m
	if int(a) == MaxActors {
		if r, ok := f.s.renaming(&f.perm); ok {
			f.s.perms = append(f.s.perms, r)
		}
		return len(f.s.perms) <= maxOrder
	}
	if int(a) >= len(m.prog.Actors) || f.pinned&(1<<a) != 0 {
		f.perm[a] = a
		if f.taken&(1<<a) != 0 {
			return true
		}
		f.taken |= 1 << a
		ok := f.place(a + 1)
		f.taken &^= 1 << a
		return ok
	}
	n := ActorID(len(m.prog.Actors))
	for k := range n {
		b := (a + k) % n
		if f.taken&(1<<b) != 0 || f.pinned&(1<<b) != 0 || a != b && !m.similar(a, b) {
			continue
		}
		if f.tries++; f.tries > 100*maxOrder {
			return false
		}
		f.perm[a] = b
		f.taken |= 1 << b
		ok := f.place(a + 1)
		f.taken &^= 1 << b
		if !ok {
			return false
		}
	}
	return true
}

// renaming makes the renaming that a permutation of actors means, if it turns the program into itself.
func (s *Symmetry) renaming(p *Perm) (r renaming, ok bool) {
	r = renaming{actor: *p}
	for a, b := range p {
		r.tasks[TaskID(a)+firstTask] = TaskID(b) + firstTask
	}
	var back [MaxVars]VarID
	for v := range r.vars {
		r.vars[v], back[v] = NoVar, NoVar
	}
	bind := func(v, to VarID) bool {
		switch {
		case v < 0 || to < 0:
			return v == to
		case r.vars[v] == NoVar && back[to] == NoVar:
			r.vars[v], back[to] = to, v
		}
		return r.vars[v] == to
	}
	for a := range s.m.prog.Actors {
		from, to := s.m.prog.Actors[a].Code, s.m.prog.Actors[p[a]].Code
		n := s.m.prologue(ActorID(a))
		if !r.creates(from[:n], to[:n]) {
			return r, false
		}
		for i := n; i < len(from); i++ {
			x, y := &from[i], &to[i]
			if !x.similar(y) || !bind(x.Dst, y.Dst) || !bind(x.DstOut, y.DstOut) || !bind(x.Var, y.Var) || !r.names(x, y) {
				return r, false
			}
			for k, arg := range x.Args {
				if arg.Kind == ArgVar || arg.Kind == ArgNegVar {
					if !bind(VarID(arg.N), VarID(y.Args[k].N)) {
						return r, false
					}
				}
			}
		}
	}
	return r, true
}

// names says whether the actors that one instruction names take the places of those that another names.
func (r *renaming) names(x, y *Instr) bool {
	for k, arg := range x.Args {
		n := y.Args[k].N
		switch {
		case arg.Kind == ArgTid || arg.Kind == ArgNegTid || x.Op == OpCall && x.Call == CallClone && k == 1:
			if int64(r.actor[arg.N]) != n {
				return false
			}
		}
	}
	return true
}

// creates says whether two prologues create alike, in whatever order.
func (r *renaming) creates(from, to []Instr) bool {
	for i := range from {
		found := false
		for k := range to {
			found = found || from[i].similar(&to[k]) && r.names(&from[i], &to[k])
		}
		if !found {
			return false
		}
	}
	return true
}

// agree computes agrees. Behind a prologue it is so for all code, or there were no permutations.
func (s *Symmetry) agree() {
	for a := range s.m.prog.Actors {
		code := s.m.prog.Actors[a].Code
		ok := make([]bool, len(code))
		n := s.m.prologue(ActorID(a))
		for i := range ok {
			ok[i] = i >= n
		}
		for i := n - 1; i >= 0; i-- {
			ok[i] = ok[i+1]
			for k := range s.perms {
				r := &s.perms[k]
				ok[i] = ok[i] && r.names(&code[i], &s.m.prog.Actors[r.actor[a]].Code[i])
			}
		}
		s.agrees[a] = ok
	}
}
