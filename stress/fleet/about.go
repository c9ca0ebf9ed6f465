package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
	"tracehammer/stress/history"
)

// About is what a fleet works on: what a worker needs to take part.
type About struct {
	Version   int       `json:"version"`
	Program   string    `json:"program"`
	Campaign  string    `json:"campaign"`
	Began     time.Time `json:"began"`
	Over      bool      `json:"over"`
	Seed      uint64    `json:"seed"`
	Targets   []string  `json:"targets"`
	Scenarios []string  `json:"scenarios"` // texts; none: the seeds of the same program
	Seeds     string    `json:"seeds"`     // digest of the scenarios
}

const aboutKey = "about"

// About is what the fleet works on; nil if nobody has said yet.
func (f *Fleet) About(ctx context.Context) (a *About, err error) {
	err = f.retry(ctx, func(ctx context.Context) (err error) {
		a, _, err = f.readAbout(ctx)
		return err
	})
	return a, err
}

// readAbout is About with the revision to compare with; 0 if nobody has said yet.
func (f *Fleet) readAbout(ctx context.Context) (*About, uint64, error) {
	e, err := f.kv.Get(ctx, aboutKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	var a About
	if err := decode(e, &a); err != nil {
		return nil, 0, err
	}
	if err := a.check(); err != nil {
		return nil, 0, err
	}
	return &a, e.Revision(), nil
}

// check says whether this program can read what the fleet works on.
func (a *About) check() error {
	if a.Version != Version {
		return otherProgram(fmt.Sprintf("version %d", a.Version), fmt.Sprintf("version %d", Version))
	}
	return nil
}

// say changes what the fleet works on, by compare-and-swap. change returns nil if that is to stay as it is.
func (f *Fleet) say(ctx context.Context, change func(*About) (*About, error)) error {
	return f.retry(ctx, func(ctx context.Context) error {
		for {
			a, revision, err := f.readAbout(ctx)
			if err != nil {
				return err
			}
			if a, err = change(a); a == nil || err != nil {
				return err
			}
			b, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if most := f.conn.MaxPayload(); int64(len(b)) > most {
				return &refusedError{fmt.Sprintf("the campaign's scenarios take %d bytes, and the server takes %d at a time: its max_payload, or fewer scenarios", len(b), most)}
			}
			if _, err = f.kv.Update(ctx, aboutKey, b, revision); !errors.Is(err, jetstream.ErrKeyExists) {
				return err
			}
		}
	})
}

// Begin implements campaign.Fleet: whoever did not come as a worker says what the fleet works on.
func (f *Fleet) Begin(ctx context.Context, b campaign.Begun) error {
	f.campaign = b.ID
	if f.about != nil { // it came to work on that
		if f.about.Seeds != b.Seeds {
			return otherProgram("scenarios "+f.about.Seeds, b.Seeds)
		}
		return nil
	}
	f.leads = &About{Version: Version, Program: f.program, Campaign: b.ID, Began: b.Began.UTC(), Seed: b.Seed, Targets: b.Targets, Scenarios: b.Scenarios,
		Seeds: b.Seeds}
	return f.say(ctx, func(a *About) (*About, error) {
		if a != nil && !a.Over && a.Campaign != b.ID && !b.Fresh {
			return nil, &refusedError{fmt.Sprintf("the fleet works on campaign %s since %s: stressd worker --join takes part, --fresh ends it, --fleet names another fleet",
				history.Printable(a.Campaign), a.Began.Format(time.RFC3339))}
		}
		return f.leads, nil
	})
}

// Work makes this process one that takes part in what the fleet works on, which it returns; nil if that is nothing.
func (f *Fleet) Work(ctx context.Context) (*About, error) {
	a, err := f.About(ctx)
	if err != nil || a == nil || a.Over {
		return nil, err
	}
	if a.Program != f.program {
		return nil, otherProgram(a.Program, f.program)
	}
	f.about, f.campaign = a, a.Campaign
	return a, nil
}

// End implements campaign.Fleet.
func (f *Fleet) End(ctx context.Context, over bool, news campaign.FleetNews) error {
	if f.leads == nil || !over {
		return nil
	}
	replaced := false
	err := f.say(ctx, func(a *About) (*About, error) {
		if replaced = a == nil || a.Campaign != f.campaign; replaced {
			return nil, nil
		}
		a.Over = true
		return a, nil
	})
	if err != nil || replaced {
		return err // who began another one has the others now
	}
	for t := time.NewTicker(retryTime); ; {
		there, err := f.there(ctx)
		delete(there, f.me)
		if err == nil && len(there) == 0 || ctx.Err() != nil {
			t.Stop()
			return f.collect(context.WithoutCancel(ctx), news)
		}
		<-t.C
	}
}

// collect hands over all findings that there are, and all that was kept.
func (f *Fleet) collect(ctx context.Context, news campaign.FleetNews) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	w, err := f.kv.WatchFiltered(ctx, []string{f.key("kept", ">"), "finding.>"}, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	defer w.Stop() //nolint:errcheck // what comes is not read any more
	for e := range w.Updates() {
		if e == nil {
			return nil // that was all
		}
		if _, err := f.heard(ctx, e, news); err != nil {
			return err
		}
	}
	return nil
}
