package collection

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/stress/coverage"
)

// TestLossless: whatever bytes were converted through whichever formats, they come back as they were.
func TestLossless(t *testing.T) {
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		data := rapid.OneOf(
			rapid.SliceOf(rapid.Byte()),
			rapid.Custom(func(r *rapid.T) []byte {
				in := input.Input{Scenario: rapid.SampledFrom(corpus.Seeds()).Draw(r, "scenario"), Stream: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(r, "stream")}
				return append([]byte{rapid.ByteMax(7).Draw(r, "profile")}, input.Encode(in)[1:]...)
			}),
		).Draw(r, "data")
		if input.IsNative(data) {
			r.Skip("raw bytes that are a native file are read as that")
		}
		e, err := entry(input.File{Path: "x", Format: input.Raw, Data: data})
		if err != nil {
			r.Fatal(err)
		}
		for _, f := range rapid.SliceOfN(rapid.SampledFrom([]Format{Native, GoFuzz, Raw, Text}), 1, 4).Draw(r, "formats") {
			n++
			dir := filepath.Join(root, f.String(), string(rune('a'+n%26)))
			path, isNew, err := e.Write(dir, f)
			if err != nil {
				r.Fatal(err)
			}
			if again, isNew2, err := e.Write(dir, f); err != nil || again != path || isNew2 {
				r.Fatalf("written again: %s, %v, %v; at first %v", again, isNew2, err, isNew)
			}
			read, bad := Read([]string{path})
			if bad != nil || len(read) != 1 {
				r.Fatalf("%d entries, %v", len(read), bad)
			}
			if e = read[0]; !bytes.Equal(e.Data, data) || e.Format != f || !e.Scheduled {
				r.Fatalf("%q became %q in %v", data, e.Data, f)
			}
		}
	})
}

// TestTextStaysText: a scenario keeps its names and comments, and its bytes mean the same.
func TestTextStaysText(t *testing.T) {
	dir := t.TempDir()
	var want []*Entry
	for _, s := range corpus.Seeds() {
		e := FromScenario(s)
		want = append(want, e)
		if _, _, err := e.Write(dir, Text); err != nil {
			t.Fatal(err)
		}
	}
	got, bad := Read([]string{dir, dir})
	if bad != nil || len(got) != len(want) {
		t.Fatalf("%d entries of %d, %v", len(got), len(want), bad)
	}
	byName := map[string]*Entry{}
	for _, e := range got {
		byName[e.Name] = e
	}
	for _, w := range want {
		g := byName[w.Name]
		if _, text, err := g.Text(); err != nil || !bytes.Equal(text, w.Input.Scenario.Print()) || !bytes.Equal(g.Data, w.Data) || g.Scheduled {
			t.Errorf("%s came back as\n%s\n%v", w.Name, text, err)
		}
	}
}

// TestBadEntries: what cannot be read is an error of its own, and the rest is read all the same.
func TestBadEntries(t *testing.T) {
	dir := t.TempDir()
	good := "scenario good\nproc main\nmain: gettid\n"
	for name, text := range map[string]string{
		"good.scn": good, "bad.scn": "scenario bad\nproc main\nmain: fly\n", "profile.scn": "# profile: vms\n" + good,
		"schedule.scn": "# schedule: ***\n" + good, "bytes.scn": "# bytes: ***\n" + good, "native": "go test fuzz v1\nint(3)\n", "raw": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	all, bad := Read([]string{dir, filepath.Join(dir, "nowhere")})
	if len(all) != 2 || all[0].Name != "good" || all[1].Name != "raw" {
		t.Errorf("read %d entries", len(all))
	}
	for i, want := range []string{"bad.scn:3:7: ", "bytes.scn: ", "native: line 2", "profile.scn: ", "schedule.scn: ", "nowhere"} {
		if i >= len(bad) || !strings.Contains(bad[i].Error(), want) {
			t.Errorf("no error about %s in %q", want, bad)
		}
	}
	// A changed scenario is what counts, not the bytes that it was made of; another one of its name is not overwritten.
	text := "# bytes: AAAA\n" + good
	e, err := parseText("x.scn", []byte(text))
	if err != nil || !bytes.Equal(e.Data, input.Encode(e.Input)) {
		t.Errorf("%v, %v", e, err)
	}
	if _, _, err := e.Write(dir, Text); err == nil || !strings.Contains(err.Error(), "another scenario has this name") {
		t.Errorf("a scenario was overwritten: %v", err)
	}
}

func feature(n int) coverage.Feature { return coverage.Feature{Kind: coverage.Rule, A: uint64(n)} }

// TestMinimise: the choice covers all, nothing in it is implied by the rest, and it is the same each time.
func TestMinimise(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		covers := rapid.SliceOf(rapid.Custom(func(r *rapid.T) []coverage.Feature {
			ns := rapid.SliceOfDistinct(rapid.IntRange(1, 25), rapid.ID).Draw(r, "cover")
			var c []coverage.Feature
			for _, n := range ns {
				c = append(c, feature(n))
			}
			return c
		})).Draw(r, "covers")
		cost := func(i int) int { return len(covers) - i }
		picks := Minimise(covers, cost)
		chosen := map[int]bool{}
		var some [][]coverage.Feature
		for _, p := range picks {
			if chosen[p.Index] || p.Adds == 0 {
				r.Fatalf("picks %v", picks)
			}
			chosen[p.Index] = true
			some = append(some, covers[p.Index])
		}
		if !slices.Equal(Covered(covers).All(), Covered(some).All()) {
			r.Fatalf("%v of %v", picks, covers)
		}
		for i := range some {
			if slices.Equal(Covered(slices.Delete(slices.Clone(some), i, i+1)).All(), Covered(some).All()) {
				r.Fatalf("pick %d of %v is implied", i, picks)
			}
		}
		if again := Minimise(covers, cost); !slices.Equal(again, picks) {
			r.Fatalf("%v, then %v", picks, again)
		}
		for _, p := range Merge(covers, 1) {
			if p.Index == 0 {
				r.Fatal("merged what was there")
			}
		}
	})
}

// TestMeasure: an entry with a schedule covers what that run does, one without what some runs do.
func TestMeasure(t *testing.T) {
	at := slices.IndexFunc(corpus.Seeds(), func(s *corpus.Scenario) bool { return s.Name == "race-attach-exec" })
	many := FromScenario(corpus.Seeds()[at])
	one := &Entry{Input: many.Input, Scheduled: true}
	all, err := Measure(context.Background(), many, DefaultRuns, 1)
	if err != nil {
		t.Fatal(err)
	}
	few, err := Measure(context.Background(), one, DefaultRuns, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(few) == 0 || len(few) >= len(all) {
		t.Errorf("one run covers %d features, many cover %d", len(few), len(all))
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(stopped, many, DefaultRuns, 1); err == nil {
		t.Error("cancelled without an error")
	}
}
