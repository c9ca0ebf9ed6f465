package console

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Write reads the next piece of the console. It keeps a line that has not ended yet, up to maxLine, and never fails.
func (p *Parser) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.keep(b)
			break
		}
		if len(p.part) == 0 && i <= maxLine {
			p.line(b[:i])
		} else {
			p.keep(b[:i])
			p.line(p.part)
			p.part = p.part[:0]
		}
		b = b[i+1:]
	}
	return n, nil
}

func (p *Parser) keep(b []byte) {
	p.part = append(p.part, b[:min(len(b), maxLine-len(p.part))]...)
}

// line takes one line without its end. Consoles are shared: where the prefix of a kernel message stands amid a line, another
// line begins, be it behind a shell's prompt or behind a half of another message.
func (p *Parser) line(raw []byte) {
	p.num++
	s := clean(raw[:min(len(raw), maxLine)])
	cut := false // s begins behind a message that has a prefix itself
	for {
		body, pre := prefix(s)
		next := nextStamp(body)
		if next < 0 {
			p.message(body, pre.caller, cut)
			return
		}
		head := strings.TrimRight(body[:next], " ")
		if head != "" {
			p.message(head, pre.caller, cut)
		}
		cut = pre.stamped && head != ""
		s = body[next:]
	}
}

// clean returns a line as printable text: without carriage returns, NULs and terminals' escape sequences, tabs as spaces,
// and U+FFFD for each other byte or character that is not printable.
func clean(raw []byte) string {
	raw = bytes.TrimRight(raw, "\r")
	plain := true
	for _, c := range raw {
		if c < ' ' || c > '~' {
			plain = false
			break
		}
	}
	if plain {
		return string(raw)
	}
	var b strings.Builder
	for len(raw) > 0 {
		c := raw[0]
		switch {
		case c == 0x1b:
			raw = raw[escape(raw):]
			continue
		case c == '\t':
			b.WriteByte(' ')
		case c == '\r' || c == 0 || c == '\n':
		case c >= ' ' && c <= '~':
			b.WriteByte(c)
		default:
			r, n := utf8.DecodeRune(raw)
			if !unicode.IsPrint(r) {
				r = utf8.RuneError
			}
			b.WriteRune(r)
			raw = raw[n:]
			continue
		}
		raw = raw[1:]
	}
	return b.String()
}

// escape returns the length of the escape sequence at the start of b (ECMA-48: CSI, OSC and the short ones).
func escape(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	switch b[1] {
	case '[':
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x3f {
				return i
			}
		}
		return len(b)
	case ']':
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 || b[i] == 0x1b {
				return min(len(b), i+1)
			}
		}
		return len(b)
	default:
		return 2
	}
}

// origin is what stands in front of a message.
type origin struct {
	stamped bool
	caller  string // "T12" or "C0" of CONFIG_PRINTK_CALLER
}

// prefix takes from a line what is no part of the message: the record's head of /dev/kmsg, a journal's "HOST kernel: ", the
// level, the time, the caller.
func prefix(s string) (string, origin) {
	var o origin
	s = strings.TrimLeft(s, " ")
	if s == "" {
		return s, o
	}
	if c := s[0]; c >= '0' && c <= '9' {
		if head, text, ok := strings.Cut(s, ";"); ok && len(head) < 64 {
			if f := strings.SplitN(head, ",", 4); len(f) == 4 && digits(f[0]) && digits(f[1]) && digits(f[2]) {
				return strings.TrimLeft(text, " "), o
			}
		}
	}
	if i := strings.Index(s, " kernel: "); i >= 0 && i < 100 && clock(s[:i]) {
		s = s[i+len(" kernel: "):]
	}
	if c := s[0]; (c == 'D' || c == 'I' || c == 'W' || c == 'E') && len(s) > 30 && digits(s[1:5]) && clock(s[:min(len(s), 12)]) { // gVisor's log
		if i := strings.Index(s[:min(len(s), 120)], "] "); i > 0 {
			s = s[i+2:]
		}
	}
	if len(s) > 3 && s[0] == '<' {
		if i := strings.IndexByte(s[:min(len(s), 5)], '>'); i > 1 && digits(s[1:i]) {
			s = s[i+1:]
		}
	}
	if n := stamp(s); n > 0 {
		o.stamped = true
		s = s[n:]
		t := strings.TrimLeft(s, " ")
		if len(t) > 2 && t[0] == '[' {
			if i := strings.IndexByte(t[:min(len(t), 12)], ']'); i > 0 {
				c := strings.TrimLeft(t[1:i], " ")
				if len(c) > 1 && (c[0] == 'T' || c[0] == 'C') && digits(c[1:]) {
					o.caller, s = c, t[i+1:]
				}
			}
		}
	}
	return strings.TrimLeft(s, " "), o
}

// clock says that s has a time of day in it, "20:51", as what a journal puts in front of messages.
func clock(s string) bool {
	i := strings.IndexByte(s, ':')
	return i >= 2 && i+3 <= len(s) && digits(s[i-2:i]) && digits(s[i+1:i+3])
}

// stamp returns the length of "[SECONDS.MICROSECONDS]" at the start of s, or 0.
func stamp(s string) int {
	if len(s) < 10 || s[0] != '[' {
		return 0
	}
	i := 1
	for i < len(s) && s[i] == ' ' {
		i++
	}
	from := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == from || i-from > 9 || len(s) < i+8 || s[i] != '.' || s[i+7] != ']' || !digits(s[i+1:i+7]) {
		return 0
	}
	return i + 8
}

// nextStamp returns where in s another message's time begins, or -1.
func nextStamp(s string) int {
	for i := 0; ; i++ {
		j := strings.IndexByte(s[i:], '[')
		if j < 0 {
			return -1
		}
		i += j
		if stamp(s[i:]) > 0 {
			return i
		}
	}
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
