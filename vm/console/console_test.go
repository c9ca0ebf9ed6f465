package console

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// corpus are the logs of testdata.
func corpus(t testing.TB) [][]byte {
	names, err := filepath.Glob("testdata/*.log")
	if err != nil || len(names) == 0 {
		t.Fatalf("no logs in testdata: %v", err)
	}
	var all [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// drawText draws a console: lines of real logs in any order, damaged now and then, between bytes of any value.
func drawText(t *rapid.T, logs [][]byte) []byte {
	var b bytes.Buffer
	for range rapid.IntRange(0, 6).Draw(t, "parts") {
		switch rapid.IntRange(0, 3).Draw(t, "part") {
		case 0:
			b.Write(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"))
		case 1:
			b.WriteString(rapid.SampledFrom([]string{"BUG: ", "\nKernel panic - not syncing: ", "\x1b[", "\x1b]", "[    1.234567] ", "** 7 printk messages dropped **\n", "\nOops: ", "WARNING: ", "\npanic: ", "\nCall Trace:\n", " [#1]\n"}).Draw(t, "mark"))
		default:
			log := rapid.SampledFrom(logs).Draw(t, "log")
			from := rapid.IntRange(0, len(log)-1).Draw(t, "from")
			piece := bytes.Clone(log[from:rapid.IntRange(from, min(len(log), from+6000)).Draw(t, "to")])
			for range rapid.IntRange(0, 3).Draw(t, "damages") {
				if len(piece) > 0 {
					piece[rapid.IntRange(0, len(piece)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
				}
			}
			b.Write(piece)
		}
	}
	return b.Bytes()
}

func checkReport(t interface{ Fatalf(string, ...any) }, r *Report, lines int) {
	text := append([]string{r.Title, r.Func}, r.Alt...)
	for i := range r.Trace {
		text = append(text, r.Trace[i].Func, r.Trace[i].Module)
	}
	for _, s := range text {
		for _, c := range s {
			if !unicode.IsPrint(c) {
				t.Fatalf("%q is not printable", s)
			}
		}
	}
	switch {
	case r.Title == "" || len(r.Title) > MaxTitle || len(r.Alt) > MaxAlt || len(r.Trace) > MaxTrace:
		t.Fatalf("out of bounds: %+v", r)
	case r.First < 1 || r.First > r.Last || r.Last > lines:
		t.Fatalf("lines %d to %d of %d", r.First, r.Last, lines)
	case r.Kind == 0 || int(r.Kind) >= len(kinds) || kinds[r.Kind].fn && r.Func == "" && !r.State.Corrupted():
		t.Fatalf("not whole: %+v", r)
	}
}

// Whatever a console says and however it comes in, the reports are printable, bounded, in order, and the same.
func TestAnyText(t *testing.T) {
	logs := corpus(t)
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t, logs)
		whole := Parse(text)
		lines := bytes.Count(text, []byte("\n")) + 1
		first := 0
		for i := range whole {
			checkReport(t, &whole[i], lines)
			if whole[i].First < first {
				t.Fatalf("report %d begins before the one in front of it", i)
			}
			first = whole[i].First
		}
		var rs []Report
		p := NewParser(func(r Report) { rs = append(rs, r) })
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			p.Write(rest[:n])
			rest = rest[n:]
		}
		p.Close()
		if a, b := show(whole), show(rs); a != b {
			t.Fatalf("at once:\n%sin pieces:\n%s", a, b)
		}
	})
}

// A text that says nothing of a kernel's complaints has no reports, and a report keeps its title amid such text.
func TestAmidOtherText(t *testing.T) {
	logs := corpus(t)
	word := rapid.StringMatching(`[a-z]{1,9}`)
	chatter := rapid.Custom(func(t *rapid.T) string {
		return "[    7.000001] " + strings.Join(rapid.SliceOfN(word, 1, 9).Draw(t, "words"), " ") + "\n"
	})
	rapid.Check(t, func(t *rapid.T) {
		around := func(label string) string {
			return strings.Join(rapid.SliceOfN(chatter, 0, 90).Draw(t, label), "")
		}
		before, after := around("before"), around("after")
		if rs := Parse([]byte(before + after)); len(rs) != 0 {
			t.Fatalf("reports in chatter:\n%s", show(rs))
		}
		log := rapid.SampledFrom(logs).Draw(t, "log")
		want, got := Parse(log), Parse([]byte(before+string(log)+after))
		if len(want) != len(got) {
			t.Fatalf("%d reports, amid other text %d", len(want), len(got))
		}
		for i := range want {
			if want[i].Title != got[i].Title {
				t.Fatalf("%q became %q", want[i].Title, got[i].Title)
			}
		}
	})
}

// A report without its end, and one into which messages broke, say so.
func TestCorrupted(t *testing.T) {
	log, err := os.ReadFile("testdata/x86-oops-fatal.log")
	if err != nil {
		t.Fatal(err)
	}
	text := string(log)
	at := func(mark string) int {
		i := strings.Index(text, mark)
		if i < 0 {
			t.Fatalf("no %q in the log", mark)
		}
		return i
	}
	rip := at("RIP: 0010:")
	trace := at("Call Trace:")
	for _, tc := range []struct {
		name, text string
		state      State
		title      string
	}{
		{"whole", text, Complete, "bad memory access in provoke_null_write"},
		{"ends in the header", text[:rip], Truncated, "bad memory access"},
		{"ends in the trace", text[:trace+100], Truncated, "bad memory access in provoke_null_write"},
		{"dropped", text[:trace] + "** 123 printk messages dropped **\n" + text[trace:], Dropped, "bad memory access in provoke_null_write"},
		{"interleaved", text[:rip] + "RIP: 00" + "[    9.000000] other\n" + text[rip:], Interleaved, "bad memory access in provoke_null_write"},
		{"another begins", text[:rip] + "\n" + text[:rip], Interleaved, "bad memory access"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rs := Parse([]byte(tc.text))
			if len(rs) == 0 || rs[0].State != tc.state || rs[0].Title != tc.title {
				t.Errorf("got:\n%swant %q, %v", show(rs), tc.title, tc.state)
			}
		})
	}
}

