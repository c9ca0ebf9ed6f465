package history_test

import (
	"reflect"
	"testing"

	"tracehammer/stress/history/historytest"
)

func TestCloneSharesNothing(t *testing.T) {
	h := historytest.Sample()
	c := h.Clone()
	if !reflect.DeepEqual(h, c) {
		t.Fatalf("clone differs: %+v", c)
	}
	c.Delays[0]++
	c.Console[0] = ""
	c.Actors[1].Final.State = 'R'
	c.Actors[1].Entries[0].Begin = 99
	c.Hang.Threads[0].Stack[0] = ""
	if !reflect.DeepEqual(h, historytest.Sample()) {
		t.Error("changing the clone changed the original")
	}
}
