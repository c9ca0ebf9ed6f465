package crashers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
	"tracehammer/stress/steer"
)

// Check runs scenarios on a target and judges the runs.
type Check interface {
	// Run runs s at most plan.Repeat times and counts the runs that show want (Finding.SameAs); nothing else counts. It
	// may return as soon as need runs have shown it; need 0 means that all runs are wanted. An error is a problem of the
	// environment, and ends minimising.
	Run(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want *Finding, need int) (Trial, error)
}

// Trial is what a Check saw.
type Trial struct {
	Hits, Runs int
	History    *history.History // of one of the hits
	Finding    Finding          // of the same hit: its Actor and Instr belong to the scenario that was run
	Stream     schedule.Stream  // of an Exact one: the decisions of the same hit up to where it showed
}

// Minimiser makes the scenario of a finding small. The zero value of each field but Check is a default.
type Minimiser struct {
	Check Check // an Exact one needs no rates: Need, Of, CPUs and Measure are not used then
	// A candidate is accepted when it shows the finding in Need runs out of as many as the best so far needs for that, with
	// some allowance, and at most Of: a smaller scenario that hardly ever shows it is not a better one.
	Need, Of int
	// On each of these CPUs all actors are tried together as well, besides where the plan puts them. If the scenario shows
	// the finding there, smaller ones must too: then it is the order of operations that shows it, and not the speed and
	// the load of the machine on which it was made small.
	CPUs    []int
	Steps   int           // candidates tried at most
	Time    time.Duration // spent on them at most; what is best by then is the answer
	Measure int           // runs of the result by which its rate is measured
	Logf    func(format string, args ...any)
}

// Minimal is the result of a Minimiser.
type Minimal struct {
	Trial    // of the result under Plan, as measured at the end
	Scenario *corpus.Scenario
	Plan     stress.Plan // its Repeat is the Minimiser's Of
	Steps    int         // candidates tried
	Complete bool        // nothing smaller was left to try; else a bound or the context ended it
	// Exact is the run of Plan.Schedule that shows the finding each time, where the target has such; else nil.
	Exact *steer.Run
}

// ErrNotShown: the finding did not show again, so there is nothing to minimise.
var ErrNotShown = errors.New("the finding did not show again")

// Run minimises s, in which want showed under plan. When a bound or ctx ends it early, the answer is the best so far, which
// did show the finding, and Complete is false.
func (m Minimiser) Run(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want Finding) (*Minimal, error) {
	if m.Need == 0 {
		m.Need = 2
	}
	if m.Of < m.Need {
		m.Of = max(20, 10*m.Need)
	}
	if m.Steps == 0 {
		m.Steps = 1000
	}
	if m.Time == 0 {
		m.Time = 10 * time.Minute
	}
	if m.Measure == 0 {
		m.Measure = 10
	}
	if m.Logf == nil {
		m.Logf = func(string, ...any) {}
	}
	limited, cancel := context.WithTimeout(ctx, m.Time)
	defer cancel()
	job := &minimising{Minimiser: m, ctx: limited, want: want, plan: plan, confirm: m.Need + 3, failed: map[string]bool{}}
	if exact, ok := m.Check.(Exact); ok {
		job.exact = &exactly{Exact: exact, Runner: steer.New(exact.Engine())}
	}
	if !job.start(newDraft(s, plan)) {
		if job.err == nil {
			job.err = ErrNotShown
		}
		return nil, fmt.Errorf("minimise %s: %w", want.Title, job.err)
	}
	for again := true; ; again = false {
		for pass := 1; job.pass() && !job.over(); pass++ {
			m.Logf("minimise: pass %d: %d operations, %d actors, %d candidates", pass, job.best.s.NumOps(), len(job.best.s.Actors), job.steps)
		}
		if job.err != nil && limited.Err() == nil {
			return nil, fmt.Errorf("minimise %s: %w", want.Title, job.err)
		}
		if job.exact != nil {
			return job.exactResult(ctx)
		}
		res, kept, err := job.result(ctx)
		if err != nil || kept || job.over() {
			return res, err
		}
		// Small losses have added up. Once more from where they began, and with a closer look at each candidate.
		job.confirm *= 2
		if !again {
			return res, nil
		}
	}
}