// flood writes size bytes of a console that says piece again and again.
func flood(p *Parser, piece []byte, size int) {
	buf := bytes.Repeat(piece, max(1, 1<<20/len(piece)))
	for size > 0 {
		n := min(size, len(buf))
		p.Write(buf[:n])
		size -= n
	}
}

// However much a console says, what the parser holds does not grow.
func TestFloodIsBounded(t *testing.T) {
	size := 16 << 20
	oops, err := os.ReadFile("testdata/x86-oops-fatal.log")
	if err != nil {
		t.Fatal(err)
	}
	for name, piece := range map[string][]byte{
		"no newline": []byte("a"),
		"escapes":    []byte("\x1b["),
		"headers":    []byte("BUG: Bad page state in process x\n"),
		"frames":     []byte("BUG: x\nCall Trace:\n" + strings.Repeat(" f+0x1/0x2\n", 500)),
		"alts":       []byte("BUG: kernel NULL pointer dereference\n"),
		"oopses":     oops,
		"newlines":   []byte("\n"),
	} {
		t.Run(name, func(t *testing.T) {
			n, longest := 0, 0
			p := NewParser(func(r Report) {
				n++
				longest = max(longest, len(r.Trace))
				checkReport(t, &r, math.MaxInt)
			})
			flood(p, piece, size/8)
			held := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			before := held()
			flood(p, piece, size)
			if after := held(); after > before+1<<20 {
				t.Errorf("holds %d bytes more after %d MiB", after-before, size>>20)
			}
			runtime.KeepAlive(p)
			p.Close()
		})
	}
}

// Parse itself is bounded too.
func TestMaxReports(t *testing.T) {
	rs := Parse(bytes.Repeat([]byte("BUG: workqueue lockup - pool\n"), 3*MaxReports))
	if len(rs) != MaxReports {
		t.Errorf("%d reports, want %d", len(rs), MaxReports)
	}
}

func TestStrings(t *testing.T) {
	seen := map[string]bool{}
	for k := BadAccess; int(k) < len(kinds); k++ {
		if s := k.String(); s == "" || seen[s] {
			t.Errorf("%d: name %q", k, s)
		} else {
			seen[s] = true
		}
	}
	for s, want := range map[fmt.Stringer]string{Kind(0): "Kind(0)", Kind(200): "Kind(200)", State(9): "State(9)", Dropped: "corrupted: printk messages dropped"} {
		if s.String() != want {
			t.Errorf("%v, want %s", s, want)
		}
	}
}

// BenchmarkParse says how fast consoles are read, next to counting their lines.
func BenchmarkParse(b *testing.B) {
	logs := bytes.Join(corpus(b), nil)
	boot, err := os.ReadFile("testdata/x86-boot.log")
	if err != nil {
		b.Fatal(err)
	}
	for _, in := range []struct {
		name string
		text []byte
	}{{"reports", logs}, {"boot", boot}} {
		b.Run(in.name+"/lines", func(b *testing.B) {
			b.SetBytes(int64(len(in.text)))
			for b.Loop() {
				for range bytes.Lines(in.text) {
				}
			}
		})
		b.Run(in.name+"/parse", func(b *testing.B) {
			b.SetBytes(int64(len(in.text)))
			for b.Loop() {
				NewParser(func(Report) {}).Write(in.text)
			}
		})
	}
}
