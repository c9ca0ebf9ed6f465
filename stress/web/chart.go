package web

import (
	"fmt"
	"html/template"
	"math"
	"time"
	"unicode/utf8"
)

// A series is one line of a chart.
type series struct {
	name   string
	color  int     // the same in all charts of a page
	points []point // by x
	band   []span  // beside points, where there is one: how far off each may be
}

type point struct{ x, y float64 }

type span struct{ lo, hi float64 }

// chart is a drawing of lines over time, or over something else that grows.
type chart struct {
	title string // what it shows, and in which unit
	lines []series
	xName func(float64) string
	xStep func(least float64) float64 // between ticks of the horizontal axis, which stand at its multiples
	yName func(float64) string
	yMax  float64 // the axis goes that far at least
	marks []mark
	empty string // what is said where there is nothing to draw
	steps bool   // values stay until the next one
	log   bool   // the vertical axis is logarithmic, from 1 on
}

// mark is something that happened at some x.
type mark struct {
	x     float64
	label string
}

// Sizes of a chart, in user units.
const (
	chartWidth, chartHeight = 460.0, 200.0
	plotLeft, plotRight     = 48.0, 10.0
	plotTop, plotBottom     = 10.0, 28.0
	maxColors               = 8   // classes s0 to s7 in the style sheet
	tickChar                = 8.0 // of text at an axis, where it is largest; fonts of all systems are narrower or as wide
	maxTicks                = 5   // of the horizontal axis, and one at its beginning
)

// Legend is a line's name with its colour's class.
type Legend struct{ Name, Class, Now string }

// Chart is a drawn one, as templates show it.
type Chart struct {
	Title  string
	Empty  string // there is none; this is why
	SVG    template.HTML
	Legend []Legend
}

func (c *chart) draw() Chart {
	out := Chart{Title: c.title}
	x0, x1, top := math.Inf(1), math.Inf(-1), c.yMax
	for _, l := range c.lines {
		for _, p := range l.points {
			x0, x1, top = min(x0, p.x), max(x1, p.x), max(top, p.y)
		}
	}
	if x1 <= x0 || math.IsInf(x0, 0) {
		out.Empty = c.empty
		return out
	}
	var ticks []float64
	height := func(y float64) float64 { return y / top }
	if c.log {
		for top, ticks = 1, []float64{1}; len(ticks) < 2 || c.above(top); {
			top *= 10
			ticks = append(ticks, top)
		}
		height = func(y float64) float64 { return math.Log10(max(y, 1)) / math.Log10(top) }
	} else {
		step := niceStep(top / 4)
		top = math.Ceil(top/step) * step
		for y := 0.0; y <= top*1.0001; y += step {
			ticks = append(ticks, y)
		}
	}
	px := func(x float64) float64 { return plotLeft + (x-x0)/(x1-x0)*(chartWidth-plotLeft-plotRight) }
	py := func(y float64) float64 {
		return chartHeight - plotBottom - height(y)*(chartHeight-plotTop-plotBottom)
	}
	s := newSVG(chartWidth, chartHeight, "chart", c.title)
	for i, y := range ticks {
		s.line(plotLeft, py(y), chartWidth-plotRight, py(y), "grid")
		name := c.yName(y)
		if c.log && i == 0 { // what is less, 0 too, is drawn there
			name = "≤ " + name
		}
		s.text(plotLeft-6, py(y)+4, "tick y", name)
	}
	c.below(s, x0, x1, px)
	for _, m := range c.marks {
		if m.x < x0 || m.x > x1 {
			continue
		}
		s.begin("line", "x1", px(m.x), "y1", plotTop, "x2", px(m.x), "y2", chartHeight-plotBottom, "class", "mark")
		s.title(m.label)
		s.end("line")
	}
	for _, l := range c.lines {
		class := fmt.Sprintf("s%d", l.color%maxColors)
		if len(l.band) == len(l.points) && len(l.band) > 1 {
			d := ""
			for j, p := range l.points {
				d += fmt.Sprintf("%s%s %s", path(j), number(px(p.x)), number(py(l.band[j].hi)))
			}
			for j := len(l.points) - 1; j >= 0; j-- {
				d += fmt.Sprintf("L%s %s", number(px(l.points[j].x)), number(py(l.band[j].lo)))
			}
			s.el("path", "d", d+"z", "class", "band "+class)
		}
		d := ""
		for j, p := range l.points {
			if c.steps && j > 0 {
				d += fmt.Sprintf("L%s %s", number(px(p.x)), number(py(l.points[j-1].y)))
			}
			d += fmt.Sprintf("%s%s %s", path(j), number(px(p.x)), number(py(p.y)))
		}
		if d != "" {
			s.el("path", "d", d, "class", "series "+class)
			last := l.points[len(l.points)-1]
			s.el("circle", "cx", px(last.x), "cy", py(last.y), "r", 2.5, "class", "point "+class)
			out.Legend = append(out.Legend, Legend{l.name, class, c.yName(last.y)})
		}
	}
	out.SVG = s.done()
	return out
}

