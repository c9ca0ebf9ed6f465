package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
	"tracehammer/stress/rules"
)

// tile is a number that a page begins with.
type tile struct{ Name, Value, Note, Class string }

type overviewPage struct {
	Headline  string
	Tiles     []tile
	Charts    []Chart
	States    []StateCount
	Recent    []Finding
	Live      liveView
	Targets   []targetRow
	Health    []health
	Past      []pastCampaign
	PastCount int
	Problem   string
}

// health is a line on how the suite itself is.
type health struct {
	Text string
	Mark healthMark
}

// healthMark is what stands before such a line, as style.css draws it: what is neither good nor bad gets no tick.
type healthMark string

const (
	markFine  healthMark = "fine"
	markNoted healthMark = "noted"
	markBad   healthMark = "bad"
)

// badIf is markBad, or markFine if it is not so.
func badIf(is bool) healthMark {
	if is {
		return markBad
	}
	return markFine
}

// pastCampaign is one on record, newest first.
type pastCampaign struct {
	campaign.Summary
	Names  string
	Rate   float64 // runs a second
	Canary *canary
}

// canary is what became of one: in a word, and as a line.
type canary struct {
	health
	Word string
}

// canaryOf says so of c; a campaign too short for one to be missed has shown nothing by it.
func canaryOf(c *campaign.Canary) *canary {
	k := &canary{health{history.Printable(c.String()), markNoted}, "too short to say"}
	switch {
	case c.Found:
		k.Mark, k.Word = markFine, "seen"
	case c.Missed():
		k.Mark, k.Word = markBad, "NOT SEEN"
	}
	return k
}

// Of a page: how many findings and campaigns it shows.
const (
	recentShown = 6
	pastShown   = 12
	refresh     = 10 // seconds
)

func (s *Server) overview(r *http.Request) (frame, error) {
	all, err := s.list()
	v := s.campaign()
	p := overviewPage{States: byState(all), Recent: all[:min(len(all), recentShown)], Live: v}
	if err != nil && (v.Start == nil || len(all) > 0) { // a campaign may not have come to make its state directory
		p.Problem = history.Printable(err.Error())
	}
	past, err := s.campaigns()
	if err != nil {
		p.Problem = history.Printable(err.Error())
	}
	f := frame{Title: "Overview", Here: "overview"}
	if v.Start != nil {
		p.running(&v, all)
		f.Kernel = history.Printable(v.Start.Kernel)
		f.follow(r, &v)
	} else {
		p.resting(past, all)
	}
	p.PastCount = len(past)
	for i := len(past) - 1; i >= max(0, len(past)-pastShown); i-- {
		c := pastCampaign{Summary: past[i], Names: history.Printable(strings.Join(past[i].Targets, ", "))}
		if c.Seconds > 0 {
			c.Rate = float64(c.Scenarios) / c.Seconds
		}
		if k := c.Summary.Canary; k != nil {
			c.Canary = canaryOf(k)
		}
		p.Past = append(p.Past, c)
	}
	f.Page = p
	return f, nil
}

// running fills the page of a campaign that runs, or did in this process.
func (p *overviewPage) running(v *liveView, all []Finding) {
	g := &v.Progress
	names := history.Printable(strings.Join(v.Start.Targets, ", "))
	switch {
	case v.Summary != nil:
		p.Headline = fmt.Sprintf("The campaign on %s is over, after %s", names, since(v.Summary.Seconds))
	case v.Start.Seconds > 0:
		p.Headline = fmt.Sprintf("Racing ptrace on %s: %s of %s, %s to go", names, since(g.Seconds), since(v.Start.Seconds), since(g.Remaining))
	default:
		p.Headline = fmt.Sprintf("Racing ptrace on %s for %s, until it is interrupted", names, since(g.Seconds))
	}
	var runs, unknown, operations, lost uint64
	rate := 0.0
	for i := range g.Targets {
		c := &g.Targets[i]
		runs, unknown, operations, lost, rate = runs+c.Runs, unknown+c.Unknown, operations+c.Operations, lost+c.Lost, rate+c.RunsPerSecond
		p.Targets = append(p.Targets, rowOf(c))
	}
	news := "nothing yet"
	if g.NewsSeconds >= 0 {
		news = since(g.NewsSeconds) + " ago"
	}
	p.Tiles = []tile{
		{Name: "findings", Value: fmt.Sprint(g.Findings), Note: fmt.Sprintf("%d new", g.NewFindings), Class: classIf(g.NewFindings > 0, "alert")},
		{Name: "runs", Value: count(float64(runs)), Note: count(rate) + " a second"},
		{Name: "system calls", Value: count(float64(operations)), Note: "of scenarios"},
		{Name: "outcomes", Value: count(float64(g.Outcomes)), Note: "last new thing " + news},
		{Name: "undecided", Value: share(unknown, runs), Note: "runs that count for nothing", Class: classIf(runs > 0 && unknown*100 > runs, "alert")},
	}
	if g.Minimising > 0 {
		p.Tiles = append(p.Tiles, tile{Name: "minimising", Value: fmt.Sprint(g.Minimising), Note: "findings in work"})
	}
	if !v.Elsewhere {
		p.Charts = v.charts()
	}
	for _, l := range []struct {
		what        string
		held, limit campaign.Size
	}{{"memory of stressd", g.Memory, v.Start.Limits.Memory}, {"state directory", g.Disk, v.Start.Limits.Disk}} {
		if l.limit > 0 {
			p.Health = append(p.Health, health{fmt.Sprintf("%s: %v of %v", l.what, l.held, l.limit), badIf(l.held > l.limit-l.limit/10)})
		}
	}
	switch {
	case v.Summary == nil:
		p.Health = append(p.Health, health{"canary: looked for beside the work; the summary says whether it was seen", markNoted})
	case v.Summary.Canary != nil:
		p.Health = append(p.Health, canaryOf(v.Summary.Canary).health)
	}
	if n := len(v.Skips); n > 0 {
		p.Health = append(p.Health, health{fmt.Sprintf("%d scenarios or targets are skipped: the targets page says which, and why", n), markNoted})
	}
	if lost > 0 {
		p.Health = append(p.Health, health{fmt.Sprintf("machines were lost %d times in a way that says nothing about their kernels", lost), markBad})
	}
}

