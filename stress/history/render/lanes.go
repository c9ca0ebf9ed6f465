package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Widths of a lane diagram, in columns: it fits the kernel lists' mail, where wrapped lines are unreadable.
const (
	lanesWidth = 150
	laneMin    = 8
)

// WriteLanes writes h as a swim-lane diagram: one column an actor, one row an event in ticket order.
//
//   - text = R a call that nothing else fell into
//     / text     a call begins and is in flight
//     |          while it is
//     \ = R      and it returns
//   - text     a signal handler
func WriteLanes(w io.Writer, p *engine.Program, h *history.History) error {
	var b bytes.Buffer
	writeHead(&b, h)
	d := newDiagram(p, h)
	d.fill()
	d.write(&b)
	writeTail(&b, p, h)
	return flush(w, &b, "lanes")
}

// diagram is a table of cells: rows of one text per shown actor, with the ticket in front.
type diagram struct {
	p     *engine.Program
	h     *history.History
	lanes []engine.ActorID
	col   map[engine.ActorID]int
	rows  []laneRow
}

type laneRow struct {
	label string
	cells []laneCell
}

// laneCell is one event's text; mark stands before its first line, more before the lines that it wraps to.
type laneCell struct{ mark, text, more string }

func newDiagram(p *engine.Program, h *history.History) *diagram {
	d := &diagram{p: p, h: h, col: map[engine.ActorID]int{}}
	for i, a := range h.Actors {
		if a.Tid != 0 || len(a.Entries) > 0 {
			d.col[engine.ActorID(i)] = len(d.lanes)
			d.lanes = append(d.lanes, engine.ActorID(i))
		}
	}
	return d
}

func (d *diagram) fill() {
	evs := events(d.h)
	inCall := make([]bool, len(d.lanes))
	row := func(label string) *laneRow {
		cells := make([]laneCell, len(d.lanes))
		for i := range cells {
			if inCall[i] {
				cells[i] = laneCell{mark: "|", more: "|"}
			}
		}
		d.rows = append(d.rows, laneRow{label, cells})
		return &d.rows[len(d.rows)-1]
	}
	for i := 0; i < len(evs); i++ {
		ev := evs[i]
		c, e := d.col[ev.actor], d.h.Actors[ev.actor].Entries[ev.index]
		r := row(fmt.Sprint(ev.ticket))
		switch ev.kind {
		case evHandler:
			more := " "
			if inCall[c] {
				more = "|"
			}
			r.cells[c] = laneCell{"*", handlerText(d.p, d.h, e), more}
		case evEnd:
			r.cells[c] = laneCell{`\`, "= " + resultText(d.p, d.h, ev.actor, e), " "}
			inCall[c] = false
		case evBegin:
			text := corpus.FormatCall(d.p, ev.actor, e.Instr)
			if next := i + 1; next < len(evs) && evs[next].kind == evEnd && evs[next].actor == ev.actor {
				r.cells[c] = laneCell{"-", text + " = " + resultText(d.p, d.h, ev.actor, e), " "}
				i = next
				continue
			}
			r.cells[c] = laneCell{"/", text, "|"}
			inCall[c] = true
		}
	}
	clear(inCall) // the last row says in words what is still in flight
	last := row("end")
	for c, id := range d.lanes {
		last.cells[c] = laneCell{".", endText(d.p, d.h, id), " "}
	}
}

func (d *diagram) write(b *bytes.Buffer) {
	label := len("ticket")
	for _, r := range d.rows {
		label = max(label, len(r.label))
	}
	widths := d.widths(lanesWidth - label)
	line := func(label0 string, cells []string) {
		var l strings.Builder
		l.WriteString(strings.Repeat(" ", max(0, label-len(label0))) + label0)
		for i, c := range cells {
			l.WriteString("  " + pad(c, widths[i]))
		}
		b.WriteString(strings.TrimRight(l.String(), " "))
		b.WriteByte('\n')
	}
	// block writes a row as high as its highest cell.
	block := func(label string, cells [][]string) {
		height := 1
		for _, c := range cells {
			height = max(height, len(c))
		}
		for y := range height {
			row := make([]string, len(cells))
			for i, c := range cells {
				if y < len(c) {
					row[i] = c[y]
				}
			}
			line(label, row)
			label = ""
		}
	}
	var names, rules [][]string
	for i, id := range d.lanes {
		names = append(names, wrap(history.Printable(actorName(d.p, id)), widths[i]))
		rules = append(rules, []string{strings.Repeat("-", widths[i])})
	}
	block("ticket", names)
	block(strings.Repeat("-", label), rules)
	for _, r := range d.rows {
		cells := make([][]string, len(r.cells))
		height := 1
		for i, c := range r.cells {
			cells[i] = wrap(history.Printable(c.text), widths[i]-2)
			height = max(height, len(cells[i]))
		}
		for i, c := range r.cells {
			for len(cells[i]) < height {
				cells[i] = append(cells[i], "")
			}
			mark := c.mark
			for y := range cells[i] {
				cells[i][y] = mark + " " + cells[i][y]
				mark = c.more
			}
		}
		block(r.label, cells)
	}
	var absent []string
	for i, a := range d.h.Actors {
		if a.Tid == 0 && len(a.Entries) == 0 {
			absent = append(absent, history.Printable(actorName(d.p, engine.ActorID(i))))
		}
	}
	if len(absent) > 0 {
		fmt.Fprintf(b, "never created: %s\n", strings.Join(absent, ", "))
	}
}

// widths gives each lane what its longest text needs, or, when that is too much together, as much as all can have alike.
func (d *diagram) widths(room int) []int {
	need := make([]int, len(d.lanes))
	for i, id := range d.lanes {
		need[i] = max(laneMin, utf8.RuneCountInString(history.Printable(actorName(d.p, id))))
		for _, r := range d.rows {
			need[i] = max(need[i], 2+utf8.RuneCountInString(history.Printable(r.cells[i].text)))
		}
	}
	total := func(limit int) (sum int) {
		for _, n := range need {
			sum += 2 + min(n, limit)
		}
		return sum
	}
	limit := room
	for limit > laneMin && total(limit) > room {
		limit--
	}
	for i := range need {
		need[i] = min(need[i], limit)
	}
	return need
}

// wrap breaks s at blanks into lines of at most width, and inside a word that is longer.
func wrap(s string, width int) []string {
	var lines []string
	cur := ""
	for _, word := range strings.Fields(s) {
		if cur != "" && utf8.RuneCountInString(cur)+1+utf8.RuneCountInString(word) <= width {
			cur += " " + word
			continue
		}
		if cur != "" {
			lines = append(lines, cur)
		}
		rest := []rune(word)
		for len(rest) > width {
			at := width // better behind a | or - than anywhere
			for i := width; i > width/2; i-- {
				if c := rest[i-1]; c == '|' || c == '-' {
					at = i
					break
				}
			}
			lines, rest = append(lines, string(rest[:at])), rest[at:]
		}
		cur = string(rest)
	}
	if cur != "" {
		lines = append(lines, cur)
	}
	return lines
}
