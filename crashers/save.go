package crashers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
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

// HistoryFile is the file with the history of a crasher.
func (r *Reader) HistoryFile(id string) string { return r.path(id, fileHistory) }

// DropHistory removes the history of a filed crasher, which takes most of its space; running it again makes another.
func (s *Store) DropHistory(id string) error {
	if !validID(id) {
		return &NotFoundError{id}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ignoreMissing(os.Remove(s.HistoryFile(id))); err != nil {
		return fmt.Errorf("drop history of crasher %s: %w", id, err)
	}
	return nil
}

// Note replaces a file of the state directory without syncing: after a power loss it may be an older one, or none.
func (s *Store) Note(name string, data []byte) error {
	tmp := filepath.Join(s.dir, tmpPrefix+name)
	err := os.WriteFile(tmp, data, 0o644)
	if err == nil {
		err = os.Rename(tmp, filepath.Join(s.dir, name))
	}
	if err != nil {
		return wrapFull(s.dir, fmt.Errorf("note %s: %w", name, errors.Join(err, ignoreMissing(os.Remove(tmp)))))
	}
	return nil
}

// Locked says whether a process works on the state directory.
func (r *Reader) Locked() (bool, error) {
	f, err := os.OpenFile(filepath.Join(r.dir, lockFile), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the lock of state directory: %w", err)
	}
	defer f.Close()
	// For the time of this call it is in the way of a writer that starts: that one tries again.
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look at the lock of state directory %s: %w", r.dir, err)
	}
	return false, nil
}

// Files reads the files of a crasher as they are, by name, as Decode takes them.
func (r *Reader) Files(id string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, limit := range map[string]int64{fileMeta: maxMeta, fileScenario: maxScenario, filePlan: maxPlan, fileHistory: maxHistory,
		fileExplanation: maxText, fileSchedule: maxText, fileReport: maxText, fileRepro: maxText} {
		b, err := r.read(id, name, limit)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			files[name] = b
		}
	}
	if files[fileMeta] == nil {
		return nil, &NotFoundError{id}
	}
	return files, nil
}