// resting fills the page of a state directory without a campaign.
func (p *overviewPage) resting(past []campaign.Summary, all []Finding) {
	p.Headline = "No campaign has ended here yet"
	open := 0
	for i := range all {
		switch all[i].State {
		case crashers.StateNew, crashers.StateOpen, crashers.StateRegressed, crashers.StateReproducing:
			open++
		}
	}
	p.Tiles = []tile{{Name: "findings", Value: fmt.Sprint(len(all)), Note: fmt.Sprintf("%d to look at", open), Class: classIf(open > 0, "alert")}}
	if len(past) == 0 {
		return
	}
	last := &past[len(past)-1]
	p.Headline = fmt.Sprintf("%d campaigns on record, the last one began %s", len(past), last.Began.UTC().Format("2006-01-02 15:04 MST"))
	if len(past) == 1 {
		p.Headline = "One campaign on record, of " + last.Began.UTC().Format("2006-01-02 15:04 MST")
	}
	var runs, operations, unknown uint64
	seconds := 0.0
	for i := range past {
		runs, operations, unknown, seconds = runs+past[i].Scenarios, operations+past[i].Operations, unknown+past[i].Unknown, seconds+past[i].Seconds
	}
	p.Tiles = append(p.Tiles,
		tile{Name: "runs", Value: count(float64(runs)), Note: "of all campaigns"},
		tile{Name: "system calls", Value: count(float64(operations)), Note: "of scenarios"},
		tile{Name: "time", Value: since(seconds), Note: "of all campaigns"},
		tile{Name: "undecided", Value: share(unknown, runs), Note: "runs that count for nothing", Class: classIf(runs > 0 && unknown*100 > runs, "alert")})
	for i := range last.PerTarget {
		p.Targets = append(p.Targets, rowOf(&last.PerTarget[i]))
	}
	if len(past) > 1 {
		p.Charts = pastCharts(past)
	}
	if last.Canary != nil {
		p.Health = append(p.Health, canaryOf(last.Canary).health)
	} else {
		p.Health = append(p.Health, health{"the last campaign had no canary", markBad})
	}
	if last.Skipped > 0 {
		p.Health = append(p.Health, health{fmt.Sprintf("%d scenarios or targets were skipped in the last campaign", last.Skipped), markNoted})
	}
	if last.Interrupted != "" {
		p.Health = append(p.Health, health{history.Printable(last.Interrupted) + " ended the last campaign early", markNoted})
	}
}

// pastCharts draws campaigns, one after another.
func pastCharts(past []campaign.Summary) []Chart {
	number := func(x float64) string { return past[int(x+0.5)].Began.UTC().Format("01-02 15:04") }
	rates := chart{title: "runs per second, by campaign (logarithmic)", log: true, xName: number, xStep: wholeStep, yName: count}
	seen := chart{title: "rules gone through by any campaign so far", xName: number, xStep: wholeStep, yName: count, steps: true}
	blocks := chart{title: "blocks of the kernel's code (KCOV), by campaign", xName: number, xStep: wholeStep, yName: count}
	found := chart{title: "new findings, by campaign", xName: number, xStep: wholeStep, yName: count, yMax: 4}
	var names []string
	for i := range past {
		for _, c := range past[i].PerTarget {
			if !slices.Contains(names, c.Target) {
				names = append(names, c.Target)
			}
		}
	}
	for color, name := range names {
		shown := history.Printable(name)
		rate, rule, block := series{name: shown, color: color}, series{name: shown, color: color}, series{name: shown, color: color}
		all := rules.Counts{}
		for i := range past {
			for _, c := range past[i].PerTarget {
				if c.Target != name {
					continue
				}
				x := float64(i)
				rate.points = append(rate.points, point{x, c.RunsPerSecond})
				for r, n := range c.Rules {
					all[r] += n
				}
				rule.points = append(rule.points, point{x, float64(len(all))})
				if c.Code != nil {
					block.points = append(block.points, point{x, float64(c.Code.Covered)})
				}
			}
		}
		rates.lines, seen.lines = append(rates.lines, rate), append(seen.lines, rule)
		if len(block.points) > 0 {
			blocks.lines = append(blocks.lines, block)
		}
	}
	fresh := series{name: "new findings"}
	for i := range past {
		fresh.points = append(fresh.points, point{float64(i), float64(past[i].NewFindings)})
	}
	found.lines = []series{fresh}
	charts := []Chart{rates.draw(), seen.draw()}
	if len(blocks.lines) > 0 {
		charts = append(charts, blocks.draw())
	}
	return append(charts, found.draw())
}

func classIf(is bool, class string) string {
	if is {
		return class
	}
	return ""
}
