package oracle_test

import (
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// TestFullQueue: a kernel that keeps more signals than the engine does is not wrong, and one that keeps fewer is.
func TestFullQueue(t *testing.T) {
	const sent = 20
	s, err := corpus.Parse("full", []byte("scenario full\nproc main\nmain: sigprocmask SIG_BLOCK SIGRT3\n"+strings.Repeat("main: tkill main SIGRT3\n", sent)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(from int) history.History {
		h := history.History{Actors: []history.Actor{{Tid: 10, Parked: true}}}
		es := &h.Actors[0].Entries
		for i, in := range p.Actors[0].Code {
			if in.Op != engine.OpCall || in.Harness {
				continue
			}
			n := uint64(len(*es))
			e := history.Entry{Instr: int32(i), Done: true, Begin: 2*n + 1, End: 2*n + 2}
			if int(n) > from {
				e.Res.Ret = -engine.EAGAIN
			}
			*es = append(*es, e)
		}
		return h
	}
	for from, want := range map[int]oracle.Kind{8: oracle.Admitted, sent: oracle.Unknown, 9: oracle.Unknown, 7: oracle.NotAdmitted, 0: oracle.NotAdmitted} {
		h := refused(from)
		if v := oracle.New(engine.Profile{}).Judge(p, &h); v.Kind != want {
			t.Errorf("refused from the %dth on: %v %s, want %v", from+1, v.Kind, v.Title, want)
		}
	}
}
