package corpus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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
