package corpus

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Print returns the canonical text. For texts in canonical form it is the inverse of Parse, to the byte.
func (s *Scenario) Print() []byte {
	p := printer{}
	for _, d := range s.Actors {
		p.label = max(p.label, len(d.Name)+len(": "))
	}
	p.line(s.Trivia, "", "scenario "+s.Name)
	if len(s.Rules) > 0 {
		var b strings.Builder
		b.WriteString("rules")
		for _, r := range s.Rules {
			fmt.Fprintf(&b, " R%d", r)
		}
		p.line(Trivia{}, "", b.String())
	}
	for _, c := range s.On {
		p.line(c.Trivia, "", "on"+c.String())
	}
	for _, k := range s.KnownBugs {
		p.line(k.Trivia, "", k.String())
	}
	for _, d := range s.Actors {
		p.line(d.Trivia, "", d.String())
	}
	p.body(s.Body, "", 0)
	p.flush()
	for _, c := range s.Tail {
		p.comment("", c)
	}
	return []byte(p.b.String())
}

// printer aligns the expectations of lines that follow each other without anything between.
type printer struct {
	b     strings.Builder
	label int
	rows  []row
}

type row struct{ text, expect, after string }

func (p *printer) line(t Trivia, indent, text string) {
	p.flush()
	p.before(t, indent)
	p.rows = append(p.rows, row{text: indent + text, after: t.After})
	p.flush()
}

// row adds a line that may have an expectation.
func (p *printer) row(t Trivia, indent, text, expect string) {
	if len(t.Before) > 0 {
		p.flush()
		p.before(t, indent)
	}
	p.rows = append(p.rows, row{indent + text, expect, t.After})
}

// maxAlign bounds how far to the right one long line moves the expectations of its neighbours.
const maxAlign = 64

func (p *printer) flush() {
	width := 0
	for _, r := range p.rows {
		if n := utf8.RuneCountInString(r.text); r.expect != "" && n <= maxAlign {
			width = max(width, n)
		}
	}
	for _, r := range p.rows {
		p.b.WriteString(r.text)
		if r.expect != "" {
			p.b.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(r.text))))
			p.b.WriteString(" => ")
			p.b.WriteString(r.expect)
		}
		if r.after != "" {
			p.b.WriteString("  ")
			p.b.WriteString(r.after)
		}
		p.b.WriteByte('\n')
	}
	p.rows = p.rows[:0]
}

func (p *printer) before(t Trivia, indent string) {
	for _, c := range t.Before {
		p.comment(indent, c)
	}
}

func (p *printer) comment(indent, c string) {
	if c != "" {
		p.b.WriteString(indent)
		p.b.WriteString(c)
	}
	p.b.WriteByte('\n')
}

// body prints statements; indent is that of the lines, depth that behind the actor labels.
func (p *printer) body(body []Stmt, indent string, depth int) {
	for _, st := range body {
		switch st := st.(type) {
		case *Op:
			p.op(st, indent, depth)
		case *Barrier:
			p.line(st.Trivia, indent, "barrier "+st.Name+" "+strings.Join(st.Actors, " "))
		case *Race:
			text := "race " + formatDuration(st.Lo) + ".." + formatDuration(st.Hi)
			if st.Repeat > 0 {
				text += " x" + strconv.Itoa(st.Repeat)
			}
			p.line(st.Trivia, indent, text+" {")
			p.body(st.Body, indent+"  ", depth)
			p.line(st.End, indent, "}")
		case *Repeat:
			p.line(st.Trivia, indent, p.labelled(st.Actor, depth, fmt.Sprintf("repeat %d {", st.N)))
			p.body(st.Body, indent, depth+1)
			p.line(st.End, indent, p.labelled(st.Actor, depth, "}"))
		}
	}
}

func (p *printer) labelled(actor string, depth int, text string) string {
	l := actor + ":"
	return l + strings.Repeat(" ", max(1, p.label-len(l))) + strings.Repeat("  ", depth) + text
}

