package web

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
)

// live is what the campaign that runs has told so far.
type live struct {
	mu       sync.Mutex
	start    *campaign.Start // nil: there is none
	began    time.Time
	progress campaign.Progress
	skips    []campaign.Skip
	lost     []campaign.Lost
	found    []campaign.Found
	consoles map[string][]string // last lines of machines
	summary  *campaign.Summary   // nil: it is not over
	sampled  []sample
	every    float64 // seconds between samples
}

// sample is what targets had done by some time.
type sample struct {
	seconds  float64
	findings int
	targets  []counts // as in Start.Targets, those that could run
}

type counts struct {
	runs   uint64
	rules  int
	blocks int
}

// Bounds of what is remembered. A campaign of weeks is seen in as many samples as one of ten minutes.
const (
	maxSamples = 600
	maxTold    = 200 // skips, losses and findings each
)

// Report implements campaign.Reporter.
func (s *Server) Report(e campaign.Event) error {
	l := &s.live
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := e.(type) {
	case campaign.Start:
		l.start, l.began, l.progress, l.summary = &e, time.Now(), campaign.Progress{}, nil
		l.sampled, l.every = l.sampled[:0], 1
	case campaign.Progress:
		l.progress = e
		l.progress.Targets = slices.Clone(e.Targets)
		l.sample(&e)
	case campaign.Skip:
		l.skips = append(l.skips, e)
	case campaign.Lost:
		l.lost = append(l.lost, e)
	case campaign.Found:
		l.found = append(l.found, e)
	case campaign.Console:
		if l.consoles == nil {
			l.consoles = map[string][]string{}
		}
		l.consoles[fmt.Sprintf("%s, worker %d", e.Target, e.Worker)] = slices.Clone(e.Lines)
	case campaign.Summary:
		l.summary = &e
	}
	l.skips, l.lost, l.found = last(l.skips), last(l.lost), last(l.found)
	return nil
}

func last[T any](s []T) []T {
	if len(s) <= 2*maxTold { // moved once for so many
		return s
	}
	return append(s[:0], s[len(s)-maxTold:]...)
}

// sample keeps p if it is time to. When there is no room any more, every second sample goes, and they are twice as far apart.
func (l *live) sample(p *campaign.Progress) {
	if n := len(l.sampled); n > 0 && p.Seconds < l.sampled[n-1].seconds+l.every {
		return
	}
	if len(l.sampled) == maxSamples {
		for i := range maxSamples / 2 {
			l.sampled[i] = l.sampled[2*i]
		}
		l.sampled = l.sampled[:maxSamples/2]
		l.every *= 2
	}
	l.sampled = append(l.sampled, sampleOf(p))
}

func sampleOf(p *campaign.Progress) sample {
	at := sample{seconds: p.Seconds, findings: p.Findings}
	for i := range p.Targets {
		c := &p.Targets[i]
		at.targets = append(at.targets, counts{c.Runs, c.RulesSeen, c.BlocksSeen})
	}
	return at
}

// view is a copy of what live knows, for a page.
type liveView struct {
	Start    *campaign.Start
	Progress campaign.Progress
	Skips    []campaign.Skip
	Lost     []campaign.Lost
	Found    []campaign.Found
	Consoles map[string][]string
	Summary  *campaign.Summary
	samples  []sample
	// Elsewhere says that the campaign is another process', which tells how it does every few seconds.
	Elsewhere bool
}

// Running says that the campaign is not over.
func (v *liveView) Running() bool { return v.Start != nil && v.Summary == nil }

func (l *live) view() liveView {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := liveView{Start: l.start, Progress: l.progress, Skips: slices.Clone(l.skips), Lost: slices.Clone(l.lost), Found: slices.Clone(l.found),
		Summary: l.summary, samples: slices.Clone(l.sampled), Consoles: map[string][]string{}}
	for t, lines := range l.consoles { // whose slices are never written to
		v.Consoles[t] = lines
	}
	return v
}

// campaign is the campaign of this process, or the one of another that works on the state directory.
func (s *Server) campaign() liveView {
	v := s.live.view()
	if v.Start != nil {
		return v
	}
	if other, err := campaign.ReadStatus(s.State); err == nil && other.State == campaign.Running {
		v.Start, v.Progress, v.Skips, v.Elsewhere = &other.Start, other.Progress, other.Skipped, true
	}
	return v
}

// rateWindow is how many seconds a rate is that of, at least: the engine's workers take turns with the minimiser, and a machine tells
// of its runs by batches that take seconds.
const rateWindow = 10.0

// rates are how many runs a second a target made, over the campaign's time.
func (v *liveView) rates(target int) (points []point) {
	if len(v.samples) == 0 {
		return nil
	}
	window := max(rateWindow, (v.samples[len(v.samples)-1].seconds-v.samples[0].seconds)/60)
	before := 0 // the last sample that is far enough from the one at hand; at the beginning none is
	for i := range v.samples {
		now := &v.samples[i]
		for before+1 < i && v.samples[before+1].seconds <= now.seconds-window {
			before++
		}
		then := &v.samples[before]
		if target < len(now.targets) && target < len(then.targets) && now.seconds > then.seconds {
			points = append(points, point{now.seconds, float64(now.targets[target].runs-then.targets[target].runs) / (now.seconds - then.seconds)})
		}
	}
	return points
}

// charts draws the campaign over its time.
func (v *liveView) charts() []Chart {
	rates := chart{title: "runs per second (logarithmic)", log: true, xName: clock, xStep: timeStep, yName: count, empty: "nothing ran yet"}
	rules := chart{title: "rules that runs went through", xName: clock, xStep: timeStep, yName: count, empty: "nothing ran yet", steps: true}
	blocks := chart{title: "blocks of the kernel's code (KCOV)", xName: clock, xStep: timeStep, yName: count, steps: true}
	found := chart{title: "findings of this campaign", xName: clock, xStep: timeStep, yName: count, yMax: 4, empty: "nothing ran yet", steps: true}
	if len(v.samples) == 0 {
		return []Chart{rates.draw(), rules.draw(), found.draw()}
	}
	// Where lines end, they say what the rest of the page does; samples of a long campaign are minutes apart.
	if v.samples[len(v.samples)-1].seconds < v.Progress.Seconds {
		v.samples = append(v.samples, sampleOf(&v.Progress))
	}
	for i := range v.Progress.Targets {
		name := history.Printable(v.Progress.Targets[i].Target)
		rule, block := series{name: name, color: i}, series{name: name, color: i}
		for j := range v.samples {
			if now := &v.samples[j]; i < len(now.targets) {
				rule.points = append(rule.points, point{now.seconds, float64(now.targets[i].rules)})
				block.points = append(block.points, point{now.seconds, float64(now.targets[i].blocks)})
			}
		}
		rates.lines, rules.lines = append(rates.lines, series{name: name, color: i, points: v.rates(i)}), append(rules.lines, rule)
		if n := len(block.points); n > 0 && block.points[n-1].y > 0 {
			blocks.lines = append(blocks.lines, block)
		}
	}
	all := series{name: "findings"}
	for _, s := range v.samples {
		all.points = append(all.points, point{s.seconds, float64(s.findings)})
	}
	found.lines = []series{all}
	charts := []Chart{rates.draw(), rules.draw()}
	if len(blocks.lines) > 0 {
		charts = append(charts, blocks.draw())
	}
	return append(charts, found.draw())
}
