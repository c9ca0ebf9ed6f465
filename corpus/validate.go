package corpus

import (
	"fmt"
	"slices"
	"strings"

	"tracehammer/engine"
)

// MaxRule is the highest R rule.
const MaxRule = engine.NumRules - 1

const maxBugRow = 999

// Systems that a condition can name.
var Systems = []string{engine.UserModeLinux, engine.GVisor}

// Archs are the architectures that a condition can name.
var Archs = []string{"386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"}

// allowedClone are the clone flags of scenarios: what needs a stack of its own set up, a TLS or a namespace other than that
// of pids is left out.
const allowedClone = ThreadFlags | engine.CLONE_PTRACE | engine.CLONE_VFORK | engine.CLONE_PARENT | engine.CLONE_UNTRACED | engine.CLONE_NEWPID | engine.CSIGNAL

// Validate says whether the scenario can be lowered and run: everything named exists, every actor is created once, by whom
// its declaration says, barriers and races can be reached, nothing outside the scenario is signalled or traced, and all
// bounds hold. Errors are *Error.
func (s *Scenario) Validate() error {
	v := &validator{s: s}
	if v.comments(); v.wrong == nil {
		v.all()
	}
	if f := v.wrong; f != nil {
		return &Error{File: s.file, Line: f.line, Msg: fmt.Sprintf(f.format, f.args...)}
	}
	return nil
}

// Repair makes a scenario valid by removing what Validate complains about, bit by bit. It leaves valid scenarios alone. One that
// it cannot make valid, which would be a mistake here, becomes an empty one of the name Unrepairable.
func (s *Scenario) Repair() { s.mend(anything) }

// origin says where a scenario comes from, and so what need not be looked at.
type origin uint8

const (
	anything origin = iota
	decoded         // each operation is valid by itself, and there are no comments
)

func (s *Scenario) mend(from origin) {
	if !s.repair(from) {
		*s = Scenario{Name: Unrepairable, Actors: []ActorDecl{{Name: "main"}}}
	}
}

// Unrepairable is no name that Decode gives otherwise.
const Unrepairable = "unrepairable"

// maxRepairs is more than any scenario within reach of Decode and of the generator needs: a fix that fixes nothing must not
// hang a fuzzer.
const maxRepairs = 5000

func (s *Scenario) repair(from origin) bool {
	v := &validator{s: s}
	if from == anything { // no fix makes comments
		for v.comments(); v.wrong != nil; v.comments() {
			v.wrong.fix()
			v.wrong = nil
		}
	}
	v.each = from == decoded
	for range maxRepairs {
		if v.all(); v.wrong == nil {
			return true
		}
		v.wrong.fix()
		v.wrong, v.each = nil, false
		s.tidy()
	}
	return false
}

// validator finds the first fault and how to get rid of it.
type validator struct {
	s     *Scenario
	wrong *fault
	each  bool  // each operation is known to be valid by itself
	list  []*Op // s.Ops()
}

// fault is what is wrong. Its text is only made for those who read it.
type fault struct {
	line   int
	format string
	args   []any
	fix    func()
}

// check returns whether everything was right so far. It is called as check(ok || fault(...)), so that what says what is wrong,
// and how to get rid of it, is only made when something is.
func (v *validator) check(bool) bool { return v.wrong == nil }

// fault records a fault unless there is one already; it returns false.
func (v *validator) fault(t *Trivia, fix func(), format string, args ...any) bool {
	if v.wrong != nil {
		return false
	}
	line := 0
	if t != nil {
		line = t.line
	}
	v.wrong = &fault{line, format, args, fix}
	return false
}

func (v *validator) remove(st Stmt) func() {
	return func() { v.s.Body = filter(v.s.Body, func(x Stmt) bool { return x != st }) }
}

func (v *validator) all() {
	v.list = v.s.appendOps(v.list[:0])
	for _, phase := range [...]func(*validator){(*validator).meta, (*validator).actors, (*validator).ops, (*validator).body, (*validator).creation,
		(*validator).namespaces, (*validator).variables} {
		if phase(v); v.wrong != nil {
			return
		}
	}
}

