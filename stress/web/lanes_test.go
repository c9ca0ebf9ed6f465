package web

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tracehammer/corpus/corpustest"
	"tracehammer/corpus/golden"
	"tracehammer/crashers"
	"tracehammer/engine"
	"tracehammer/stress/history"
)

// wellFormed says whether a picture is XML.
func wellFormed(svg string) error {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestLanes compares pictures with golden files: of a step that is not admitted, and of a call that never returned.
func TestLanes(t *testing.T) {
	s, h, at := run(t)
	_, p := corpustest.Lower(t, string(s.Print()))
	at.Allowed = at.Allowed[:1]
	for name, at := range map[string]*crashers.Place{"admitted": nil, "not-admitted": at, "waiting": {Actor: 1, Entry: 2, Event: crashers.Waiting}} {
		got := string(drawLanes(p, h, at, "child is in pause\nfor good", nil))
		if err := wellFormed(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		golden.Check(t, "testdata/lanes-"+name+".svg", got)
	}
	// Where a run of the model says when tasks are stopped, that is drawn, and nothing that waits reported.
	exact := string(drawLanes(p, h, nil, "", &replayed{stops: []stopped{{actor: 1, from: 8, to: 11}}, broken: "invariant 1 " + hostile, shows: 12}))
	if err := wellFormed(exact); err != nil || strings.Count(exact, `class="stop"`) != 1 || !strings.Contains(exact, "Here it shows") {
		t.Errorf("%v\n%s", err, exact)
	}
}

// TestAnyLanes: whatever a history says, it makes a picture or none, and what is wrong is marked when the history has it.
func TestAnyLanes(t *testing.T) {
	s, _, _ := run(t)
	_, p := corpustest.Lower(t, string(s.Print()))
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, len(p.Actors)).Draw(rt, "actors")
		h := &history.History{Outcome: history.Stuck, Actors: make([]history.Actor, n)}
		for a := range h.Actors {
			h.Actors[a].Tid = rapid.Int32Range(0, 4).Draw(rt, "tid")
			for range rapid.IntRange(0, 8).Draw(rt, "entries") {
				e := history.Entry{Kind: history.Kind(rapid.IntRange(0, 1).Draw(rt, "kind")), Instr: rapid.Int32Range(0, 30).Draw(rt, "instr"), Done: rapid.Bool().Draw(rt, "done"),
					Begin: rapid.Uint64Range(0, 40).Draw(rt, "begin")}
				e.End = e.Begin + rapid.Uint64Range(0, 10).Draw(rt, "took")
				for i := range e.Res.Out {
					e.Res.Out[i] = rapid.Int64Range(-3, 0x600).Draw(rt, "out")
				}
				e.Res.Ret = rapid.Int64Range(-600, 5).Draw(rt, "ret")
				h.Actors[a].Entries = append(h.Actors[a].Entries, e)
			}
		}
		at := &crashers.Place{Actor: engine.ActorID(rapid.IntRange(-2, 5).Draw(rt, "at")), Entry: rapid.IntRange(-1, 9).Draw(rt, "entry"), Event: crashers.PlaceEvent(rapid.IntRange(0, 4).Draw(rt, "event")),
			Allowed: []string{hostile}}
		got := string(drawLanes(p, h, at, hostile, nil))
		if err := wellFormed(got); err != nil {
			rt.Fatalf("%v\n%s", err, got)
		}
		there := at.Actor >= 0 && int(at.Actor) < n && at.Entry >= 0 && at.Entry < len(h.Actors[at.Actor].Entries)
		if strings.Contains(got, "Not admitted") && !there {
			rt.Fatal("something is marked that the history does not have")
		}
	})
}

// TestManyMoments: of a long history what is wrong is in the picture, and not all the rest.
func TestManyMoments(t *testing.T) {
	s, _, _ := run(t)
	_, p := corpustest.Lower(t, string(s.Print()))
	h := &history.History{Actors: []history.Actor{{Tid: 1}}}
	for i := range uint64(5000) {
		h.Actors[0].Entries = append(h.Actors[0].Entries, history.Entry{Kind: history.Call, Done: true, Begin: 2*i + 1, End: 2*i + 2})
	}
	for _, entry := range []int{0, 2500, 4999} {
		got := string(drawLanes(p, h, &crashers.Place{Entry: entry, Event: crashers.Ended}, "", nil))
		if !strings.Contains(got, "Not admitted") || strings.Count(got, "<rect") > 2*maxMoments {
			t.Errorf("entry %d: %d rectangles", entry, strings.Count(got, "<rect"))
		}
	}
}
