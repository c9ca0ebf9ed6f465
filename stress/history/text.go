package history

import (
	"fmt"
	"strings"

	"tracehammer/engine"
)

// actorName is the scenario's name of an actor, or its number when p does not know it.
func actorName(p *engine.Program, a engine.ActorID) string {
	if a >= 0 && int(a) < len(p.Actors) {
		return p.Actors[a].Name
	}
	return fmt.Sprintf("actor%d", a)
}

// tidName names a real tid by the actor that got it at creation; a number that no actor has is shown as it is.
func tidName(p *engine.Program, h *History, tid int64) string {
	for i, a := range h.Actors {
		if a.Tid != 0 && int64(a.Tid) == tid {
			return actorName(p, engine.ActorID(i))
		}
	}
	return fmt.Sprint(tid)
}

// CallText is a call as the scenario writes it. A history of another program may name instructions that p lacks.
func CallText(p *engine.Program, a engine.ActorID, instr int32) string {
	if a < 0 || int(a) >= len(p.Actors) || instr < 0 || int(instr) >= len(p.Actors[a].Code) {
		return fmt.Sprintf("instruction %d (not of this program)", instr)
	}
	return fmt.Sprint(p.Actors[a].Code[instr].Call)
}

// resultText is what a finished call returned, with tids as actor names.
func resultText(p *engine.Program, h *History, a engine.ActorID, e Entry) string {
	return fmt.Sprint(e.Res.Ret)
}

// handlerText says which signal a handler got and from whom.
func handlerText(p *engine.Program, h *History, e Entry) string {
	return fmt.Sprintf("handler %d code %d from %s", e.Res.Out[0], e.Res.Out[1], tidName(p, h, e.Res.Out[2]))
}

// endText says where an actor was at the cut.
func endText(p *engine.Program, h *History, id engine.ActorID) string {
	a := &h.Actors[id]
	var s string
	open := -1
	for i, e := range a.Entries {
		if e.Kind == Call && !e.Done {
			open = i
		}
	}
	switch {
	case a.Parked:
		s = "parked"
	case open >= 0:
		s = "still in " + CallText(p, id, a.Entries[open].Instr)
	case a.Tid == 0:
		return "never created"
	default:
		s = "not parked"
	}
	if f := a.Final; f != nil {
		state := "gone"
		if f.State != 0 {
			state = "state " + string(rune(f.State))
		}
		s += ", " + state
		if f.TracerPid != 0 {
			s += ", traced by " + tidName(p, h, int64(f.TracerPid))
		}
		if f.Pending != 0 {
			s += ", pending " + signalSet(f.Pending)
		}
	}
	return s
}

// signalSet lists the signals of a /proc mask.
func signalSet(mask uint64) string {
	var names []string
	for sig := 1; sig <= 64; sig++ {
		if mask&(1<<(sig-1)) != 0 {
			names = append(names, fmt.Sprint(sig))
		}
	}
	return strings.Join(names, " ")
}
