package clients_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/fuzz/gen"
	"tracehammer/stress"
	"tracehammer/stress/explore"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// Nobody can tell that passive engines watch (invariant 31): the same outcomes where all of them can be listed, histories
// that an engine without them admits elsewhere.

// watched is p with observers on every task; split says that their callbacks take time, as with actors that use utrace.
func watched(p *engine.Program, events engine.Events, split bool) *engine.Program {
	q := *p
	if split {
		q.Clients = clients.All(false)
	}
	q.Clients = clients.Checked(append(q.Clients, clients.Everywhere(events)))
	return &q
}

const (
	fewStates  = 600
	manyStates = 60_000
)

func outcomes(t *testing.T, p *engine.Program, limit int) (map[string]bool, bool) {
	t.Helper()
	r, err := explore.Run(context.Background(), p, engine.Options{Check: true}, explore.Options{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, o := range r.Outcomes {
		var b strings.Builder
		for a := range o.History.Actors {
			for _, e := range o.History.Actors[a].Entries {
				fmt.Fprintf(&b, "%d %d %d %v %v; ", a, e.Kind, e.Instr, e.Done, e.Res)
			}
		}
		fmt.Fprintf(&b, "stuck %v", o.Stuck)
		set[b.String()] = true
	}
	return set, r.Complete
}

func TestPassiveExhaustive(t *testing.T) {
	compared, few, least := 0, fewStates, 40
	if testing.Short() {
		few, least = 150, 15
	}
	for _, s := range corpus.Seeds() {
		// What may happen in the middle of an ATTACH is there only where ptrace alone may have engines (engine/link.go).
		if s.EngineOnly() || s.Name == "attach-signal-between" {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		plain, complete := outcomes(t, p, few)
		if !complete {
			continue
		}
		// Who sees syscalls sees that the last one at a barrier wakes the others by a call of its own: somebody may kill it
		// before that, and then they sleep on. Unseen, it wakes them as it comes.
		events := clients.Quiet
		if len(p.Barriers) > 0 {
			events &^= engine.EvSyscall
		}
		for _, split := range []bool{false, true} {
			t.Run(fmt.Sprint(s.Name, " ", split), func(t *testing.T) {
				seen, complete := outcomes(t, watched(p, events, split), manyStates)
				if !complete {
					t.Skip("too many states")
				}
				compared++
				for o := range seen {
					if !plain[o] {
						t.Errorf("only observed: %s", o)
					}
				}
				for o := range plain {
					if !seen[o] {
						t.Errorf("only unobserved: %s", o)
					}
				}
			})
		}
	}
	if compared < least {
		t.Errorf("%d comparisons, want at least %d", compared, least)
	}
}

func TestPassiveAdmitted(t *testing.T) {
	runs, free := 10, 60
	if testing.Short() {
		runs, free = 2, 10
	}
	all := corpus.Seeds()
	g := gen.New(4)
	for range free {
		all = append(all, g.Free())
	}
	judged, unknown := 0, 0
	for i, s := range all {
		if s.EngineOnly() {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		judge, target := oracle.New(engine.Profile{}), stress.NewEngineTarget(engine.Options{Check: true})
		err = target.Run(context.Background(), watched(p, clients.Quiet, i%2 == 0), stress.Plan{Seed: uint64(i), Repeat: runs}, func(h *history.History) bool {
			v := judge.Judge(p, h)
			judged++
			switch {
			case v.Kind == oracle.Unknown:
				unknown++
			case v.Kind.Finding() && v.Kind != oracle.Hang:
				t.Errorf("%s: %s: %s\n%s", s.Name, v.Title, v.Explanation, s.Print())
				return false
			}
			return true
		})
		if err != nil {
			t.Errorf("%s: %v\n%s", s.Name, err, s.Print())
		}
	}
	t.Logf("%d histories, %d of them undecided", judged, unknown)
	if unknown > judged/50 {
		t.Errorf("%d of %d histories undecided", unknown, judged)
	}
}
