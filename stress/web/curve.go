package web

import (
	"fmt"
	"slices"

	"tracehammer/crashers"
	"tracehammer/stress/history"
)

// curvePage is when a finding became inevitable.
type curvePage struct {
	Text  string
	Chart Chart
	Turns []turn
}

// turn is a decision after which the finding is much more, or less, likely.
type turn struct {
	N                   int
	What, Before, After string
	change              float64
}

// Of the decisions after which the share changes by so much, the most are shown.
const (
	turnLeast = 0.1
	turnsMost = 6
)

func curveOf(c *crashers.Curve) *curvePage {
	if c == nil || len(c.Points) == 0 {
		return nil
	}
	line := series{name: "share of runs that show it"}
	least, most := c.Points[0].Runs, c.Points[0].Runs
	page := &curvePage{}
	for i := range c.Points {
		p := &c.Points[i]
		lo, hi := p.Interval()
		line.points = append(line.points, point{float64(p.Decisions), p.Share()})
		line.band = append(line.band, span{lo, hi})
		least, most = min(least, p.Runs), max(most, p.Runs)
		if i == 0 {
			continue
		}
		before := &c.Points[i-1]
		if change := p.Share() - before.Share(); change > turnLeast || change < -turnLeast {
			page.Turns = append(page.Turns, turn{p.Decisions, history.Printable(p.What), percent(before.Share()), percent(p.Share()), max(change, -change)})
		}
	}
	slices.SortStableFunc(page.Turns, func(a, b turn) int {
		switch {
		case a.change > b.change:
			return -1
		case a.change < b.change:
			return 1
		}
		return 0
	})
	page.Turns = page.Turns[:min(len(page.Turns), turnsMost)]
	slices.SortFunc(page.Turns, func(a, b turn) int { return a.N - b.N })
	ch := chart{title: "share of random continuations that end in the finding, by how many of the schedule's decisions they follow", xName: func(x float64) string { return fmt.Sprintf("%.0f", x) }, xStep: wholeStep,
		yName: percent, yMax: 1, lines: []series{line}, empty: "there are no decisions to follow"}
	for _, t := range page.Turns {
		ch.marks = append(ch.marks, mark{float64(t.N), t.What})
	}
	page.Chart = ch.draw()
	first, last := c.Points[0], c.Points[len(c.Points)-1]
	runs := fmt.Sprintf("%d runs", most)
	if least != most {
		runs = fmt.Sprintf("%d to %d runs", least, most)
	}
	page.Text = fmt.Sprintf("Of runs that follow none of the decisions %s show it, of those that follow all %d of them %s. %s for each point; the band is the 95 %% interval. Marked are the decisions below.",
		percent(first.Share()), last.Decisions, percent(last.Share()), runs)
	return page
}
