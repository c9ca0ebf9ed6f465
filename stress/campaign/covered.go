package campaign

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tracehammer/engine"
	"tracehammer/stress/coverage"
)

// What a campaign covered is in a file for each target, features one after another as they came: it is too much to be written
// anew with each lease. Nothing is synced, and what is cut off is dropped: it is covered again.
const (
	coveredDir  = "covered"
	featureSize = 17      // kind, A, B
	maxCovered  = 1 << 20 // features that are read
)

func (c *campaign) coveredFile(target string) string {
	return filepath.Join(c.State, coveredDir, filepath.Base(c.store.KeptDir(target)))
}

// saveCovered appends what is new.
func (c *campaign) saveCovered() {
	for target, fresh := range c.board.takeFresh() {
		c.failed(appendFeatures(c.coveredFile(target), fresh))
	}
}

func (b *board) takeFresh() map[string][]coverage.Feature {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string][]coverage.Feature{}
	for _, n := range b.counts {
		if len(n.fresh) > 0 {
			all[n.Target], n.fresh = n.fresh, nil
		}
	}
	return all
}

func appendFeatures(path string, features []coverage.Feature) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(features)*featureSize)
	for _, x := range features {
		b = append(b, byte(x.Kind))
		b = binary.LittleEndian.AppendUint64(b, x.A)
		b = binary.LittleEndian.AppendUint64(b, x.B)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// loadCovered adds what a target's campaign covered in earlier processes, or removes what another campaign did.
func (c *campaign) loadCovered(n *Count) error {
	path := c.coveredFile(n.Target)
	if !c.board.resumed {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCovered*featureSize))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if part := len(b) % featureSize; part > 0 {
		if err := os.Truncate(path, int64(len(b)-part)); err != nil {
			return err
		}
	}
	for ; len(b) >= featureSize; b = b[featureSize:] {
		f := coverage.Feature{Kind: coverage.Kind(b[0]), A: binary.LittleEndian.Uint64(b[1:]), B: binary.LittleEndian.Uint64(b[9:])}
		if f.Kind < coverage.Outcome && (f.Kind > coverage.Pair || f.A < engine.NumRules && f.B < engine.NumRules) {
			n.covered.Add(f)
		}
	}
	n.BlocksSeen = n.covered.Counts()[coverage.Block]
	return nil
}
