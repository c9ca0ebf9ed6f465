package crashers

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// filedOne is a state directory with one crasher.
func filedOne(t *testing.T) (s *Store, dir, id string) {
	t.Helper()
	dir = t.TempDir()
	s = openStore(t, dir)
	c := sampleCrasher(0)
	if _, err := s.Put(c, t0); err != nil {
		t.Fatal(err)
	}
	return s, dir, c.ID
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStateNames(t *testing.T) {
	for s := StateNew; s < numStates; s++ {
		if back, err := ParseState(s.String()); err != nil || back != s {
			t.Errorf("%v reads back as %v, %v", s, back, err)
		}
	}
	for _, bad := range []string{"", "unread", "New", "fixed ", "fixed\n", "\x1b[2J"} {
		if s, err := ParseState(bad); err == nil || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q is %v, %v", bad, s, err)
		}
	}
	if all := States(); len(all) != int(numStates) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("States lists %v", all)
	}
}

// TestTransitions: what the table has is what Mark does, from every state to every other.
func TestTransitions(t *testing.T) {
	s, dir, id := filedOne(t)
	file := filepath.Join(s.Dir(id), fileState)
	for from := StateNew; from < numStates; from++ {
		for to := StateNew; to < numStates; to++ {
			put(t, file, from.String()+"\n")
			got, err := s.Mark(id, to, "", t0)
			var bad *TransitionError
			switch allowed := slices.Contains(from.Next(), to) || from == to; {
			case allowed && (err != nil || got.State != to):
				t.Errorf("%v to %v: %v, %v", from, to, got, err)
			case !allowed && (!errors.As(err, &bad) || content(t, file) != from.String()+"\n"):
				t.Errorf("%v to %v: %v, and the file says %q", from, to, err, content(t, file))
			}
		}
	}
	for from := StateUnread; from < numStates; from++ {
		if slices.Contains(from.Next(), StateNew) || slices.Contains(from.Next(), StateUnread) || slices.Contains(from.Next(), StateRegressed) != (from == StateFixed) {
			t.Errorf("%v may become %v", from, from.Next())
		}
	}
	if r, err := OpenReader(dir); err != nil || r.State() != dir {
		t.Error(err)
	}
}

// TestStateLines: what is read of any state file is written as a line that is read as the same.
func TestStateLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(append(stateNames[:], "of", "0123456789ab", "2026-11-23T03:00:00Z", "\x1b[2J", "\n", "ü"))
		text := strings.Join(rapid.SliceOf(rapid.OneOf(word, rapid.String())).Draw(t, "words"), " ")
		s, again := Status{State: StateNew}, Status{State: StateNew}
		if err := s.parse(text); err != nil {
			if words(err.Error()) != err.Error() && len(err.Error()) < maxWords {
				t.Fatalf("the error %q", err)
			}
			return
		}
		if err := again.parse(s.line()); err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v becomes %q, which is %+v, %v", s, s.line(), again, err)
		}
	})
}