func (v *validator) meta() {
	s := v.s
	v.check(validName(s.Name) || v.fault(&s.Trivia, func() { s.Name = "x" }, "the scenario's name %q: expected a lower-case letter, then letters, digits, - and _, at most %d", s.Name, MaxNameLen))
	badRule := func(i int) bool {
		return s.Rules[i] < 1 || s.Rules[i] > MaxRule || slices.Index(s.Rules, s.Rules[i]) != i
	}
	for i := range s.Rules {
		v.check(!badRule(i) || v.fault(&s.Trivia, func() { s.Rules = slices.Delete(s.Rules, i, i+1) }, "rule R%d: expected each of R1 to R%d at most once", s.Rules[i], MaxRule))
	}
	for i := range s.On {
		v.check(s.On[i].valid() && !s.On[i].empty() || v.fault(&s.On[i].Trivia, func() { s.On = slices.Delete(s.On, i, i+1) }, "the condition%s: expected kernel versions, architectures, systems, root", s.On[i]))
	}
	for i, k := range s.KnownBugs {
		ok := k.Row >= 1 && k.Row <= maxBugRow && k.On.valid() && len(k.Shows) > 0
		for j, sign := range k.Shows {
			ok = ok && sign < numSigns && slices.Index(k.Shows, sign) == j
		}
		v.check(ok || v.fault(&k.Trivia, func() { s.KnownBugs = slices.Delete(s.KnownBugs, i, i+1) }, "known-bug %d: expected a row from 1 to %d, and how it shows, each sign once", k.Row, maxBugRow))
	}
	v.check(len(s.On) <= MaxMeta && len(s.KnownBugs) <= MaxMeta || v.fault(&s.Trivia, func() {
		s.On, s.KnownBugs = s.On[:min(len(s.On), MaxMeta)], s.KnownBugs[:min(len(s.KnownBugs), MaxMeta)]
	}, "expected at most %d conditions and %d known bugs", MaxMeta, MaxMeta))
}

// comments makes sure that what is printed as a comment is read back as the same comment.
func (v *validator) comments() {
	s := v.s
	bad := func(lines []string, top, end bool) bool {
		for i, l := range lines {
			blank := l == ""
			if blank && (top && i == 0 || end && i == len(lines)-1 || i > 0 && lines[i-1] == "") || !blank && !validComment(l) {
				return true
			}
		}
		return len(lines) > MaxTrivia
	}
	check := func(t *Trivia, top bool) {
		v.check(!bad(t.Before, top, false) && (t.After == "" || validComment(t.After)) || v.fault(t, func() { *t = Trivia{} }, "expected comments to be one line each, beginning with #"))
	}
	check(&s.Trivia, true)
	for i := range s.On {
		check(&s.On[i].Trivia, false)
	}
	for i := range s.KnownBugs {
		check(&s.KnownBugs[i].Trivia, false)
	}
	for i := range s.Actors {
		check(&s.Actors[i].Trivia, false)
	}
	s.Walk(func(st Stmt) {
		check(st.trivia(), false)
		switch st := st.(type) {
		case *Op:
			check(&st.End, false)
			for i := range st.Cases {
				check(&st.Cases[i].Trivia, false)
			}
		case *Race:
			check(&st.End, false)
		case *Repeat:
			check(&st.End, false)
		}
	})
	v.check(!bad(s.Tail, false, true) || v.fault(nil, func() { s.Tail = nil }, "expected comments to be one line each, beginning with #"))
}

func validComment(c string) bool {
	return strings.HasPrefix(c, "#") && !strings.ContainsAny(c, "\n\r") && strings.ToValidUTF8(c, "") == c && strings.TrimSpace(c) == c
}

func (v *validator) actors() {
	s := v.s
	if !v.check(len(s.Actors) > 0 || v.fault(&s.Trivia, func() { s.Actors = []ActorDecl{{Name: "main"}} }, "expected an actor")) ||
		!v.check(len(s.Actors) <= MaxActors || v.fault(&s.Trivia, func() { s.RemoveActor(len(s.Actors) - 1) }, "%d actors, expected at most %d", len(s.Actors), MaxActors)) {
		return
	}
	first := &s.Actors[0]
	v.check(!first.Thread && first.Parent == "" && first.By == "" || v.fault(&first.Trivia, func() { *first = ActorDecl{Name: first.Name, Victim: first.Victim} },
		"actor %q: expected the first actor to be a process that nobody creates", first.Name))
	for i := range s.Actors {
		v.actor(i, &s.Actors[i])
	}
}

// actor checks one. (It is a function of its own, like some others here, because variables of a loop that closures use are allocated.)
func (v *validator) actor(i int, d *ActorDecl) {
	s := v.s
	v.check(validName(d.Name) || v.fault(&d.Trivia, v.rename(i, d), "an actor's name %q: expected a lower-case letter, then letters, digits, - and _, at most %d", d.Name, MaxNameLen))
	v.check(s.Actor(d.Name) == i || v.fault(&d.Trivia, v.rename(i, d), "two actors of the name %q", d.Name))
	if i > 0 {
		parent := s.Actor(d.Parent)
		v.check(parent >= 0 && parent < i || v.fault(&d.Trivia, func() { d.Parent = s.Actors[0].Name }, "actor %q: expected its parent %q among the actors before it", d.Name, d.Parent))
	}
	by := VerbByName(d.By)
	v.check(d.By == "" || by != nil && by.Creates() || v.fault(&d.Trivia, func() { d.By = "" }, "actor %q is created by %q: expected fork, vfork or clone", d.Name, d.By))
	v.check(!d.Thread || d.By == "" || d.By == "clone" || v.fault(&d.Trivia, func() { d.Thread = false }, "thread %q is created by %s: expected clone", d.Name, d.By))
}

func (v *validator) rename(i int, d *ActorDecl) func() {
	return func() { d.Name = fmt.Sprintf("a%d-%d", i, len(v.s.Actors)) }
}
