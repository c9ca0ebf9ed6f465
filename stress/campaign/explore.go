package campaign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/explore"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
)

// Outcome is one way in which a scenario can end, as an event.
type Outcome struct {
	N     int           `json:"n"`
	Stuck bool          `json:"stuck"` // some actor waits for good
	Calls []OutcomeCall `json:"calls"` // in the order of one execution that ends so
	// Waits says who waits for whom when it is stuck; Hang names a cycle of waits that are no documented ones.
	Waits []string `json:"waits,omitempty"`
	Hang  string   `json:"hang,omitempty"`
	// Of a sampling: how many runs ended so, and the decision stream of the first.
	Runs     int    `json:"runs,omitempty"`
	Schedule string `json:"schedule,omitempty"`
}

// OutcomeCall is one call of an outcome. Signal handlers that ran are calls named "handler".
type OutcomeCall struct {
	Actor  string `json:"actor"`
	Call   string `json:"call"`
	Result string `json:"result"` // "" if it never returns
}

// Explored is the last event of an exploration.
type Explored struct {
	Scenario    string  `json:"scenario"`
	Outcomes    int     `json:"outcomes"`
	States      int     `json:"states"`
	Transitions int     `json:"transitions"`
	Reduced     bool    `json:"reduced"`  // states were left out that lead to no other outcomes
	Symmetry    int     `json:"symmetry"` // of so many states that differ in which of several alike actors is which one was visited
	Seconds     float64 `json:"seconds"`
	Bytes       int     `json:"bytes"`    // at the peak, for the states seen and the path
	Complete    bool    `json:"complete"` // false: there are more states than the limit
}

// EventName implements Event.
func (Outcome) EventName() string  { return "outcome" }
func (Explored) EventName() string { return "explored" }

// Explore walks all executions of a scenario on the engine, as a kernel of that profile.
func Explore(ctx context.Context, s *corpus.Scenario, profile engine.Profile, opt explore.Options, out Reporter) error {
	p, err := corpus.Lower(s)
	if err != nil {
		return err
	}
	start := time.Now()
	opt.Livelocks = true
	r, err := explore.Run(ctx, p, engine.Options{Check: true, Profile: profile}, opt)
	if livelock := (*explore.LivelockError)(nil); errors.As(err, &livelock) {
		o := Outcome{N: 1, Stuck: true, Calls: outcomeCalls(p, livelock.History), Hang: "livelock: " + strings.Join(livelock.Running, ", ")}
		_, o.Waits = oracle.DescribeStuck(p, livelock.Waits)
		err = errors.Join(err, out.Report(o))
	}
	if err != nil {
		return fmt.Errorf("explore %s: %w", s.Name, err)
	}
	for i := range r.Outcomes {
		o := Outcome{N: i + 1, Stuck: r.Outcomes[i].Stuck, Calls: outcomeCalls(p, r.Outcomes[i].History)}
		if o.Stuck {
			o.Hang, o.Waits = oracle.DescribeStuck(p, r.Outcomes[i].Waits)
		}
		if err := out.Report(o); err != nil {
			return err
		}
	}
	if err := out.Report(Explored{Scenario: s.Name, Outcomes: len(r.Outcomes), States: r.States, Transitions: r.Transitions,
		Reduced: !opt.NoReduction, Symmetry: r.Symmetry, Seconds: time.Since(start).Seconds(), Bytes: r.Bytes, Complete: r.Complete}); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func outcomeCalls(p *engine.Program, h *history.History) []OutcomeCall {
	tids := tidsOf(h)
	var calls []OutcomeCall
	byBegin(h, func(a engine.ActorID, e *history.Entry) {
		c := OutcomeCall{Actor: p.Actors[a].Name}
		switch {
		case e.Kind == history.Handler:
			c.Call, c.Result = "handler", fmt.Sprintf("signal %d code %d", e.Res.Out[0], e.Res.Out[1])
		case p.Actors[a].Code[e.Instr].Src < 0:
			return // the creation of an actor that the scenario only declares
		default:
			c.Call = corpus.FormatCall(p, a, e.Instr)
			if e.Done {
				c.Result = corpus.FormatResult(p, a, e.Instr, e.Res, tids)
			}
		}
		calls = append(calls, c)
	})
	return calls
}

// byBegin visits a history's entries in the order in which they began.
func byBegin(h *history.History, visit func(engine.ActorID, *history.Entry)) {
	next := make([]int, len(h.Actors))
	for {
		first := -1
		for a := range h.Actors {
			if next[a] < len(h.Actors[a].Entries) && (first < 0 || h.Actors[a].Entries[next[a]].Begin < h.Actors[first].Entries[next[first]].Begin) {
				first = a
			}
		}
		if first < 0 {
			return
		}
		visit(engine.ActorID(first), &h.Actors[first].Entries[next[first]])
		next[first]++
	}
}

func tidsOf(h *history.History) []int32 {
	tids := make([]int32, len(h.Actors))
	for a := range h.Actors {
		tids[a] = h.Actors[a].Tid
	}
	return tids
}

// OutcomeText shows an exploration to people.
type OutcomeText struct{ Out io.Writer }

// Report implements Reporter.
func (t OutcomeText) Report(e Event) error {
	var b strings.Builder
	switch e := e.(type) {
	case Outcome:
		fmt.Fprintf(&b, "outcome %d", e.N)
		if e.Runs > 0 {
			fmt.Fprintf(&b, ", of %d runs", e.Runs)
		}
		if e.Stuck {
			b.WriteString(", in which somebody waits for good")
		}
		b.WriteByte('\n')
		actor, call := 0, 0
		for _, c := range e.Calls {
			actor, call = max(actor, len(c.Actor)), max(call, len(c.Call))
		}
		for _, c := range e.Calls {
			result := c.Result
			if result == "" {
				result = "never returns"
			}
			fmt.Fprintf(&b, "  %-*s  %-*s  => %s\n", actor, c.Actor, call, c.Call, result)
		}
		for _, w := range e.Waits {
			fmt.Fprintf(&b, "  waits: %s\n", w)
		}
		if e.Hang != "" {
			fmt.Fprintf(&b, "  %s\n", e.Hang)
		}
		if e.Schedule != "" {
			fmt.Fprintf(&b, "  --strategy replay:%s\n", e.Schedule)
		}
		b.WriteByte('\n')
	case Explored:
		all := "all states seen"
		if !e.Complete {
			all = "the limit; there are more, and maybe more outcomes"
		}
		fmt.Fprintf(&b, "%s: %d outcomes, %d states: %s\n", e.Scenario, e.Outcomes, e.States, all)
		reduced := "every state that can be reached"
		if e.Reduced {
			reduced = "without states that lead to no other outcomes"
		}
		if e.Symmetry > 1 {
			reduced += fmt.Sprintf(", alike actors exchanged in %d ways", e.Symmetry)
		}
		fmt.Fprintf(&b, "%s, %d transitions, %.3f s, %d KiB\n", reduced, e.Transitions, e.Seconds, e.Bytes>>10)
	case Sampled:
		fmt.Fprintf(&b, "%s: %d runs by %s, seed %d: %d outcomes, %.3f s\n", e.Scenario, e.Runs, e.Strategy, e.Seed, e.Outcomes, e.Seconds)
		for _, a := range e.Assurance {
			fmt.Fprintf(&b, "assurance: %v\n", a)
		}
		if len(e.Assurance) > 0 {
			fmt.Fprintln(&b, schedule.Assumptions())
		} else {
			fmt.Fprintln(&b, "assurance: none, only PCT has a bound")
		}
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}
