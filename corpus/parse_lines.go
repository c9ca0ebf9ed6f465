package corpus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

func (p *parser) int(what string, lo, hi int) int {
	n, err := strconv.Atoi(p.peek(0))
	if err != nil || n < lo || n > hi {
		p.fail("expected %s from %d to %d", what, lo, hi)
	}
	p.w++
	return n
}
