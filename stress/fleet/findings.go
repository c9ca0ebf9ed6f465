package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// finding says where the files of a finding are.
type finding struct {
	By       string `json:"by"`
	Campaign string `json:"campaign"`
	ID       string `json:"id"`
	Object   string `json:"object"`
}

func findingKey(id string) string { return "finding." + id }

// File implements campaign.Fleet. The files come first: what has a key has files.
func (f *Fleet) File(ctx context.Context, id string, files map[string][]byte) error {
	if !goodID.MatchString(id) {
		return fmt.Errorf("fleet: %q is no finding's ID", id)
	}
	there := false
	err := f.retry(ctx, func(ctx context.Context) error {
		_, err := f.kv.Get(ctx, findingKey(id))
		if there = err == nil; errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil
		}
		return err
	})
	if err != nil || there {
		return err
	}
	b, err := json.Marshal(files)
	if err != nil {
		return err
	}
	object := id + "-" + nonce()
	err = f.retry(ctx, func(ctx context.Context) error {
		_, err := f.blobs.Put(ctx, jetstream.ObjectMeta{Name: object}, bytes.NewReader(b))
		return err
	})
	if err != nil {
		return err
	}
	entry, err := json.Marshal(finding{f.me, f.campaign, id, object})
	if err != nil {
		return err
	}
	err = f.retry(ctx, func(ctx context.Context) error { _, err := f.kv.Create(ctx, findingKey(id), entry); return err })
	if errors.Is(err, jetstream.ErrKeyExists) {
		return f.superfluous(ctx, id, object)
	}
	return err
}

// superfluous removes an object, unless the finding has it: the try that failed may have been heard.
func (f *Fleet) superfluous(ctx context.Context, id, object string) error {
	return f.retry(ctx, func(ctx context.Context) error {
		var has finding
		e, err := f.kv.Get(ctx, findingKey(id))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("finding %s: this server has not heard of it yet", id) // which is tried again
		}
		if err == nil {
			err = decode(e, &has)
		}
		if err != nil || has.Object == object {
			return err
		}
		return f.blobs.Delete(ctx, object)
	})
}

// maxFinding is the most that the files of a finding may have together.
const maxFinding = 128 << 20

func (f *Fleet) files(ctx context.Context, object string) (files map[string][]byte, err error) {
	err = f.retry(ctx, func(ctx context.Context) error {
		info, err := f.blobs.GetInfo(ctx, object)
		if err != nil {
			return err
		}
		if info.Size > maxFinding {
			return &badError{object, fmt.Errorf("%d bytes", info.Size)}
		}
		b, err := f.blobs.GetBytes(ctx, object)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &files); err != nil {
			return &badError{object, err}
		}
		return nil
	})
	return files, err
}
