package campaign

import (
	"reflect"
	"testing"
	"time"

	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// TestInevitable: of a race that a planted bug loses, few random runs show it, all that follow the whole schedule do, and the curve is
// the same each time.
func TestInevitable(t *testing.T) {
	const name = "engine:siginfo-stays"
	s, p := corpustest.Lower(t, `scenario exiting
proc main
proc p1 of main
main: ptrace SEIZE p1 TRACEEXIT
p1:   exit
main: ptrace DETACH p1
`)
	o, err := stress.EngineOptions("siginfo-stays")
	if err != nil {
		t.Fatal(err)
	}
	o.Check = true
	e := newExactChecker(o, name)
	plan := stress.Plan{Strategy: "portfolio", Seed: 1, Repeat: 200}
	var want *crashers.Finding
	err = e.run(t.Context(), p, plan, func(_ *history.History, v *verdict) bool {
		if v.Kind.Finding() {
			f := findingOf(v)
			want, plan.Schedule = &f, append(plan.Schedule, v.schedule...)
		}
		return want == nil
	})
	if err != nil || want == nil {
		t.Fatal("200 runs do not show the bug", err)
	}
	m, err := crashers.Minimiser{Check: e}.Run(t.Context(), s, plan, *want)
	if err != nil {
		t.Fatal(err)
	}
	c, err := inevitable(t.Context(), m, name, time.Hour)
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	first, last := c.Points[0], c.Points[len(c.Points)-1]
	if first.Decisions != 0 || first.Share() > 0.7 || first.Hits == 0 || last.Hits != last.Runs {
		t.Errorf("%+v to %+v", first, last)
	}
	for i, p := range c.Points {
		if p.Runs != curveRuns || (p.What == "") != (i == 0) {
			t.Errorf("point %d: %+v", i, p)
		}
	}
	if again, err := inevitable(t.Context(), m, name, time.Hour); err != nil || !reflect.DeepEqual(c, again) {
		t.Errorf("another time it is %+v, %v", again, err)
	}
	if none, err := inevitable(t.Context(), m, name, 0); none != nil || err != nil {
		t.Errorf("without time it is %+v, %v", none, err)
	}
	m.Exact = nil
	if none, err := inevitable(t.Context(), m, name, time.Hour); none != nil || err != nil {
		t.Errorf("without a schedule it is %+v, %v", none, err)
	}
}
