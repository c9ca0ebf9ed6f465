package crashers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress/history"
)

// StateVersion is the version of the layout of a state directory.
const StateVersion = 1

const (
	versionFile = "version"
	lockFile    = "lock"
	crashersDir = "crashers"
	// PendingDir has what was seen and is not filed yet, so that no end of the process loses it.
	PendingDir = "pending"
	tmpPrefix  = ".tmp-" // leftovers of a killed writer; a name of ours never begins like this
)

// LockedError: another process works on the state directory.
type LockedError struct {
	Dir string
	PID int // 0 when it could not be learned
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("state directory %s is in use by another stressd", e.Dir)
	}
	return fmt.Sprintf("state directory %s is in use by another stressd (pid %d)", e.Dir, e.PID)
}

// VersionError: the state directory was written by another version of the program.
type VersionError struct{ Dir, Found string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("state directory %s is of version %s, this program uses version %d: give another directory", e.Dir, history.Printable(e.Found), StateVersion)
}

// FullError: the disk is full. What the directory held before is untouched.
type FullError struct {
	Dir string
	Err error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("no space left for state directory %s: nothing that was there is lost, what was to be written last is not there", e.Dir)
}
func (e *FullError) Unwrap() error { return e.Err }

// NotFoundError: no crasher has this ID.
type NotFoundError struct{ ID string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no crasher %q", e.ID)
}

// Store is the crashers of one state directory. It is safe for concurrent use.
//
// Every write is a temporary file or directory, synced, then renamed: whenever the writer dies, the directory is readable
// and holds each crasher in its old or in its new state.
type Store struct {
	Marks
	lock *os.File
	mu   sync.Mutex // guards meta.json of every crasher, and byCoarse
	// byCoarse finds the crashers of a coarse signature; a campaign asks for every finding.
	byCoarse map[string][]string
}

// Open takes a state directory for writing, and makes it if it is not there. One Store at a time: the lock goes with the
// process, however it ends.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, wrapFull(dir, fmt.Errorf("make state directory: %w", err))
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{Marks: Marks{Reader{dir: dir}}, lock: lock, byCoarse: map[string][]string{}}
	if err := s.prepare(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// lockTries is how often a lock is tried again, for somebody may only be looking whether it is taken (Reader.Locked).
const lockTries = 20

// takeLock locks dir and leaves the pid of this process in the lock file for whoever comes second.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, wrapFull(dir, fmt.Errorf("open state directory: %w", err))
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for try := 0; try < lockTries && errors.Is(err, unix.EWOULDBLOCK); try++ {
		time.Sleep(time.Millisecond)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
		}
		b := make([]byte, 16)
		n, _ := f.ReadAt(b, 0)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
		return nil, &LockedError{Dir: dir, PID: max(pid, 0)}
	}
	// The pid only serves a message: a full disk must not keep anyone from reading what is there.
	if f.Truncate(0) == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}

