package crashers

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Save replaces a file of the state directory that is no crasher's, synced, and makes its folder: it has the old content or the new
// one, whenever the writer dies. A campaign keeps there what it must not lose.
func (s *Store) Save(name string, data []byte) error {
	dir, file := filepath.Split(filepath.Join(s.dir, name))
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = writeAtomic(filepath.Clean(dir), file, data)
	}
	if err != nil {
		return wrapFull(s.dir, fmt.Errorf("save %s: %w", name, err))
	}
	return nil
}

// Remove removes a file that was saved. That there is none is no error.
func (s *Store) Remove(name string) error {
	if err := ignoreMissing(os.Remove(filepath.Join(s.dir, name))); err != nil {
		return fmt.Errorf("remove from state directory: %w", err)
	}
	return nil
}

// Saved reads a file that was saved, of at most limit bytes. Errors of a missing one are fs.ErrNotExist.
func (r *Reader) Saved(name string, limit int64) ([]byte, error) {
	b, err := readFile(r.dir, name, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s of state directory: %w", name, err)
	}
	return b, nil
}

// SavedIn lists the files that were saved in a folder of the state directory, sorted. What a killed writer left is none.
func (r *Reader) SavedIn(folder string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, folder))
	if ignoreMissing(err) != nil {
		return nil, fmt.Errorf("list %s of state directory: %w", folder, err)
	}
	for _, e := range entries {
		if e.Type()&fs.ModeType == 0 && !strings.HasPrefix(e.Name(), tmpPrefix) {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	return names, nil
}
