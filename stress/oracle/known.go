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
	twin := o.twin()
	for _, row := range append(slices.Clone(live), engine.BugRows()...) {
		if twin.explains(p, h, row) {
			return row
		}
	}
	if len(live) < 2 || !twin.explains(p, h, live...) {
		return 0
	}
	for i, row := range live {
		if !twin.explains(p, h, slices.Delete(slices.Clone(live), i, i+1)...) {
			return row
		}
	}
	return 0
}

// twin is an oracle whose engine can have bugs planted. It is made for one history, and not kept: what its searches leave would stay for good.
func (o *Oracle) twin() *Oracle {
	t := New(o.profile)
	t.Budget, t.Log = knownBudget, o.Log
	return t
}

// explains says whether the engine with all bugs of some rows planted has an execution that shows h.
func (o *Oracle) explains(p *engine.Program, h *history.History, rows ...int) bool {
	o.bugs = engine.BugSet{}
	for _, row := range rows {
		o.bugs = o.bugs.Or(engine.BugsOfRow(row))
	}
	if o.bugs == (engine.BugSet{}) {
		return false
	}
	o.search.p = nil // its machine has other bugs
	v := o.Judge(p, h)
	return v.Kind == Admitted || v.Kind == HangPredicted || v.Kind == Hang && v.Predicted
}