// prepare checks the version, clears what a killed writer left, and indexes what is filed.
func (s *Store) prepare() error {
	switch err := checkVersion(s.dir); {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(filepath.Join(s.dir, crashersDir)); err == nil {
			return &VersionError{s.dir, "unknown (it has no file " + versionFile + ")"}
		}
		if err := writeAtomic(s.dir, versionFile, fmt.Appendln(nil, StateVersion)); err != nil {
			return wrapFull(s.dir, fmt.Errorf("write version: %w", err))
		}
	case err != nil:
		return err
	}
	if err := os.MkdirAll(s.path(), 0o755); err != nil {
		return wrapFull(s.dir, fmt.Errorf("make %s: %w", crashersDir, err))
	}
	for _, dir := range []string{s.dir, s.path(), filepath.Join(s.dir, PendingDir)} {
		if err := removeTemps(dir); ignoreMissing(err) != nil {
			return err
		}
	}
	metas, _ := s.List() // what cannot be read is no obstacle to filing more
	for i := range metas {
		s.index(&metas[i])
		// Whoever marks a finding at this moment has a temporary file there.
		if err := s.locked(func() error { return removeTemps(s.path(metas[i].ID)) }); err != nil {
			return err
		}
		if err := s.adopt(metas[i].ID); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(dir string) error {
	b, err := readFile(dir, versionFile, 64)
	if err != nil {
		return fmt.Errorf("read version of state directory: %w", err)
	}
	if v := strings.TrimSpace(string(b)); v != strconv.Itoa(StateVersion) {
		return &VersionError{dir, v}
	}
	return nil
}

func removeTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read state directory: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tmpPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("clean up after a killed writer: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) index(m *Meta) {
	if !slices.Contains(s.byCoarse[m.Coarse], m.ID) {
		s.byCoarse[m.Coarse] = append(s.byCoarse[m.Coarse], m.ID)
	}
}

// Close gives the state directory back.
func (s *Store) Close() error {
	if err := s.lock.Close(); err != nil {
		return fmt.Errorf("unlock state directory: %w", err)
	}
	return nil
}

// Similar returns the IDs of the crashers with a coarse signature, oldest first, those that are closed last: where a bug that is
// fixed and one that is not look alike, it is the latter that was seen. A campaign looks here before it spends time on minimising.
func (s *Store) Similar(coarse string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids, closed []string
	for _, id := range s.byCoarse[coarse] {
		if m, err := s.Meta(id); err == nil && m.State.Closed() {
			closed = append(closed, id)
		} else {
			ids = append(ids, id)
		}
	}
	return append(ids, closed...)
}

// Put files c unless a crasher with its signature is there, in which case that one has been seen once more. c.ID, counts
// and times are set here; isNew says which of the two it was.
func (s *Store) Put(c *Crasher, now time.Time) (isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ID = ID(c.Signature)
	if _, err := os.Lstat(s.path(c.ID, fileMeta)); err == nil {
		m, err := s.seen(c.ID, 1, now)
		if err == nil {
			c.Meta = m
		}
		return false, err
	}
	c.Count, c.FirstSeen, c.LastSeen = max(c.Count, 1), now.UTC(), now.UTC()
	c.Status = Status{State: StateNew}
	if err := s.writeDir(c); err != nil {
		return false, err
	}
	s.index(&c.Meta)
	return true, nil
}

// Replace puts a better version of a filed crasher (smaller, measured again) in its place, keeping counts and times.
func (s *Store) Replace(c *Crasher) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.Meta(c.ID)
	if err != nil {
		return err
	}
	c.Signature, c.Coarse = old.Signature, old.Coarse // its name was given by these
	c.Count, c.FirstSeen, c.LastSeen, c.Status = old.Count, old.FirstSeen, old.LastSeen, old.Status
	return s.writeDir(c)
}

// Seen counts n more sightings of a filed crasher.
func (s *Store) Seen(id string, n int, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.seen(id, n, now)
	return err
}

func (s *Store) seen(id string, n int, now time.Time) (Meta, error) {
	return s.update(id, func(m *Meta) {
		m.Count += n
		m.LastSeen = now.UTC()
	})
}

// Measured records how often a filed crasher reproduced when it was last tried.
func (s *Store) Measured(id string, hits, runs int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.update(id, func(m *Meta) { m.Hits, m.Runs = hits, runs })
	return err
}

func (s *Store) update(id string, change func(*Meta)) (Meta, error) {
	m, err := s.Meta(id)
	if err != nil {
		return m, err
	}
	change(&m)
	b, err := m.encode()
	if err != nil {
		return m, err
	}
	if err := writeAtomic(s.path(id), fileMeta, b); err != nil {
		return m, wrapFull(s.dir, fmt.Errorf("update crasher %s: %w", id, err))
	}
	return m, nil
}

// writeDir makes the directory of c, or exchanges it for the one that is there.
func (s *Store) writeDir(c *Crasher) (err error) {
	files, err := c.files()
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(s.path(), tmpPrefix)
	if err != nil {
		return wrapFull(s.dir, fmt.Errorf("file crasher %s: %w", c.ID, err))
	}
	// After an exchange the temporary name holds the old directory: in every case it is garbage.
	defer os.RemoveAll(tmp)
	for _, f := range files {
		if err := writeSynced(filepath.Join(tmp, f.name), f.data); err != nil {
			return wrapFull(s.dir, fmt.Errorf("file crasher %s: %w", c.ID, err))
		}
	}
	if err := errors.Join(os.Chmod(tmp, 0o755), syncDir(tmp)); err != nil {
		return wrapFull(s.dir, fmt.Errorf("file crasher %s: %w", c.ID, err))
	}
	err = s.locked(func() error {
		left, err := keepOthers(s.path(c.ID), tmp)
		if err == nil {
			err = putDir(tmp, s.path(c.ID))
		}
		for _, name := range left {
			if err == nil {
				err = os.Rename(filepath.Join(tmp, name), s.path(c.ID, name))
			}
		}
		return err
	})
	if err != nil {
		return wrapFull(s.dir, fmt.Errorf("file crasher %s: %w", c.ID, err))
	}
	return wrapFull(s.dir, syncDir(s.path()))
}

// keepOthers gives tmp, which is to take the place of the directory dst, what dst has that is not written here: marks, and whatever
// else people put there. Both have it until one of them goes. What cannot be in two directories is left to be moved.
func keepOthers(dst, tmp string) (left []string, err error) {
	entries, err := os.ReadDir(dst)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	for _, e := range entries {
		if slices.Contains(ownFiles, e.Name()) || strings.HasPrefix(e.Name(), tmpPrefix) {
			continue
		}
		if e.IsDir() || os.Link(filepath.Join(dst, e.Name()), filepath.Join(tmp, e.Name())) != nil {
			left = append(left, e.Name())
		}
	}
	return left, nil
}

// putDir moves tmp to dst in one step, whether dst is there or not; what was there is tmp then. Where the file system cannot
// exchange directories there is a moment without dst.
func putDir(tmp, dst string) error {
	err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dst, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		old := tmp + "-old"
		if err := ignoreMissing(os.Rename(dst, old)); err != nil {
			return err
		}
		return errors.Join(os.Rename(tmp, dst), ignoreMissing(os.Rename(old, tmp)))
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	return os.Rename(tmp, dst)
}

// writeAtomic replaces dir/name, or leaves it as it was.
func writeAtomic(dir, name string, data []byte) error {
	tmp := filepath.Join(dir, tmpPrefix+name)
	if err := writeSynced(tmp, data); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func wrapFull(dir string, err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &FullError{dir, err}
	}
	return err
}

// readFile reads a regular file of at most limit bytes below dir. Neither a symbolic link that leads out of dir nor a
// FIFO that would block gets through.
func readFile(dir, name string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, nil
}
