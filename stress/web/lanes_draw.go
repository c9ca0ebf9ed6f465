package web

import (
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"tracehammer/crashers"
	"tracehammer/stress/history/render"
)

// place gives lanes and rows their places.
func (d *picture) place() {
	need := make([]float64, len(d.lanes))
	widen := func(c int, text string) {
		need[c] = max(need[c], float64(utf8.RuneCountInString(text))*charWidth+boxAt+2*rowPad+laneGap)
	}
	for c := range d.lanes {
		need[c] = laneLeast
		widen(c, d.lanes[c].name)
	}
	for _, b := range d.boxes {
		widen(b.lane, b.text)
		widen(b.lane, b.result)
	}
	for _, m := range d.marks {
		widen(m.lane, m.text+"  ")
	}
	most := max(laneLeast, min(laneMost, (lanesWidth-ticketCol)/float64(len(d.lanes))))
	x := ticketCol
	for c := range d.lanes {
		d.lanes[c].x, d.lanes[c].w = x, min(need[c], most)
		x += d.lanes[c].w
	}
	for i := range d.rows {
		d.rows[i].lines = max(d.rows[i].lines, 1)
	}
	grow := func(r, c int, text string) {
		d.rows[r].lines = max(d.rows[r].lines, len(wrap(text, d.chars(c))))
	}
	for _, b := range d.boxes {
		grow(b.from, b.lane, b.text)
		if b.result != "" {
			grow(b.to, b.lane, b.result)
		}
	}
	for _, m := range d.marks {
		grow(m.row, m.lane, m.text+"  ")
	}
	for c := range d.lanes {
		grow(d.end, c, render.EndText(d.p, d.h, d.lanes[c].actor))
	}
	y := 2*lineHeight + 8
	for i := range d.rows {
		d.rows[i].y = y
		d.rows[i].h = float64(d.rows[i].lines)*lineHeight + 2*rowPad
		y += d.rows[i].h
	}
}

// chars is how many characters a line of a lane's boxes has.
func (d *picture) chars(c int) int {
	return max(8, int((d.lanes[c].w-boxAt-laneGap-2*rowPad)/charWidth))
}

func (d *picture) width() float64 {
	l := &d.lanes[len(d.lanes)-1]
	w := l.x + l.w
	for _, r := range d.rows {
		for _, n := range r.note {
			w = max(w, ticketCol+2*rowPad+float64(utf8.RuneCountInString(n))*charWidth)
		}
	}
	return w
}

func (d *picture) draw() template.HTML {
	last := &d.rows[len(d.rows)-1]
	w, h := d.width(), last.y+last.h+4
	s := newSVG(w, h, "lanes", fmt.Sprintf("Swim lanes of %d tasks; the text below says the same", len(d.lanes)))
	s.b.WriteString(`<defs>`)
	for _, k := range arrowClasses {
		s.begin("marker", "id", "head-"+k, "class", "head "+k, "viewBox", "0 0 8 8", "refX", 7, "refY", 4, "markerWidth", 7, "markerHeight", 7, "orient", "auto-start-reverse")
		s.el("path", "d", "M0 0.8 L8 4 L0 7.2 z")
		s.end("marker")
	}
	s.b.WriteString("</defs>\n")
	d.grid(s, w)
	for c := range d.lanes {
		d.rail(s, c)
	}
	for i := range d.boxes {
		d.box(s, &d.boxes[i])
	}
	for i := range d.marks {
		d.handler(s, &d.marks[i])
	}
	for i := range d.rows {
		if a := d.rows[i].arrow; a != nil {
			d.arrow(s, &d.rows[i], a)
		}
	}
	d.ends(s)
	for i := range d.rows {
		d.notes(s, i, w)
	}
	return s.done()
}

