package campaign

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Dropped says what was removed from the state directory because it had become too large.
type Dropped struct {
	Scenarios int  `json:"scenarios"` // kept ones
	Histories int  `json:"histories"` // of findings that are not new
	Freed     Size `json:"freed"`     // bytes
	Left      Size `json:"left"`      // bytes
	Limit     Size `json:"limit"`     // bytes
}

// EventName implements Event.
func (Dropped) EventName() string { return "dropped" }

const diskEvery = time.Minute

// watchDisk keeps the state directory below its limit until ctx is done.
func (c *campaign) watchDisk(ctx context.Context) error {
	t := time.NewTicker(diskEvery)
	defer t.Stop()
	for {
		used, err := diskUse(c.State)
		if err == nil && used > c.Limits.Disk {
			used, err = c.shrink(used)
		}
		if err != nil {
			return err
		}
		c.board.usesDisk(used, used > c.Limits.Disk)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// diskUse is the space that the files of a directory take. Files come and go meanwhile.
func diskUse(dir string) (sum Size, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				sum += spaceOf(info)
			}
		}
		return ignoreMissing(err)
	})
	if err != nil {
		return 0, fmt.Errorf("measure state directory: %w", err)
	}
	return sum, nil
}

func spaceOf(info fs.FileInfo) Size {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return Size(st.Blocks * 512)
	}
	return Size(info.Size())
}

// expendable is a file that may go.
type expendable struct {
	path    string
	finding string // it is the history of one
	space   Size
	age     time.Time
}

// shrink removes files until nine tenths of the limit are used: first kept scenarios, the oldest first, then histories of findings that
// are a day old or of an earlier campaign. What a finding is, and its scenario, stay whatever the limit.
func (c *campaign) shrink(used Size) (Size, error) {
	files, err := c.expendable()
	if err != nil {
		return used, err
	}
	d := Dropped{Limit: c.Limits.Disk}
	for _, f := range files {
		if used <= c.Limits.Disk/10*9 {
			break
		}
		if f.finding != "" {
			err = c.store.DropHistory(f.finding)
			d.Histories++
		} else {
			err = ignoreMissing(os.Remove(f.path))
			d.Scenarios++
		}
		if err != nil {
			return used, fmt.Errorf("shrink state directory: %w", err)
		}
		used -= f.space
		d.Freed += f.space
	}
	d.Left = used
	c.out.report(d)
	return used, nil
}

// expendable lists what may go, first what goes first.
func (c *campaign) expendable() (files []expendable, err error) {
	kept, err := filepath.Glob(filepath.Join(escaped(c.store.KeptDir("")), "*", "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range kept {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, expendable{path: path, space: spaceOf(info), age: info.ModTime()})
		}
	}
	metas, _ := c.store.List() // what cannot be read is left alone
	old := time.Now().Add(-24 * time.Hour)
	if c.board.began.After(old) {
		old = c.board.began
	}
	for _, m := range metas {
		if !m.FirstSeen.Before(old) {
			continue
		}
		path := c.store.HistoryFile(m.ID)
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, expendable{path: path, finding: m.ID, space: spaceOf(info), age: m.LastSeen})
		}
	}
	slices.SortStableFunc(files, func(a, b expendable) int {
		if (a.finding == "") != (b.finding == "") {
			return cmp.Compare(len(a.finding), len(b.finding))
		}
		return a.age.Compare(b.age)
	})
	return files, nil
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
