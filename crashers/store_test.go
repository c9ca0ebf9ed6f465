package crashers

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/stress/history"
)

var t0 = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// sampleCrasher differs from others of another n in its signature.
func sampleCrasher(n int) *Crasher {
	f := Finding{Kind: NotAdmitted, Title: fmt.Sprintf("not-admitted: kill returned E%c", 'A'+n), Rules: []int{13, 72}}
	c := &Crasher{
		Meta:     Meta{Kind: f.Kind, Title: f.Title, Rules: f.Rules, Coarse: f.Coarse(), Signature: f.Signature("kill"), Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Ops: 3, Hits: 19, Runs: 20, Command: "stressd repro"},
		Scenario: []byte("scenario x\n"), Plan: stress.Plan{Seed: 7, Repeat: 50, Delays: []stress.DelayRange{{Lo: 0, Hi: 900}}},
		History:     &history.History{Target: "host", Actors: []history.Actor{{Tid: 12, Parked: true}}},
		Explanation: "what and why\n", Report: []byte("# report\n"), Repro: []byte("int main(void) {}\n"),
	}
	return c
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStoreKeepsWhatIsPut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	c := sampleCrasher(0)
	isNew, err := s.Put(c, t0)
	if err != nil || !isNew {
		t.Fatalf("first Put: %v, %v", isNew, err)
	}
	again := sampleCrasher(0)
	if isNew, err = s.Put(again, t0.Add(time.Hour)); err != nil || isNew {
		t.Fatalf("second Put: %v, %v", isNew, err)
	}
	if again.Count != 2 || again.ID != c.ID {
		t.Errorf("second Put: %+v", again.Meta)
	}
	if err := s.Seen(c.ID, 5, t0.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := *c
	want.Count, want.LastSeen = 7, t0.Add(2*time.Hour)
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Load(c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got %+v\nwant %+v", got, &want)
	}
	if got := s.Similar(c.Coarse); len(got) != 1 || got[0] != c.ID {
		t.Errorf("Similar: %v", got)
	}

	better := sampleCrasher(0)
	better.ID, better.Ops, better.Minimised = c.ID, 1, true
	if err := s.Replace(better); err != nil {
		t.Fatal(err)
	}
	if got, err = r.Load(c.ID); err != nil || got.Ops != 1 || got.Count != 7 || !got.FirstSeen.Equal(t0) {
		t.Errorf("after Replace: %+v, %v", got, err)
	}
	if id, err := r.Resolve(c.ID[:4]); err != nil || id != c.ID {
		t.Errorf("Resolve: %q, %v", id, err)
	}
}

func TestStorePutIsPutIfAbsent(t *testing.T) {
	s := openStore(t, t.TempDir())
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for i := range 32 {
		wg.Go(func() {
			isNew, err := s.Put(sampleCrasher(i%4), t0)
			if err != nil {
				t.Error(err)
			}
			if isNew {
				mu.Lock()
				fresh++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	metas, err := s.List()
	if err != nil || fresh != 4 || len(metas) != 4 {
		t.Fatalf("%d new, listed %d, %v; want 4", fresh, len(metas), err)
	}
	for _, m := range metas {
		if m.Count != 8 {
			t.Errorf("%s seen %d times, want 8", m.ID, m.Count)
		}
	}
}

func TestOneStoreAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	_, err := Open(dir)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), fmt.Sprint("pid ", os.Getpid())) {
		t.Errorf("second Open: %v", err)
	}
	if _, err := OpenReader(dir); err != nil {
		t.Errorf("reading beside a writer: %v", err)
	}
	s.Close()
	openStore(t, dir)
}

func TestForeignDirectoriesAreRefused(t *testing.T) {
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, versionFile), []byte("7\x1b[2J\n"), 0o644)
	unmarked := t.TempDir()
	os.Mkdir(filepath.Join(unmarked, crashersDir), 0o755)
	for _, dir := range []string{other, unmarked} {
		_, err := Open(dir)
		var version *VersionError
		if !errors.As(err, &version) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("Open: %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, crashersDir, "x")); err == nil {
			t.Error("something was written")
		}
	}
	if _, err := OpenReader(t.TempDir()); err == nil {
		t.Error("an empty directory was read as a state directory")
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o644)
	if _, err := Open(file); err == nil {
		t.Error("a file was opened as a state directory")
	}
}

