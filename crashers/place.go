package crashers

import (
	"fmt"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Place is where in a finding's history what is wrong shows.
type Place struct {
	Actor engine.ActorID `json:"actor"`
	Entry int            `json:"entry"` // of the actor's log
	Event PlaceEvent     `json:"event"`
	// Allowed is what the engine would have shown there, in words; empty if nothing, or if that is not what is wrong.
	Allowed []string `json:"allowed,omitempty"`
}

// PlaceEvent is what about an entry is wrong.
type PlaceEvent uint8

const (
	Began   PlaceEvent = iota // that the call was made
	Ended                     // what it returned, or that it did
	Ran                       // that the handler ran, or what it was told
	Waiting                   // that the call never returned
)

var placeEvents = [...]string{"began", "ended", "ran", "waiting"}

func (e PlaceEvent) String() string {
	if int(e) < len(placeEvents) {
		return placeEvents[e]
	}
	return fmt.Sprintf("PlaceEvent(%d)", e)
}

// MarshalText and UnmarshalText make a PlaceEvent readable in files.
func (e PlaceEvent) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

func (e *PlaceEvent) UnmarshalText(b []byte) error {
	for i, name := range placeEvents {
		if name == string(b) {
			*e = PlaceEvent(i)
			return nil
		}
	}
	return fmt.Errorf("event %q of a place", b)
}

// placeOf finds the entry of h that f is about; nil if it is about none.
func placeOf(h *history.History, f *Finding) *Place {
	if h == nil || f.Actor < 0 || int(f.Actor) >= len(h.Actors) {
		return nil
	}
	entries := h.Actors[f.Actor].Entries
	at := &Place{Actor: f.Actor, Entry: int(f.Entry), Allowed: f.Allowed}
	if f.Kind == NotAdmitted {
		switch f.Event {
		case engine.EvBegin:
			at.Event = Began
		case engine.EvEnd:
			at.Event = Ended
		case engine.EvHandler:
			at.Event = Ran
		default:
			return nil
		}
		if at.Entry < 0 || at.Entry >= len(entries) {
			return nil
		}
		return at
	}
	// The call in flight, or the last return of one that is made again and again.
	at.Event = Ended
	if f.Kind == Hang {
		at.Event = Waiting
	}
	for at.Entry = len(entries) - 1; at.Entry >= 0; at.Entry-- {
		if e := &entries[at.Entry]; e.Kind == history.Call && e.Instr == f.Instr && e.Done == (at.Event == Ended) {
			return at
		}
	}
	return nil
}