// minimising is one run of a Minimiser.
type minimising struct {
	Minimiser
	ctx     context.Context
	want    Finding
	plan    stress.Plan // as given; draft.plan has the delays and CPUs of a candidate
	best    *draft
	trail   []shown  // the best so far, and what was it before
	ways    []*way   // the first is the plan's own
	exact   *exactly // not nil: a schedule shows the finding each time, and ways mean nothing
	confirm int      // hits by which a candidate is known to show it often enough
	steps   int
	// failed remembers candidates that did not show it, by encoded scenario and plan. Those that did became the best.
	failed map[string]bool
	err    error
}

// shown is a draft that showed the finding, and how often.
type shown struct {
	*draft
	Trial
	key string
	run *steer.Run // of Trial.Stream, if that is exact
}

// A small scenario may show the finding less often than what it was made of: by the factor allowance when it is tried, by
// keepRate when the result is measured.
const (
	allowance = 0.7
	keepRate  = 0.6
)

// way is one way to place the actors on CPUs.
type way struct {
	cpu  int     // all of them there; -1: where the plan says
	rate float64 // how often the finding shows in runs of what was accepted; 0 before the first
}

// plan is how a draft is run this way.
func (w *way) plan(d *draft, base stress.Plan) stress.Plan {
	p := d.plan(base)
	if w.cpu >= 0 {
		p.CPUs = slices.Repeat([]int{w.cpu}, len(d.s.Actors))
	}
	return p
}

// keeps says whether a measured rate is no clear loss: a quarter of a square root more than keepRate takes may be chance.
func (w *way) keeps(t Trial) bool {
	runs := float64(t.Runs)
	return float64(t.Hits) >= keepRate*w.rate*runs-math.Sqrt(runs)/4
}

// start accepts what there is to minimise, and finds out in which ways it shows the finding.
func (j *minimising) start(d *draft) bool {
	j.ways = []*way{{cpu: -1}}
	if !j.accept(d) || j.exact != nil {
		return j.best != nil
	}
	for _, cpu := range j.CPUs {
		w := &way{cpu: cpu}
		if t, ok := j.sample(d, w); ok && float64(t.Hits) >= 0.5*j.ways[0].rate*float64(t.Runs) {
			w.rate = float64(t.Hits) / float64(t.Runs)
			j.ways = append(j.ways, w)
		}
	}
	return true
}

// over says whether no candidate may be tried any more.
func (j *minimising) over() bool { return j.err != nil || j.steps >= j.Steps || j.ctx.Err() != nil }

// accept makes d the best if it shows the finding often enough in each way. Every decision of the minimiser comes from here.
func (j *minimising) accept(d *draft) bool {
	if j.over() || d.s.Validate() != nil {
		return false
	}
	key, err := d.key(d.plan(j.plan))
	if err != nil {
		j.err = err
		return false
	}
	if j.failed[key] {
		return false
	}
	j.steps++
	if j.exact != nil {
		return j.acceptExact(d, key)
	}
	var first Trial
	for i, w := range j.ways {
		t, ok := j.sample(d, w)
		if !ok {
			j.failed[key] = j.err == nil && j.ctx.Err() == nil // cut short it says nothing
			return false
		}
		if i == 0 {
			first = t
		}
		rate := float64(t.Hits) / float64(t.Runs)
		if w.rate > 0 {
			rate *= allowance // it may have been luck
		}
		w.rate = max(w.rate, rate)
	}
	j.best, j.trail = d, append(j.trail, shown{draft: d, Trial: first, key: key})
	return true
}

