package crashers

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"tracehammer/stress/history"
)

// Tried says how a finding did on a target when it was last tried there.
type Tried struct {
	Target string    `json:"target"`
	Kernel string    `json:"kernel"`
	Arch   string    `json:"arch"`
	Hits   int       `json:"hits"`
	Runs   int       `json:"runs"` // that could be decided
	When   time.Time `json:"when"`
}

// fileTargets is where a finding was tried: a line for each target and kernel, in the order in which they were tried first, of
// fields divided by tabs. Programs write it; it is a mark like the others.
const fileTargets = "targets"

// maxTried is how many targets of a finding a reader believes.
const maxTried = 500

// parseTried reads a file of targets. What is no such line says nothing.
func parseTried(text string) (all []Tried) {
	for l := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(l, "\n"), "\t")
		if len(f) != 6 || len(all) == maxTried {
			continue
		}
		hits, herr := strconv.Atoi(f[3])
		runs, rerr := strconv.Atoi(f[4])
		when, terr := time.Parse(time.RFC3339, f[5])
		if errors.Join(herr, rerr, terr) != nil || hits < 0 || runs < hits {
			continue
		}
		all = append(all, Tried{words(f[0]), words(f[1]), words(f[2]), hits, runs, when.UTC()})
	}
	return all
}

// line writes a try as parseTried reads it.
func (t *Tried) line() string {
	f := []string{words(t.Target), words(t.Kernel), words(t.Arch), strconv.Itoa(t.Hits), strconv.Itoa(t.Runs), t.When.UTC().Format(time.RFC3339)}
	return strings.Join(f, "\t") + "\n"
}

// Shown says whether it showed.
func (t *Tried) Shown() bool { return t.Hits > 0 }

// Rate is in which runs it showed, as people read it.
func (t *Tried) Rate() string {
	if !t.Shown() {
		return fmt.Sprintf("not shown by %d runs", t.Runs)
	}
	return fmt.Sprintf("shown by %d of %d runs", t.Hits, t.Runs)
}

// Where names the kernel.
func (t *Tried) Where() string {
	return history.Printable(t.Target + " (" + t.Kernel + ", " + t.Arch + ")")
}

// Tried lists where a finding was tried.
func (r *Reader) Tried(id string) ([]Tried, error) {
	b, err := r.read(id, fileTargets, maxMark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return parseTried(string(b)), err
}

// Try records how a finding did on targets; on each, the latest holds.
func (m *Marks) Try(id string, tries []Tried) error {
	return m.locked(func() error {
		if _, err := m.Meta(id); err != nil {
			return err
		}
		all, err := m.Tried(id)
		if err != nil {
			all = nil // no file that ever said anything
		}
		for _, t := range tries {
			same := func(o Tried) bool { return o.Target == words(t.Target) && o.Kernel == words(t.Kernel) }
			if i := slices.IndexFunc(all, same); i >= 0 {
				all[i] = t
			} else {
				all = append(all, t)
			}
		}
		var b strings.Builder
		for i := range all {
			if b.Len() < maxMark-4*maxWords {
				b.WriteString(all[i].line())
			}
		}
		return m.write(id, fileTargets, []byte(b.String()))
	})
}
