package fleet

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
)

// behind is a bucket on a server that was cut off: what it is asked for it answers with what was there before, a number of times.
type behind struct {
	jetstream.KeyValue
	key   string
	old   jetstream.KeyValueEntry // nil: nothing was there
	times int
}

func (b *behind) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if key != b.key || b.times == 0 {
		return b.KeyValue.Get(ctx, key)
	}
	b.times--
	if b.old == nil {
		return nil, jetstream.ErrKeyNotFound
	}
	return b.old, nil
}

// Any server of a cluster answers, also one that has not heard of the last changes: no lease stays out for that, no finding fails, and no
// campaign is begun in the place of another.
func TestBehind(t *testing.T) {
	url := startServer(t, nil).ClientURL()
	ctx := t.Context()
	f := join(t, url)
	if err := f.Begin(ctx, campaign.Begun{ID: "c1"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Team(ctx, "host", 50); err != nil {
		t.Fatal(err)
	}
	key := f.key("pool", short("host"))
	before, err := f.kv.Get(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.Take(ctx, "host", 3)
	if err != nil {
		t.Fatal(err)
	}
	now := f.kv
	f.kv = &behind{now, key, before, 2}
	if err := f.Done(ctx, l, l.Hi); err != nil {
		t.Errorf("done: %v", err)
	}
	again, err := f.Take(ctx, "host", 3)
	if err != nil || again.Lo != l.Hi {
		t.Errorf("%v after %v, %v", again, l, err)
	}

	f.kv = &behind{KeyValue: now, key: findingKey("0123456789ab")}
	for n := range 3 {
		f.kv.(*behind).times = n
		if err := f.File(ctx, "0123456789ab", map[string][]byte{"meta.json": []byte("{}")}); err != nil {
			t.Errorf("file, with a server that answers wrongly %d times: %v", n, err)
		}
	}
	if objects, err := f.blobs.List(ctx); err != nil || len(objects) != 1 {
		t.Errorf("%d objects, %v", len(objects), err)
	}

	other := join(t, url)
	other.kv = &behind{KeyValue: other.kv, key: aboutKey, times: 2}
	if err := other.Begin(ctx, campaign.Begun{ID: "c2"}); !errors.As(err, new(*refusedError)) {
		t.Errorf("another campaign is begun: %v", err)
	}
	// Who was replaced does not end the other's campaign.
	other.kv.(*behind).times = 0
	if err := other.Begin(ctx, campaign.Begun{ID: "c2", Fresh: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.End(ctx, true, &listener{}); err != nil {
		t.Error(err)
	}
	if a, err := other.About(ctx); err != nil || a.Campaign != "c2" || a.Over {
		t.Errorf("%+v, %v", a, err)
	}
}
