package crashers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
)

// Reader reads the crashers of a state directory, also while a Store writes them.
type Reader struct{ dir string }

// OpenReader opens a state directory for reading only.
func OpenReader(dir string) (*Reader, error) {
	if err := checkVersion(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not a state directory of stressd", dir)
		}
		return nil, err
	}
	return &Reader{dir}, nil
}

// Dir is the directory of a crasher.
func (r *Reader) Dir(id string) string { return r.path(id) }

// State is the state directory, as it was named.
func (r *Reader) State() string { return r.dir }

func (r *Reader) path(parts ...string) string {
	return filepath.Join(append([]string{r.dir, crashersDir}, parts...)...)
}

// Resolve finds the one crasher whose ID begins with prefix.
func (r *Reader) Resolve(prefix string) (string, error) {
	if !validPrefix(prefix) {
		return "", &NotFoundError{prefix}
	}
	ids, err := r.ids()
	if err != nil {
		return "", err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, prefix) })
	switch len(ids) {
	case 0:
		return "", &NotFoundError{prefix}
	case 1:
		return ids[0], nil
	}
	return "", fmt.Errorf("crasher %q is ambiguous: %s", prefix, strings.Join(ids, ", "))
}

// ids lists the directories that are named like crashers.
func (r *Reader) ids() ([]string, error) {
	entries, err := os.ReadDir(r.path())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list crashers: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && validID(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// List returns all crashers, oldest first. An error names those that could not be read; the others are returned with it, and so is
// one of which only the marks could not be read.
func (r *Reader) List() ([]Meta, error) {
	ids, err := r.ids()
	if err != nil {
		return nil, err
	}
	var metas []Meta
	var bad error
	for _, id := range ids {
		m, err := r.Meta(id)
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		if m.Problem != "" {
			bad = errors.Join(bad, fmt.Errorf("crasher %s: %s", id, m.Problem))
		}
		metas = append(metas, m)
	}
	slices.SortFunc(metas, func(a, b Meta) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), strings.Compare(a.ID, b.ID))
	})
	return metas, bad
}

// Meta reads what meta.json says of a crasher, and its status.
func (r *Reader) Meta(id string) (Meta, error) {
	m, err := readMeta(id, r.file(id))
	if err == nil {
		r.closed(&m)
	}
	return m, err
}

// closed completes the status of a crasher that a file closed: when that was, and whether it was seen again since then.
func (r *Reader) closed(m *Meta) {
	info, err := os.Lstat(r.path(m.ID, fileClosed))
	if err != nil || m.State != StateFixed || !m.Since.IsZero() {
		return
	}
	if m.Since = info.ModTime().UTC(); m.LastSeen.After(m.Since) {
		m.Status = Status{State: StateRegressed, Since: m.LastSeen, Owner: m.Owner, Problem: m.Problem}
	}
}

func readMeta(id string, read func(name string, limit int64) ([]byte, error)) (Meta, error) {
	if !validID(id) {
		return Meta{}, &NotFoundError{id}
	}
	b, err := read(fileMeta, maxMeta)
	if errors.Is(err, fs.ErrNotExist) {
		return Meta{}, &NotFoundError{id}
	}
	if err != nil {
		return Meta{}, err
	}
	m, err := decodeMeta(id, b)
	if err != nil {
		return Meta{}, fmt.Errorf("crasher %s: %w", id, err)
	}
	m.Status = readStatus(read)
	return m, nil
}

// file reads the files of a crasher.
func (r *Reader) file(id string) func(name string, limit int64) ([]byte, error) {
	return func(name string, limit int64) ([]byte, error) { return r.read(id, name, limit) }
}

func (r *Reader) read(id, name string, limit int64) ([]byte, error) {
	b, err := readFile(r.path(id), name, limit)
	if err != nil {
		return nil, fmt.Errorf("crasher %s: %w", id, err)
	}
	return b, nil
}

// Load reads a whole crasher.
func (r *Reader) Load(id string) (*Crasher, error) {
	c, err := Decode(id, r.file(id))
	if err == nil {
		r.closed(&c.Meta)
	}
	return c, err
}

// Decode takes the files of a crasher apart. read returns the content of the file of a name, an error if it has more than
// limit bytes, and fs.ErrNotExist for one that is not there. It may be told anything: files come from other people.
func Decode(id string, read func(name string, limit int64) ([]byte, error)) (*Crasher, error) {
	m, err := readMeta(id, read)
	if err != nil {
		return nil, err
	}
	// optional is read for a file that a crasher may lack.
	optional := func(name string, limit int64) ([]byte, error) {
		b, err := read(name, limit)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return b, err
	}
	c := &Crasher{Meta: m}
	if c.Scenario, err = read(fileScenario, maxScenario); err != nil {
		return nil, err
	}
	plan, err := read(filePlan, maxPlan)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(plan, &c.Plan); err != nil {
		return nil, fmt.Errorf("crasher %s: %s: %s", id, filePlan, history.Printable(err.Error()))
	}
	hist, err := optional(fileHistory, maxHistory)
	if err != nil {
		return nil, err
	}
	if hist != nil {
		if c.History, err = jsonl.Read(bytes.NewReader(hist)); err != nil {
			return nil, fmt.Errorf("crasher %s: %s: %w", id, fileHistory, err)
		}
	}
	text, err := optional(fileExplanation, maxText)
	if err != nil {
		return nil, err
	}
	c.Explanation = string(text)
	if text, err = optional(fileSchedule, maxText); err != nil {
		return nil, err
	}
	c.Schedule = string(text)
	if c.Report, err = optional(fileReport, maxText); err != nil {
		return nil, err
	}
	if c.Repro, err = optional(fileRepro, maxText); err != nil {
		return nil, err
	}
	tried, _ := optional(fileTargets, maxMark) // what cannot be read says nothing
	c.Tried = parseTried(string(tried))
	curve, err := optional(fileCurve, maxText)
	if err != nil {
		return nil, err
	}
	if curve != nil {
		if c.Curve, err = decodeCurve(curve); err != nil {
			return nil, fmt.Errorf("crasher %s: %s: %w", id, fileCurve, err)
		}
	}
	return c, nil
}