// notes writes what stands across all lanes, above whatever passes there.
func (d *picture) notes(s *svg, i int, w float64) {
	r := &d.rows[i]
	if r.note == nil {
		return
	}
	class := "note"
	if d.wrong >= 0 && i == d.wrong+1 {
		class = "note wrong"
	}
	s.el("rect", "x", ticketCol, "y", r.y+1, "width", w-ticketCol-2, "height", r.h-2, "rx", 3, "class", class)
	for n, text := range r.note {
		indent := float64(len(text)-len(strings.TrimLeft(text, " "))) * charWidth
		s.text(ticketCol+rowPad+2+indent, r.y+rowPad+float64(n)*lineHeight+lineHeight-4, "mono "+class, strings.TrimLeft(text, " "))
	}
}

// grid draws what lies below everything: heads of lanes, tickets, notes.
func (d *picture) grid(s *svg, w float64) {
	for c := range d.lanes {
		l := &d.lanes[c]
		if c%2 == 0 {
			s.el("rect", "x", l.x, "y", 0, "width", l.w-2, "height", d.rows[len(d.rows)-1].y+d.rows[len(d.rows)-1].h, "class", "lane")
		}
		s.text(l.x+boxAt-2, lineHeight+4, "name", l.name)
	}
	s.text(ticketCol-10, lineHeight+4, "ticket head", "ticket")
	for i := range d.rows {
		r := &d.rows[i]
		if r.note != nil {
			continue
		}
		s.line(ticketCol-4, r.y, w, r.y, "row")
		class := "ticket"
		if i == d.wrong {
			class = "ticket wrong"
		}
		s.text(ticketCol-10, r.y+rowPad+lineHeight-4, class, r.label)
	}
}

// mid is the height at which a row's first line is.
func (r *row) mid() float64 { return r.y + rowPad + lineHeight/2 }

// rail draws a task's life.
func (d *picture) rail(s *svg, c int) {
	l := &d.lanes[c]
	x := l.x + railAt
	from, to := 2*lineHeight+4, d.rows[d.end].mid()
	if l.born >= 0 {
		from = d.rows[l.born].mid()
		s.el("circle", "cx", x, "cy", from, "r", 3.5, "class", "born")
	}
	if l.died >= 0 {
		to = d.rows[l.died].mid()
	}
	s.line(x, from, x, to, "rail")
	for _, b := range d.bars {
		if b.lane != c {
			continue
		}
		y1, y2 := d.rows[b.from].mid(), d.rows[b.to].mid()
		s.begin("rect", "x", x-4, "y", y1, "width", 8, "height", max(4, y2-y1), "rx", 3, "class", "stop")
		s.title(b.label)
		s.end("rect")
	}
	if l.died >= 0 {
		s.el("path", "d", fmt.Sprintf("M%[1]s %[3]s L%[2]s %[4]s M%[2]s %[3]s L%[1]s %[4]s", number(x-5), number(x+5), number(to-5), number(to+5)), "class", "died")
	}
}

func (d *picture) box(s *svg, b *box) {
	l := &d.lanes[b.lane]
	from, to := &d.rows[b.from], &d.rows[b.to]
	class := "call"
	switch {
	case b.wrong:
		class += " wrong"
	case from.behind:
		class += " behind"
	case b.exits:
		class += " exits"
	case b.open:
		class += " open"
	}
	bottom := to.y + to.h - 2
	if b.open && !b.exits { // it ends where the history does, and not by itself
		bottom = to.y
	}
	x, w := l.x+boxAt, l.w-boxAt-laneGap
	s.el("rect", "x", x, "y", from.y+2, "width", w, "height", bottom-from.y-2, "rx", 3, "class", class)
	for i, line := range wrap(b.text, d.chars(b.lane)) {
		s.text(x+rowPad, from.y+rowPad+float64(i)*lineHeight+lineHeight-4, "mono "+class, line)
	}
	if b.result != "" {
		for i, line := range wrap(b.result, d.chars(b.lane)) {
			s.text(x+rowPad, to.y+rowPad+float64(i)*lineHeight+lineHeight-4, "mono "+class, line)
		}
	}
}

