package console

import "strings"

// What differs from run to run: tasks as "COMM/PID", addresses, numbers.
var (
	taskLike = compiledLater(`[^\s/:,()]+/\d+(/0x[0-9a-f]+)?\b`)
	addrLike = compiledLater(`\b(0x[0-9a-f]+|[0-9a-f]{8,})\b`)
	numLike  = compiledLater(`\d+`)
	symLike  = compiledLater(`\+0x[0-9a-f]+/0x[0-9a-f]+( \[[\w-]+\])?`)
)

// normal takes out of a message what differs from run to run and from build to build.
func normal(s string) string {
	s = symLike.replace(s, "")
	s = taskLike.replace(s, "TASK")
	s = addrLike.replace(s, "N")
	s = numLike.replace(s, "N")
	return strings.TrimRight(strings.Join(strings.Fields(s), " "), " .!:")
}

// goText normalises what a Go panic says: a value may be printed with its type and address.
func goText(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), " [recovered]")
	return normal(s)
}

func bound(s string) string {
	if len(s) <= MaxTitle {
		return s
	}
	return strings.ToValidUTF8(s[:MaxTitle], "")
}

// titles puts a report's titles together.
func (o *open) titles() (title string, alt []string) {
	in := func(what string) string {
		if o.fn == "" || o.head.fixed {
			return bound(what)
		}
		return bound(what + " in " + o.fn)
	}
	what := kinds[o.head.kind].title
	if what == "" || o.head.what != "" {
		what = o.head.what
	}
	title = in(what)
	add := func(t string) {
		if t == title || len(alt) == MaxAlt {
			return
		}
		for _, a := range alt {
			if a == t {
				return
			}
		}
		alt = append(alt, t)
	}
	for _, a := range o.alt {
		add(in(a))
	}
	if o.place != "" {
		add(bound(normal(o.place)))
	}
	return title, alt
}
