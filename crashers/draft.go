package crashers

import (
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress"
)

// draft is a scenario under edit. A plan names delays by cell and CPUs by actor index; both move when operations and actors
// go away, so a draft keeps them with the operation and the actor that they belong to.
type draft struct {
	s      *corpus.Scenario
	delay  map[*corpus.Op]*stress.DelayRange // of the operations inside races
	parent *draft                            // that clone copied
	origin map[*corpus.Op]int                // index of each operation in the parent's scenario
	cpu    map[string]int                    // by actor name
}

func newDraft(s *corpus.Scenario, plan stress.Plan) *draft {
	d := &draft{s: s.Clone(), delay: map[*corpus.Op]*stress.DelayRange{}, cpu: map[string]int{}}
	for cell, op := range d.racing() {
		r := stress.DelayRange{}
		if cell < len(plan.Delays) {
			r = plan.Delays[cell]
		}
		d.delay[op] = &r
	}
	for i, cpu := range plan.CPUs {
		if i < len(d.s.Actors) {
			d.cpu[d.s.Actors[i].Name] = cpu
		}
	}
	return d
}

// racing lists the operations inside races: the order is that of the delay cells (corpus.Lower).
func (d *draft) racing() []*corpus.Op {
	var ops []*corpus.Op
	d.s.Walk(func(st corpus.Stmt) {
		if r, ok := st.(*corpus.Race); ok {
			in := corpus.Scenario{Body: r.Body}
			ops = append(ops, in.Ops()...)
		}
	})
	return ops
}

// clone copies a draft; origin says which operation of d each one is.
func (d *draft) clone() *draft {
	c := &draft{s: d.s.Clone(), parent: d, delay: map[*corpus.Op]*stress.DelayRange{}, origin: map[*corpus.Op]int{}, cpu: d.cpu}
	from := d.s.Ops()
	for i, op := range c.s.Ops() {
		c.origin[op] = i
		if r := d.delay[from[i]]; r != nil {
			v := *r
			c.delay[op] = &v
		}
	}
	return c
}

// plan is base with the draft's delays and CPUs.
func (d *draft) plan(base stress.Plan) stress.Plan {
	base.Delays, base.CPUs = nil, nil
	for _, op := range d.racing() {
		var r stress.DelayRange
		if p := d.delay[op]; p != nil {
			r = *p
		}
		base.Delays = append(base.Delays, r)
	}
	if len(d.cpu) > 0 {
		for _, a := range d.s.Actors {
			cpu, ok := d.cpu[a.Name]
			if !ok {
				cpu = -1
			}
			base.CPUs = append(base.CPUs, cpu)
		}
	}
	return base
}

// removeOrigin removes the operation that was number i when the draft was cloned, if it is still there.
func (d *draft) removeOrigin(i int) {
	for at, op := range d.s.Ops() {
		if d.origin[op] == i {
			d.s.RemoveOp(at)
			return
		}
	}
}

// strip drops comments and expectations: the latter belong to the scenario that this one was made from.
func (d *draft) strip() bool {
	had := slices.ContainsFunc(d.s.Ops(), func(o *corpus.Op) bool { return len(o.Expect) > 0 })
	d.s.Strip()
	return had
}

// fold has the parent of actor i do what the actor does, and the actor is no more.
func (d *draft) fold(i int) bool {
	if i >= len(d.s.Actors) || d.s.Actors[i].By != "" {
		return false
	}
	a := d.s.Actors[i]
	d.s.Actors = slices.Delete(d.s.Actors, i, i+1)
	d.s.Rename(map[string]string{a.Name: a.Parent}, nil, nil)
	for n := 0; d.statement(n) != nil; n++ {
		b, ok := d.statement(n).(*corpus.Barrier)
		if !ok {
			continue
		}
		slices.Sort(b.Actors)
		if b.Actors = slices.Compact(b.Actors); len(b.Actors) < 2 {
			d.replace(n, nil)
			n--
		}
	}
	return true
}