func TestLeftoversAreCleared(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := sampleCrasher(0)
	if _, err := s.Put(c, t0); err != nil {
		t.Fatal(err)
	}
	s.Close()
	left := []string{
		filepath.Join(dir, tmpPrefix+versionFile),
		filepath.Join(dir, crashersDir, tmpPrefix+"123", fileReport),
		filepath.Join(dir, crashersDir, c.ID, tmpPrefix+fileMeta),
	}
	for _, p := range left {
		os.MkdirAll(filepath.Dir(p), 0o755)
		if err := os.WriteFile(p, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s = openStore(t, dir)
	for _, p := range left {
		if _, err := os.Stat(p); err == nil {
			t.Errorf("%s is still there", p)
		}
	}
	if metas, err := s.List(); err != nil || len(metas) != 1 {
		t.Errorf("%d crashers, %v", len(metas), err)
	}
}

// TestKilledWriter kills a process that files and updates without pause: whatever moment it was, all is readable.
func TestKilledWriter(t *testing.T) {
	const env = "CRASHERS_TEST_WRITER"
	if dir := os.Getenv(env); dir != "" {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			c := sampleCrasher(n % 20)
			if _, err := s.Put(c, t0); err != nil {
				t.Fatal(err)
			}
			if err := s.Replace(c); err != nil {
				t.Fatal(err)
			}
			fmt.Println("filed")
		}
	}
	dir := t.TempDir()
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), env+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for r, n := bufio.NewScanner(out), 0; n <= 7*round && r.Scan(); n++ {
		}
		cmd.Process.Kill()
		cmd.Wait()
		s, err := Open(dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		metas, err := s.List()
		if err != nil || len(metas) == 0 {
			t.Fatalf("round %d: %d crashers, %v", round, len(metas), err)
		}
		for _, m := range metas {
			if _, err := s.Load(m.ID); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
		s.Close()
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		// A plain user cannot mount; a link to the device that is always full is the next best.
		for _, e := range []error{unix.ENOSPC, unix.EDQUOT} {
			var full *FullError
			if err := wrapFull(dir, fmt.Errorf("write: %w", e)); !errors.As(err, &full) {
				t.Errorf("%v is not a FullError", err)
			}
		}
		return
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := openStore(t, dir)
	first := sampleCrasher(0)
	if _, err := s.Put(first, t0); err != nil {
		t.Fatal(err)
	}
	big := sampleCrasher(1)
	big.Report = make([]byte, 1<<20)
	_, err := s.Put(big, t0)
	var full *FullError
	if !errors.As(err, &full) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("Put on a full disk: %v", err)
	}
	big.ID = first.ID
	if err := s.Replace(big); !errors.As(err, &full) {
		t.Fatalf("Replace on a full disk: %v", err)
	}
	if c, err := s.Load(first.ID); err != nil || string(c.Report) != "# report\n" {
		t.Errorf("what was there before is damaged: %v", err)
	}
	if _, err := s.Put(sampleCrasher(2), t0); err != nil {
		t.Errorf("a small crasher after a failed big one: %v", err)
	}
}

func TestReadingTrustsNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := sampleCrasher(0)
	c.Title = "hang \x1b[31m\u202e"
	if _, err := s.Put(c, t0); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Meta(c.ID); err != nil || strings.ContainsAny(m.Title, "\x1b\u202e") {
		t.Errorf("title %q, %v", m.Title, err)
	}
	for _, id := range []string{"", ".", "..", "../..", c.ID + "/..", strings.ToUpper(c.ID), "000000000000", "/etc"} {
		var missing *NotFoundError
		if _, err := s.Load(id); !errors.As(err, &missing) {
			t.Errorf("Load(%q): %v", id, err)
		}
		if _, err := s.Resolve(id); err == nil {
			t.Errorf("Resolve(%q) found something", id)
		}
	}
	at := func(name string) string { return s.path(c.ID, name) }
	secret := filepath.Join(dir, "secret")
	os.WriteFile(secret, []byte("secret"), 0o600)
	damage := []struct {
		name string
		do   func(path string) error
	}{
		{fileReport, func(p string) error { return os.Symlink(secret, p) }},
		{fileExplanation, func(p string) error { return unix.Mkfifo(p, 0o644) }},
		{fileScenario, func(p string) error { return os.WriteFile(p, make([]byte, maxScenario+1), 0o644) }},
		{filePlan, func(p string) error { return os.WriteFile(p, []byte("{"), 0o644) }},
		{fileHistory, func(p string) error { return os.WriteFile(p, []byte("{}\n"), 0o644) }},
		{fileMeta, func(p string) error { return os.WriteFile(p, []byte(`{"id":"ffffffffffff","count":1}`), 0o644) }},
	}
	for _, d := range damage {
		old, err := os.ReadFile(at(d.name))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(at(d.name))
		if err := d.do(at(d.name)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(c.ID); err == nil || !strings.Contains(err.Error(), c.ID) || strings.Contains(err.Error(), "\n") {
			t.Errorf("damaged %s: %v", d.name, err)
		}
		os.Remove(at(d.name))
		os.WriteFile(at(d.name), old, 0o644)
	}
	if _, err := s.Load(c.ID); err != nil {
		t.Fatalf("repaired: %v", err)
	}
	os.WriteFile(at(fileMeta), []byte("junk"), 0o644)
	s.Put(sampleCrasher(1), t0)
	metas, err := s.List()
	if len(metas) != 1 || err == nil {
		t.Errorf("beside a broken crasher: %d listed, %v", len(metas), err)
	}
}
