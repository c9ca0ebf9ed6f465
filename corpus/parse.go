package corpus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tracehammer/ptrace"
)

// Error is a mistake in a scenario: where it is and what was expected there.
type Error struct {
	File      string
	Line, Col int // from 1; Line 0: the scenario was not parsed from a text; Col 0: the whole line
	Msg       string
}

func (e *Error) Error() string {
	var pos []string
	if e.File != "" {
		pos = append(pos, e.File)
	}
	if e.Line > 0 {
		pos = append(pos, strconv.Itoa(e.Line))
		pos = append(pos, strconv.Itoa(max(1, e.Col)))
	}
	if len(pos) == 0 {
		return e.Msg
	}
	return strings.Join(pos, ":") + ": " + e.Msg
}

// Parse reads a scenario and validates it. Errors are *Error. It never panics and refuses texts beyond MaxText.
func Parse(file string, text []byte) (s *Scenario, err error) {
	if len(text) > MaxText {
		return nil, &Error{File: file, Msg: fmt.Sprintf("the scenario has %d bytes, expected at most %d", len(text), MaxText)}
	}
	p := &parser{file: file, s: &Scenario{file: file}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			s, err = nil, r
		default:
			panic(r)
		}
	}()
	p.split(string(text))
	p.header()
	p.s.Body = p.block(ctx{})
	p.s.Tail = p.takeBefore()
	for n := len(p.s.Tail); n > 0 && p.s.Tail[n-1] == ""; n-- {
		p.s.Tail = p.s.Tail[:n-1]
	}
	if len(p.s.Tail) == 0 {
		p.s.Tail = nil
	}
	if err := p.s.Validate(); err != nil {
		return nil, err
	}
	return p.s, nil
}

// word is a blank-free piece of a line.
type word struct {
	s   string
	col int
}

// line is a line that means something.
type line struct {
	no      int
	words   []word
	end     int // column behind the last word
	comment string
	before  []string
}

type parser struct {
	file  string
	lines []line
	at    int
	tail  []string // comments behind the last line
	pend  []string // comments that belong to a line of the header without trivia of its own
	s     *Scenario

	// position within the current line
	cur *line
	w   int
}

// split cuts the text into lines and words.
func (p *parser) split(text string) {
	var before []string
	no := 0
	for raw := range strings.Lines(text) {
		no++
		raw = strings.TrimRightFunc(raw, unicode.IsSpace)
		if !utf8.ValidString(raw) {
			panic(&Error{p.file, no, 1, "expected UTF-8"})
		}
		code, comment := raw, ""
		if i := strings.IndexByte(raw, '#'); i >= 0 {
			code, comment = raw[:i], raw[i:]
		}
		l := line{no: no, comment: comment, words: splitWords(code)}
		l.end = len(strings.TrimRightFunc(code, unicode.IsSpace)) + 1
		if len(l.words) > 0 {
			l.before, before = trimBlank(before, len(p.lines) == 0), nil
			p.lines = append(p.lines, l)
			continue
		}
		if comment == "" && len(before) > 0 && before[len(before)-1] == "" {
			continue
		}
		before = append(before, comment)
		if len(before) > MaxTrivia {
			panic(&Error{p.file, no, 1, fmt.Sprintf("more than %d comment lines together", MaxTrivia)})
		}
	}
	p.tail = trimBlank(before, len(p.lines) == 0)
}

// trimBlank drops a leading blank line at the top of the file.
func trimBlank(before []string, top bool) []string {
	if top && len(before) > 0 && before[0] == "" {
		before = before[1:]
	}
	if len(before) == 0 {
		return nil
	}
	return before
}

