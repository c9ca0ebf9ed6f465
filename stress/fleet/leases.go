package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
)

// change changes the ledger of a target. change may be called again; after a request of which nobody knows whether it was heard, the
// ledger may be changed already.
func (f *Fleet) change(ctx context.Context, target string, change func(*campaign.Ledger) error) error {
	key := f.key("pool", short(target))
	return f.retry(ctx, func(ctx context.Context) error {
		for {
			var g campaign.Ledger
			e, err := f.kv.Get(ctx, key)
			revision := uint64(0)
			switch {
			case errors.Is(err, jetstream.ErrKeyNotFound):
			case err != nil:
				return err
			default:
				if err := decode(e, &g); err != nil {
					return err
				}
				if err := g.Check(); err != nil {
					return &badError{key, err}
				}
				revision = e.Revision()
			}
			if err := change(&g); err != nil {
				return err
			}
			b, err := json.Marshal(g)
			if err != nil {
				return err
			}
			if _, err = f.kv.Update(ctx, key, b, revision); !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
			// Somebody was faster.
		}
	})
}

// Team implements campaign.Fleet.
func (f *Fleet) Team(ctx context.Context, target string, seeds int) error {
	return f.change(ctx, target, func(g *campaign.Ledger) error {
		g.Team(target, seeds)
		return nil
	})
}

// Take implements campaign.Leases.
func (f *Fleet) Take(ctx context.Context, target string, n uint64) (l campaign.Lease, err error) {
	by := f.me + " " + nonce()
	err = f.change(ctx, target, func(g *campaign.Ledger) (err error) {
		if held, ok := g.Held(by); ok { // an earlier try was heard
			l = held
			return nil
		}
		if g.Leased() {
			there, err := f.there(ctx)
			if err != nil {
				return err
			}
			// A server that was cut off for long takes everybody for lost, until it has caught up: also this process, which is not.
			if there[f.me] {
				g.Lost(func(by string) bool {
					name, _, _ := strings.Cut(by, " ")
					return there[name]
				})
			}
		}
		l, err = g.Take(by, target, n)
		return err
	})
	if err != nil && ctx.Err() != nil {
		f.giveBack(context.WithoutCancel(ctx), target, by)
	}
	l.By = by
	return l, err
}

// giveBack gives back what a try to lease may have leased of which nobody heard: while this process is there, nobody else would.
func (f *Fleet) giveBack(ctx context.Context, target, by string) {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	f.change(ctx, target, func(g *campaign.Ledger) error { //nolint:errcheck // then it goes back when this process has left
		if l, ok := g.Held(by); ok {
			return g.Done(by, l, l.Lo)
		}
		return nil
	})
}

// there is who has shown itself lately.
func (f *Fleet) there(ctx context.Context) (map[string]bool, error) {
	keys, err := f.alive.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, err
	}
	there := map[string]bool{}
	for _, k := range keys {
		there[k] = true
	}
	return there, nil
}

// Done implements campaign.Leases. That a lease is lost is true only of the last ledger, and what a server says may be older, if it was cut
// off: whoever can write the ledger as it is has read the last one.
func (f *Fleet) Done(ctx context.Context, l campaign.Lease, to uint64) error {
	var lost error
	tries := 0
	err := f.change(ctx, l.Target, func(g *campaign.Ledger) error {
		tries++
		err := g.Done(l.By, l, to)
		if lost = nil; errors.As(err, new(*campaign.LostLeaseError)) {
			lost, err = err, nil
		}
		return err
	})
	if err == nil && tries == 1 {
		return lost
	}
	return err // an earlier try may have been heard
}
