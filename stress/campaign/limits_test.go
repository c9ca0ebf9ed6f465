package campaign

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tracehammer/crashers"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"512MiB": 512 << 20, "2 GiB": 2 << 30, "32MiB": 32 << 20, "32767KiB": 0, "1KiB": 0, "3TiB": 3 << 40, "0MiB": 0, "5": 0, "1MB": 0, "-1MiB": 0,
		"99999999999TiB": 0, "": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); (err == nil) != (want != 0) || err == nil && s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
	if s := DefaultLimits.Memory.String(); s != "512 MiB" {
		t.Errorf("written as %s", s)
	}
}

// Only what lasts ends a campaign.
func TestWatchMemory(t *testing.T) {
	look := 0
	err := watchMemory(t.Context(), 100, time.Nanosecond, func() Size {
		if look++; look == memoryOver {
			return 125 // a moment's relief
		}
		return 126
	})
	if e := (*MemoryError)(nil); !errors.As(err, &e) || look != 2*memoryOver {
		t.Errorf("%v after %d looks", err, look)
	}
	if heldMemory() <= 0 || residentMemory() <= 0 {
		t.Errorf("held %v, resident %v", heldMemory(), residentMemory())
	}
}

// A state directory that is too large loses what is cheap to find again, oldest first, and nothing that says what a finding is.
func TestShrink(t *testing.T) {
	state := t.TempDir()
	store, err := crashers.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	file := func(path string, age time.Duration) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 64<<10), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kept := []string{file(filepath.Join(store.KeptDir("host"), "b.scn"), time.Hour), file(filepath.Join(store.KeptDir("engine"), "a.scn"), time.Minute)}
	ids := map[string]time.Duration{"000000000001": 48 * time.Hour, "000000000002": 30 * time.Hour, "000000000003": -time.Hour}
	for id, age := range ids {
		file(store.HistoryFile(id), 0)
		file(filepath.Join(store.Dir(id), "scenario.scn"), 0)
		seen := time.Now().Add(-age).Format(time.RFC3339)
		meta := `{"id":"` + id + `","kind":"hang","count":1,"firstSeen":"` + seen + `","lastSeen":"` + seen + `"}`
		if err := os.WriteFile(filepath.Join(store.Dir(id), "meta.json"), []byte(meta), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	used, err := diskUse(state)
	if err != nil || used < 8*64<<10 {
		t.Fatalf("%v used, %v", used, err)
	}
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	var told []Dropped
	c := &campaign{Config: Config{State: state}, store: store, board: newBoard(), out: &serial{r: reporterFunc(func(e Event) error {
		told = append(told, e.(Dropped))
		return nil
	})}}
	shrink := func(limit Size) Size {
		t.Helper()
		used, err := diskUse(state)
		if err != nil {
			t.Fatal(err)
		}
		c.Limits.Disk = limit
		left, err := c.shrink(used)
		if err != nil {
			t.Fatal(err)
		}
		if is, err := diskUse(state); err != nil || is != left {
			t.Errorf("%v left, said %v (%v)", is, left, err)
		}
		return left
	}
	shrink(used)
	if there(kept[0]) || !there(kept[1]) {
		t.Errorf("first went %v", told)
	}
	shrink((used-3*64<<10)*10/9/10*10 + 10)
	if there(kept[1]) || there(store.HistoryFile("000000000001")) || !there(store.HistoryFile("000000000002")) {
		t.Errorf("then went %v", told)
	}
	if left := shrink(10); left <= 10 || there(store.HistoryFile("000000000002")) || !there(store.HistoryFile("000000000003")) {
		t.Errorf("at last went %v", told)
	}
	metas, err := store.List()
	if err != nil || len(metas) != len(ids) {
		t.Errorf("%d findings, %v", len(metas), err)
	}
	for id := range ids {
		if !there(filepath.Join(store.Dir(id), "scenario.scn")) {
			t.Errorf("%s has no scenario", id)
		}
	}
	if len(told) != 3 || told[0].Scenarios != 1 || told[1].Histories != 1 || told[2].Histories != 1 || told[2].Left <= told[2].Limit {
		t.Errorf("told %+v", told)
	}
}

func TestRate(t *testing.T) {
	var r rate
	for s := range 600 {
		runs := uint64(10 * s)
		if s > 300 {
			runs = 3000 + uint64(s-300)
		}
		got := r.at(float64(s), runs)
		if s > 0 && s <= 300 && got != 10 || s > 380 && got != 1 {
			t.Fatalf("after %d s: %v", s, got)
		}
	}
	if len(r.times) > 20 {
		t.Errorf("%d samples are kept", len(r.times))
	}
}
