package corpus

import (
	"fmt"
	"slices"
	"strings"

	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/ptrace"
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

func (c Condition) valid() bool {
	ok := c.MinKernel.valid() && c.MaxKernel.valid()
	for i, a := range c.Arch {
		ok = ok && slices.Contains(Archs, a) && slices.Index(c.Arch, a) == i
	}
	last := -1
	for _, s := range c.System { // in this order, which their byte form has
		i := slices.Index(Systems, s)
		ok = ok && i > last
		last = i
	}
	return ok
}

// empty says that the condition restricts nothing.
func (c Condition) empty() bool {
	return c.MinKernel == Version{} && c.MaxKernel == Version{} && len(c.Arch) == 0 && len(c.System) == 0 && !c.Root
}

func (v Version) valid() bool {
	return v == Version{} || v.Major > 0 && v.Major < 1<<16 && v.Minor >= 0 && v.Minor < 1<<16
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

// ops checks each operation by itself.
func (v *validator) ops() {
	if v.each {
		return
	}
	for i, o := range v.list {
		if !v.one(i, o) {
			return
		}
	}
}

func (v *validator) one(i int, o *Op) bool {
	if !v.check(i < MaxOps || v.fault(&o.Trivia, v.remove(o), "expected at most %d operations", MaxOps)) {
		return false
	}
	if msg := v.op(o); !v.check(msg == "" || v.fault(&o.Trivia, v.remove(o), "%s", msg)) {
		return false
	}
	for j := range o.Expect {
		v.check(v.expect(o.Verb, &o.Expect[j]) && j < MaxAlts || v.fault(&o.Trivia, removeExpect(o, j), "%s: expectation %d does not fit the operation", o.Verb.Name, j+1))
	}
	for j := range o.Cases {
		v.check(o.Cases[j].valid() && j < MaxCases || v.fault(&o.Cases[j].Trivia, removeCase(o, j), "case %d of the loop is none", j+1))
	}
	return true
}

func removeExpect(o *Op, j int) func() {
	return func() { o.Expect = slices.Delete(slices.Clone(o.Expect), j, j+1) }
}

func removeCase(o *Op, j int) func() {
	return func() { o.Cases = slices.Delete(o.Cases, j, j+1) }
}

// op returns what is wrong with one operation.
func (v *validator) op(o *Op) string {
	switch {
	case v.s.Actor(o.Actor) < 0:
		return fmt.Sprintf("no actor %q", o.Actor)
	case o.Verb == nil || o.Verb != Verbs[o.Verb.ID]:
		return "no verb"
	case len(o.Args) != len(o.Verb.Params):
		return fmt.Sprintf("%s has %d arguments, expected %d", o.Verb.Name, len(o.Args), len(o.Verb.Params))
	case o.Dst != "" && (!validName(o.Dst) || v.s.Actor(o.Dst) >= 0):
		return fmt.Sprintf("variable %q: expected a name that no actor has", o.Dst)
	case o.Verb.IsServe() && (o.Dst != "" || len(o.Expect) > 0):
		return "a serve loop has no result"
	case o.Verb.IsServe() && len(o.Args) == 2 && o.Args[1].N&engine.WNOHANG != 0:
		return "a serve loop has to wait: expected flags without WNOHANG"
	case !o.Verb.IsServe() && len(o.Cases) > 0:
		return o.Verb.Name + " has no cases"
	}
	for i, a := range o.Args {
		p := o.Verb.Params[i]
		if msg := v.arg(o, p, a); msg != "" {
			return fmt.Sprintf("%s, %s: %s", o.Verb.Name, p.Name, msg)
		}
	}
	return v.safe(o)
}

func (v *validator) arg(o *Op, p Param, a Arg) string {
	if !argKindFits(p.Type, a.Kind) {
		return "expected " + paramTypes[p.Type].what
	}
	switch a.Kind {
	case ArgActor, ArgNegActor:
		if v.s.Actor(a.Name) < 0 {
			return fmt.Sprintf("no actor %q", a.Name)
		}
	case ArgVar, ArgNegVar:
		if !validName(a.Name) || v.s.Actor(a.Name) >= 0 {
			return fmt.Sprintf("no variable %q", a.Name)
		}
	case ArgNum:
		if a.Name != "" {
			return "a number with a name"
		}
		if !writable(p.Type, a.N) {
			return fmt.Sprintf("%d cannot be written", a.N)
		}
		return numberIn(o.Verb, p.Type, a.N)
	}
	if a.N != 0 {
		return "a name with a number"
	}
	return ""
}

// writable says whether a number of a type is read back from what it is written as. Names, sets of names and plain numbers are.
func writable(t ParamType, n int64) bool {
	if t != Duration && t != CloneFlags && t != Status {
		return true
	}
	back, ok := parseNum(t, formatNum(t, n))
	return ok && back == n
}

// numberIn bounds numbers of a type.
func numberIn(verb *Verb, t ParamType, n int64) string {
	in := func(lo, hi int64) string {
		if n < lo || n > hi {
			return fmt.Sprintf("%s, expected %s to %s", formatNum(t, n), formatNum(t, lo), formatNum(t, hi))
		}
		return ""
	}
	switch t {
	case Signal:
		return in(0, 127) // beyond 64 for the errors
	case Fd:
		return in(-1, 1<<10)
	case Duration:
		return in(0, int64(MaxSleep))
	case CloneFlags:
		if n&^allowedClone != 0 {
			return fmt.Sprintf("expected an exit signal and flags among %s", formatNum(CloneFlags, allowedClone&^engine.CSIGNAL))
		}
		return ""
	case UtraceEvents:
		return in(0, 1<<(clients.CallbackJctl+1)-1)
	case UtraceAction:
		return in(0, 7) // one more for the error
	case AttachFlags:
		return in(0, 0xff)
	case Client, Callback, Image, SeccompAction, CallName, Disposition, How, WaitIDType:
		if _, ok := paramTypes[t].table.Name(n); !ok {
			return "expected " + paramTypes[t].what
		}
		return ""
	case Pid:
		// Numbers of real tasks are not the scenario's to choose: 0 is the caller, or its group; -1 anybody.
		if n == 0 || n == -1 || n == int64(engine.DeadTid) || n == int64(engine.InitTid) {
			return ""
		}
		return "expected an actor, a variable, 0, -1 or nobody"
	}
	return ""
}

// harmless are the calls that may name init, the harness's own process, and everybody.
var harmless = []engine.Call{engine.CallWait4, engine.CallWaitid, engine.CallGetpgid, engine.CallGetsid}

// safe keeps a scenario to itself: it signals and traces nobody but its own actors.
func (v *validator) safe(o *Op) string {
	for i, a := range o.Args {
		if o.Verb.Params[i].Type != Pid || a.Kind != ArgNum || slices.Contains(harmless, o.Verb.Call) {
			continue
		}
		switch {
		case a.N == int64(engine.InitTid) && (o.Verb.Call == engine.CallPtrace || o.Verb.EngineOnly()):
			return o.Verb.Name + ": expected somebody else than init"
		case a.N == -1 && o.Verb.Call == engine.CallKill:
			return "kill: expected somebody, not everybody"
		}
	}
	if o.Verb.Call == engine.CallPrctl {
		return safePrctl(o)
	}
	if ids := map[engine.Call]string{engine.CallSetresuid: "uid", engine.CallSetresgid: "gid"}; ids[o.Verb.Call] != "" &&
		o.Args[0].Kind == ArgNum && (o.Args[0].N < 0 || o.Args[0].N > 1<<16) {
		return o.Verb.Name + ": expected a " + ids[o.Verb.Call] + " up to 65536"
	}
	if o.Verb.Call == engine.CallSeccomp && engine.Call(o.Args[1].N) == engine.CallSeccomp {
		return "seccomp: expected another call to filter"
	}
	return ""
}

// safePrctl keeps generic prctl to options that have no effect on the harness.
func safePrctl(o *Op) string {
	if len(o.Verb.Fixed) > 0 {
		return ""
	}
	if a := o.Args[0]; a.Kind == ArgNum {
		if _, ok := ptrace.PrctlOptions.Name(a.N); ok || a.N >= 1<<20 {
			return ""
		}
	}
	return "prctl: expected a known option, or a number that is surely none"
}

func (v *validator) expect(verb *Verb, e *Expect) bool {
	if e.Kind != ExpectResult {
		return e.Kind < numExpectKinds && e.Ret == (Arg{}) && len(e.Out) == 0
	}
	fits := func(t ParamType, a Arg) bool {
		switch a.Kind {
		case ArgAny:
			return a.N == 0 && a.Name == ""
		case ArgActor:
			return t == Tid && a.N == 0 && v.s.Actor(a.Name) >= 0
		case ArgNum:
			return a.Name == ""
		}
		return false
	}
	if len(e.Out) > len(verb.Outs) || !fits(Tid, e.Ret) {
		return false
	}
	for i, a := range e.Out {
		if !fits(verb.Outs[i].Type, a) {
			return false
		}
	}
	return true
}

func (c *Case) valid() bool {
	ok := c.Kind < numCaseKinds && c.Answer < numAnswerKinds && c.Sig < numSigKinds
	switch c.Kind {
	case CaseSignal:
		ok = ok && c.N >= 0 && c.N <= engine.NSIG
	case CaseEvent:
		_, known := ptrace.Events.Name(c.N)
		ok = ok && known
	default:
		ok = ok && c.N == 0
	}
	if c.Answer != AnswerRequest {
		return ok && c.Verb == nil && c.Sig == SigNone && c.SigN == 0
	}
	ok = ok && slices.Contains(ServeVerbs, c.Verb) && (c.Sig == SigNone || takesSignal(c.Verb))
	if c.Sig == SigNum {
		return ok && c.SigN >= 1 && c.SigN <= engine.NSIG
	}
	return ok && c.SigN == 0
}

// body checks how statements contain each other.
func (v *validator) body() {
	c := containment{v: v}
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
		c.visit(st.Body, race, st, depth+1)
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

// Holds says whether a machine meets the condition.
func (c Condition) Holds(m Machine) bool {
	r, _ := engine.ParseRelease(m.Release) // what has none is older than all
	v := Version(r)
	return (c.MinKernel == Version{} || !v.less(c.MinKernel)) && (c.MaxKernel == Version{} || v.less(c.MaxKernel)) &&
		(len(c.Arch) == 0 || slices.Contains(c.Arch, m.Arch)) && (len(c.System) == 0 || slices.Contains(c.System, m.System)) && (!c.Root || m.Root)
}

// versioned says whether the condition is about versions of Linux.
func (c Condition) versioned() bool { return c.MinKernel != Version{} || c.MaxKernel != Version{} }

func (v Version) less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// RunsOn says whether the scenario is meant for a machine: any of its "on" lines holds, or there is none.
func (s *Scenario) RunsOn(m Machine) bool {
	return len(s.On) == 0 || slices.ContainsFunc(s.On, func(c Condition) bool { return c.Holds(m) })
}

// Known returns the known bugs that a machine is said to have. What versions of Linux have is none of another kernel.
func (s *Scenario) Known(m Machine) []KnownBug {
	var out []KnownBug
	for _, k := range s.KnownBugs {
		if k.On.Holds(m) && (m.Linux() || !k.On.versioned()) {
			out = append(out, k)
		}
	}
	return out
}
