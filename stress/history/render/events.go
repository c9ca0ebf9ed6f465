package render

import (
	"cmp"
	"slices"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// event is one visible moment of a history: a call begins, returns, or a handler runs.
type event struct {
	ticket uint64
	kind   eventKind
	actor  engine.ActorID
	index  int // into the actor's Entries
}

type eventKind uint8

const (
	evBegin eventKind = iota
	evEnd
	evHandler
)

// events returns what h shows in ticket order. An actor's own order breaks ties, so a damaged history still prints.
func events(h *history.History) []event {
	var evs []event
	for a := range h.Actors {
		for i, e := range h.Actors[a].Entries {
			id := engine.ActorID(a)
			if e.Kind == history.Handler {
				evs = append(evs, event{e.Begin, evHandler, id, i})
				continue
			}
			evs = append(evs, event{e.Begin, evBegin, id, i})
			if e.Done {
				evs = append(evs, event{e.End, evEnd, id, i})
			}
		}
	}
	slices.SortStableFunc(evs, func(a, b event) int { return cmp.Compare(a.ticket, b.ticket) })
	return evs
}