// sample runs a draft in one way until it is clear whether it shows the finding often enough. Most candidates fail, and few
// runs are enough to see that.
func (j *minimising) sample(d *draft, w *way) (t Trial, ok bool) {
	plan := w.plan(d, j.plan)
	for _, need := range []int{j.Need, j.confirm} {
		runs := j.Of
		if w.rate > 0 {
			runs = min(runs, int(math.Ceil(float64(need)/(allowance*w.rate))))
		}
		if plan.Repeat = runs - t.Runs; plan.Repeat <= 0 || t.Hits >= need {
			break
		}
		more, err := j.Check.Run(j.ctx, d.s, plan, &j.want, need-t.Hits)
		if err != nil {
			j.err = err
			return t, false
		}
		t.Hits, t.Runs = t.Hits+more.Hits, t.Runs+more.Runs
		if more.Hits > 0 {
			t.History, t.Finding = more.History, more.Finding
		}
		// Before the first there is nothing to compare with; and Of may not allow for a confirmation.
		if w.rate == 0 || t.Runs >= j.Of {
			need = j.Need
		}
		if t.Hits < need {
			return t, false
		}
	}
	return t, true
}

// try makes a candidate by an edit of a copy of the best, and keeps it if it holds. An edit that returns false was none.
func (j *minimising) try(edit func(*draft) bool) bool {
	d := j.best.clone()
	return !j.over() && edit(d) && j.accept(d)
}

// pass tries everything once, the big steps first, and says whether anything became smaller.
func (j *minimising) pass() bool {
	changed := j.try((*draft).strip)
	changed = j.tail() || changed
	changed = j.unrelated() || changed
	changed = j.actors() || changed
	changed = j.ops() || changed
	changed = j.statements() || changed
	changed = j.cases() || changed
	changed = j.arguments() || changed
	return j.delays() || changed
}

// actors removes actors with all that belongs to them, or has their parents do what they do.
func (j *minimising) actors() bool {
	changed := false
	for i := len(j.best.s.Actors) - 1; i > 0; i-- {
		changed = j.try(func(d *draft) bool { return i < len(d.s.Actors) && d.s.RemoveActor(i) }) ||
			j.try(func(d *draft) bool { return d.fold(i) }) || changed
	}
	return changed
}

// ops removes operations: the tail, then chunks, then one at a time.
func (j *minimising) ops() bool {
	from := j.best
	all := make([]int, from.s.NumOps())
	for i := range all {
		all[i] = i
	}
	left := reduce(all, func(keep []int) (ok, stop bool) {
		d := from.clone()
		for i := len(all) - 1; i >= 0; i-- {
			// Removing one operation may take others with it; what is left is found by what it was.
			if !slices.Contains(keep, i) {
				d.removeOrigin(i)
			}
		}
		return j.accept(d), j.over()
	})
	return len(left) < len(all)
}

// statements turns races into sequences, loops into single rounds, and takes barriers away.
func (j *minimising) statements() bool {
	changed := false
	for i := 0; ; i++ {
		st := j.best.statement(i)
		if st == nil {
			return changed
		}
		before := j.best
		switch st.(type) {
		case *corpus.Barrier:
			j.try(func(d *draft) bool { return d.replace(i, nil) })
		case *corpus.Race:
			_ = j.try(func(d *draft) bool { return d.flatten(i, false) }) || j.try(func(d *draft) bool { return d.flatten(i, true) })
		case *corpus.Repeat:
			_ = j.try(func(d *draft) bool { return d.flatten(i, false) }) || j.try(func(d *draft) bool { return d.loop(i, 2) })
		}
		if j.best != before {
			changed = true
			i--
		}
		if j.over() {
			return changed
		}
	}
}

// cases removes cases of serve loops.
func (j *minimising) cases() bool {
	changed := false
	for o := range j.best.s.Ops() {
		for c := len(j.best.s.Ops()[o].Cases) - 1; c >= 0; c-- {
			changed = j.try(func(d *draft) bool {
				op := d.s.Ops()[o]
				op.Cases, op.Expect = slices.Delete(op.Cases, c, c+1), nil
				return true
			}) || changed
		}
	}
	return changed
}

// arguments moves arguments toward their simplest values, and forgets results that nobody uses.
func (j *minimising) arguments() bool {
	changed := false
	for o, op := range j.best.s.Ops() {
		changed = j.try(func(d *draft) bool {
			op := d.s.Ops()[o]
			op.Dst = ""
			return j.best.s.Ops()[o].Dst != ""
		}) || changed
		for a := range op.Args {
			for _, simple := range simpler(op.Verb.Params[a]) {
				if j.best.s.Ops()[o].Args[a] == simple {
					break
				}
				if j.try(func(d *draft) bool {
					op := d.s.Ops()[o]
					op.Args[a], op.Expect = simple, nil
					return true
				}) {
					changed = true
					break
				}
			}
		}
	}
	return changed
}

