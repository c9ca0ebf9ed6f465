// Package power measures what the oracles see: it switches on one planted bug of the engine at a time, runs scenarios on that
// engine, and asks each oracle, all of them of the engine without bugs, whether it sees anything.
//
// It never runs anything on a real kernel and never files anything. What an oracle is given is what actors on a kernel could
// have logged. A Hunter belongs to one goroutine; the package takes no locks.
package power

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sourcegraph/conc/panics"

	"tracehammer/corpus"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
)

// Oracle is one of the ways to see a bug.
type Oracle uint8

const (
	Invariants Oracle = iota // a state of the engine breaks an invariant of section 7 (or the engine dies of it)
	Liveness                 // the run stands still where the clean engine could go on
	History                  // a result, or its place in time, that no execution of the clean engine shows
	NumOracles
)

var oracleNames = [NumOracles]string{"invariants", "liveness", "history"}

func (o Oracle) String() string {
	if o < NumOracles {
		return oracleNames[o]
	}
	return fmt.Sprintf("Oracle(%d)", o)
}

// MarshalText makes an Oracle readable in JSON.
func (o Oracle) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Seen is what the oracles saw in one schedule.
type Seen struct {
	by       [NumOracles]bool
	findings [NumOracles]crashers.Finding
	hist     *history.History // of the run that Liveness or History judged
	streams  [NumOracles]schedule.Stream
}

// By says whether an oracle saw the bug, and as what.
func (s *Seen) By(o Oracle) (crashers.Finding, bool) { return s.findings[o], s.by[o] }

// Schedule is the decisions of the run that an oracle saw the bug in.
func (s *Seen) Schedule(o Oracle) schedule.Stream { return s.streams[o] }

// Any says whether some oracle did.
func (s *Seen) Any() bool { return s.by != [NumOracles]bool{} }

// Hunter runs scenarios on an engine with one planted bug.
type Hunter struct {
	bug     engine.Bug
	bugs    engine.BugSet
	checked *stress.EngineTarget // with the invariants on
	plain   *stress.EngineTarget
	oracle  *oracle.Oracle
}

// judgeBudget bounds the states that one judgement may visit, as in oracle.DefaultBudget but smaller: a hunt has many
// schedules, and what needs more is not counted as seen.
const judgeBudget = 50_000

// NewHunter returns a hunter of one bug.
func NewHunter(bug engine.Bug) *Hunter {
	return newHunter(bug, bug.Set())
}

func newHunter(bug engine.Bug, bugs engine.BugSet) *Hunter {
	h := &Hunter{bug: bug, bugs: bugs, oracle: oracle.New(engine.Profile{})}
	h.oracle.Budget = judgeBudget
	h.reset()
	return h
}

// Engine implements crashers.Exact.
func (h *Hunter) Engine() engine.Options { return engine.Options{Bugs: h.bugs} }

// reset replaces the targets: nobody knows the state of one that panicked.
func (h *Hunter) reset() {
	h.checked = stress.NewEngineTarget(engine.Options{Bugs: h.bugs, Check: true})
	h.plain = stress.NewEngineTarget(engine.Options{Bugs: h.bugs})
}

// strategies are what a schedule's seed chooses from. A random walk is good at windows of a few steps, random priorities at one
// task that is late for many, and PCT at one that stops at some point and is late from there on; it has to see the program run
// first, which is a run that nobody judges.
var strategies = [...]stress.Plan{{Strategy: "random", Repeat: 1}, {Strategy: "pos", Repeat: 1}, {Strategy: "random", Repeat: 1}, {Strategy: "pct:3", Repeat: 2}}

// Try runs p under the schedule that seed draws and asks every oracle. The same seed gives the same answer.
func (h *Hunter) Try(ctx context.Context, p *engine.Program, seed uint64) (Seen, error) {
	plan := strategies[seed%uint64(len(strategies))]
	plan.Seed = seed
	return h.try(ctx, p, plan)
}