// splitWords cuts at blanks; a label's colon ends its word even without one.
func splitWords(code string) []word {
	var words []word
	for i := 0; i < len(code); {
		r, n := utf8.DecodeRuneInString(code[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		j := i
		for j < len(code) {
			r, n := utf8.DecodeRuneInString(code[j:])
			if unicode.IsSpace(r) {
				break
			}
			j += n
			if r == ':' && len(words) == 0 {
				break
			}
		}
		words = append(words, word{code[i:j], i + 1})
		i = j
	}
	return words
}

// next moves to the next line and returns whether there is one.
func (p *parser) next() bool {
	if p.at == len(p.lines) {
		return false
	}
	p.cur, p.w = &p.lines[p.at], 0
	p.at++
	return true
}

func (p *parser) peekLine() *line {
	if p.at == len(p.lines) {
		return nil
	}
	return &p.lines[p.at]
}

// takeBefore returns the comments behind the last line.
func (p *parser) takeBefore() []string {
	t := joinTrivia(p.pend, p.tail)
	p.pend, p.tail = nil, nil
	return t
}

func (p *parser) trivia() Trivia {
	t := Trivia{Before: joinTrivia(p.pend, p.cur.before), After: p.cur.comment, line: p.cur.no}
	p.pend = nil
	return t
}

// joinTrivia puts two runs of comment lines together, with one blank line where there would be two; nil for none.
func joinTrivia(a, b []string) []string {
	if len(a) > 0 && len(b) > 0 && a[len(a)-1] == "" && b[0] == "" {
		b = b[1:]
	}
	if len(a)+len(b) == 0 {
		return nil
	}
	return slices.Concat(a, b)
}

// fail reports what was expected at the current word.
func (p *parser) fail(format string, args ...any) {
	msg, col := fmt.Sprintf(format, args...), p.cur.end
	if p.w < len(p.cur.words) {
		col = p.cur.words[p.w].col
		msg += fmt.Sprintf(", found %q", p.cur.words[p.w].s)
	} else {
		msg += ", found the end of the line"
	}
	panic(&Error{p.file, p.cur.no, col, msg})
}

func (p *parser) more() bool { return p.w < len(p.cur.words) }

// peek returns the word n places ahead, "" behind the last one.
func (p *parser) peek(n int) string {
	if p.w+n < len(p.cur.words) {
		return p.cur.words[p.w+n].s
	}
	return ""
}

func (p *parser) accept(s string) bool {
	if p.peek(0) != s {
		return false
	}
	p.w++
	return true
}

func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.fail("expected %q", s)
	}
}

func (p *parser) endLine() {
	if p.more() {
		p.fail("expected the end of the line")
	}
}

// name reads a new or known name.
func (p *parser) name(what string) string {
	s := p.peek(0)
	if !validName(s) {
		p.fail("expected %s (a lower-case letter, then letters, digits, - and _, at most %d)", what, MaxNameLen)
	}
	p.w++
	return s
}

// actor reads the name of a declared actor.
func (p *parser) actor() string {
	s := p.peek(0)
	if p.s.Actor(s) < 0 {
		p.fail("expected an actor (%s)", p.actorList())
	}
	p.w++
	return s
}

