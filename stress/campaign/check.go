package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/explore"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/rules"
	"tracehammer/vm"
)

// Checked says what became of one scenario on one target.
type Checked struct {
	Scenario string   `json:"scenario"`
	Target   string   `json:"target"`
	OK       bool     `json:"ok"`
	Skipped  string   `json:"skipped,omitempty"`
	Detail   string   `json:"detail"`
	Problems []string `json:"problems,omitempty"`
	KnownBug int      `json:"known_bug,omitempty"` // row of one that showed
	// see, if not nil, is shown every run with what the oracle says of it; on the engine, every outcome, admitted. It says whether
	// the run is explained although the scenario does not expect it.
	see func(*engine.Program, *history.History, *verdict, stress.Plan) (differs bool)
}

// CheckSummary is the last event of a check.
type CheckSummary struct {
	Scenarios int `json:"scenarios"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
	// Rules says by target how often the executions of the engine that explain what was seen went through each rule.
	Rules map[string]rules.Counts `json:"rules"`
}

// EventName implements Event.
func (Checked) EventName() string      { return "check" }
func (CheckSummary) EventName() string { return "check-summary" }

const (
	// exploreLimit bounds the states of a scenario in a check; stressd explore goes further.
	exploreLimit = 200_000
	// checkRuns is how often a check runs a scenario on a kernel, if the scenario does not ask for more.
	checkRuns = 20
	// knownRuns is how often it runs one that is marked with a known bug before it says that the bug does not show.
	knownRuns = 2000
	// maxProblems keeps the report of a scenario readable.
	maxProblems = 5
)

// Check checks scenarios on targets and returns what became of them.
func Check(ctx context.Context, scenarios []*corpus.Scenario, targets []string, out Reporter) (CheckSummary, error) {
	sum := CheckSummary{Scenarios: len(scenarios), Rules: map[string]rules.Counts{}}
	failed := map[string]bool{}
	for _, target := range targets {
		r, err := newRunner(ctx, Open, target)
		if err != nil {
			return sum, err
		}
		for _, s := range scenarios {
			if ctx.Err() != nil {
				break
			}
			c := Checked{Scenario: s.Name, Target: target}
			d := r.expecting(&c)
			if c.Skipped = unfit(s, target, &r.machine); c.Skipped != "" {
				sum.Skipped++
			} else if err := r.check(ctx, s, knownBugs(s, target, &r.machine), &c); err != nil {
				return sum, errors.Join(fmt.Errorf("check %s on %s: %w", s.Name, target, err), r.close())
			}
			c.explained(d)
			if c.OK = len(c.Problems) == 0; !c.OK {
				failed[s.Name] = true
			}
			if err := out.Report(c); err != nil {
				return sum, errors.Join(err, r.close())
			}
		}
		sum.Rules[target] = rules.CountsOf(&r.oracle.Marks)
		if err := r.close(); err != nil {
			return sum, err
		}
	}
	sum.Failed = len(failed)
	return sum, errors.Join(out.Report(sum), context.Cause(ctx))
}

// expecting has what scenarios expect, which is what Linux does, not asked of a kernel that is no Linux where its profile and the
// reference differ. nil for Linux: there "on" lines say which versions do what is expected.
func (r *runner) expecting(c *Checked) *differ {
	profile := r.target.Profile()
	if r.machine.System != engine.GVisor && !foreign(r.target.Name()) {
		return nil
	}
	d := newDiffer(engine.Profile{}, profile)
	d.begin()
	c.see = func(p *engine.Program, h *history.History, v *verdict, _ stress.Plan) bool {
		return !v.Kind.Finding() && d.look(p, h)
	}
	return d
}

// explained says what of a profile explains that a scenario did not see what it expects. d may be nil.
func (c *Checked) explained(d *differ) {
	if d == nil || c.Skipped != "" {
		return
	}
	if names := slices.Sorted(maps.Keys(d.features)); len(names) > 0 {
		c.Detail += ", differs: " + strings.Join(names, ", ")
	}
	if d.undecided {
		c.problem("whether Linux would do the same was not decided")
	}
}

func (r *runner) check(ctx context.Context, s *corpus.Scenario, known []corpus.KnownBug, c *Checked) error {
	p, err := corpus.Lower(s)
	if err != nil {
		return err
	}
	if kind, arg, err := stress.TargetName(r.target.Name()); err == nil && kind == stress.KindEngine {
		o, err := stress.EngineOptions(arg)
		if err != nil {
			return err
		}
		o.Check = true
		return checkEngine(ctx, s, p, o, r.oracle, c)
	}
	return r.checkKernel(ctx, s, p, known, c)
}

// checkEngine compares every outcome that the engine can reach with the expectations.
func checkEngine(ctx context.Context, s *corpus.Scenario, p *engine.Program, o engine.Options, judge *oracle.Oracle, c *Checked) error {
	var e explore.Result
	var err error
	if died := crashed(func() {
		e, err = explore.Run(ctx, p, o, explore.Options{Limit: exploreLimit})
	}); died != nil {
		c.problem("%s", died.Title)
		return nil
	}
	var broken *engine.InvariantError
	if errors.As(err, &broken) {
		c.problem("%v", broken)
		return nil
	}
	if err != nil {
		return err
	}
	c.Detail = fmt.Sprintf("%d states, %d outcomes", e.States, len(e.Outcomes))
	if !e.Complete {
		c.Detail += ", not all states seen"
	}
	shown := map[int]bool{}
	for _, end := range e.Outcomes {
		if row := markedHang(s, judge.Judge(p, end.History).Kind); row != 0 {
			shown[row] = true
			continue
		}
		if c.see == nil || !c.see(p, end.History, &verdict{}, stress.Plan{}) {
			c.expectations(s, p, end.History)
		}
	}
	for _, row := range slices.Sorted(maps.Keys(shown)) {
		c.KnownBug = row
		c.Detail += fmt.Sprintf(", known bug %d shows", row)
	}
	return nil
}

// markedHang is the row of a known bug that an outcome of the engine itself shows: a hang that rules describe, as kernels
// do it, and that is a bug all the same. 0 if the outcome shows none that the scenario is marked with.
func markedHang(s *corpus.Scenario, k oracle.Kind) int {
	for _, b := range s.KnownBugs {
		if k == oracle.Hang && shows(b, k) {
			return b.Row
		}
	}
	return 0
}

// checkKernel runs the scenario on a kernel, or live on the engine. Every run must be admitted and meet the expectations; if the kernel is known
// to differ, some run must differ as marked.
func (r *runner) checkKernel(ctx context.Context, s *corpus.Scenario, p *engine.Program, known []corpus.KnownBug, c *Checked) error {
	plan := stress.Plan{Seed: rand.Uint64(), Repeat: max(checkRuns, min(s.Repeats(), knownRuns)), Delays: suggestedDelays(s), Final: 4}
	sure := slices.ContainsFunc(known, func(k corpus.KnownBug) bool { return !slices.Contains(k.Shows, corpus.SignNothing) })
	if sure {
		plan.Repeat = knownRuns
	}
	var runs, predicted, unknown int
	var shown *corpus.KnownBug
	err := r.run(ctx, p, plan, func(h *history.History, v *verdict) bool {
		runs++
		if !r.real && v.Predicted && markedHang(s, oracle.Hang) != 0 {
			return true // the engine has it, as the rules describe it
		}
		for i := range known {
			if shows(known[i], v.Kind) && (v.known.Row() == known[i].Row || !crashers.Told(known[i].Row)) {
				shown = &known[i]
				return false
			}
		}
		differs := c.see != nil && v.Kind != oracle.Unknown && c.see(p, h, v, plan)
		switch {
		case v.Kind.Finding():
			if !differs {
				c.problem("%s: %s", v.Title, v.Explanation)
			}
			return false
		case v.Kind == oracle.HangPredicted:
			predicted++
		case v.Kind == oracle.Unknown:
			unknown++
		}
		if starving := v.Kind == oracle.Unknown && h.Hang != nil; !differs && !starving { // what got no CPU did not end
			c.expectations(s, p, h)
		}
		// Each run that waits for good costs the deadline of a hang.
		return predicted < 3 && len(c.Problems) == 0
	})
	c.Detail = fmt.Sprintf("%d runs", runs)
	if unknown > 0 {
		c.Detail += fmt.Sprintf(", %d of them undecided", unknown)
	}
	var lost *vm.LostError
	if errors.As(err, &lost) {
		c.problem("%v", lost)
		err = nil
	}
	switch {
	case shown != nil:
		c.KnownBug = shown.Row
		c.Detail += fmt.Sprintf(", known bug %d shows", shown.Row)
	case sure && ctx.Err() == nil && lost == nil:
		c.problem("marked %v, but no run showed it", &known[0])
	}
	return err
}

func (c *Checked) expectations(s *corpus.Scenario, p *engine.Program, h *history.History) {
	var calls []corpus.Observed
	for a := range h.Actors {
		for i := range h.Actors[a].Entries {
			if e := &h.Actors[a].Entries[i]; e.Kind == history.Call {
				calls = append(calls, corpus.Observed{Actor: engine.ActorID(a), Instr: e.Instr, Done: e.Done, Res: e.Res})
			}
		}
	}
	ops := s.Ops()
	for _, m := range s.Check(p, calls, tidsOf(h)) {
		c.problem("%s: %s: got %s, expected %s", ops[m.Op].Actor, ops[m.Op], m.Got, m.Want)
	}
}

func (c *Checked) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(c.Problems) < maxProblems && !slices.Contains(c.Problems, text) {
		c.Problems = append(c.Problems, text)
	}
}

// CheckText shows a check to people.
type CheckText struct {
	Out   io.Writer
	Marks bool // say at the end how often each rule was exercised
}

// Report implements Reporter.
func (t CheckText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case Checked:
		word := "ok  "
		switch {
		case e.Skipped != "":
			word, e.Detail = "skip", e.Skipped
		case !e.OK:
			word = "FAIL"
		}
		fmt.Fprintf(&b, "%s %-6s %s: %s\n", word, e.Target, history.Printable(e.Scenario), e.Detail)
		for _, p := range e.Problems {
			for l := range strings.Lines(p) {
				fmt.Fprintf(&b, "     %s\n", history.Printable(strings.TrimRight(l, "\n")))
			}
		}
	case CheckSummary:
		fmt.Fprintf(&b, "%d scenarios, %d failed, %d skipped\n", e.Scenarios, e.Failed, e.Skipped)
		if t.Marks {
			countsText(&b, e.Rules)
		}
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}
