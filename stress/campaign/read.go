package campaign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/crashers"
	"tracehammer/engine"
)

// Campaigns are the campaigns that a state directory has on record, oldest first. There may be none.
func Campaigns(state string) ([]Summary, error) {
	all, err := campaignsOf(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// LoadFinding loads a finding with its program; id is any beginning that is unique.
func LoadFinding(store *crashers.Reader, id string) (*crashers.Crasher, *engine.Program, error) {
	return loadFrom(store, id)
}

// matrixFile of a state directory is the last whole matrix that was made with it.
const matrixFile = "matrix.json"

// maxMatrix bounds what is read of one; the seeds on eight targets need half a megabyte.
const maxMatrix = 32 << 20

// save leaves the matrix in a state directory. Whoever reads it meanwhile sees the one before.
func (m *Matrix) save(state string) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("save matrix: %w", err)
	}
	path := filepath.Join(state, matrixFile)
	tmp := filepath.Join(state, ".tmp-"+matrixFile) // the next campaign takes it away if it stays
	if err = os.WriteFile(tmp, append(data, '\n'), 0o644); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp) //nolint:errcheck // it may not be there
		return fmt.Errorf("save matrix: %w", err)
	}
	return nil
}

// LoadMatrix reads the last matrix of a state directory, and says when it was made; nil if there is none. It may hold anything.
func LoadMatrix(state string) (*Matrix, time.Time, error) {
	root, err := os.OpenRoot(state)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read matrix: %w", err)
	}
	defer root.Close()
	f, err := root.OpenFile(matrixFile, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO is not waited for
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read matrix: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	var m Matrix
	if err == nil {
		err = json.NewDecoder(io.LimitReader(f, maxMatrix)).Decode(&m)
	}
	for i := range m.Rows {
		if err == nil && len(m.Rows[i].Cells) > len(m.Targets) {
			err = fmt.Errorf("row %d has more cells than there are targets", i)
		}
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read matrix of %s: %w", state, err)
	}
	return &m, info.ModTime(), nil
}
