package input_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/stress/schedule"
)

func same(a, b input.Input) bool {
	return a.Profile == b.Profile && bytes.Equal(a.Stream, b.Stream) && bytes.Equal(corpus.Encode(a.Scenario), corpus.Encode(b.Scenario))
}

// TestRoundTrip: what is encoded decodes to the same input, and any bytes to one that does.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := input.Input{
			Profile:  input.Decode([]byte{rapid.Byte().Draw(r, "profile")}).Profile,
			Scenario: rapid.SampledFrom(corpus.Seeds()).Draw(r, "scenario"),
			Stream:   rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(r, "stream"),
		}
		if got := input.Decode(input.Encode(in)); !same(got, in) {
			r.Fatalf("%v %s %v came back as %v %s %v", in.Profile, in.Scenario.Print(), in.Stream, got.Profile, got.Scenario.Print(), got.Stream)
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		data := rapid.SliceOf(rapid.OneOf(rapid.ByteMax(7), rapid.Byte(), rapid.SampledFrom([]byte{0, 0x80}))).Draw(r, "data")
		in := input.Decode(data)
		if err := in.Scenario.Validate(); err != nil {
			r.Fatal(err)
		}
		if got := input.Decode(input.Encode(in)); !same(got, in) {
			r.Fatalf("%q: %v %s %v came back as %v %s %v", data, in.Profile, in.Scenario.Print(), in.Stream, got.Profile, got.Scenario.Print(), got.Stream)
		}
	})
}

// TestGrown: of any bytes a valid scenario grows, which is encoded and run like any other; the same bytes
// make the same, whatever was made before; and few scenarios are of one or two operations.
func TestGrown(t *testing.T) {
	var d input.Decoder
	short, all := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		data := append([]byte{0x80 | rapid.Byte().Draw(r, "profile")}, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(r, "data")...)
		in := input.Decode(data)
		if err := in.Scenario.Validate(); err != nil || !input.Grows(data) {
			r.Fatal(input.Grows(data), err)
		}
		if got := input.Decode(input.Encode(in)); !same(got, in) {
			r.Fatalf("%q: %s came back as %s", data, in.Scenario.Print(), got.Scenario.Print())
		}
		if again := d.Run(data); !corpus.Equal(again.Scenario, in.Scenario) {
			r.Fatalf("%q: %s, then %s", data, in.Scenario.Print(), again.Scenario.Print())
		}
		if all++; in.Scenario.NumOps() < 3 {
			short++
		}
	})
	if short > all/4 { // one in sixteen; rapid draws more of short data
		t.Errorf("%d of %d scenarios have less than three operations", short, all)
	}
}

// TestSmallChanges: bytes that come or go in the stream leave the scenario and what was decided before alone, and such
// bytes in the scenario the stream.
func TestSmallChanges(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in := input.Input{Scenario: rapid.SampledFrom(corpus.Seeds()).Draw(r, "scenario"), Stream: rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(r, "stream")}
		data := input.Encode(in)
		begin := len(data) - len(in.Stream)
		at := rapid.IntRange(begin, len(data)-1).Draw(r, "at")
		for _, changed := range [][]byte{data[:at], slices.Delete(slices.Clone(data), at, at+1), slices.Insert(slices.Clone(data), at, 5)} {
			got := input.Decode(changed)
			if k := at - begin; !bytes.Equal(got.Stream[:k], in.Stream[:k]) || !bytes.Equal(corpus.Encode(got.Scenario), corpus.Encode(in.Scenario)) {
				r.Fatalf("a change at decision %d reaches further", k)
			}
		}
		// Behind the profile and the version of the scenario; a byte less than 0x80 makes no other mark.
		at = rapid.IntRange(2, begin-3).Draw(r, "at")
		if got := input.Decode(slices.Insert(slices.Clone(data), at, 5)); !bytes.Equal(got.Stream, in.Stream) {
			r.Fatalf("a byte at %d of the scenario changes the stream", at)
		}
	})
}

func TestProfiles(t *testing.T) {
	names := map[string]bool{}
	for b := range 256 {
		p := input.Decode([]byte{byte(b)}).Profile
		names[p.String()] = true
		if p.Engine().Name != p.String() {
			t.Errorf("profile %q is the engine's %q", p, p.Engine().Name)
		}
	}
	if len(names) < 8 || !names[""] {
		t.Errorf("profiles: %v", names)
	}
}

func TestLongStreamIsCut(t *testing.T) {
	in := input.Input{Scenario: corpus.Seeds()[0], Stream: make(schedule.Stream, input.MaxStream+3)}
	if n := len(input.Decode(input.Encode(in)).Stream); n != input.MaxStream {
		t.Errorf("%d decisions", n)
	}
}

