package corpus

import (
	"fmt"

	"tracehammer/engine"
)

// Observed is one call of a history.
type Observed struct {
	Actor engine.ActorID
	Instr int32
	Done  bool // it returned
	Res   engine.Result
}

// Mismatch is an operation whose expectation does not hold.
type Mismatch struct {
	Op   int // index into Ops
	Got  string
	Want string
}

func (m Mismatch) String() string {
	return fmt.Sprintf("operation %d: got %s, expected %s", m.Op, m.Got, m.Want)
}

// Matches says whether one call came out as one alternative says. tids are the actors' tids as for FormatResult; one value
// that may be a tid is compared as the number that it is.
func (s *Scenario) Matches(e *Expect, done bool, r engine.Result, tids []int32) bool {
	if e.Kind != ExpectResult {
		return e.Kind == ExpectBlocks && !done
	}
	if !done || !s.equal(e.Ret, r.Ret, tids) {
		return false
	}
	for i, a := range e.Out {
		if !s.equal(a, r.Out[i], tids) {
			return false
		}
	}
	return true
}

func (s *Scenario) equal(want Arg, got int64, tids []int32) bool {
	switch want.Kind {
	case ArgAny:
		return true
	case ArgActor:
		return tidOf(engine.ActorID(s.Actor(want.Name)), tids) == got
	}
	return want.N == got
}

// Check compares a history's calls with the scenario's expectations; every call of an operation in a loop must match. calls
// holds all logged calls of all actors in any order, p is the lowered scenario.
func (s *Scenario) Check(p *engine.Program, calls []Observed, tids []int32) []Mismatch {
	var out []Mismatch
	ops := s.Ops()
	began := make([]bool, len(ops))
	bad := make([]bool, len(ops))
	for _, c := range calls {
		in := instruction(p, c.Actor, c.Instr)
		if in == nil || in.Src < 0 || int(in.Src) >= len(ops) {
			continue
		}
		o := ops[in.Src]
		began[in.Src] = true
		if len(o.Expect) == 0 || bad[in.Src] || s.any(o, c.Done, c.Res, tids) {
			continue
		}
		got := "no return"
		if c.Done {
			got = FormatResult(p, c.Actor, c.Instr, c.Res, tids)
		}
		bad[in.Src] = true
		out = append(out, Mismatch{int(in.Src), got, formatExpects(o.Verb, o.Expect)})
	}
	for i, o := range ops {
		if began[i] || len(o.Expect) == 0 || hasKind(o.Expect, ExpectNever) {
			continue
		}
		out = append(out, Mismatch{i, "not begun", formatExpects(o.Verb, o.Expect)})
	}
	return out
}

func (s *Scenario) any(o *Op, done bool, r engine.Result, tids []int32) bool {
	for i := range o.Expect {
		if s.Matches(&o.Expect[i], done, r, tids) {
			return true
		}
	}
	return false
}

func hasKind(alts []Expect, k ExpectKind) bool {
	for i := range alts {
		if alts[i].Kind == k {
			return true
		}
	}
	return false
}
