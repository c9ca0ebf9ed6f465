// Package render shows histories to people: as a table, as swim lanes, and moment by moment for those who draw them elsewhere.
//
// It is apart from package history because it needs the corpus, whose verbs say how calls are written: agents, which run in machines
// a hundredth as fast as this one, have histories and show them to nobody. It judges nothing, and needs no locks.
package render

import (
	"fmt"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// actorName is the scenario's name of an actor, or its number when p does not know it.
func actorName(p *engine.Program, a engine.ActorID) string {
	if a >= 0 && int(a) < len(p.Actors) {
		return p.Actors[a].Name
	}
	return fmt.Sprintf("actor%d", a)
}

// tidName names a real tid by the actor that got it at creation; a number that no actor has is shown as it is.
func tidName(p *engine.Program, h *history.History, tid int64) string {
	if tid == int64(engine.InitTid) {
		return "init"
	}
	for i, a := range h.Actors {
		if a.Tid != 0 && int64(a.Tid) == tid {
			return actorName(p, engine.ActorID(i))
		}
	}
	return fmt.Sprint(tid)
}

// resultText is what a finished call returned, with tids as actor names.
func resultText(p *engine.Program, h *history.History, a engine.ActorID, e history.Entry) string {
	return corpus.FormatResult(p, a, e.Instr, e.Res, h.Tids())
}

// handlerText says which signal a handler got and from whom.
func handlerText(p *engine.Program, h *history.History, e history.Entry) string {
	signo, code, pid := e.Res.Out[0], e.Res.Out[1], e.Res.Out[2]
	s := fmt.Sprintf("handler %s %s", ptrace.Signals.Format(signo), ptrace.SigCodes.Format(code))
	if pid != 0 {
		s += " from " + tidName(p, h, pid)
	}
	return s
}

// endText says where an actor was at the cut.
func endText(p *engine.Program, h *history.History, id engine.ActorID) string {
	a := &h.Actors[id]
	var s string
	open := -1
	for i, e := range a.Entries {
		if e.Kind == history.Call && !e.Done {
			open = i
		}
	}
	switch {
	case a.Parked:
		s = "parked"
	case open >= 0 && isExit(p, id, a.Entries[open].Instr):
		s = "ended by " + corpus.FormatCall(p, id, a.Entries[open].Instr)
	case open >= 0:
		s = "still in " + corpus.FormatCall(p, id, a.Entries[open].Instr)
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

// isExit says whether a call never returns by design.
func isExit(p *engine.Program, a engine.ActorID, instr int32) bool {
	v := corpus.VerbOf(p, a, instr)
	return v != nil && (v.Call == engine.CallExit || v.Call == engine.CallExitGroup)
}

// signalSet lists the signals of a /proc mask.
func signalSet(mask uint64) string {
	var names []string
	for sig := 1; sig <= 64; sig++ {
		if mask&(1<<(sig-1)) != 0 {
			names = append(names, ptrace.Signals.Format(int64(sig)))
		}
	}
	return strings.Join(names, "|")
}
