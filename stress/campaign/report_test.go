package campaign

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReportTellsWhatIsNew: text and page have the scenario, why it is wrong, the command, the state and the owner of what is new;
// and whatever its files say, it is text there.
func TestReportTellsWhatIsNew(t *testing.T) {
	state, id := filedFinding(t)
	dir := filepath.Join(state, "crashers", id)
	const evil = "<script>alert(1)</script>\x1b[2J{{.}}"
	for name, text := range map[string]string{
		"state":           "known 2026-11-26T06:00:00Z " + evil + "\n",
		"owner":           "Jane " + evil,
		"targets":         evil + "\tLinux 6.1\tamd64\t1\t2\t2026-11-26T06:00:00Z\n",
		"explanation.txt": "because\n" + evil + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := MakeReport(state, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var text, page bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"text": text.String(), "page": page.String()} {
		for _, want := range []string{"1 new finding, 1 of them no known bug", id, "ptrace LISTEN p1", "because", "repro --state ", "known", "Jane ", "looks after it",
			"shown by 1 of 2 runs", "back, although fixed; still there; gone, closed as fixed; not seen this time"} {
			if !strings.Contains(out, want) {
				t.Errorf("the %s lacks %q:\n%s", name, want, out)
			}
		}
		if strings.ContainsRune(out, '\x1b') {
			t.Errorf("an escape in the %s", name)
		}
	}
	if p := page.String(); strings.Contains(p, "<script") || strings.Contains(p, "http") || strings.Count(p, "&lt;script&gt;") != 4 {
		t.Errorf("the page:\n%s", p)
	}
}

// TestReportTellsWhatIsBack: a bug that the list has for the kernel is a line; one that looks like a row of other kernels is news.
func TestReportTellsWhatIsBack(t *testing.T) {
	for field, want := range map[string][]string{
		"knownBug":  {"1 new finding, known bugs all", "(known bug, row 51)"},
		"looksLike": {"1 new finding, 1 of them no known bug", "(like row 51 of the list, which this kernel is not known to have)", "ptrace LISTEN p1"},
	} {
		state, id := filedFinding(t)
		name := filepath.Join(state, "crashers", id, "meta.json")
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, bytes.Replace(b, []byte("{"), []byte(`{"`+field+`":51,`), 1), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, err := MakeReport(state, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := r.Text(&text); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(text.String(), w) {
				t.Errorf("%s: no %q in\n%s", field, w, &text)
			}
		}
		if full := strings.Contains(text.String(), "ptrace LISTEN p1"); full != (field == "looksLike") {
			t.Errorf("%s: in full: %v\n%s", field, full, &text)
		}
	}
}
