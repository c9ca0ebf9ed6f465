package crashers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Marks changes what people say of the findings of a state directory: their states, owners and notes. It can be used while a Store
// writes findings there, in this process or another: each change holds the directory's marks lock for as long as it takes.
type Marks struct{ Reader }

// marksLock is the file that is locked while marks change, and while a finding's directory is exchanged for a better one.
const marksLock = "marks.lock"

// OpenMarks opens a state directory to change marks in it.
func OpenMarks(dir string) (*Marks, error) {
	r, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	return &Marks{*r}, nil
}

// locked runs f while nobody else changes marks. f must not wait for anything.
func (m *Marks) locked(f func() error) error {
	lock, err := os.OpenFile(filepath.Join(m.dir, marksLock), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return wrapFull(m.dir, fmt.Errorf("lock marks: %w", err))
	}
	defer lock.Close()
	for {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock marks of %s: %w", m.dir, err)
	}
	return f()
}

// Mark sets the state of a finding, with why in one line; "" keeps the reason if the state stays. It returns what holds then. A
// state that does not follow the present one is a *TransitionError.
func (m *Marks) Mark(id string, to State, why string, now time.Time) (s Status, err error) {
	err = m.locked(func() error {
		s, err = m.mark(id, to, why, now)
		return err
	})
	return s, err
}

// Duplicate marks a finding as another one's.
func (m *Marks) Duplicate(id, of string, now time.Time) (Status, error) {
	if _, err := m.Meta(of); err != nil {
		return Status{}, err
	}
	if id == of {
		return Status{}, fmt.Errorf("finding %s is no duplicate of itself", id)
	}
	return m.Mark(id, StateDuplicate, duplicateOf+of, now)
}

// mark is Mark under the lock.
func (m *Marks) mark(id string, to State, why string, now time.Time) (Status, error) {
	meta, err := m.Meta(id)
	if err != nil {
		return Status{}, err
	}
	s := meta.Status
	if s.State == to && (why == "" || words(why) == s.Why) {
		return s, nil
	}
	if err := meta.Follows(to); err != nil {
		return s, err
	}
	lines, err := m.changes(id, &meta)
	if err != nil {
		return s, err
	}
	next := Status{State: to, Since: now.UTC().Truncate(time.Second), Why: words(why), Owner: s.Owner}
	next.Of, _ = strings.CutPrefix(next.Why, duplicateOf)
	if to != StateDuplicate || !validID(next.Of) {
		next.Of = ""
	}
	if err := m.write(id, fileState, append(lines, next.line()...)); err != nil {
		return s, err
	}
	if err := ignoreMissing(os.Remove(m.path(id, fileClosed))); err != nil {
		return next, fmt.Errorf("mark %s: %w", id, err)
	}
	return next, nil
}

// changes are the lines of a finding's state file, with what a file closed says made one of them. The oldest go before there are
// too many to be read back.
func (m *Marks) changes(id string, meta *Meta) ([]byte, error) {
	text, err := m.read(id, fileState, maxMark)
	if err != nil {
		text = nil // there is none; or it is no file that ever said anything
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	said := Status{State: StateNew}
	_ = said.parse(string(text)) // what says nothing that can be read is no reason against a file that does
	if info, err := os.Lstat(m.path(id, fileClosed)); err == nil && !said.State.Closed() {
		fixed := Status{State: StateFixed, Since: info.ModTime(), Why: meta.Why}
		text = append(text, fixed.line()...)
		if meta.State == StateRegressed { // it was seen after that
			text = append(text, meta.Status.line()...)
		}
	}
	for len(text) > maxMark-2*maxWords {
		_, rest, _ := strings.Cut(string(text), "\n")
		text = []byte(rest)
	}
	return text, nil
}

// adopt turns a file closed into a line of the state file.
func (m *Marks) adopt(id string) error {
	if _, err := os.Lstat(m.path(id, fileClosed)); err != nil {
		return ignoreMissing(err)
	}
	return m.locked(func() error {
		meta, err := m.Meta(id)
		if err != nil {
			return err
		}
		lines, err := m.changes(id, &meta)
		if err == nil {
			err = m.write(id, fileState, lines)
		}
		if err == nil {
			err = ignoreMissing(os.Remove(m.path(id, fileClosed)))
		}
		return err
	})
}

// Regressed notes that a finding was seen, with where. One that was fixed is regressed then; so is what a duplicate is one of. It
// says whether the finding is back although it was fixed.
func (m *Marks) Regressed(id, where string, now time.Time) (back bool, err error) {
	for range maxChain {
		meta, err := m.Meta(id)
		if err != nil {
			return false, err
		}
		switch meta.State {
		case StateRegressed:
			return true, nil
		case StateFixed:
			_, err := m.Mark(id, StateRegressed, where, now)
			return err == nil, err
		case StateDuplicate:
			if meta.Of == "" {
				return false, nil
			}
			if _, err := m.Meta(meta.Of); err != nil {
				return false, nil // whose it was is not here any more
			}
			id = meta.Of
		default:
			return false, nil
		}
	}
	return false, nil
}

// maxChain bounds how many duplicates of duplicates are followed: files can name each other.
const maxChain = 16

// Own says who looks after a finding; "" is nobody.
func (m *Marks) Own(id, owner string) error {
	return m.locked(func() error {
		if _, err := m.Meta(id); err != nil {
			return err
		}
		if owner = words(owner); owner != "" {
			return m.write(id, fileOwner, []byte(owner+"\n"))
		}
		if err := ignoreMissing(os.Remove(m.path(id, fileOwner))); err != nil {
			return fmt.Errorf("mark %s: %w", id, err)
		}
		return nil
	})
}

// Note adds a paragraph to a finding's notes.
func (m *Marks) Note(id, text string, now time.Time) error {
	return m.locked(func() error {
		if _, err := m.Meta(id); err != nil {
			return err
		}
		old, err := m.read(id, fileNotes, maxNotes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if len(old) > 0 {
			old = append([]byte(strings.TrimRight(string(old), "\n")), "\n\n"...)
		}
		text = strings.TrimSpace(text)
		if int64(len(old)+len(text)) > maxNotes-maxWords {
			return fmt.Errorf("mark %s: %s would have more than %d bytes", id, fileNotes, maxNotes)
		}
		return m.write(id, fileNotes, fmt.Appendf(old, "%s: %s\n", now.UTC().Format("2006-01-02 15:04 MST"), text))
	})
}

// Notes are what people wrote of a finding, as they did: untrusted text. "" if there is nothing.
func (r *Reader) Notes(id string) (string, error) {
	b, err := r.read(id, fileNotes, maxNotes)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

// write replaces a mark of a finding.
func (m *Marks) write(id, name string, data []byte) error {
	dir := m.path(id)
	info, err := os.Lstat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err == nil {
		err = writeAtomic(dir, name, data)
	}
	if err != nil {
		return wrapFull(m.dir, fmt.Errorf("mark %s: %w", id, err))
	}
	return nil
}
