package console

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/corpus/golden"
)

// show writes reports as golden files have them.
func show(rs []Report) string {
	var b strings.Builder
	if len(rs) == 0 {
		b.WriteString("no report\n")
	}
	for i := range rs {
		r := &rs[i]
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "title: %s\n", r.Title)
		for _, a := range r.Alt {
			fmt.Fprintf(&b, "alt: %s\n", a)
		}
		fmt.Fprintf(&b, "kind: %v\nstate: %v\nlines: %d-%d\nfunc: %s\n", r.Kind, r.State, r.First, r.Last, r.Func)
		for _, f := range r.Trace {
			fmt.Fprintf(&b, "  %s", f.Func)
			if f.Offset != 0 {
				fmt.Fprintf(&b, "+%#x", f.Offset)
			}
			if f.Module != "" {
				fmt.Fprintf(&b, " [%s]", f.Module)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// TestGolden reads logs of real kernels that were made to fail (testdata/README.md says how), and checks that each line of
// them may come in any number of pieces.
func TestGolden(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs in testdata: %v", err)
	}
	for _, log := range logs {
		t.Run(strings.TrimSuffix(filepath.Base(log), ".log"), func(t *testing.T) {
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			got := show(Parse(text))
			golden.Check(t, strings.TrimSuffix(log, ".log")+".golden", got)
			var rs []Report
			p := NewParser(func(r Report) { rs = append(rs, r) })
			for piece := range pieces(text, 7) {
				p.Write(piece)
			}
			p.Close()
			if again := show(rs); again != got {
				t.Errorf("in pieces of 7 bytes:\n%sat once:\n%s", again, got)
			}
			if dmesg := titles(Parse(unstamped(text))); dmesg != titles(Parse(text)) {
				t.Errorf("without times:\n%swith:\n%s", dmesg, got)
			}
		})
	}
}

// titles are what must not depend on how a log came to be read.
func titles(rs []Report) string {
	var b strings.Builder
	for i := range rs {
		fmt.Fprintf(&b, "%s: %v\n", rs[i].Title, rs[i].State)
	}
	return b.String()
}

// unstamped returns a log as it is without printk.time, each message on a line of its own that ends like a file's.
func unstamped(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		s := strings.TrimRight(string(line), "\r\n")
		for s != "" {
			n := stamp(s)
			s = strings.TrimPrefix(s[n:], " ")
			next := nextStamp(s)
			if next < 0 {
				next = len(s)
			}
			b.WriteString(s[:next] + "\n")
			s = s[next:]
		}
	}
	return b.Bytes()
}

func pieces(text []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			k := min(n, len(text))
			if !yield(text[:k]) {
				return
			}
			text = text[k:]
		}
	}
}

// TestOneTitle checks that what fails in the same way has the same title on every architecture. Logs are named ARCH-WHAT.
func TestOneTitle(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil {
		t.Fatal(err)
	}
	type seen struct{ log, title string }
	first, several := map[string]seen{}, 0
	for _, log := range logs {
		_, what, _ := strings.Cut(strings.TrimSuffix(filepath.Base(log), ".log"), "-")
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		title := "no report"
		if rs := Parse(text); len(rs) > 0 {
			title = rs[0].Title
		}
		if f, ok := first[what]; !ok {
			first[what] = seen{log, title}
		} else if several++; f.title != title {
			t.Errorf("%s: %q, but %s: %q", f.log, f.title, log, title)
		}
	}
	if several < 10 {
		t.Errorf("only %d logs of what another architecture has a log of too", several)
	}
}
