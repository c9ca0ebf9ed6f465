package corpus

import (
	"fmt"
	"slices"
	"strings"

	"tracehammer/ptrace"
)

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
