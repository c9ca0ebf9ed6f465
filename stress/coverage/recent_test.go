package coverage_test

import (
	"testing"

	"pgregory.net/rapid"

	"tracehammer/stress/coverage"
)

// What was added is not new again, whatever came in between, as long as that was little; and of what comes for ever, a part is remembered.
func TestRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := coverage.NewRecent(1 << 10)
		number := rapid.Uint64Range(0, 1<<20)
		few := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) [2]uint64 { return [2]uint64{number.Draw(t, "a"), number.Draw(t, "b")} }), 1, 7,
			rapid.ID).Draw(t, "pairs") // no more than share a place
		for _, p := range few {
			if !r.Add(p[0], p[1]) {
				t.Fatalf("%v was there before", p)
			}
		}
		for _, p := range few {
			if r.Add(p[0], p[1]) {
				t.Fatalf("%v is forgotten", p)
			}
		}
	})
}

// Ten times as many pairs as there is room for: what comes all the time stays, what came once goes, and nothing grows.
func TestRecentForgets(t *testing.T) {
	const room = 1 << 10
	r := coverage.NewRecent(room)
	r.Add(1, 0)
	for i := range uint64(10 * room) {
		r.Add(2, i)
		if r.Add(1, 0) {
			t.Fatalf("what came each time is forgotten after %d others", i)
		}
	}
	known := 0
	for i := range uint64(10 * room) {
		if !r.Add(2, 10*room-1-i) { // the latest first
			known++
		}
	}
	if known < room/2 || known > room {
		t.Errorf("%d of %d pairs known, with room for %d", known, 10*room, room)
	}
	if n := testing.AllocsPerRun(100, func() { r.Add(3, 4) }); n > 0 {
		t.Errorf("%v allocations for each", n)
	}
}
