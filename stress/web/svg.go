package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"tracehammer/stress/history"
)

// svg is a picture that is being drawn. Whatever it is given as text or value stays that: the colours are those of classes in the
// style sheet, since a page may not have styles of its own.
type svg struct{ b strings.Builder }

// newSVG begins a picture; label says to those who do not see it what it shows.
func newSVG(width, height float64, class, label string) *svg {
	s := &svg{}
	s.begin("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox", fmt.Sprintf("0 0 %s %s", number(width), number(height)),
		"width", width, "height", height, "class", class, "role", "img", "aria-label", label)
	return s
}

// begin opens an element. attrs are names, which are constants, and values in turn.
func (s *svg) begin(name string, attrs ...any) {
	s.open(name, attrs)
	s.b.WriteByte('>')
}

func (s *svg) open(name string, attrs []any) {
	s.b.WriteByte('<')
	s.b.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		value := ""
		switch v := attrs[i+1].(type) {
		case float64:
			value = number(v)
		case int:
			value = strconv.Itoa(v)
		case string:
			value = template.HTMLEscapeString(history.Printable(v))
		default:
			panic(fmt.Sprintf("svg: attribute %v of %s is a %T", attrs[i], name, v))
		}
		fmt.Fprintf(&s.b, ` %s="%s"`, attrs[i], value)
	}
}

func (s *svg) end(name string) { s.b.WriteString("</" + name + ">") }

// el draws an element without content.
func (s *svg) el(name string, attrs ...any) {
	s.open(name, attrs)
	s.b.WriteString("/>")
}

// text writes text from x on, or around or up to it as class says.
func (s *svg) text(x, y float64, class, text string) {
	s.begin("text", "x", x, "y", y, "class", class)
	s.b.WriteString(template.HTMLEscapeString(history.Printable(text)))
	s.end("text")
	s.b.WriteByte('\n')
}

// title is what a browser tells about the element that was begun.
func (s *svg) title(text string) {
	s.begin("title")
	s.b.WriteString(template.HTMLEscapeString(history.Printable(text)))
	s.end("title")
}

func (s *svg) line(x1, y1, x2, y2 float64, class string) {
	s.el("line", "x1", x1, "y1", y1, "x2", x2, "y2", y2, "class", class)
}

// done ends the picture. Everything in it went through the methods above, which escape.
func (s *svg) done() template.HTML {
	s.end("svg")
	return template.HTML(s.b.String())
}

// number writes a coordinate, to a tenth.
func number(f float64) string { return strconv.FormatFloat(float64(int(f*10+0.5))/10, 'f', -1, 64) }