// statement is number i of the barriers, races and loops, in walk order; nil behind the last.
func (d *draft) statement(i int) (found corpus.Stmt) {
	d.s.Walk(func(st corpus.Stmt) {
		if _, isOp := st.(*corpus.Op); isOp {
			return
		}
		if i == 0 {
			found = st
		}
		i--
	})
	return found
}

// replace puts statements in the place of statement i.
func (d *draft) replace(i int, by []corpus.Stmt) bool {
	target := d.statement(i)
	var in func(body []corpus.Stmt) []corpus.Stmt
	in = func(body []corpus.Stmt) []corpus.Stmt {
		var out []corpus.Stmt
		for _, st := range body {
			if st == target {
				out = append(out, by...)
				continue
			}
			switch st := st.(type) {
			case *corpus.Race:
				st.Body = in(st.Body)
			case *corpus.Repeat:
				st.Body = in(st.Body)
			}
			out = append(out, st)
		}
		return out
	}
	d.s.Body = in(d.s.Body)
	return target != nil
}

// flatten puts the contents of race or loop i in its place, for a race behind a plain barrier if meet says so.
func (d *draft) flatten(i int, meet bool) bool {
	var body []corpus.Stmt
	switch st := d.statement(i).(type) {
	case *corpus.Race:
		body = st.Body
		if actors := corpus.Participants(body); meet && len(actors) > 1 {
			body = append([]corpus.Stmt{&corpus.Barrier{Name: d.freeBarrier(), Actors: actors}}, body...)
		} else if meet {
			return false
		}
	case *corpus.Repeat:
		body = st.Body
	default:
		return false
	}
	return d.replace(i, body)
}

// loop gives loop i another count, if that is less.
func (d *draft) loop(i, n int) bool {
	r, ok := d.statement(i).(*corpus.Repeat)
	if !ok || r.N <= n {
		return false
	}
	r.N = n
	return true
}

// freeBarrier is a barrier name that the scenario does not use.
func (d *draft) freeBarrier() string {
	used := map[string]bool{}
	d.s.Walk(func(st corpus.Stmt) {
		if b, ok := st.(*corpus.Barrier); ok {
			used[b.Name] = true
		}
	})
	name := "meet"
	for used[name] {
		name += "x"
	}
	return name
}

// finish makes the text of a copy of the draft's scenario complete in itself: the delays of the plan go into its races, and
// a blank line is between declarations and body.
func (d *draft) finish(s *corpus.Scenario) {
	c := &draft{s: s}
	delay := map[*corpus.Op]*stress.DelayRange{}
	for i, op := range c.racing() {
		delay[op] = d.delay[d.racing()[i]]
	}
	s.Walk(func(st corpus.Stmt) {
		r, ok := st.(*corpus.Race)
		if !ok {
			return
		}
		in := corpus.Scenario{Body: r.Body}
		for i, op := range in.Ops() {
			if p := delay[op]; p != nil {
				lo, hi := min(time.Duration(p.Lo), corpus.MaxDelay), min(time.Duration(p.Hi), corpus.MaxDelay)
				if i == 0 {
					r.Lo, r.Hi = lo, hi
				}
				r.Lo, r.Hi = min(r.Lo, lo), max(r.Hi, hi)
			}
		}
	})
	space(s)
}

// named is a scenario whose names say what is what, as all minimal ones have them.
func named(s *corpus.Scenario) *corpus.Scenario {
	s = s.Clone()
	s.Canonical()
	space(s)
	return s
}

// space puts a blank line between declarations and body.
func space(s *corpus.Scenario) {
	if len(s.Body) == 0 {
		return
	}
	var first *corpus.Trivia
	switch st := s.Body[0].(type) {
	case *corpus.Op:
		first = &st.Trivia
	case *corpus.Barrier:
		first = &st.Trivia
	case *corpus.Race:
		first = &st.Trivia
	case *corpus.Repeat:
		first = &st.Trivia
	}
	if len(first.Before) == 0 {
		first.Before = []string{""}
	}
}
