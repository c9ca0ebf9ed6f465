package history

import (
	"bytes"
	"testing"

	"tracehammer/corpus/golden"
)

func TestKTAP(t *testing.T) {
	var b bytes.Buffer
	err := WriteKTAP(&b, []KTAP{
		{Name: "attach-detach", OK: true},
		{Name: "attach-exec", Diag: []string{"hang: ptrace_attach <-> begin_new_exec\nfiled as 3f2a"}},
		{Name: "arm64-step", Skip: "needs arm64"},
		{Name: "odd # name\n", OK: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/report.ktap", b.Bytes())
}

func TestPrintable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain ü", "plain ü"},
		{"a\x1b[31mb\n", `a\x1b[31mb\n`},
		{"\xff\u202e", `\xff\u202e`},
		{"", ""},
	} {
		if got := Printable(c.in); got != c.want {
			t.Errorf("Printable(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}
