package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
)

// auditor reads each ledger that a fleet ever had, in order, from a stream that mirrors the fleet's bucket, and says whether work was lost
// or done twice.
type auditor struct {
	mu    sync.Mutex
	last  map[string]campaign.Ledger // by key
	state map[seed]seedState
	done  map[string]uint64 // seeds that each process did
	twice map[seed]int      // seeds that were leased again, and how often
	wrong []string
}

// seed is one of a target and a strategy.
type seed struct {
	target, strategy string
	n                uint64
}

// seedState is where a seed is; at first nobody has had it.
type seedState struct {
	done bool
	by   string // who has leased it; "" for nobody
}

// auditHistory is how many ledgers of a target the bucket keeps, so that the mirror may be late.
const auditHistory = 64

// audit makes the bucket of a fleet, with as much history as there can be, and begins to read it.
func audit(t *testing.T, f func() (jetstream.JetStream, error), name string) *auditor {
	t.Helper()
	js, err := f()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Replicas: 3, History: auditHistory}); err != nil {
		t.Fatal(err)
	}
	mirror, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "audit", Replicas: 3, Mirror: &jetstream.StreamSource{Name: "KV_" + name}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := mirror.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"$KV." + name + ".pool.>"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &auditor{last: map[string]campaign.Ledger{}, state: map[seed]seedState{}, done: map[string]uint64{}, twice: map[seed]int{}}
	reading, err := all.Consume(func(m jetstream.Msg) { a.read(m.Subject(), m.Data()) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reading.Stop)
	return a
}

// read compares a ledger with the one before.
func (a *auditor) read(key string, b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var g campaign.Ledger
	if err := json.Unmarshal(b, &g); err != nil {
		a.wrong = append(a.wrong, fmt.Sprintf("%s: %v", key, err))
		return
	}
	if err := g.Check(); err != nil {
		a.wrong = append(a.wrong, fmt.Sprintf("%s: %v", key, err))
	}
	for i, p := range g.Pools {
		if old := a.last[key]; i < len(old.Pools) && (old.Pools[i].End != p.End || old.Pools[i].Next > p.Next) {
			a.wrong = append(a.wrong, fmt.Sprintf("%s on %s begins anew: %+v after %+v", p.Strategy, p.Target, *p, *old.Pools[i]))
		}
		leased, again := map[uint64]string{}, map[uint64]bool{}
		for _, o := range p.Out {
			name, _, _ := strings.Cut(o.By, " ")
			for n := o.Span[0]; n < o.Span[1]; n++ {
				leased[n] = name
			}
		}
		for _, s := range p.Again {
			for n := s[0]; n < s[1]; n++ {
				again[n] = true
			}
		}
		for n := range p.Next {
			a.moved(seed{p.Target, p.Strategy, n}, seedState{!again[n] && leased[n] == "", leased[n]})
		}
	}
	a.last[key] = g
}

// moved notes where a seed is now.
func (a *auditor) moved(s seed, now seedState) {
	was := a.state[s]
	switch {
	case was == now:
		return
	case was.done:
		a.wrong = append(a.wrong, fmt.Sprintf("%v was done, and now %+v", s, now))
	case now.done && was.by == "":
		a.wrong = append(a.wrong, fmt.Sprintf("%v is done, and nobody had leased it", s))
	case now.done:
		a.done[was.by]++
	case was.by != "": // it was given back, or taken back
		a.twice[s]++
	}
	a.state[s] = now
}

// did is how many seeds a process did so far.
func (a *auditor) did(p *process) (n uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, seeds := range a.done {
		if is(name, p) {
			n += seeds
		}
	}
	return n
}

// has says whether a process has leased something.
func (a *auditor) has(p *process) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.last {
		for _, pool := range g.Pools {
			for _, o := range pool.Out {
				if is(o.By, p) {
					return true
				}
			}
		}
	}
	return false
}

// is says whether a process of the fleet is p.
func is(name string, p *process) bool {
	return strings.Contains(name, fmt.Sprintf("-%d-", p.Process.Pid))
}

// verdict says what was lost or done twice. Of seeds without an end those that were leased last are not done when a campaign is over.
func (a *auditor) verdict(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.wrong {
		t.Error(w)
	}
	if len(a.last) == 0 {
		t.Error("there is no ledger")
	}
	for _, g := range a.last {
		for _, p := range g.Pools {
			if len(p.Out) > 0 {
				t.Errorf("still leased: %+v", *p)
			}
			if p.End > 0 && (p.Next != p.End || len(p.Again) > 0) {
				t.Errorf("not all seeds are done: %+v", *p)
			}
			t.Logf("%s on %s: %d leased, %v of them not done", p.Strategy, p.Target, p.Next, p.Again)
		}
	}
	t.Logf("done by each process: %v; leased more than once: %d of %d seeds", a.done, len(a.twice), len(a.state))
}
