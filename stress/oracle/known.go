package oracle

import (
	"slices"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// knownBudget bounds the states that one twin may visit: what needs more is not attributed, and so stays unexplained.
const knownBudget = 50_000

// Attribute says which row of the list of known bugs explains a violation h of p that Judge found: the engine with that
// bug planted admits what the clean one does not. Titles cannot tell: two bugs may leave the same call asleep. It is 0 if no
// row does.
//
// live are the rows that this kernel is known to have; they are asked first, and then, if no row alone explains h, all of
// them together: the answer is the first that the others cannot do without.
func (o *Oracle) Attribute(p *engine.Program, h *history.History, live []int) int {
	for _, row := range append(slices.Clone(live), engine.BugRows()...) {
		if o.explains(p, h, row) {
			return row
		}
	}
	if len(live) < 2 || !o.explains(p, h, live...) {
		return 0
	}
	for i, row := range live {
		if !o.explains(p, h, slices.Delete(slices.Clone(live), i, i+1)...) {
			return row
		}
	}
	return 0
}

// explains says whether the engine with all bugs of some rows planted has an execution that shows h.
func (o *Oracle) explains(p *engine.Program, h *history.History, rows ...int) bool {
	var bugs engine.BugSet
	for _, row := range rows {
		bugs = bugs.Or(engine.BugsOfRow(row))
	}
	if bugs == (engine.BugSet{}) {
		return false
	}
	twin := o.twins[bugs]
	if twin == nil {
		twin = New(o.profile)
		twin.bugs, twin.Budget, twin.Log = bugs, knownBudget, o.Log
		if o.twins == nil {
			o.twins = map[engine.BugSet]*Oracle{}
		}
		o.twins[bugs] = twin
	}
	v := twin.Judge(p, h)
	return v.Kind == Admitted || v.Kind == HangPredicted || v.Kind == Hang && v.Predicted
}
