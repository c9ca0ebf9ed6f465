package explore

import (
	"context"
	"errors"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
)

const blocked = `scenario blocked
proc main
proc child of main victim
child: sigprocmask SIG_BLOCK SIGUSR1
child: tkill child SIGUSR1
child: sigprocmask SIG_BLOCK SIGUSR2
child: pause
main: gettid
`

// TestLivelock: a bug that leaves no state in which nothing can happen any more, and breaks no invariant of states, is found by the
// walk, with reduction and without, and only by it.
func TestLivelock(t *testing.T) {
	p := corpustest.Program(t, blocked)
	o := engine.Options{Bugs: engine.BugBlockedPending.Set()}
	for _, whole := range []bool{false, true} {
		_, err := Run(context.Background(), p, o, Options{Limit: 10_000, NoReduction: whole, Livelocks: true})
		var l *LivelockError
		if !errors.As(err, &l) {
			t.Fatalf("no reduction %v: %v", whole, err)
		}
		if l.States < 1 || !slices.Equal(l.Running, []string{"child"}) {
			t.Errorf("%v", l)
		}
		n := len(l.History.Actors[1].Entries)
		if last := l.History.Actors[1].Entries[n-1]; last.Done {
			t.Errorf("the child's last call ended: %+v", l.History.Actors[1].Entries)
		}
		if _, err := Run(context.Background(), p, engine.Options{}, Options{Limit: 10_000, NoReduction: whole, Livelocks: true}); err != nil {
			t.Errorf("without the bug: %v", err)
		}
	}
	if r, err := Run(context.Background(), p, o, Options{Limit: 10_000}); err != nil || len(r.Outcomes) != 0 {
		t.Errorf("not asked for livelocks: %d outcomes, %v", len(r.Outcomes), err)
	}
}

// TestSeedsDoNotLivelock walks every seed.
func TestSeedsDoNotLivelock(t *testing.T) {
	limit := 300_000
	if testing.Short() {
		limit = 5_000
	}
	for _, s := range corpus.Seeds() {
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(context.Background(), p, engine.Options{}, Options{Limit: limit, Livelocks: true}); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestComponents compares what the walk says with a graph that is known: cycles with a way out, inside one another, and without.
func TestComponents(t *testing.T) {
	for name, c := range map[string]struct {
		to   [][]int
		want int // states of the livelock, 0 for none
	}{
		"line":                  {[][]int{{1}, {2}, {}}, 0},
		"self":                  {[][]int{{1}, {1}}, 1},
		"cycle":                 {[][]int{{1}, {2}, {1}}, 2},
		"way out":               {[][]int{{1}, {2}, {1, 3}, {}}, 0},
		"way out, first":        {[][]int{{1}, {2, 3}, {1}, {}}, 0},
		"way out into a cycle":  {[][]int{{1}, {2, 3}, {1}, {4}, {3}}, 2},
		"cycles through one":    {[][]int{{1, 2}, {0}, {0, 3}, {2}}, 4},
		"cross to what is over": {[][]int{{1, 2}, {}, {3, 1}, {2}}, 0},
	} {
		if got := livelocked(c.to); got != c.want {
			t.Errorf("%s: %d states, want %d", name, got, c.want)
		}
	}
}

// livelocked walks a graph as walk does its states.
func livelocked(to [][]int) (states int) {
	w := &walk{p: &engine.Program{Actors: make([]engine.Actor, 1)}, opt: Options{Livelocks: true}}
	print := func(i int) engine.Fingerprint { return engine.Fingerprint{Lo: uint64(i) + 1} }
	var at []int // the states of the path
	arrive := func(i int) {
		n := w.push()
		at = append(at[:w.top-1], i)
		n.key, n.next, n.choices = print(i), 0, nil
		for range to[i] {
			n.choices = append(n.choices, engine.Choice{Task: 1})
		}
		if !w.seen.add(n.key) {
			w.top--
			w.again(n.key)
			return
		}
		w.enter(n)
	}
	arrive(0)
	for w.top > 0 {
		n := w.nodes[w.top-1]
		if n.next < len(n.choices) {
			n.next++
			arrive(to[at[w.top-1]][n.next-1])
			continue
		}
		w.top--
		if s := w.leave(n); s != nil {
			return s.states
		}
	}
	return 0
}