func TestNative(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(r, "data")
		got, err := input.ParseNative(input.FormatNative(data))
		if err != nil || !bytes.Equal(got, data) {
			r.Fatalf("%q came back as %q, %v", data, got, err)
		}
	})
	for _, c := range []struct{ file, want string }{
		{"go test fuzz v1\n[]byte(\"a\\x00\\u00fc\")\n", ""},
		{"go test fuzz v1\r\n[]byte(`raw`)\r\n", ""},
		{"go test fuzz v2\n[]byte(\"a\")\n", "line 1: "},
		{"", "line 1: "},
		{"go test fuzz v1\n", "line 2: no argument"},
		{"go test fuzz v1\n\n[]byte(\"a\")\n[]byte(\"b\")\n", "line 4: a second argument"},
		{"go test fuzz v1\nstring(\"a\")\n", "line 2: want []byte"},
		{"go test fuzz v1\n[]byte('a')\n", "line 2: want []byte"},
		{"go test fuzz v1\n[]byte()\n", "line 2: want []byte"},
		{"go test fuzz v1\n[]byte(\"a)\n", "line 2: string literal"},
	} {
		_, err := input.ParseNative([]byte(c.file))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %s", c.file, err, c.want)
		}
	}
}

// collect is what Walk yields.
func collect(t *testing.T, path string) (files []input.File, errs []error) {
	t.Helper()
	for f, err := range input.Walk(path) {
		if err != nil {
			errs = append(errs, err)
		} else {
			files = append(files, f)
		}
	}
	return files, errs
}

// TestFormats: what is written in any format is read again, once, in an order that depends on the content alone.
func TestFormats(t *testing.T) {
	inputs := []string{"", "a", "go test fuzz v1", "\x80\x00", "go test fuzz v1\n[]byte(\"inner\")\n"}
	for _, format := range []input.Format{input.Native, input.GoFuzz, input.Raw} {
		t.Run(format.String(), func(t *testing.T) {
			if f, err := input.ParseFormat(format.String()); err != nil || f != format {
				t.Fatalf("reads back as %v, %v", f, err)
			}
			dir := filepath.Join(t.TempDir(), "FuzzX")
			want := map[string]bool{}
			for _, in := range inputs {
				if format != input.Native && strings.HasPrefix(in, "go test") {
					continue // raw bytes that are a native file are read as that
				}
				want[in] = true
				first, err := input.Write(dir, format, []byte(in))
				if err != nil {
					t.Fatal(err)
				}
				if again, err := input.Write(dir, format, []byte(in)); err != nil || again != first {
					t.Errorf("%s was written again as %s, %v", first, again, err)
				}
			}
			files, errs := collect(t, dir)
			if len(errs) > 0 || len(files) != len(want) {
				t.Fatalf("%d files, %v", len(files), errs)
			}
			for _, f := range files {
				if !want[string(f.Data)] || f.Format != format || f.Target != "FuzzX" || f.Crash {
					t.Errorf("%+v", f)
				}
			}
			if !slices.IsSortedFunc(files, func(a, b input.File) int { return strings.Compare(a.Path, b.Path) }) {
				t.Error("not in the order of names")
			}
		})
	}
	if _, err := input.ParseFormat("afl"); err == nil {
		t.Error("there is a format afl")
	}
}

// TestHostileDirectory: what is no input is passed over or an error, and blocks nobody.
func TestHostileDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("crashers/ab", "crasher")
	write("crashers/ab.output", "panic: x")
	write("crashers/ab.quoted", `"crasher"`)
	write("suppressions/cd", "panic: x")
	write("corpus/ef.output", "an input all the same")
	write(".hidden/x", "hidden")
	write("a/b/c/d/e/f/g/h/deep", "deep")
	write("crash-0123", "of libFuzzer")
	write("broken", "go test fuzz v1\nint(3)\n")
	write("long", strings.Repeat("x", input.MaxData+1))
	write("longer", strings.Repeat("x", input.MaxFile+1))
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	files, errs := collect(t, dir)
	got := map[string]bool{}
	for _, f := range files {
		got[string(f.Data)] = f.Crash
	}
	if want := map[string]bool{"crasher": true, "of libFuzzer": true, "an input all the same": false}; len(got) != len(want) ||
		got["crasher"] != true || got["of libFuzzer"] != true {
		t.Errorf("read %v", got)
	}
	for i, want := range []string{"broken: line 2", "not a regular file", "bytes of input", "longer than", "loop"} {
		if i >= len(errs) || !strings.Contains(errs[i].Error(), want) {
			t.Errorf("error %d is not about %q: %v", i, want, errs)
		}
	}
	if _, errs = collect(t, filepath.Join(dir, "nowhere")); len(errs) != 1 {
		t.Errorf("no directory: %v", errs)
	}
	// An iteration that is left early is over.
	for range input.Walk(dir) {
		break
	}
}

// TestOther: the schedules beside an input's own differ, and depend on the bytes alone.
func TestOther(t *testing.T) {
	seen := map[string]bool{}
	for _, data := range []string{"", "a", "b"} {
		for k := range input.Others {
			s := input.Other(nil, []byte(data), k)
			if again := input.Other(make(schedule.Stream, 100), []byte(data), k); !bytes.Equal(s, again) || len(s) != input.Drawn {
				t.Errorf("%q, %d: %v and %v", data, k, s, again)
			}
			seen[string(s)] = true
		}
	}
	if len(seen) != 3*input.Others {
		t.Errorf("%d different schedules of %d", len(seen), 3*input.Others)
	}
}
