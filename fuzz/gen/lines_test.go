package gen

import (
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

func TestFates(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Fate
	}{
		{`main: ptrace ATTACH child
main: wait4 child
main: ptrace DETACH child`, []Fate{Did, Did, Did}},
		// The wait sleeps until the next line is done, and is the last to end.
		{`main: wait4 child
child: exit 1
main: ptrace ATTACH child`, []Fate{Did, Did, Refused}},
		{`main: wait4 child WNOHANG
main: ptrace CONT child
main: wait4 child
main: kill child SIGUSR1`, []Fate{Did, Refused, Asleep, NotBegun}},
		// An interrupted sleep was not refused, and who dies in a call was not asleep in the end.
		{`child: sigaction SIGUSR1 HANDLER
child: pause
main: kill child SIGUSR1
child: pause
main: kill child SIGKILL`, []Fate{Did, Did, Did, Did, Did}},
		// A race is run in the order of its lines.
		{`race 0..10us {
  main: kill child SIGKILL
  child: gettid
}
main: kill child SIGUSR1`, []Fate{Did, NotBegun, Did}},
	} {
		s, err := corpus.Parse("test", []byte("scenario test\nproc main\nproc child of main\n"+c.text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Fates(s)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range s.Ops() {
			if got[i] != c.want[i] {
				t.Errorf("%s: %s: %v, want %v", o.Actor, o, got[i], c.want[i])
			}
		}
	}
}

// Nine of ten operations of generated scenarios do something, errors on purpose counted as nothing; those of variations lose
// little of what their seeds' do.
func TestOperationsDoSomething(t *testing.T) {
	n := 400
	if testing.Short() {
		n = 100
	}
	free := New(21).MeasureFree(n)
	if free.Scenarios < n || free.Share(Did) < 0.9 || free.Share(Refused) < 0.01 {
		t.Errorf("made of nothing: %+v", free)
	}
	varied := New(22).MeasureVary(n, kernelSeeds())
	if lost := float64(varied.Lost) / float64(varied.Operations); varied.Scenarios < n || lost > 0.02 {
		t.Errorf("variations: %+v", varied)
	}
}

// A schedule near another one departs from it at a contention; it is a schedule like any other.
func TestNear(t *testing.T) {
	g := New(4)
	departed := 0
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		random, err := schedule.Parse("random")
		if err != nil {
			t.Fatal(err)
		}
		m := ptrace.NewMachine(p, engine.Options{})
		var d schedule.Driver
		var w engine.World
		m.Init(&w)
		d.Run(&w, random, 1, 2, nil)
		was := slices.Clone(d.Stream)
		points := g.contended(p, engine.Profile{}, was)
		if len(points) == 0 {
			continue
		}
		next := g.Near(p, engine.Profile{}, was)
		first := 0
		for first < len(was) && was[first] == next[first] {
			first++
		}
		if first == len(was) {
			continue // drawn as it was
		}
		departed++
		if !slices.ContainsFunc(points, func(c contention) bool { return c.at == first }) {
			t.Errorf("%s: departs at %d, which is none of %v", s.Name, first, points)
		}
		m.Init(&w)
		d.Run(&w, schedule.Replay(next), 1, 2, nil)
	}
	if departed < 50 {
		t.Errorf("%d schedules departed", departed)
	}
}