func (d *picture) handler(s *svg, m *handlerMark) {
	l, r := &d.lanes[m.lane], &d.rows[m.row]
	class := "handler"
	switch {
	case m.wrong:
		class += " wrong"
	case r.behind:
		class += " behind"
	}
	x, w := l.x+boxAt+3, l.w-boxAt-laneGap-6
	s.el("rect", "x", x, "y", r.y+3, "width", w, "height", r.h-6, "rx", 8, "class", class)
	for i, line := range wrap(m.text, d.chars(m.lane)-1) {
		s.text(x+rowPad+2, r.y+rowPad+float64(i)*lineHeight+lineHeight-4, "mono "+class, line)
	}
	cx, cy := l.x+railAt, r.mid()
	s.el("path", "d", fmt.Sprintf("M%s %s L%s %s L%s %s L%s %s z", number(cx), number(cy-6), number(cx+6), number(cy), number(cx), number(cy+6), number(cx-6), number(cy)), "class", "bolt")
}

// arrow draws one, with its label in the lane of the other task, beside the rail.
func (d *picture) arrow(s *svg, r *row, a *arrow) {
	own, other := a.from, a.to
	if a.kind == reportArrow {
		own, other = a.to, a.from
	}
	y := r.mid()
	rail := d.lanes[other].x + railAt
	label := d.lanes[other].x + boxAt + rowPad
	text := shorten(a.label, d.chars(other))
	var near float64 // where the line is at the other task
	far := d.lanes[own].x + boxAt
	if own < other {
		far = d.lanes[own].x + d.lanes[own].w - laneGap
		near = rail - 5
	} else {
		near = label + float64(utf8.RuneCountInString(text))*charWidth + 5
	}
	class := "arrow " + arrowClasses[a.kind]
	tclass := "label " + arrowClasses[a.kind]
	if r.behind {
		class, tclass = class+" behind", tclass+" behind"
	}
	x1, x2 := far, near
	if a.kind == reportArrow {
		x1, x2 = near, far
	}
	s.el("line", "x1", x1, "y1", y, "x2", x2, "y2", y, "class", class, "marker-end", "url(#head-"+arrowClasses[a.kind]+")")
	s.el("circle", "cx", rail, "cy", y, "r", 3, "class", "dot "+arrowClasses[a.kind])
	s.text(label, y+lineHeight/2-3.5, "mono "+tclass, text)
}

// ends says where everybody is at the end.
func (d *picture) ends(s *svg) {
	r := &d.rows[d.end]
	for c := range d.lanes {
		l := &d.lanes[c]
		class := "ends"
		if d.at != nil && d.at.Event == crashers.Waiting && d.at.Actor == l.actor {
			class = "ends wrong"
		}
		for i, line := range wrap(render.EndText(d.p, d.h, l.actor), d.chars(c)) {
			s.text(l.x+boxAt+rowPad, r.y+rowPad+float64(i)*lineHeight+lineHeight-4, "mono "+class, line)
		}
	}
}

// wrap breaks s at blanks into lines of at most width characters, and inside a word that is longer.
func wrap(s string, width int) (lines []string) {
	cur := ""
	for _, word := range strings.Fields(s) {
		for utf8.RuneCountInString(word) > width {
			if cur != "" {
				lines, cur = append(lines, cur), ""
			}
			r := []rune(word)
			at := width
			for i := width; i > width/2; i-- { // better behind one of these
				if c := r[i-1]; c == '|' || c == '-' || c == '_' {
					at = i
					break
				}
			}
			lines, word = append(lines, string(r[:at])), string(r[at:])
		}
		if cur != "" && utf8.RuneCountInString(cur)+1+utf8.RuneCountInString(word) > width {
			lines, cur = append(lines, cur), ""
		}
		if cur != "" {
			cur += " "
		}
		cur += word
	}
	if cur != "" {
		lines = append(lines, cur)
	}
	return lines
}

func shorten(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}
