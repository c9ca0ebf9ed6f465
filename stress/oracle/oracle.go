// Package oracle judges histories: does the engine admit what a target showed, does what is visible from outside keep the
// invariants of the specification, and is a run that did not end a bug.
//
// It never runs anything on a real kernel and never files anything. An Oracle belongs to one goroutine; it takes no locks.
package oracle

import (
	"fmt"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/coverage"
	"tracehammer/stress/history"
)

// Kind is the kind of a verdict.
type Kind uint8

const (
	Admitted      Kind = iota // some execution of the engine produces this history
	NotAdmitted               // none does
	Unknown                   // the search's budget was spent; never a pass
	Hang                      // the run did not end, and that is a bug
	HangPredicted             // the run did not end, and the engine says that it rightly does not
	Invariant                 // an invariant that can be seen from outside was broken
	Console                   // the kernel log or the taint mask shows a kernel bug
)

var kindNames = [...]string{"admitted", "not-admitted", "unknown", "hang", "hang-predicted", "invariant", "console"}

func (k Kind) String() string { return kindNames[k] }

// Finding says whether a verdict of this kind is something to file.
func (k Kind) Finding() bool {
	return k == NotAdmitted || k == Hang || k == Invariant || k == Console
}

// Verdict is what the oracle says of one history.
type Verdict struct {
	Kind Kind
	// Title names the violation without actor names or numbers: equal bugs have equal titles. Empty when admitted.
	Title string
	// Explanation is text for people: longest admitted prefix, what the kernel did next, what was allowed.
	Explanation string
	// Rules are the R rules concerned, ascending.
	Rules []int
	// Predicted says of a Hang that the engine, too, has an execution that stands still like this: it is a bug that the rules
	// describe, not one that the target has beyond them.
	Predicted bool
	// Row is the row of the list of known bugs that a predicted hang is, 0 for none: of others see Attribute.
	Row int
	// States is the number of engine states that the search visited, each as often as it came there.
	States int
	// Late says that the search visited more than DueStates.
	Late bool
	// Bytes is the memory that the search held at its end, for states seen and for its path.
	Bytes int
	// Actor and Instr are the call at which the history left the engine (NotAdmitted), or one that never returned (Hang). If it
	// was a handler that ran, Instr is -1 and Entry its place in the actor's log.
	Actor engine.ActorID
	Instr int32
	Entry int32
	// Event is what of that call the engine does not show (NotAdmitted): that it began, what it returned, or that a handler ran.
	Event engine.EventKind
	// Allowed is what the engine would have shown there, in words, ascending; empty if nothing (NotAdmitted).
	Allowed []string
}

// DefaultBudget is the number of states that a check may visit before it answers Unknown.
const DefaultBudget = 1_000_000

// MaxBytes is the memory that the states seen and the path of a check may take before it answers Unknown.
const MaxBytes = 64 << 20

// DueStates is the number of states, some 100 ms of one core, within which a verdict is due. What needs more is counted (Verdict.Late): a kernel's
// history hardly ever does, but that none of a million executions is like it may be a finding all the same.
const DueStates = 100_000

// Oracle judges histories of one kernel profile.
type Oracle struct {
	Budget int           // states a check may visit
	Bound  time.Duration // how long clean-up by SIGKILL may take; scale it by the machine's slowdown
	// Log finds what a kernel's log complains of: a title, "" for nothing, and how sure that is. It is nil for engines, which have no
	// log: a history with lines of one is then undecided. See console.Complaint.
	Log func(lines []string) (title, how string)
	// Marks counts the steps that exercised each rule, of the executions which admitted histories. The caller may reset it.
	Marks engine.Marks
	// Covered collects the rules and pairs of these executions. The caller may empty it.
	Covered coverage.Set
	profile engine.Profile
	bugs    engine.BugSet // planted in the engine that admits: none, but for twins
	search  search
}

// New returns an oracle for kernels of the given profile.
func New(profile engine.Profile) *Oracle {
	return &Oracle{Budget: DefaultBudget, Bound: 5 * time.Second, profile: profile}
}

// Judge says what the oracle thinks of h, a history of p.
func (o *Oracle) Judge(p *engine.Program, h *history.History) Verdict {
	if v, bad := o.outside(p, h); bad {
		return v
	}
	if h.Trunc {
		return Verdict{Kind: Unknown, Title: "log overflow", Explanation: "an actor's log overflowed: the history is incomplete"}
	}
	s := &o.search
	if s.m == nil || s.p != p {
		if s.m == nil {
			s.m = new(engine.Machine)
		}
		s.p = p
		ptrace.Load(s.m, p, engine.Options{Profile: o.profile, Bugs: o.bugs})
	}
	if err := s.load(h); err != nil {
		return Verdict{Kind: Invariant, Title: "invariant: " + err.title, Explanation: err.text, Actor: err.actor, Instr: err.instr}
	}
	s.m.TakeFull()
	complete := s.run(o.Budget)
	full := s.m.TakeFull()
	v := Verdict{States: s.states, Late: s.states > DueStates, Bytes: s.bytes()}
	if s.found {
		s.mark(&o.Marks, &o.Covered)
	}
	switch {
	case s.found && h.Outcome == history.Stuck:
		return s.judgeHang(v)
	case s.found:
		v.Kind = Admitted
	case !complete:
		v.Kind, v.Title = Unknown, "budget spent"
		v.Explanation = fmt.Sprintf("no admitting execution among %d states, in %d KiB; the search was cut short", s.states, v.Bytes>>10)
	case full:
		v.Kind, v.Title = Unknown, "more signals pending than the engine keeps"
		v.Explanation = "no admitting execution, but in some of those that were searched a queue had no room for a siginfo, where a kernel's has"
	case h.Outcome == history.Stuck && s.best == s.total:
		return s.unadmittedHang(v)
	default:
		if s.prefixes(o.Budget); s.found {
			panic("oracle: the search leaves out an execution that admits the history")
		}
		s.explain(&v)
	}
	return v
}

// callName is the call of an instruction as titles name it: the verb, with the request for ptrace.
func callName(p *engine.Program, a engine.ActorID, instr int32) string {
	if v := corpus.VerbOf(p, a, instr); v != nil {
		return v.Name
	}
	return "call"
}