// below draws the horizontal axis. A name that the one before leaves no room for is left out, and its tick has none.
func (c *chart) below(s *svg, x0, x1 float64, px func(float64) float64) {
	const slack = 1e-9
	step := c.xStep((x1 - x0) / maxTicks)
	taken := 0.0
	for k := math.Ceil(max(0, x0/step-slack)); k*step <= x1+step*slack; k++ {
		x := px(k * step)
		s.line(x, chartHeight-plotBottom, x, chartHeight-plotBottom+4, "grid")
		name, class := c.xName(k*step), "tick x"
		width := float64(utf8.RuneCountInString(name)) * tickChar
		left := x - width/2
		if left+width > chartWidth { // it would stick out
			x, left, class = chartWidth, chartWidth-width, "tick x last"
		}
		if left < taken {
			continue
		}
		s.text(x, chartHeight-6, class, name)
		taken = left + width + tickChar
	}
}

// above says whether some point is.
func (c *chart) above(top float64) bool {
	for _, l := range c.lines {
		for _, p := range l.points {
			if p.y > top {
				return true
			}
		}
	}
	return false
}

func path(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

// niceStep is the least of 1, 2, 5 times a power of ten that is no less than x.
func niceStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range []float64{1, 2, 5} {
		if p*f >= x*0.9999 {
			return p * f
		}
	}
	return p * 10
}

// wholeStep is one for an axis of things that are counted.
func wholeStep(least float64) float64 { return max(1, niceStep(least)) }

// timeStep is one for an axis of seconds.
func timeStep(least float64) float64 {
	const minute, hour, day = 60.0, 3600.0, 86400.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour} {
		if s >= least {
			return s
		}
	}
	return day * wholeStep(least/day)
}

// count writes a number of things on an axis.
func count(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3gM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.3gk", n/1e3)
	case n == math.Trunc(n), n >= 100:
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2g", n)
}

func percent(n float64) string { return fmt.Sprintf("%.0f %%", 100*n) }

// clock writes a tick of timeStep with its unit.
func clock(seconds float64) string {
	n := int(seconds + 0.5)
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600 && n%60 == 0:
		return fmt.Sprintf("%d min", n/60)
	case n < 3600:
		return fmt.Sprintf("%d:%02d min", n/60, n%60)
	case n >= 48*3600:
		return fmt.Sprintf("%.3g d", float64(n)/(24*3600))
	case n%3600 == 0:
		return fmt.Sprintf("%d h", n/3600)
	}
	return fmt.Sprintf("%d:%02d h", n/3600, n/60%60)
}

// since writes seconds from a beginning as people read a clock.
func since(seconds float64) string {
	d := time.Duration(seconds+0.5) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f d", d.Hours()/24)
	case d >= time.Hour:
		return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
