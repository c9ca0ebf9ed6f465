package filing

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/mail"
	"path/filepath"
	"strings"
	"testing"

	"tracehammer/corpus/golden"
	"tracehammer/crashers"
)

func item() *Item {
	return &Item{Dir: "state/crashers/0123456789ab", Lanes: "ticket  main\n------  ----\n     1  - getpid = main\n", Crasher: &crashers.Crasher{
		Meta: crashers.Meta{ID: "0123456789ab", Kind: crashers.NotAdmitted, Title: "not admitted: wait4 of a tracee", Rules: []int{7, 66}, Target: "host",
			Kernel: "Linux 6.18.44", Arch: "amd64", Ops: 2, Hits: 7, Runs: 10, Minimised: true, Count: 3, Command: "stressd repro 0123456789ab", Status: crashers.Status{State: crashers.StateNew}},
		Scenario: []byte("scenario test\nproc main\nmain: getpid => main\n"), Explanation: "main: getpid = 5\nallowed: main\n", Repro: []byte("int main(void)\n{\n\treturn 125;\n}\n"),
		Tried: []crashers.Tried{{Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Hits: 7, Runs: 10}, {Target: "uml", Kernel: "Linux 6.1.176", Arch: "amd64", Runs: 66}},
	}, Config: "# CONFIG_KASAN is not set\nCONFIG_SMP=y\nCONFIG_PREEMPT_DYNAMIC=y\nCONFIG_E1000=m\n"}
}

func write(t *testing.T, it *Item) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, f := range map[string]func(io.Writer) error{
		"mail.txt": func(w io.Writer) error {
			m := Mail{From: "Jane Doe <jane@example.org>", Cc: []string{"oleg@example.org"}, InReplyTo: "1@example.org", Mbox: true}
			return m.Write(w, it)
		},
		"issue.md": func(w io.Writer) error { return WriteIssue(w, it) },
		"sarif.json": func(w io.Writer) error {
			return WriteSARIF(w, "1", []*Item{it})
		},
		"junit.xml": func(w io.Writer) error { return WriteJUnit(w, []*Item{it}) },
	} {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = b.String()
	}
	return out
}

// TestGolden: what each form looks like.
func TestGolden(t *testing.T) {
	for name, got := range write(t, item()) {
		golden.Check(t, filepath.Join("testdata", name), got)
	}
}

// TestHostile: whatever a finding says stays text in the place where it is said.
func TestHostile(t *testing.T) {
	it := item()
	evil := "x\r\nBcc: evil@example.org\n\nFrom evil Thu Jan  1 00:00:00 1970\n```\n</details><script>alert(1)</script>\n]]>\x1b[31m\x00" + strings.Repeat("ü", 3000)
	for _, s := range []*string{&it.Title, &it.Kernel, &it.Arch, &it.Target, &it.Explanation, &it.Schedule, &it.Lanes, &it.Command, &it.Dir, &it.Config, &it.Tried[0].Target, &it.Tried[0].Kernel, &it.Why, &it.Owner} {
		*s = evil
	}
	it.Config = "CONFIG_SMP=" + it.Config
	it.Scenario, it.Repro = []byte(evil), []byte(evil)
	out := write(t, it)
	for name, text := range out {
		if strings.ContainsAny(text, "\x1b\x00\r") {
			t.Errorf("%s has control characters", name)
		}
	}

	first, rest, _ := strings.Cut(out["mail.txt"], "\n")
	if !strings.HasPrefix(first, "From tracehammer ") || strings.Contains("\n"+rest, "\nFrom ") {
		t.Error("a line of the mail begins another one in a mail folder")
	}
	m, err := mail.ReadMessage(strings.NewReader(rest))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Bcc") != "" || len(m.Header) != 9 {
		t.Errorf("headers %v", m.Header)
	}
	for l := range strings.Lines(rest) {
		if len(l) > 999 {
			t.Errorf("a line of %d bytes", len(l))
		}
	}

	inside := 0 // the length of the fence that a line is inside of
	for l := range strings.Lines(out["issue.md"]) {
		n := len(l) - len(strings.TrimLeft(l, "`"))
		switch {
		case inside == 0 && n >= 3:
			inside = n
		case inside > 0 && n >= inside:
			inside = 0
		case inside == 0 && strings.Contains(strings.ReplaceAll(l, `\<`, ""), "<") && !strings.Contains(l, "<details><summary>") && l != "</details>\n":
			t.Errorf("not within a fence: %.60q", l)
		}
	}
	if inside != 0 {
		t.Error("a fence is open at the end")
	}

	if !json.Valid([]byte(out["sarif.json"])) {
		t.Error("no JSON")
	}
	for d := xml.NewDecoder(strings.NewReader(out["junit.xml"])); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Error("an element of the finding's")
		}
	}
}

// TestAddresses: what is no address, or no message id, never becomes a header.
func TestAddresses(t *testing.T) {
	for _, m := range []Mail{{From: "Jane"}, {To: []string{"a@b\nBcc: c@d"}}, {Cc: []string{""}, From: "<a@b"}, {InReplyTo: "a"}, {InReplyTo: "a@b>\nX: y@z"}} {
		var b bytes.Buffer
		if err := m.Write(&b, item()); err == nil || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

// TestStates: what CI is told of findings that need no attention.
func TestStates(t *testing.T) {
	known, back, closed := item(), item(), item()
	known.KnownBug, back.LooksLike, closed.State = 54, 51, crashers.StateFixed
	var sarif, junit bytes.Buffer
	items := []*Item{item(), known, back, closed}
	if err := WriteSARIF(&sarif, "1", items); err != nil {
		t.Fatal(err)
	}
	if err := WriteJUnit(&junit, items); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(sarif.String(), `"level": "error"`); n != 3 || strings.Count(sarif.String(), `"suppressions"`) != 1 {
		t.Errorf("%s", sarif.String())
	}
	if !strings.Contains(junit.String(), `tests="4" failures="2" skipped="2"`) {
		t.Errorf("%s", junit.String())
	}
}
