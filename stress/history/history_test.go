package history

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tracehammer/engine"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update rewrites it)\n--- got\n%s--- want\n%s", name, got, want)
	}
}

func call(instr int32, begin, end uint64, ret int64, out ...int64) Entry {
	e := Entry{Kind: Call, Instr: instr, Done: end != 0, Begin: begin, End: end, Res: engine.Result{Ret: ret}}
	copy(e.Res.Out[:], out)
	return e
}

func handler(ticket uint64, signo, code, pid int64) Entry {
	return Entry{Kind: Handler, Done: true, Begin: ticket, Res: engine.Result{Out: [3]int64{signo, code, pid}}}
}

// sample uses every field.
func sample() *History {
	return &History{
		Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Run: 7, Cut: 40, Outcome: Stuck,
		Elapsed: 312 * time.Millisecond, Drain: 2 * time.Millisecond, Delays: []int64{0, 1500}, Taint: 1 << 9, Trunc: true,
		Actors: []Actor{
			{Tid: 4101, Entries: []Entry{call(0, 1, 2, 0), call(1, 3, 9, 4102, 0x137f), call(2, 10, 0, 0)}},
			{Tid: 4102, Entries: []Entry{call(0, 4, 8, -4), handler(6, 10, 0, 4101)},
				Final: &Final{State: 't', TracerPid: 4101, Pending: 1 << 18}},
			{Tid: 4103, Parked: true, Final: &Final{State: 'S'}},
			{},
		},
		Hang: &Snapshot{Threads: []Thread{
			{Actor: 0, Tid: 4101, State: 'S', Wchan: "ptrace_attach", Syscall: "101 0x10", Stack: []string{"ptrace_attach", "do_syscall_64"}},
			{Actor: 1, Tid: 4102, State: 'D', TracerPid: 4101, Wchan: "begin_new_exec"},
		}},
		Console: []string{"WARNING: at kernel/signal.c\x1b[31m", "second"},
	}
}

func TestCloneSharesNothing(t *testing.T) {
	h := sample()
	c := h.Clone()
	if !reflect.DeepEqual(h, c) {
		t.Fatalf("clone differs: %+v", c)
	}
	c.Delays[0]++
	c.Console[0] = ""
	c.Actors[1].Final.State = 'R'
	c.Actors[1].Entries[0].Begin = 99
	c.Hang.Threads[0].Stack[0] = ""
	if !reflect.DeepEqual(h, sample()) {
		t.Error("changing the clone changed the original")
	}
}

func TestJSONLRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSONL(&b, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "sample.jsonl", b.Bytes())
	got, err := ReadJSONL(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sample()) {
		t.Errorf("got %+v\nwant %+v", got, sample())
	}
	plain := &History{Target: "engine"}
	for _, h := range []*History{plain, sample()} {
		if err := WriteJSONL(&b, h); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&b)
	for i, want := range []*History{sample(), plain, sample()} {
		if h, err := r.Next(); err != nil || !reflect.DeepEqual(h, want) {
			t.Errorf("history %d: %v %+v", i, err, h)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last history: %v, want io.EOF", err)
	}
}

func TestJSONLErrors(t *testing.T) {
	const head = `{"history":{"version":1,"target":"host","kernel":"","arch":"","run":0,"outcome":"complete","cut":0,"elapsed":0,"actors":[{"tid":5}]}}` + "\n"
	for _, c := range []struct{ in, want string }{
		{"", "line 1: empty"},
		{"junk\n", "line 1: not a line of a history"},
		{"{}\n", "line 1: expected exactly one of"},
		{`{"end":{"lines":0}}` + "\n", "line 1: expected a history header"},
		{`{"history":{"version":2,"colour":"red"}}` + "\n", "line 1: history format 2, this program reads 1"},
		{strings.Replace(head, "complete", "fine", 1), `line 1: outcome "fine"`},
		{strings.Replace(head, `{"tid":5}`, strings.Repeat(`{"tid":5},`, 12)+`{"tid":5}`, 1), "line 1: 13 actors"},
		{head, "line 1: the history ends without"},
		{head + head, "line 2: a header inside"},
		{head + `{"end":{"lines":2}}`, "line 2: the history has 1 lines"},
		{head + `{"call":{"actor":1,"instr":0,"begin":1,"end":2,"ret":0,"out":[0,0,0]}}`, "line 2: actor 1, there are 1"},
		{head + `{"call":{"actor":-1,"instr":0,"begin":1,"end":2,"ret":0,"out":[0,0,0]}}`, "line 2: actor -1"},
		{head + `{"call":{"actor":0,"instr":0,"begin":3,"end":2,"ret":0,"out":[0,0,0]}}`, "line 2: a call that ends (2) before it begins (3)"},
		{head + `{"call":{"actor":0,"instr":-1}}`, "line 2: call of instruction -1"},
		{head + `{"call":{"actor":0,"colour":1}}`, "line 2: not a line of a history"},
		{head + `{"thread":{"actor":0,"tid":1,"state":"S"}}`, "line 2: a thread in a history without a snapshot"},
		{head + `{"thread":{"actor":0,"tid":1,"state":"SS"}}`, `line 2: state "SS"`},
		{head + strings.Repeat("x", maxLine+1), "line 2: longer than"},
		{head + `{"end":{"lines":1}}` + "\n" + head + `{"end":{"lines":1}}` + "\n", "line 4: a second history"},
	} {
		_, err := ReadJSONL(strings.NewReader(c.in))
		var syn *SyntaxError
		if !errors.As(err, &syn) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, want %s", c.in, err, c.want)
		}
	}
}

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
	golden(t, "report.ktap", b.Bytes())
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
