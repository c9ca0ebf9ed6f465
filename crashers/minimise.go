package crashers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/history"
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
}

// Minimiser makes the scenario of a finding small. The zero value of each field but Check is a default.
type Minimiser struct {
	Check Check
	// A candidate is accepted when it shows the finding in Need of Of runs.
	Need, Of int
	Steps    int           // candidates tried at most
	Time     time.Duration // spent at most; what is best by then is the answer
	Measure  int           // runs of the result by which its rate is measured
	Logf     func(format string, args ...any)
}

// Minimal is the result of a Minimiser.
type Minimal struct {
	Trial    // of the result under Plan, as measured at the end
	Scenario *corpus.Scenario
	Plan     stress.Plan // its Repeat is the Minimiser's Of
	Steps    int         // candidates tried
	Complete bool        // nothing smaller was left to try; else a bound or the context ended it
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
	job := &minimising{Minimiser: m, ctx: limited, want: want, plan: plan, memo: map[string]bool{}}
	job.plan.Repeat = m.Of
	job.best = newDraft(s, plan)
	if !job.holds(job.best) {
		if job.err == nil {
			job.err = ErrNotShown
		}
		return nil, fmt.Errorf("minimise %s: %w", want.Title, job.err)
	}
	for pass := 1; job.pass() && !job.over(); pass++ {
		m.Logf("minimise: pass %d: %d operations, %d actors, %d candidates", pass, job.best.s.NumOps(), len(job.best.s.Actors), job.steps)
	}
	if job.err != nil && limited.Err() == nil {
		return nil, fmt.Errorf("minimise %s: %w", want.Title, job.err)
	}
	return job.result(ctx)
}

// minimising is one run of a Minimiser.
type minimising struct {
	Minimiser
	ctx   context.Context
	want  Finding
	plan  stress.Plan // as given; draft.plan has the delays and CPUs of a candidate
	best  *draft
	hit   Trial // of best
	steps int
	memo  map[string]bool
	err   error
}

// over says whether no candidate may be tried any more.
func (j *minimising) over() bool { return j.err != nil || j.steps >= j.Steps || j.ctx.Err() != nil }

// holds says whether a candidate shows the finding in Need of Of runs. Every decision of the minimiser comes from here.
func (j *minimising) holds(d *draft) bool {
	if d == nil || j.over() || d.s.Validate() != nil {
		return false
	}
	plan := d.plan(j.plan)
	key, err := d.key(plan)
	if err != nil {
		j.err = err
		return false
	}
	if known, ok := j.memo[key]; ok {
		return known
	}
	j.steps++
	t, err := j.Check.Run(j.ctx, d.s, plan, &j.want, j.Need)
	if err != nil {
		j.err = err
		return false
	}
	ok := t.Hits >= j.Need
	if ok {
		j.hit = t
	} else if j.ctx.Err() != nil {
		return false // cut short: says nothing
	}
	j.memo[key] = ok
	return ok
}

// try makes a candidate by an edit of a copy of the best, and keeps it if it holds. An edit that returns false was none.
func (j *minimising) try(edit func(*draft) bool) bool {
	d := j.best.clone()
	if j.over() || !edit(d) || !j.holds(d) {
		return false
	}
	j.best = d
	return true
}

// pass tries everything once, the big steps first, and says whether anything became smaller.
func (j *minimising) pass() bool {
	changed := j.actors()
	changed = j.ops() || changed
	changed = j.statements() || changed
	changed = j.cases() || changed
	changed = j.arguments() || changed
	changed = j.try((*draft).strip) || changed
	return j.delays() || changed
}

// actors removes actors with all that belongs to them.
func (j *minimising) actors() bool {
	changed := false
	for i := len(j.best.s.Actors) - 1; i > 0; i-- {
		changed = j.try(func(d *draft) bool { return i < len(d.s.Actors) && d.s.RemoveActor(i) }) || changed
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
		if ok = j.holds(d); ok {
			j.best = d
		}
		return ok, j.over()
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

// result measures the best candidate and hands it out.
func (j *minimising) result(ctx context.Context) (*Minimal, error) {
	res := &Minimal{Trial: j.hit, Scenario: j.best.s, Plan: j.best.plan(j.plan), Steps: j.steps, Complete: !j.over()}
	j.best.finish()
	plan := res.Plan
	plan.Repeat = j.Measure
	t, err := j.Check.Run(ctx, res.Scenario, plan, &j.want, 0)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("measure %s: %w", j.want.Title, err)
	}
	if err == nil && t.Runs > 0 {
		res.Hits, res.Runs = t.Hits, t.Runs
		if t.Hits > 0 {
			res.History, res.Finding = t.History, t.Finding
		}
	}
	return res, nil
}

// key is what the memo knows a candidate by.
func (d *draft) key(plan stress.Plan) (string, error) {
	b, err := json.Marshal(plan)
	if err != nil {
		return "", fmt.Errorf("encode plan: %w", err)
	}
	return string(corpus.Encode(d.s)) + "\x00" + string(b), nil
}