func (p *printer) op(o *Op, indent string, depth int) {
	if !o.Verb.IsServe() {
		p.row(o.Trivia, indent, p.labelled(o.Actor, depth, o.call()), formatExpects(o.Verb, o.Expect))
		return
	}
	p.line(o.Trivia, indent, p.labelled(o.Actor, depth, o.call()+" {"))
	for _, c := range o.Cases {
		p.row(c.Trivia, indent, p.labelled(o.Actor, depth+1, c.kind()), c.answer())
	}
	p.line(o.End, indent, p.labelled(o.Actor, depth, "}"))
}

// String is the operation as its line says it, without actor and comments.
func (o *Op) String() string {
	if e := formatExpects(o.Verb, o.Expect); e != "" {
		return o.call() + " => " + e
	}
	return o.call()
}

func (o *Op) call() string {
	var b strings.Builder
	if o.Dst != "" {
		b.WriteString(o.Dst + " = ")
	}
	b.WriteString(o.Verb.Name)
	last := len(o.Args)
	for last > 0 {
		if p := o.Verb.Params[last-1]; !p.Optional || o.Args[last-1] != Num(p.Default) {
			break
		}
		last--
	}
	for i := range last {
		b.WriteByte(' ')
		b.WriteString(formatArg(o.Verb.Params[i].Type, o.Args[i]))
	}
	return b.String()
}

func formatExpects(v *Verb, alts []Expect) string {
	var b strings.Builder
	for i, e := range alts {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(e.format(v))
	}
	return b.String()
}

func (e *Expect) format(v *Verb) string {
	switch e.Kind {
	case ExpectBlocks:
		return wordBlocks
	case ExpectNever:
		return wordNever
	}
	s := formatRet(v, e.Ret)
	for i, a := range e.Out {
		s += " " + formatArg(v.Outs[i].Type, a)
	}
	return s
}

func (d ActorDecl) String() string {
	s := "proc "
	if d.Thread {
		s = "thread "
	}
	s += d.Name
	if d.Parent != "" {
		s += " of " + d.Parent
	}
	if d.By != "" {
		s += " by " + d.By
	}
	if d.Victim {
		s += " victim"
	}
	return s
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// String has a space before each term, and is empty for a condition that does not restrict.
func (c Condition) String() string {
	var s string
	if c.MinKernel != (Version{}) {
		s += " linux>=" + c.MinKernel.String()
	}
	if c.MaxKernel != (Version{}) {
		s += " linux<" + c.MaxKernel.String()
	}
	for _, a := range c.Arch {
		s += " " + a
	}
	for _, y := range c.System {
		s += " " + y
	}
	if c.Root {
		s += " root"
	}
	return s
}

func (k KnownBug) String() string {
	s := fmt.Sprintf("known-bug %d", k.Row)
	if on := k.On.String(); on != "" {
		s += " on" + on
	}
	for i, sign := range k.Shows {
		if i == 0 {
			s += " shows "
		} else {
			s += "|"
		}
		s += sign.String()
	}
	return s
}

var signNames = [numSigns]string{"hang", "not-admitted", "console", "nothing"}

func (s Sign) String() string {
	if s < numSigns {
		return signNames[s]
	}
	return fmt.Sprintf("Sign(%d)", s)
}

var caseWords = [numCaseKinds]string{"signal", "group-stop", "event", "syscall", "exited", "killed", "continued"}

func (k CaseKind) String() string {
	if k < numCaseKinds {
		return caseWords[k]
	}
	return fmt.Sprintf("CaseKind(%d)", k)
}

var answerWords = [numAnswerKinds]string{AnswerIgnore: "ignore", AnswerEnd: "end"}

func (c *Case) kind() string {
	switch {
	case c.Kind == CaseSignal && c.N != 0:
		return "signal " + formatNum(Signal, c.N)
	case c.Kind == CaseEvent:
		return "event " + formatEvent(c.N)
	}
	return c.Kind.String()
}

func (c *Case) answer() string {
	if c.Answer != AnswerRequest {
		return answerWords[c.Answer]
	}
	s := strings.TrimPrefix(c.Verb.Name, "ptrace ")
	switch c.Sig {
	case SigSame:
		s += " " + wordSame
	case SigNum:
		s += " " + formatNum(Signal, c.SigN)
	}
	return s
}