func (h *Hunter) try(ctx context.Context, p *engine.Program, plan stress.Plan) (Seen, error) {
	var s Seen
	judged, err := h.run(ctx, h.checked, p, plan, &s)
	if err != nil || judged {
		return s, err
	}
	// An invariant broke before there was a history: what would the others have seen?
	_, err = h.run(ctx, h.plain, p, plan, &s)
	return s, err
}

// run makes the runs of a plan and judges the last one. It says whether there was a history to judge.
func (h *Hunter) run(ctx context.Context, t *stress.EngineTarget, p *engine.Program, plan stress.Plan, s *Seen) (judged bool, err error) {
	died := panics.Try(func() {
		err = t.Run(ctx, p, plan, func(hist *history.History) bool {
			if judged = hist.Run == plan.Repeat-1; judged {
				h.judge(p, hist, s)
			}
			return !judged
		})
	})
	var broken *engine.InvariantError
	var livelock *stress.LivelockError
	f := crashers.Finding{Kind: crashers.Invariant, Actor: engine.NoActor, Instr: -1}
	switch {
	case died != nil:
		h.reset()
		f.Kind, f.Title = crashers.Crash, fmt.Sprintf("crash: %v", died.Value)
	case errors.As(err, &broken):
		f.Title, f.Explanation = fmt.Sprintf("invariant: the engine breaks invariant %d", broken.N), broken.Error()
		err = nil
	case errors.As(err, &livelock):
		f.Title, f.Explanation = "invariant: the engine is in a livelock", livelock.Error()
		s.see(Liveness, f, t.Schedule())
		return true, nil
	default:
		return judged, err
	}
	s.see(Invariants, f, t.Schedule())
	return judged, err
}

func (s *Seen) see(o Oracle, f crashers.Finding, stream schedule.Stream) {
	s.by[o], s.findings[o], s.streams[o] = true, f, slices.Clone(stream)
}

// judge asks the oracles that look at histories.
func (h *Hunter) judge(p *engine.Program, hist *history.History, s *Seen) {
	v := h.oracle.Judge(p, hist)
	f := crashers.Finding{Title: v.Title, Explanation: v.Explanation, Rules: v.Rules, Actor: v.Actor, Instr: v.Instr, Entry: v.Entry}
	switch {
	case v.Kind == oracle.Hang && !v.Predicted:
		f.Kind = crashers.Hang
		s.see(Liveness, f, hist.Schedule)
	case v.Kind == oracle.NotAdmitted:
		f.Kind = crashers.NotAdmitted
		s.see(History, f, hist.Schedule)
	case v.Kind == oracle.Invariant:
		f.Kind = crashers.Invariant
		s.see(History, f, hist.Schedule)
	default:
		return
	}
	s.hist = hist.Clone()
}

// Run implements crashers.Check: the minimiser's candidates.
func (h *Hunter) Run(ctx context.Context, s *corpus.Scenario, plan stress.Plan, want *crashers.Finding, need int) (crashers.Trial, error) {
	var t crashers.Trial
	p, err := corpus.Lower(s)
	if err != nil {
		return t, nil // not a scenario that can run shows nothing
	}
	for i := range max(plan.Repeat, 1) {
		seen, err := h.Try(ctx, p, plan.Seed+uint64(i))
		if err != nil || ctx.Err() != nil {
			return t, err
		}
		seen.count(&t, want)
		if need > 0 && t.Hits >= need {
			break
		}
	}
	return t, nil
}

// Replay implements crashers.Exact.
func (h *Hunter) Replay(ctx context.Context, p *engine.Program, stream schedule.Stream, want *crashers.Finding) (crashers.Trial, error) {
	var t crashers.Trial
	seen, err := h.try(ctx, p, stress.Plan{Schedule: stream, Repeat: 1})
	if err == nil {
		seen.count(&t, want)
	}
	return t, err
}

// count adds a run to a trial.
func (s *Seen) count(t *crashers.Trial, want *crashers.Finding) {
	t.Runs++
	for o := range NumOracles {
		if f, ok := s.By(o); ok && f.SameAs(want) {
			t.Hits++
			t.Finding, t.History, t.Stream = f, s.hist, s.streams[o]
			break
		}
	}
}
