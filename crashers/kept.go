package crashers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// keptDir of a state directory has the scenarios that showed something new, in a folder for each target.
const keptDir = "corpus"

// maxKeptName bounds the name of a target's folder: a target may be a whole command.
const maxKeptName = 64

// KeptDir is the folder of a target's kept scenarios.
func (r *Reader) KeptDir(target string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' {
			return c
		}
		return '-'
	}, target)
	if len(name) > maxKeptName {
		name = fmt.Sprintf("%s-%x", name[:maxKeptName-9], sha256.Sum256([]byte(target)))[:maxKeptName]
	}
	return filepath.Join(r.dir, keptDir, name)
}

// Keep writes a scenario that showed something new on a target, as NAME.scn. Nothing is synced: what a machine that goes down
// loses, a later campaign finds again.
func (s *Store) Keep(target, name string, text []byte) (path string, err error) {
	dir := s.KeptDir(target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", wrapFull(s.dir, fmt.Errorf("keep scenario: %w", err))
	}
	path = filepath.Join(dir, name+keptFile)
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

// keptFile is how the names of kept scenarios end.
const keptFile = ".scn"

// Kept lists the files of a target's kept scenarios, sorted. There may be none.
func (r *Reader) Kept(target string) (files []string, err error) {
	dir := r.KeptDir(target)
	entries, err := os.ReadDir(dir)
	if ignoreMissing(err) != nil {
		return nil, fmt.Errorf("list kept scenarios: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == keptFile {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
