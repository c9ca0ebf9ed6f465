package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"tracehammer/stress/campaign"
)

// held is who is about to file a sighting, and the object that has it.
type held struct {
	By     string `json:"by"` // with the try to adopt it, if it was adopted
	Target string `json:"target"`
	Object string `json:"object"`
}

func (f *Fleet) heldKey(id string) string { return f.key("held", id) }

// Hold implements campaign.Fleet. The object comes first: what has a key has an object.
func (f *Fleet) Hold(ctx context.Context, id string, h campaign.Held) (mine bool, err error) {
	if !goodID.MatchString(id) {
		return false, fmt.Errorf("fleet: %q is no sighting's ID", id)
	}
	object := "held-" + f.campaign + "-" + id + "-" + nonce()
	entry, err := json.Marshal(held{f.me, h.Target, object})
	if err != nil {
		return false, err
	}
	err = f.retry(ctx, func(ctx context.Context) error {
		_, err := f.kv.Get(ctx, f.heldKey(id))
		if err == nil {
			return jetstream.ErrKeyExists // not worth the object
		}
		if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return err
		}
		_, err = f.blobs.Put(ctx, jetstream.ObjectMeta{Name: object}, bytes.NewReader(h.Text))
		return err
	})
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Create(ctx, f.heldKey(id), entry); return err })
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return err == nil, err
	}
	// Somebody was faster, unless a try that failed was heard.
	err = f.retry(ctx, func(ctx context.Context) error {
		e, err := f.kv.Get(ctx, f.heldKey(id))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil // and has filed it already
		}
		var has held
		if err == nil {
			err = decode(e, &has)
		}
		if mine = has.Object == object; err != nil || mine {
			return err
		}
		return ignoreMissing(f.blobs.Delete(ctx, object))
	})
	return mine, err
}

// Release implements campaign.Fleet.
func (f *Fleet) Release(ctx context.Context, id string) error {
	return f.retry(ctx, func(ctx context.Context) error {
		e, err := f.kv.Get(ctx, f.heldKey(id))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		var has held
		if err == nil {
			err = decode(e, &has)
		}
		if err == nil {
			err = f.kv.Delete(ctx, f.heldKey(id))
		}
		if err != nil {
			return err
		}
		return ignoreMissing(f.blobs.Delete(ctx, has.Object))
	})
}

// Adopt implements campaign.Fleet.
func (f *Fleet) Adopt(ctx context.Context, want func(target string) bool, take func(id string, text []byte) error) error {
	var all []string
	err := f.retry(ctx, func(ctx context.Context) error {
		all = all[:0]
		keys, err := f.kv.ListKeysFiltered(ctx, f.heldKey("*"))
		if err != nil {
			return err
		}
		for k := range keys.Keys() {
			all = append(all, k)
		}
		return ctx.Err()
	})
	if err != nil || len(all) == 0 {
		return err
	}
	for _, key := range all {
		var h held
		mine, by := false, f.me+" "+nonce()
		err := f.retry(ctx, func(ctx context.Context) error {
			mine = false
			there, err := f.there(ctx)
			if err != nil || !there[f.me] { // see Take
				return err
			}
			e, err := f.kv.Get(ctx, key)
			if errors.Is(err, jetstream.ErrKeyNotFound) {
				return nil
			}
			if err == nil {
				err = decode(e, &h)
			}
			if mine = err == nil && h.By == by; mine { // an earlier try was heard
				return nil
			}
			name, _, _ := strings.Cut(h.By, " ")
			if err != nil || there[name] || !want(h.Target) {
				return err
			}
			h.By = by
			b, err := json.Marshal(h)
			if err != nil {
				return err
			}
			_, err = f.kv.Update(ctx, key, b, e.Revision())
			if mine = err == nil; errors.Is(err, jetstream.ErrKeyExists) {
				return nil // somebody was faster
			}
			return err
		})
		if err != nil {
			return err
		}
		if !mine {
			continue
		}
		var text []byte
		err = f.retry(ctx, func(ctx context.Context) (err error) {
			text, err = f.blobs.GetBytes(ctx, h.Object)
			return err
		})
		if err != nil {
			return fmt.Errorf("adopt what %s is about: %w", key, err)
		}
		if err := take(key[strings.LastIndexByte(key, '.')+1:], text); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil
	}
	return err
}
