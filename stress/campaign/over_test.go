package campaign

import (
	"context"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress"
)

// ending is a fleet without others, whose campaign is over when over is closed.
type ending struct {
	alone
	over <-chan struct{}
}

func (*ending) Begin(context.Context, Begun) error { return nil }
func (f *ending) Team(_ context.Context, target string, seeds int) error {
	f.alone.Team(target, seeds)
	return nil
}
func (*ending) Keep(context.Context, string, string, []byte) error    { return nil }
func (*ending) File(context.Context, string, map[string][]byte) error { return nil }
func (*ending) Hold(context.Context, string, Held) (bool, error)      { return true, nil }
func (*ending) Release(context.Context, string) error                 { return nil }
func (*ending) Count(context.Context, Summary) error                  { return nil }
func (*ending) End(context.Context, bool, FleetNews) error            { return nil }
func (*ending) Adopt(context.Context, func(string) bool, func(string, []byte) error) error {
	return nil
}
func (f *ending) Watch(ctx context.Context, _ FleetNews) error {
	select {
	case <-ctx.Done():
	case <-f.over:
	}
	return nil
}

// TestOverWhileMinimising: a worker of a fleet has no end of its own. When the campaign is over, what its minimiser has not come to is filed as it was
// seen, however long the machine that the minimiser wants takes to boot: the one that began the campaign does not wait for ever.
func TestOverWhileMinimising(t *testing.T) {
	over := make(chan struct{})
	opened := 0
	open := func(ctx context.Context, name string) (stress.Target, error) {
		switch opened++; opened {
		case 1, 2: // the probe, then the worker
			return stress.NewEngineTarget(engine.Options{Bugs: engine.BugListenError.Set()}), nil
		case 3: // the minimiser
			close(over)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	state := t.TempDir()
	sum, err := Run(ctx, Config{Targets: []string{"engine"}, Scenarios: []*corpus.Scenario{corpustest.Seed(t, "listen-errors")}, Seed: 1, Workers: 1, State: state, Open: open,
		Fleet: &ending{over: over}, Reporter: Tee{}})
	if err != nil || ctx.Err() != nil {
		t.Fatalf("%v, %v", err, ctx.Err())
	}
	r, err := crashers.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	metas, err := r.List()
	if err != nil || len(metas) == 0 || len(metas) != sum.Findings {
		t.Errorf("%d findings are filed, the summary has %d: %v", len(metas), sum.Findings, err)
	}
}
