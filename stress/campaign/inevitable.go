package campaign

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/schedule"
	"tracehammer/stress/steer"
)

// Bounds of a curve.
const (
	curveTime   = 3 * time.Second // that a finding's may take
	curvePoints = 65              // at first; more where the curve is steep
	curveSteep  = 4               // stretches between two points that are looked into
	curveRound  = 8               // runs of each point, again and again
	curveRuns   = 64              // of each point, at most
)

// inevitable computes when a finding with an exact schedule became inevitable: for prefixes of its decisions, the share of runs that
// follow one and then go on at random which show it. It takes at most limit, and is the coarser the less that is; nil if there is
// no such schedule, or if limit is over before each point was looked at.
func inevitable(ctx context.Context, m *crashers.Minimal, name string, limit time.Duration) (*crashers.Curve, error) {
	if m.Exact == nil {
		return nil, nil
	}
	_, arg, err := stress.TargetName(name)
	if err != nil {
		return nil, err
	}
	o, err := stress.EngineOptions(arg)
	if err != nil {
		return nil, err
	}
	o.Check = true
	p, err := corpus.Lower(m.Scenario)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	run := steer.New(o).Replay(p, m.Plan.Schedule)
	said := decisions(&run, m.ShowsAt())
	said = said[:min(len(said), len(m.Plan.Schedule))] // the fair schedule behind its end decides nothing
	c := &curving{exactChecker: newExactChecker(o, name), p: p, want: m.Finding, stream: m.Plan.Schedule, said: said, seed: m.Plan.Seed}
	n := len(said)
	for i := range min(n+1, curvePoints) {
		c.point(i * n / max(min(n, curvePoints-1), 1))
	}
	if err := c.round(ctx, curveRound); err != nil || ctx.Err() != nil {
		return nil, err
	}
	for c.refine() {
		if err := c.round(ctx, curveRound); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	for runs := 2 * curveRound; runs <= curveRuns && ctx.Err() == nil; runs += curveRound {
		if err := c.round(ctx, runs); err != nil {
			return nil, err
		}
	}
	points := slices.DeleteFunc(c.points, func(p crashers.CurvePoint) bool { return p.Runs == 0 })
	return &crashers.Curve{Points: points}, nil
}

// curving is a curve that is being computed.
type curving struct {
	exactChecker
	p      *engine.Program
	want   crashers.Finding
	stream schedule.Stream
	said   []string // what each decision let happen
	seed   uint64
	points []crashers.CurvePoint
}

// point adds one, if it is not there.
func (c *curving) point(decisions int) {
	i, there := slices.BinarySearchFunc(c.points, decisions, func(p crashers.CurvePoint, n int) int { return cmp.Compare(p.Decisions, n) })
	if there {
		return
	}
	p := crashers.CurvePoint{Decisions: decisions}
	if decisions > 0 {
		p.What = c.said[decisions-1]
	}
	c.points = slices.Insert(c.points, i, p)
}

// round brings every point to so many runs.
func (c *curving) round(ctx context.Context, runs int) error {
	for i := range c.points {
		p := &c.points[i]
		for p.Runs < runs && ctx.Err() == nil {
			before := p.Runs
			plan := stress.Plan{Strategy: "along:" + c.stream[:p.Decisions].String(), Repeat: runs - p.Runs, Seed: c.seed + uint64(p.Runs)}
			err := c.run(ctx, c.p, plan, func(_ *history.History, v *verdict) bool {
				p.Runs++
				if v.Kind.Finding() || v.crash {
					if f := findingOf(v); f.SameAs(&c.want) {
						p.Hits++
					}
				}
				return true
			})
			if err != nil {
				return fmt.Errorf("compute when %s became inevitable: %w", c.want.Title, err)
			}
			if p.Runs == before {
				break
			}
		}
	}
	return nil
}

// refine adds points in the middle of the steepest stretches that have room for them. It says whether there were any.
func (c *curving) refine() bool {
	type stretch struct {
		from, to int
		rise     float64
	}
	var all []stretch
	for i := 1; i < len(c.points); i++ {
		a, b := &c.points[i-1], &c.points[i]
		if rise := b.Share() - a.Share(); b.Decisions-a.Decisions > 1 && (rise > 0.15 || rise < -0.15) {
			all = append(all, stretch{a.Decisions, b.Decisions, max(rise, -rise)})
		}
	}
	slices.SortStableFunc(all, func(a, b stretch) int { return cmp.Compare(b.rise, a.rise) })
	all = all[:min(len(all), curveSteep)]
	for _, s := range all {
		c.point((s.from + s.to) / 2)
	}
	return len(all) > 0
}

// decisions says in words what each decision of a run let happen, up to a step.
func decisions(run *steer.Run, upTo int) (said []string) {
	var in [engine.MaxTasks]string
	for i := range min(upTo, len(run.Steps)) {
		s := &run.Steps[i]
		who := "init"
		if a := run.Actor(i); a >= 0 && int(a) < len(run.Program.Actors) {
			who = run.Program.Actors[a].Name
		}
		what := ""
		switch ev := &s.Event; {
		case ev.Kind == engine.EvBegin:
			in[s.Task] = corpus.FormatCall(run.Program, ev.Actor, ev.Instr)
			what = "begins " + in[s.Task]
		case ev.Kind == engine.EvEnd:
			what = cmp.Or(in[s.Task], "its call") + " returns " + corpus.FormatResult(run.Program, ev.Actor, ev.Instr, ev.Res, nil)
			in[s.Task] = ""
		case ev.Kind == engine.EvHandler:
			what = "its handler of " + ptrace.Signals.Format(int64(ev.Signo)) + " runs"
		case s.Kind == engine.ChoiceTimer:
			what = "its timer fires"
		case in[s.Task] != "":
			what = "a step in " + in[s.Task]
		default:
			what = "a step between its operations"
		}
		if s.Decided {
			said = append(said, who+": "+what)
		}
	}
	return said
}