// simpler lists the values that a parameter is tried with, the simplest first.
func simpler(p corpus.Param) []corpus.Arg {
	var vals []corpus.Arg
	if p.Optional {
		vals = append(vals, corpus.Num(p.Default))
	}
	switch p.Type {
	case corpus.Signal:
		vals = append(vals, corpus.Num(10)) // SIGUSR1: one that means nothing by itself
	case corpus.Options, corpus.WaitFlags, corpus.SigFlags, corpus.Mask, corpus.SeccompFlags, corpus.Int:
		vals = append(vals, corpus.Num(0))
	}
	return vals
}

// delays makes the delays before racing operations nothing, or else halves their ranges as long as that keeps the rate.
func (j *minimising) delays() bool {
	changed := false
	for i := range j.best.s.Ops() {
		at := func(d *draft) *stress.DelayRange { return d.delay[d.s.Ops()[i]] }
		set := func(r stress.DelayRange) bool {
			return j.try(func(d *draft) bool {
				p := at(d)
				if p == nil || *p == r {
					return false
				}
				*p = r
				return true
			})
		}
		if at(j.best) == nil {
			continue
		}
		if set(stress.DelayRange{}) {
			changed = true
			continue
		}
		for {
			r := *at(j.best)
			if r.Hi-r.Lo < 1000 {
				break
			}
			mid := r.Lo + (r.Hi-r.Lo)/2
			if !set(stress.DelayRange{Lo: r.Lo, Hi: mid}) && !set(stress.DelayRange{Lo: mid, Hi: r.Hi}) {
				break
			}
			changed = true
		}
	}
	return changed
}

// result measures the best candidate and hands it out; kept says whether it shows the finding about as often as what was
// there at first. If not, the best is then the last of its forerunners that does.
func (j *minimising) result(ctx context.Context) (res *Minimal, kept bool, err error) {
	complete := !j.over()
	for back := 1; ; back *= 2 {
		d := j.trail[len(j.trail)-1]
		res = &Minimal{Trial: d.Trial, Scenario: d.s.Clone(), Plan: d.plan(j.plan), Steps: j.steps, Complete: complete}
		res.Plan.Repeat = j.Of
		if d.History != nil {
			res.Plan.Schedule = d.History.Schedule // the given one was of the scenario that the minimising began with
		}
		d.finish(res.Scenario)
		measured := named(res.Scenario)
		lost := false
		for i, w := range j.ways {
			plan := w.plan(d.draft, j.plan)
			plan.Repeat = j.Measure
			t, err := j.Check.Run(ctx, measured, plan, &j.want, 0)
			if ctx.Err() != nil { // as it was seen when it was accepted
				return res, true, nil
			}
			if err != nil {
				return nil, false, fmt.Errorf("measure %s: %w", j.want.Title, err)
			}
			lost = lost || !w.keeps(t)
			if i > 0 {
				continue
			}
			res.Hits, res.Runs = t.Hits, t.Runs
			if t.Hits > 0 {
				res.History, res.Finding, res.Scenario = t.History, t.Finding, measured // of which they speak
			}
		}
		if !lost || len(j.trail) == 1 {
			j.best = d.draft
			return res, back == 1, nil
		}
		j.Logf("minimise: %d operations show it in %d of %d runs only: back", res.Scenario.NumOps(), res.Hits, res.Runs)
		for range min(back, len(j.trail)-1) {
			j.failed[j.trail[len(j.trail)-1].key] = true
			j.trail = j.trail[:len(j.trail)-1]
		}
	}
}

// key is what the memo knows a candidate by.
func (d *draft) key(plan stress.Plan) (string, error) {
	b, err := json.Marshal(plan)
	if err != nil {
		return "", fmt.Errorf("encode plan: %w", err)
	}
	return string(corpus.Encode(d.s)) + "\x00" + string(b), nil
}
