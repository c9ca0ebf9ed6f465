package crashers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// keptDir of a state directory has the scenarios that showed something new, in a folder for each target.
const keptDir = "corpus"

// KeptDir is the folder of a target's kept scenarios.
func (r *Reader) KeptDir(target string) string {
	return filepath.Join(r.dir, keptDir, strings.NewReplacer(":", "-", "/", "-").Replace(target))
}

// Keep writes a scenario that showed something new on a target, as NAME.scn. Nothing is synced: what a machine that goes down
// loses, a later campaign finds again.
func (s *Store) Keep(target, name string, text []byte) (path string, err error) {
	dir := s.KeptDir(target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", wrapFull(s.dir, fmt.Errorf("keep scenario: %w", err))
	}
	path = filepath.Join(dir, name+".scn")
	tmp := filepath.Join(dir, tmpPrefix+name)
	err = os.WriteFile(tmp, text, 0o644)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return "", wrapFull(s.dir, fmt.Errorf("keep scenario: %w", errors.Join(err, ignoreMissing(os.Remove(tmp)))))
	}
	return path, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
