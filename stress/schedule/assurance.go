package schedule

import (
	"fmt"
	"math"
	"strings"
)

// Assurance is what a number of PCT runs of one program say about bugs that they did not find.
type Assurance struct {
	Depth     int     `json:"depth"`     // of the bugs that it is about: orderings that must hold for one to show
	Tasks     int     `json:"tasks"`     // n: most that made a step in one run
	Decisions int     `json:"decisions"` // k: among so many steps change points were drawn; no run had more before which several tasks could go on
	Runs      int     `json:"runs"`      // with this depth and k
	Miss      float64 `json:"miss"`      // an upper bound of the probability that all of them miss such a bug
	Enough    float64 `json:"enough"`    // runs after which Miss is at most 0.001
}

// Assure says what the runs that a strategy has made so far are worth: PCT's bound, by which one run of depth d shows a bug
// of at most that depth with a probability of at least 1/(n·k^(d-1)). Strategies other than PCT have none.
func (s *Shape) Assure(strategy Strategy) []Assurance {
	var out []Assurance
	if p, ok := strategy.(*portfolio); ok {
		for _, m := range p.members {
			out = append(out, s.Assure(m)...)
		}
		return out
	}
	p, ok := strategy.(*pct)
	if !ok || s.Tasks == 0 {
		return nil
	}
	k := p.among
	if k < s.Decisions { // the last run had more than any run was made for
		k = s.Decisions
	}
	for d, runs := range p.made {
		if runs == 0 {
			continue
		}
		if k != p.among {
			runs = 0
		}
		one := 1 / (float64(s.Tasks) * math.Pow(float64(max(k, 1)), float64(d-1)))
		log := math.Log1p(-min(one, 1-1e-15))
		out = append(out, Assurance{Depth: d, Tasks: s.Tasks, Decisions: k, Runs: runs,
			Miss: math.Exp(float64(runs) * log), Enough: math.Ceil(math.Log(0.001) / log)})
	}
	return out
}

// useless is a bound that nobody should rely on.
const useless = 0.5

func (a Assurance) String() string {
	s := fmt.Sprintf("depth <= %d, miss probability <= %s: %d runs, n = %d tasks, k = %d decisions", a.Depth, probability(a.Miss), a.Runs,
		a.Tasks, a.Decisions)
	if a.Miss > useless {
		s += fmt.Sprintf("; this bound is useless, 0.001 takes %.3g runs", a.Enough)
	}
	return s
}

// probability never rounds a chance up to certainty, nor down to impossibility.
func probability(p float64) string {
	if p == 0 {
		return "1e-300"
	}
	if s := fmt.Sprintf("%.3g", p); s != "1" || p == 1 {
		return s
	}
	return "1 (rounded)"
}

// Assumptions says in words what an Assurance holds under.
func Assumptions() string {
	return strings.TrimSpace(`
The bound is that of PCT (ASPLOS 2010). It assumes that no run has more tasks than the most that were measured, or more
decisions than k; that the order of steps alone makes the bug show, whichever of its possible outcomes each step draws; and it is
about bugs of the engine in this scenario, under the schedules of the engine, not of a kernel.`)
}
