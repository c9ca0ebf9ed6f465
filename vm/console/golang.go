package console

import "strings"

// goBody takes a line amid the report of a Go program: "goroutine 1 [running]:", then for each frame "pkg.Func(args)" and
// "\tfile.go:12 +0x1d".
func (o *open) goBody(s string) bool {
	switch {
	case strings.HasPrefix(s, "goroutine ") && strings.HasSuffix(s, "]:"):
		if o.section == beforeTrace {
			o.section = inTrace
		} else {
			o.section = otherTrace
		}
		return true
	case o.head.kind == GoRace && (strings.HasPrefix(s, "Read at ") || strings.HasPrefix(s, "Write at ")):
		o.section = inTrace
		return true
	case strings.HasPrefix(s, "Previous ") || strings.HasPrefix(s, "created by ") || strings.HasPrefix(s, "Goroutine "):
		if o.section == inTrace {
			o.section = otherTrace
		}
		return true
	case strings.HasPrefix(s, "[signal SIG"):
		return true
	case s == "==================":
		o.ended = o.head.kind == GoRace
		return true
	}
	fn, ok := goFrame(s)
	if !ok {
		return strings.Contains(s, ".go:")
	}
	if o.section == inTrace && len(o.trace) < MaxTrace {
		o.trace = append(o.trace, Frame{Func: fn})
	}
	return true
}

// goFrame reads "import/path.(*Type).Method(0x1, 0x2)".
func goFrame(s string) (string, bool) {
	if !strings.HasSuffix(s, ")") || strings.ContainsAny(s, " \"") && !strings.Contains(s, "(0x") && !strings.HasSuffix(s, "(...)") && !strings.HasSuffix(s, "()") {
		return "", false
	}
	i := strings.LastIndexByte(s, '(')
	if i <= 0 || i > 200 {
		return "", false
	}
	fn := s[:i]
	if strings.ContainsAny(fn, " \t\"'") {
		return "", false
	}
	if fn != "panic" && !strings.Contains(fn, ".") {
		return "", false
	}
	if j := strings.IndexByte(fn, '['); j > 0 { // type arguments: "[...]"
		if k := strings.IndexByte(fn[j:], ']'); k > 0 {
			fn = fn[:j] + fn[j+k+1:]
		}
	}
	return cut(fn), fn != ""
}