// TestMarks: every change is a line, further sightings change nothing, and nothing of it is lost when a better version of the finding is filed.
func TestMarks(t *testing.T) {
	s, dir, id := filedOne(t)
	if m, err := s.Meta(id); err != nil || m.State != StateNew {
		t.Fatalf("%+v, %v", m.Status, err)
	}
	if _, err := os.Lstat(filepath.Join(s.Dir(id), fileState)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a new finding has a state file: %v", err)
	}
	m, err := OpenMarks(dir) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		to  State
		why string
	}{{StateReproducing, "shown by 7 of 10 runs on host"}, {StateReproducing, ""}, {StateFixed, "not shown by\n 66 runs"}} {
		if _, err := m.Mark(id, step.to, step.why, t0); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(m.Own(id, " Jane Doe\n<jane@example.org> "), m.Note(id, "seen on\nthe board, too\n", t0), m.Note(id, "more", t0)); err != nil {
		t.Fatal(err)
	}
	const reason = "seen on uml, Linux 6.1.176 amd64"
	for range 2 {
		if back, err := s.Regressed(id, reason, t0.Add(time.Hour)); err != nil || !back {
			t.Fatalf("back: %v, %v", back, err)
		}
	}
	put(t, filepath.Join(s.Dir(id), "console.log"), "mine")
	if err := os.MkdirAll(filepath.Join(s.Dir(id), "shots/1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Seen(id, 3, t0); err != nil {
		t.Fatal(err)
	}
	better := sampleCrasher(0)
	better.ID, better.Ops, better.Repro = id, 1, nil
	if err := s.Replace(better); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, filepath.Join(s.Dir(id), fileState)), `reproducing 2026-11-23T03:00:00Z shown by 7 of 10 runs on host
fixed 2026-11-23T03:00:00Z not shown by 66 runs
regressed 2026-11-23T04:00:00Z seen on uml, Linux 6.1.176 amd64
`; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	want := Status{State: StateRegressed, Since: t0.Add(time.Hour), Why: reason, Owner: "Jane Doe <jane@example.org>"}
	c, err := s.Load(id)
	if err != nil || !reflect.DeepEqual(c.Status, want) || c.Ops != 1 || !reflect.DeepEqual(better.Status, want) {
		t.Errorf("%+v, %v; want %+v", c.Status, err, want)
	}
	if notes, err := s.Notes(id); err != nil || notes != "2026-11-23 03:00 UTC: seen on\nthe board, too\n\n2026-11-23 03:00 UTC: more\n" {
		t.Errorf("%q, %v", notes, err)
	}
	if content(t, filepath.Join(s.Dir(id), "console.log")) != "mine" {
		t.Error("a file of somebody's is gone")
	}
	if _, err := os.Stat(filepath.Join(s.Dir(id), "shots/1")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(id), fileRepro)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old version's C program is still there: %v", err)
	}
	if strings.Contains(content(t, filepath.Join(s.Dir(id), fileMeta)), "regressed") {
		t.Error("meta.json has a state, too")
	}
	if err := m.Own(id, ""); err != nil {
		t.Error(err)
	}
	if m, err := s.Meta(id); err != nil || m.Owner != "" {
		t.Errorf("%q, %v", m.Owner, err)
	}
}

// TestClosedIsAdopted: what state directories of earlier versions say of findings that were closed is what they are, before and after
// a writer makes lines of it.
func TestClosedIsAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		state, closed string
		at            time.Time // of the file closed; the finding was last seen at t0
		want          State
		lines         string
	}{
		"closed":                  {"", "", t0.Add(time.Hour), StateFixed, "fixed 2026-11-23T04:00:00Z\n"},
		"closed with a reason":    {"", "by 6342adcaa683\n", t0.Add(time.Hour), StateFixed, "fixed 2026-11-23T04:00:00Z by 6342adcaa683\n"},
		"seen after it":           {"", "", t0.Add(-time.Hour), StateRegressed, "fixed 2026-11-23T02:00:00Z\nregressed 2026-11-23T03:00:00Z\n"},
		"closed by hand, as then": {"open", "", t0.Add(time.Hour), StateFixed, "open\nfixed 2026-11-23T04:00:00Z\n"},
		"twice":                   {"invalid 2026-11-23T03:00:00Z flaky test\n", "", t0.Add(time.Hour), StateInvalid, "invalid 2026-11-23T03:00:00Z flaky test\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, id := filedOne(t)
			file := filepath.Join(s.Dir(id), fileClosed)
			put(t, file, c.closed)
			if c.state != "" {
				put(t, filepath.Join(s.Dir(id), fileState), c.state)
			}
			if err := errors.Join(os.Chtimes(file, c.at, c.at), s.Close()); err != nil {
				t.Fatal(err)
			}
			r, err := OpenReader(dir)
			if err != nil {
				t.Fatal(err)
			}
			before, err := r.Meta(id)
			if err != nil || before.State != c.want {
				t.Errorf("it is %v, %v; want %v", before.Status, err, c.want)
			}
			if before.State == StateFixed && !before.Since.Equal(c.at) {
				t.Errorf("fixed at %v, want %v", before.Since, c.at)
			}
			openStore(t, dir)
			if after, err := r.Meta(id); err != nil || !reflect.DeepEqual(after.Status, before.Status) {
				t.Errorf("adopted it is %v, %v; it was %v", after.Status, err, before.Status)
			}
			if got := content(t, filepath.Join(r.Dir(id), fileState)); got != c.lines {
				t.Errorf("got\n%swant\n%s", got, c.lines)
			}
			if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("closed is still there: %v", err)
			}
		})
	}
}

