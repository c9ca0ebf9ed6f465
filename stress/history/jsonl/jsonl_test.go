package jsonl

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"tracehammer/corpus/golden"
	"tracehammer/stress/history"
	"tracehammer/stress/history/historytest"
)

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, historytest.Sample()); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/sample.jsonl", b.Bytes())
	got, err := Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, historytest.Sample()) {
		t.Errorf("got %+v\nwant %+v", got, historytest.Sample())
	}
	plain := &history.History{Target: "engine"}
	for _, h := range []*history.History{plain, historytest.Sample()} {
		if err := Write(&b, h); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&b)
	for i, want := range []*history.History{historytest.Sample(), plain, historytest.Sample()} {
		if h, err := r.Next(); err != nil || !reflect.DeepEqual(h, want) {
			t.Errorf("history %d: %v %+v", i, err, h)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last history: %v, want io.EOF", err)
	}
}

func TestErrors(t *testing.T) {
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
		_, err := Read(strings.NewReader(c.in))
		var syn *SyntaxError
		if !errors.As(err, &syn) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, want %s", c.in, err, c.want)
		}
	}
}
