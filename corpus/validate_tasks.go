package corpus

import (
	"slices"

	"tracehammer/engine"
)

// creation checks that every actor is created exactly once, by whom and how its declaration says, before anybody has to meet it.
func (v *validator) creation() {
	s := v.s
	created := map[string]bool{}
	for i := range s.Actors {
		created[s.Actors[i].Name] = s.Actors[i].By == ""
	}
	s.Walk(func(st Stmt) {
		if v.wrong != nil {
			return
		}
		switch st := st.(type) {
		case *Op:
			v.create(st, created)
		case *Barrier:
			v.reachable(st, st.Actors, created)
		case *Race:
			v.reachable(st, Participants(st.Body), created)
		}
	})
	for i := range s.Actors {
		d := &s.Actors[i]
		v.check(created[d.Name] || v.fault(&d.Trivia, func() { d.By = "" }, "actor %q: expected an operation \"%s: %s %s\"", d.Name, d.Parent, d.By, d.Name))
	}
}

func (v *validator) create(o *Op, created map[string]bool) {
	name := o.Created()
	if v.wrong != nil || name == "" {
		return
	}
	d := &v.s.Actors[v.s.Actor(name)]
	v.check(d.By != "" || v.fault(&o.Trivia, v.remove(o), "actor %q is created at the start: expected \"by %s\" in its declaration", name, o.Verb.Name))
	v.check(d.By == o.Verb.Name || v.fault(&o.Trivia, v.remove(o), "actor %q is declared to be created by %s", name, d.By))
	v.check(!created[name] || v.fault(&o.Trivia, v.remove(o), "actor %q is created twice", name))
	v.check(d.Parent == o.Actor || v.fault(&o.Trivia, v.remove(o), "actor %q is declared to be created by %q", name, d.Parent))
	if o.Verb.Name == "clone" {
		thread := o.Args[1].N&engine.CLONE_THREAD != 0
		v.check(thread == d.Thread || v.fault(&o.Trivia, v.remove(o), "actor %q: CLONE_THREAD and its declaration disagree", name))
	}
	created[name] = true
}

// reachable checks that those who have to meet exist by then.
func (v *validator) reachable(st Stmt, parties []string, created map[string]bool) {
	for _, a := range parties {
		for i := v.s.Actor(a); i > 0; i = v.s.Actor(v.s.Actors[i].Parent) {
			name := v.s.Actors[i].Name
			v.check(created[name] || v.fault(st.trivia(), func() { v.drop(a, st) }, "actor %q has to meet others here but %q is created later", a, name))
		}
	}
}

// Inits are the operations that create actors as inits of PID namespaces of their own, by the actors' names.
func (s *Scenario) Inits() map[string]*Op { return inits(s.Ops()) }

func inits(ops []*Op) map[string]*Op {
	var m map[string]*Op
	for _, o := range ops {
		if o.Verb.Name == "clone" && o.Args[1].N&engine.CLONE_NEWPID != 0 {
			if m == nil {
				m = map[string]*Op{}
			}
			m[o.Created()] = o
		}
	}
	return m
}

// namespaces checks what is left out about PID namespaces: their inits stay alone in them, and use no numbers from outside,
// which would mean nobody or somebody else there. Everybody else leaves the run's own init alone.
func (v *validator) namespaces() {
	inits := inits(v.list)
	for i := range v.s.Actors {
		d := &v.s.Actors[i]
		if by := inits[d.Parent]; by != nil {
			v.fault(&d.Trivia, func() { by.Args[1].N &^= engine.CLONE_NEWPID }, "actor %q: %q creates nobody: it stays alone in a PID namespace of its own", d.Name, d.Parent)
		}
	}
	for _, o := range v.list {
		own := inits[o.Actor] != nil
		for i, a := range o.Args {
			t := o.Verb.Params[i].Type
			switch {
			case t != Pid && t != Fd:
			case a.Kind != ArgNum:
				v.check(!own || v.fault(&o.Trivia, v.remove(o), "%s, %s: %q is in a PID namespace of its own: expected init, which is itself there, or another number", o.Verb.Name, o.Verb.Params[i].Name, o.Actor))
			case t == Pid && a.N == int64(engine.InitTid):
				v.check(own || slices.Contains(harmless, o.Verb.Call) || v.fault(&o.Trivia, v.remove(o), "%s: expected somebody else than init", o.Verb.Name))
			}
		}
	}
}

// givesTid are the verbs whose results may be used as a pid: their tids are the scenario's own.
var givesTid = []engine.Call{engine.CallClone, engine.CallGetpid, engine.CallGettid, engine.CallWait4}

func (v *validator) variables() {
	var setBy map[string][]*Op
	ops, vars, inits := v.list, variables(v.list), inits(v.list)
	for _, o := range ops {
		if o.Dst != "" {
			if setBy == nil {
				setBy = map[string][]*Op{}
			}
			setBy[o.Dst] = append(setBy[o.Dst], o)
		}
	}
	v.check(len(vars) <= MaxVars || v.fault(&v.s.Trivia, func() {
		last := vars[MaxVars]
		for _, o := range setBy[last] {
			o.Dst = ""
		}
	}, "%d variables, expected at most %d", len(vars), MaxVars))
	v.check(v.hidden()+MaxVars <= maxProgramVars || v.fault(&v.s.Trivia, func() {
		v.s.Body = filter(v.s.Body, func(st Stmt) bool { o, ok := st.(*Op); return !ok || !o.Verb.IsServe() })
	},
		"expected serve loops and repeat loops of fewer actors"))
	for _, o := range ops {
		for i, a := range o.Args {
			if a.Kind != ArgVar && a.Kind != ArgNegVar {
				continue
			}
			v.check(len(setBy[a.Name]) > 0 || v.fault(&o.Trivia, v.remove(o), "no actor and no variable that an operation sets: %q", a.Name))
			for _, from := range setBy[a.Name] {
				v.check(o.Verb.Params[i].Type != Pid || slices.Contains(givesTid, from.Verb.Call) || slices.Contains(harmless, o.Verb.Call) || v.fault(&o.Trivia, v.remove(o), "variable %q: %s does not give the tid of an actor", a.Name, from.Verb.Name))
				v.check(inits[from.Actor] == nil || v.fault(&o.Trivia, v.remove(o), "variable %q: %q sets it, whose numbers mean nothing outside its PID namespace", a.Name, from.Actor))
			}
		}
	}
}

// maxProgramVars bounds the variables of a lowered program.
const maxProgramVars = 64

// hidden counts the variables that loops need, as Lower allots them.
func (v *validator) hidden() int {
	type loop struct {
		actor string
		depth int // of a repeat loop; -1: serve loops
	}
	var seen map[loop]bool
	n := 0
	var visit func(body []Stmt, depth int)
	need := func(actor string, depth, vars int) {
		if seen == nil {
			seen = map[loop]bool{}
		}
		if k := (loop{actor, depth}); !seen[k] {
			seen[k] = true
			n += vars
		}
	}
	visit = func(body []Stmt, depth int) {
		for _, st := range body {
			switch st := st.(type) {
			case *Op:
				if st.Verb.IsServe() {
					need(st.Actor, -1, 3)
				}
			case *Race:
				visit(st.Body, depth)
			case *Repeat:
				need(st.Actor, depth, 1)
				visit(st.Body, depth+1)
			}
		}
	}
	visit(v.s.Body, 0)
	return n
}