func (p *parser) actorList() string {
	var names []string
	for _, d := range p.s.Actors {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

func (p *parser) int(what string, lo, hi int) int {
	n, err := strconv.Atoi(p.peek(0))
	if err != nil || n < lo || n > hi {
		p.fail("expected %s from %d to %d", what, lo, hi)
	}
	p.w++
	return n
}

// header reads everything before the body.
func (p *parser) header() {
	if !p.next() {
		panic(&Error{p.file, 1, 1, `expected "scenario NAME"`})
	}
	p.expect("scenario")
	s := p.s
	s.Trivia = p.trivia()
	s.Name = p.name("a name")
	p.endLine()
	for l := p.peekLine(); l != nil; l = p.peekLine() {
		switch l.words[0].s {
		case "rules", "on", "known-bug", "proc", "thread":
		default:
			if len(s.Actors) == 0 {
				p.next()
				p.fail(`expected "rules", "on", "known-bug", "proc" or "thread"`)
			}
			return
		}
		p.next()
		kind := p.peek(0)
		if len(s.Actors) > 0 && kind != "proc" && kind != "thread" {
			p.fail("expected this line before the actors")
		}
		p.w++
		switch kind {
		case "rules":
			p.rules()
		case "on":
			if len(s.KnownBugs) > 0 {
				p.w--
				p.fail(`expected this line before "known-bug"`)
			}
			c := p.condition()
			if c.String() == "" {
				p.fail("expected a condition")
			}
			c.Trivia = p.trivia()
			s.On = append(s.On, c)
		case "known-bug":
			s.KnownBugs = append(s.KnownBugs, p.knownBug())
		default:
			s.Actors = append(s.Actors, p.decl(kind == "thread"))
		}
		p.endLine()
		if len(s.Actors) > MaxActors || len(s.On) > MaxMeta || len(s.KnownBugs) > MaxMeta {
			p.w = 0
			p.fail("expected at most %d actors, %d conditions and %d known bugs", MaxActors, MaxMeta, MaxMeta)
		}
	}
	if len(s.Actors) == 0 {
		panic(&Error{p.file, p.cur.no, p.cur.end, `expected "proc NAME" after this line`})
	}
}

// rules has no trivia of its own: its comments go to the next line, or before it.
func (p *parser) rules() {
	if len(p.s.Rules) > 0 || len(p.s.On) > 0 || len(p.s.KnownBugs) > 0 {
		p.w = 0
		p.fail(`expected one line of rules, before "on" and "known-bug"`)
	}
	t := p.trivia()
	p.pend = t.Before
	if t.After != "" {
		p.pend = append(p.pend, t.After)
	}
	for p.more() {
		n, err := strconv.Atoi(strings.TrimPrefix(p.peek(0), "R"))
		if err != nil || n < 1 || n > MaxRule || p.peek(0)[0] != 'R' || slices.Contains(p.s.Rules, n) {
			p.fail("expected a rule not named yet, R1 to R%d", MaxRule)
		}
		p.s.Rules = append(p.s.Rules, n)
		p.w++
	}
	if len(p.s.Rules) == 0 {
		p.fail("expected a rule, R1 to R%d", MaxRule)
	}
}

func (p *parser) version(s string) Version {
	major, minor, ok := strings.Cut(s, ".")
	a, err1 := strconv.ParseUint(major, 10, 16)
	b, err2 := strconv.ParseUint(minor, 10, 16)
	if !ok || err1 != nil || err2 != nil || a == 0 {
		p.fail("expected a kernel version such as 6.1")
	}
	return Version{int(a), int(b)}
}

// condition reads terms up to the end of the line or "shows".
func (p *parser) condition() Condition {
	var c Condition
	for p.more() && p.peek(0) != "shows" {
		w := p.peek(0)
		switch {
		case strings.HasPrefix(w, "linux>=") && c.MinKernel == (Version{}):
			c.MinKernel = p.version(w[len("linux>="):])
		case strings.HasPrefix(w, "linux<") && c.MaxKernel == (Version{}):
			c.MaxKernel = p.version(w[len("linux<"):])
		case slices.Contains(Archs, w) && !slices.Contains(c.Arch, w):
			c.Arch = append(c.Arch, w)
		case slices.Contains(Systems, w) && !slices.Contains(c.System, w):
			c.System = append(c.System, w)
		case w == "root" && !c.Root:
			c.Root = true
		default:
			p.fail("expected linux>=VERSION, linux<VERSION, root, %s or an architecture (%s)", strings.Join(Systems, ", "), strings.Join(Archs, ", "))
		}
		p.w++
	}
	return c
}

func (p *parser) knownBug() KnownBug {
	k := KnownBug{Trivia: p.trivia(), Row: p.int("the row of a known bug", 1, maxBugRow)}
	if p.accept("on") {
		if k.On = p.condition(); k.On.String() == "" {
			p.fail("expected a condition")
		}
	}
	p.expect("shows")
	for _, w := range strings.Split(p.peek(0), "|") {
		i := slices.Index(signNames[:], w)
		if i < 0 || slices.Contains(k.Shows, Sign(i)) {
			p.fail("expected %s, joined by |", strings.Join(signNames[:], ", "))
		}
		k.Shows = append(k.Shows, Sign(i))
	}
	p.w++
	return k
}

func (p *parser) decl(thread bool) ActorDecl {
	d := ActorDecl{Trivia: p.trivia(), Thread: thread}
	if p.s.Actor(p.peek(0)) >= 0 {
		p.fail("expected a name that no actor has yet")
	}
	d.Name = p.name("an actor's name")
	if len(p.s.Actors) == 0 {
		if thread {
			p.w = 0
			p.fail(`expected the first actor to be a "proc"`)
		}
	} else {
		p.expect("of")
		d.Parent = p.actor()
	}
	if d.Parent != "" && p.accept("by") {
		if d.By = p.peek(0); VerbByName(d.By) == nil || !VerbByName(d.By).Creates() {
			p.fail("expected fork, vfork or clone")
		}
		p.w++
	}
	d.Victim = p.accept("victim")
	return d
}

// ctx is what surrounds a block.
type ctx struct {
	race   bool
	loop   string // actor whose repeat this is in
	depth  int
	opened int // line of the opening brace
}

// block reads statements up to the brace that closes it, which it leaves as the current line, or the end of the text.
func (p *parser) block(c ctx) []Stmt {
	var body []Stmt
	for p.next() {
		if p.peek(0) == "}" || c.loop != "" && p.peek(0) == c.loop+":" && p.peek(1) == "}" {
			if c.opened == 0 {
				p.fail("expected a statement")
			}
			if c.loop == "" || p.peek(0) != "}" {
				return body
			}
			p.fail("expected %q", c.loop+": }")
		}
		body = append(body, p.stmt(c))
		if len(body) > MaxOps+MaxBarriers+MaxOps {
			p.w = 0
			p.fail("expected at most %d operations", MaxOps)
		}
	}
	if c.opened != 0 {
		last := &p.lines[len(p.lines)-1]
		panic(&Error{p.file, last.no, last.end, fmt.Sprintf(`expected "}" for the block that line %d opens, found the end of the file`, c.opened)})
	}
	return body
}

// closing ends a block: the current line is its brace.
func (p *parser) closing(label bool) Trivia {
	if label {
		p.w++
	}
	p.expect("}")
	p.endLine()
	return p.trivia()
}

func (p *parser) stmt(c ctx) Stmt {
	switch w := p.peek(0); {
	case strings.HasSuffix(w, ":"):
		return p.labelled(c)
	case w == "barrier" && !c.race && c.loop == "":
		p.w++
		b := &Barrier{Trivia: p.trivia(), Name: p.name("a barrier's name")}
		for p.more() {
			b.Actors = append(b.Actors, p.actor())
		}
		if len(b.Actors) < 2 {
			p.fail("expected two or more actors")
		}
		return b
	case w == "race" && !c.race && c.loop == "":
		p.w++
		return p.race()
	}
	switch {
	case c.loop != "":
		p.fail("expected %q and an operation", c.loop+":")
	case c.race:
		p.fail(`expected "ACTOR:" and an operation, or "}"`)
	}
	p.fail(`expected "ACTOR:" and an operation, "barrier" or "race"`)
	return nil
}

func (p *parser) race() *Race {
	r := &Race{Trivia: p.trivia()}
	lo, hi, ok := strings.Cut(p.peek(0), "..")
	if ok {
		if r.Lo, ok = parseDuration(lo); ok {
			r.Hi, ok = parseDuration(hi)
		}
	}
	if !ok || r.Lo < 0 || r.Hi < r.Lo || r.Hi > MaxDelay {
		p.fail("expected a range of delays such as 0..20us, at most %s", formatDuration(MaxDelay))
	}
	p.w++
	if w := p.peek(0); strings.HasPrefix(w, "x") {
		n, err := strconv.Atoi(w[1:])
		if err != nil || n < 1 || n > MaxRaceRepeat {
			p.fail("expected a number of runs from x1 to x%d", MaxRaceRepeat)
		}
		r.Repeat = n
		p.w++
	}
	p.expect("{")
	p.endLine()
	r.Body = p.block(ctx{race: true, opened: p.cur.no})
	r.End = p.closing(false)
	return r
}

// labelled reads "ACTOR: ...".
func (p *parser) labelled(c ctx) Stmt {
	label := p.peek(0)
	actor := label[:len(label)-1]
	if p.s.Actor(actor) < 0 {
		p.fail("expected one of the actors %s", p.actorList())
	}
	if c.loop != "" && actor != c.loop {
		p.fail("expected %q: a loop is one actor's", c.loop+":")
	}
	p.w++
	if p.accept("repeat") {
		if c.depth == MaxDepth {
			p.fail("expected at most %d loops in each other", MaxDepth)
		}
		r := &Repeat{Trivia: p.trivia(), Actor: actor, N: p.int("a count", 1, MaxRepeat)}
		p.expect("{")
		p.endLine()
		r.Body = p.block(ctx{race: c.race, loop: actor, depth: c.depth + 1, opened: p.cur.no})
		r.End = p.closing(true)
		return r
	}
	return p.op(actor)
}

func (p *parser) op(actor string) *Op {
	o := &Op{Trivia: p.trivia(), Actor: actor}
	if p.peek(1) == "=" {
		if p.s.Actor(p.peek(0)) >= 0 {
			p.fail("expected a variable's name that is no actor's")
		}
		o.Dst = p.name("a variable's name")
		p.w++
	}
	o.Verb = p.verb()
	for _, param := range o.Verb.Params {
		o.Args = append(o.Args, p.arg(param))
	}
	switch {
	case o.Verb.IsServe():
		p.expect("{")
		p.endLine()
		p.cases(o)
	case p.accept("=>"):
		for {
			o.Expect = append(o.Expect, p.expectation(o.Verb))
			if len(o.Expect) > MaxAlts {
				p.fail("expected at most %d alternatives", MaxAlts)
			}
			if !p.accept("|") {
				break
			}
		}
		p.endLine()
	default:
		if p.more() {
			p.fail(`expected "=>" or the end of the line`)
		}
	}
	return o
}

// verb reads a verb of one or two words. "ptrace 77 ..." and "prctl 77 ..." are the one-word verbs.
func (p *parser) verb() *Verb {
	first := p.peek(0)
	if v := VerbByName(first + " " + p.peek(1)); v != nil && p.peek(1) != "" {
		p.w += 2
		return v
	}
	v := VerbByName(first)
	if v == nil {
		p.fail("expected an operation (one of %s)", verbList())
	}
	p.w++
	if len(v.Params) > 0 && v.Params[0].Type == Int && (first == "ptrace" || first == "prctl") {
		if _, ok := parseNum(Int, p.peek(0)); !ok {
			p.fail("expected one of %s", subVerbs(first))
		}
	}
	return v
}

func verbList() string {
	var names []string
	for _, v := range Verbs {
		if name, _, two := strings.Cut(v.Name, " "); !two {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func subVerbs(first string) string {
	var names []string
	for _, v := range Verbs {
		if f, sub, two := strings.Cut(v.Name, " "); two && f == first {
			names = append(names, sub)
		}
	}
	return strings.Join(names, ", ")
}

// arg reads an argument, or takes the default where there is none.
func (p *parser) arg(param Param) Arg {
	w := p.peek(0)
	if w == "" || w == "=>" || w == "{" {
		if param.Optional {
			return Num(param.Default)
		}
		p.fail("expected %s: %s", param.Name, paramTypes[param.Type].what)
	}
	a, ok := p.value(param.Type, w)
	if !ok || !argKindFits(param.Type, a.Kind) {
		p.fail("expected %s: %s", param.Name, paramTypes[param.Type].what)
	}
	p.w++
	return a
}

// value reads a word as a value of a type. Names that are no actors are taken for variables; Validate knows which are set.
func (p *parser) value(t ParamType, w string) (Arg, bool) {
	if n, ok := parseNum(t, w); ok {
		return Num(n), true
	}
	name, neg := strings.CutPrefix(w, "-")
	a := Arg{Name: name}
	switch actor := p.s.Actor(name) >= 0; {
	case actor && neg:
		a.Kind = ArgNegActor
	case actor:
		a.Kind = ArgActor
	case !validName(name):
		return Arg{}, false
	case neg:
		a.Kind = ArgNegVar
	default:
		a.Kind = ArgVar
	}
	return a, true
}

func (p *parser) expectation(v *Verb) Expect {
	switch {
	case p.accept(wordBlocks):
		return Expect{Kind: ExpectBlocks}
	case p.accept(wordNever):
		return Expect{Kind: ExpectNever}
	}
	e := Expect{Ret: p.expected(Tid, "a result: a number, an errno, an actor, blocks or never")}
	for _, out := range v.Outs {
		if w := p.peek(0); w == "" || w == "|" {
			break
		}
		if out.Type == Status && p.peek(0) != wordAny {
			var words []string
			for i := p.w; i < len(p.cur.words) && p.cur.words[i].s != "|"; i++ {
				words = append(words, p.cur.words[i].s)
			}
			n, used, ok := parseStatus(words)
			if !ok {
				p.fail("expected a wait status: stopped SIG, event NAME [SIG], syscall-stop, exited CODE, killed SIG [core], continued")
			}
			p.w += used
			e.Out = append(e.Out, Num(n))
			continue
		}
		e.Out = append(e.Out, p.expected(out.Type, out.Name+": "+paramTypes[out.Type].what))
	}
	return e
}

// expected reads one expected value: "_", an errno, an actor or a number of the type.
func (p *parser) expected(t ParamType, what string) Arg {
	w := p.peek(0)
	if w == wordAny {
		p.w++
		return Arg{Kind: ArgAny}
	}
	if t == Tid {
		if n, ok := ptrace.Errnos.Lookup(w); ok {
			p.w++
			return Num(-n)
		}
	}
	a, ok := p.value(t, w)
	if !ok || a.Kind != ArgNum && (a.Kind != ArgActor || t != Tid) {
		p.fail("expected %s", what)
	}
	p.w++
	return a
}

// cases reads the lines of a serve loop and its closing brace.
func (p *parser) cases(o *Op) {
	opened := p.cur.no
	for p.next() {
		if p.peek(0) != o.Actor+":" {
			p.fail("expected %q", o.Actor+":")
		}
		if p.peek(1) == "}" {
			o.End = p.closing(true)
			return
		}
		p.w++
		if len(o.Cases) == MaxCases {
			p.fail("expected at most %d cases", MaxCases)
		}
		o.Cases = append(o.Cases, p.servCase())
	}
	last := &p.lines[len(p.lines)-1]
	panic(&Error{p.file, last.no, last.end, fmt.Sprintf(`expected "}" for the loop that line %d opens, found the end of the file`, opened)})
}

func (p *parser) servCase() Case {
	c := Case{Trivia: p.trivia()}
	kind := slices.Index(caseWords[:], p.peek(0))
	if kind < 0 {
		p.fail("expected a report: %s", strings.Join(caseWords[:], ", "))
	}
	p.w++
	c.Kind = CaseKind(kind)
	switch c.Kind {
	case CaseSignal:
		if p.peek(0) != "=>" {
			c.N = p.signal()
		}
	case CaseEvent:
		n, ok := ptrace.Events.Lookup(p.peek(0))
		if !ok {
			p.fail("expected an event: %s", eventList())
		}
		c.N = n
		p.w++
	}
	p.expect("=>")
	switch {
	case p.accept(answerWords[AnswerIgnore]):
		c.Answer = AnswerIgnore
	case p.accept(answerWords[AnswerEnd]):
		c.Answer = AnswerEnd
	default:
		if c.Verb = VerbByName("ptrace " + p.peek(0)); !slices.Contains(ServeVerbs, c.Verb) {
			p.fail("expected end, ignore or a request: %s", serveList())
		}
		p.w++
		if takesSignal(c.Verb) && p.more() {
			switch {
			case p.accept(wordSame):
				c.Sig = SigSame
			case p.accept("0"):
			default:
				c.Sig, c.SigN = SigNum, p.signal()
			}
		}
	}
	p.endLine()
	return c
}

func (p *parser) signal() int64 {
	n, ok := ptrace.Signals.Lookup(p.peek(0))
	if !ok {
		p.fail("expected a signal")
	}
	p.w++
	return n
}

func formatEvent(n int64) string { return ptrace.Events.Format(n) }

func eventList() string {
	var names []string
	for _, s := range ptrace.Events.Symbols() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

func serveList() string {
	var names []string
	for _, v := range ServeVerbs {
		names = append(names, strings.TrimPrefix(v.Name, "ptrace "))
	}
	return strings.Join(names, ", ")
}
