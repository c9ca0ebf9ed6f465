package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
)

type kept struct {
	By     string `json:"by"`
	Target string `json:"target"`
	Name   string `json:"name"`
	Text   string `json:"text"`
}

// Keep implements campaign.Fleet.
func (f *Fleet) Keep(ctx context.Context, target, name string, text []byte) error {
	b, err := json.Marshal(kept{f.me, target, name, string(text)})
	if err != nil {
		return err
	}
	return f.create(ctx, f.key("kept", short(target), short(name)), b)
}

// counted is what a process did so far.
type counted struct {
	By string `json:"by"`
	campaign.Summary
}

// Count implements campaign.Fleet.
func (f *Fleet) Count(ctx context.Context, sum campaign.Summary) error {
	sum.PerTarget, sum.Members = nil, nil // what nobody reads
	b, err := json.Marshal(counted{f.me, sum})
	if err != nil {
		return err
	}
	return f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Put(ctx, f.key("count", f.me), b); return err })
}

// Watch implements campaign.Fleet.
func (f *Fleet) Watch(ctx context.Context, news campaign.FleetNews) error {
	keys := []string{aboutKey, f.key("kept", ">"), f.key("count", ">"), "finding.>"}
	var w jetstream.KeyWatcher
	err := f.retry(ctx, func(context.Context) (err error) {
		w, err = f.kv.WatchFiltered(ctx, keys, jetstream.IgnoreDeletes())
		return err
	})
	if err != nil {
		return err
	}
	defer w.Stop() //nolint:errcheck // what comes is not read any more
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			if !ok {
				return errors.New("fleet: the watch ended")
			}
			if e == nil {
				continue // that was all there had been
			}
			over, err := f.heard(ctx, e, news)
			if over || err != nil {
				return err
			}
		}
	}
}

// heard passes on what an entry says.
func (f *Fleet) heard(ctx context.Context, e jetstream.KeyValueEntry, news campaign.FleetNews) (over bool, err error) {
	kind, _, _ := strings.Cut(e.Key(), ".")
	switch kind {
	case aboutKey:
		var a About
		if err := decode(e, &a); err != nil {
			return false, err
		}
		if err := a.check(); err != nil {
			return false, err
		}
		if a.Campaign == f.campaign && a.Program != f.program && !a.Over {
			return false, otherProgram(a.Program, f.program) // whoever began it goes on with another one
		}
		return a.Campaign != f.campaign || a.Over, nil
	case "kept":
		var k kept
		if err := decode(e, &k); err != nil {
			return false, err
		}
		if k.By != f.me {
			news.Kept(k.Target, k.Name, []byte(k.Text))
		}
	case "count":
		var c counted
		if err := decode(e, &c); err != nil {
			return false, err
		}
		if c.By != f.me {
			news.Counted(c.By, c.Summary)
		}
	case "finding":
		var at finding
		if err := decode(e, &at); err != nil {
			return false, err
		}
		if at.By == f.me {
			return false, nil
		}
		files, err := f.files(ctx, at.Object)
		if err != nil {
			return false, fmt.Errorf("fleet: finding %s of %s: %w", history.Printable(at.ID), history.Printable(at.By), err)
		}
		return false, news.Filed(at.ID, at.By, at.Campaign == f.campaign, files)
	}
	return false, nil
}