// TestDuplicates: what is seen of a duplicate is the other one's regression; files that name each other end nothing.
func TestDuplicates(t *testing.T) {
	s, _, id := filedOne(t)
	c := sampleCrasher(1)
	if _, err := s.Put(c, t0); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Duplicate(c.ID, id, t0); err != nil || st.Of != id {
		t.Fatalf("%+v, %v", st, err)
	}
	if m, err := s.Meta(c.ID); err != nil || m.Of != id {
		t.Errorf("%+v, %v", m.Status, err)
	}
	if back, err := s.Regressed(c.ID, "x", t0); err != nil || back {
		t.Errorf("back: %v, %v", back, err)
	}
	if _, err := s.Mark(id, StateFixed, "", t0); err != nil {
		t.Fatal(err)
	}
	if back, err := s.Regressed(c.ID, "x", t0); err != nil || !back {
		t.Errorf("back: %v, %v", back, err)
	}
	if m, err := s.Meta(id); err != nil || m.State != StateRegressed {
		t.Errorf("%v, %v", m.Status, err)
	}
	put(t, filepath.Join(s.Dir(id), fileState), "duplicate 2026-11-23T03:00:00Z of "+c.ID)
	if back, err := s.Regressed(c.ID, "x", t0); err != nil || back {
		t.Errorf("back: %v, %v", back, err)
	}
	if _, err := s.Duplicate(id, id, t0); err == nil {
		t.Error("it is a duplicate of itself")
	}
	if _, err := s.Duplicate(id, "ffffffffffff", t0); err == nil {
		t.Error("it is a duplicate of nothing")
	}
}

// TestHostileMarks: whatever is in their place, a finding is listed, what cannot be read is named, and nothing outside is read or
// written; saying anew what it is repairs it.
func TestHostileMarks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	put(t, secret, "fixed\n")
	for name, plant := range map[string]func(t *testing.T, path string){
		"symlink": func(t *testing.T, path string) {
			if err := os.Symlink(secret, path); err != nil {
				t.Fatal(err)
			}
		},
		"fifo": func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"huge":      func(t *testing.T, path string) { put(t, path, strings.Repeat("fixed\n", 1<<20)) },
		"controls":  func(t *testing.T, path string) { put(t, path, "fi\x1b[2Jxed\x00\n") },
		"no word":   func(t *testing.T, path string) { put(t, path, "fixt 2026-11-23T03:00:00Z by somebody\n") },
		"directory": func(t *testing.T, path string) { put(t, path+"x", ""); os.Mkdir(path, 0o755) }, //nolint:errcheck // shows below
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, id := filedOne(t)
			file := filepath.Join(s.Dir(id), fileState)
			plant(t, file)
			plant(t, filepath.Join(s.Dir(id), fileOwner))
			metas, err := s.List()
			if len(metas) != 1 || err == nil || strings.ContainsAny(err.Error(), "\x1b\x00") || !strings.Contains(err.Error(), id+": state: ") {
				t.Fatalf("%+v, %v", metas, err)
			}
			if m := metas[0]; m.State != StateUnread || strings.ContainsAny(m.Owner, "\x1b\x00\n") || len(m.Owner) > maxWords {
				t.Errorf("%+v", m.Status)
			}
			if c, err := s.Load(id); err != nil || c.State != StateUnread {
				t.Errorf("%v, %v", c, err)
			}
			if _, err := s.Regressed(id, "x", t0); err != nil {
				t.Error(err)
			}
			s.Close()
			s = openStore(t, dir)
			st, err := s.Mark(id, StateOpen, "repaired", t0)
			if name == "directory" {
				if err == nil {
					t.Errorf("%+v", st)
				}
				return
			}
			if err != nil || st.State != StateOpen {
				t.Errorf("%+v, %v", st, err)
			}
			if m, err := s.Meta(id); err != nil || m.State != StateOpen || m.Why != "repaired" {
				t.Errorf("%+v, %v", m.Status, err)
			}
			if content(t, secret) != "fixed\n" {
				t.Error("a file elsewhere was written")
			}
		})
	}
}

