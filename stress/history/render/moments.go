package render

import (
	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Moment is one visible moment of a history, in words: what those who draw histories elsewhere than in a terminal need.
type Moment struct {
	Ticket uint64
	Kind   engine.EventKind // EvBegin, EvEnd or EvHandler
	Actor  engine.ActorID
	Entry  int    // into the actor's Entries
	Text   string // the call that begins, what the one that ends returned, or which handler runs; printable
}

// Moments lists what h, a history of p, shows, in ticket order.
func Moments(p *engine.Program, h *history.History) []Moment {
	var all []Moment
	for _, ev := range events(h) {
		e := h.Actors[ev.actor].Entries[ev.index]
		m := Moment{Ticket: ev.ticket, Actor: ev.actor, Entry: ev.index}
		switch ev.kind {
		case evBegin:
			m.Kind, m.Text = engine.EvBegin, corpus.FormatCall(p, ev.actor, e.Instr)
		case evEnd:
			m.Kind, m.Text = engine.EvEnd, resultText(p, h, ev.actor, e)
		case evHandler:
			m.Kind, m.Text = engine.EvHandler, handlerText(p, h, e)
		}
		m.Text = history.Printable(m.Text)
		all = append(all, m)
	}
	return all
}

// EndText says where an actor was at the end of h.
func EndText(p *engine.Program, h *history.History, a engine.ActorID) string {
	return history.Printable(endText(p, h, a))
}

// ActorName is the scenario's name of an actor.
func ActorName(p *engine.Program, a engine.ActorID) string { return history.Printable(actorName(p, a)) }