// TestMarksWhileFiling: one that marks and one that files do not lose each other's work.
func TestMarksWhileFiling(t *testing.T) {
	s, dir, id := filedOne(t)
	m, err := OpenMarks(dir)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 50
	done := make(chan error)
	go func() {
		var err error
		for n := range rounds {
			to := StateOpen
			if n%2 == 0 {
				to = StateReproducing
			}
			_, merr := m.Mark(id, to, "", t0)
			err = errors.Join(err, merr, m.Note(id, "n", t0))
		}
		done <- err
	}()
	for range rounds {
		better := sampleCrasher(0)
		better.ID = id
		if err := s.Replace(better); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(content(t, filepath.Join(s.Dir(id), fileState)), "\n"); n != rounds {
		t.Errorf("%d lines of %d changes", n, rounds)
	}
	if notes, err := s.Notes(id); err != nil || strings.Count(notes, ": n") != rounds {
		t.Errorf("%q, %v", notes, err)
	}
}

// TestManyChanges: a state file stays small enough to be read.
func TestManyChanges(t *testing.T) {
	s, _, id := filedOne(t)
	long := strings.Repeat("because ", 60)
	put(t, filepath.Join(s.Dir(id), fileState), strings.Repeat("open 2026-11-23T03:00:00Z "+long+"\n", 125))
	if _, err := s.Mark(id, StateKnown, long, t0); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Meta(id); err != nil || m.State != StateKnown {
		t.Errorf("%v, %v", m.Status, err)
	}
	if size := len(content(t, filepath.Join(s.Dir(id), fileState))); size > maxMark {
		t.Errorf("%d bytes", size)
	}
}

// TestTried: where a finding was tried is one line for each target and kernel, whose latest try holds; what is no such line says
// nothing.
func TestTried(t *testing.T) {
	s, _, id := filedOne(t)
	first := []Tried{{"host", "Linux 6.18.44", "amd64", 7, 10, t0}, {"exec:ssh -T\tboard stressd agent", "Linux 6.1.176", "arm64", 0, 66, t0}}
	again := Tried{"host", "Linux 6.18.44", "amd64", 0, 10, t0.Add(time.Hour)}
	newer := Tried{"host", "Linux 6.19.1", "amd64", 0, 10, t0.Add(time.Hour)}
	if err := errors.Join(s.Try(id, first), s.Try(id, []Tried{again, newer})); err != nil {
		t.Fatal(err)
	}
	first[1].Target = "exec:ssh -T board stressd agent"
	c, err := s.Load(id)
	if want := []Tried{again, first[1], newer}; err != nil || !reflect.DeepEqual(c.Tried, want) {
		t.Errorf("%+v, %v; want %+v", c.Tried, err, want)
	}
	put(t, filepath.Join(s.Dir(id), fileTargets), "\x1b[2J\thost\n\t\t\t-1\t3\t2026-11-23T03:00:00Z\nhost\tLinux\tamd64\t4\t3\t2026-11-23T03:00:00Z\n"+
		"ho\x1bst\tLinux\tamd64\t4\t5\t2026-11-23T03:00:00Z")
	if all, err := s.Tried(id); err != nil || len(all) != 1 || all[0].Where() != `ho\x1bst (Linux, amd64)` {
		t.Errorf("%+v, %v", all, err)
	}
}
