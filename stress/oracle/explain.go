package oracle

import (
	"fmt"
	"sort"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// explain fills a NotAdmitted verdict from the longest prefixes that the engine could follow: what the kernel did next and
// what would have been allowed there.
func (s *search) explain(v *Verdict) {
	v.Kind = NotAdmitted
	v.Actor, v.Instr = engine.NoActor, -1
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d events are admitted; all %d engine states were searched\n", max(s.best, 0), s.total, s.states)

	// Among the actors whose next event was refused, the one whose event came first in real time left the engine first.
	var at *refusal
	for i := range s.refused {
		if at == nil || s.refused[i].want.ticket < at.want.ticket {
			at = &s.refused[i]
		}
	}
	if at == nil {
		at = s.neverReached()
	}
	if s.best == s.total {
		v.Title = "not-admitted: an actor ended where no execution leaves it"
		fmt.Fprintf(&b, "but no execution leaves the actors where the run ended:\n")
		for i := range s.h.Actors {
			a := &s.h.Actors[i]
			switch {
			case a.Tid == 0:
				fmt.Fprintf(&b, "  %s: never created\n", s.p.Actors[i].Name)
			case a.Parked:
				fmt.Fprintf(&b, "  %s: at its end\n", s.p.Actors[i].Name)
			case s.p.Actors[i].Victim:
				fmt.Fprintf(&b, "  %s: anywhere\n", s.p.Actors[i].Name)
			default:
				fmt.Fprintf(&b, "  %s: dead before its end\n", s.p.Actors[i].Name)
			}
		}
		v.Explanation, v.Rules = b.String(), []int{27, 75}
		return
	}
	if at == nil {
		v.Title = "not-admitted: no execution"
		v.Explanation = b.String()
		return
	}
	a := at.actor
	name := s.p.Actors[a].Name
	allowed := map[string]bool{}
	classes := map[string]bool{}
	for i := range s.refused {
		r := &s.refused[i]
		if r.actor == a && r.want.entry == at.want.entry && r.want.kind == at.want.kind {
			allowed[s.showGot(a, r)] = true
			classes[s.classGot(a, r)] = true
		}
	}
	entry := &s.h.Actors[a].Entries[at.want.entry]
	v.Actor, v.Instr, v.Entry, v.Event, v.Allowed = a, at.want.instr, at.want.entry, at.want.kind, sorted(allowed)
	if at.want.kind == engine.EvHandler {
		v.Instr = -1
	}
	did, class := s.showReal(a, at.want, entry)
	if at.want.kind == engine.EvHandler && at.got.Kind == engine.EvHandler {
		class, classes = s.toldOtherwise(a, entry, &at.want)
	}
	fmt.Fprintf(&b, "then the kernel showed:\n  %s: %s\n", name, did)
	if len(allowed) > 0 {
		fmt.Fprintf(&b, "where the engine allows only:\n")
		for _, x := range sorted(allowed) {
			fmt.Fprintf(&b, "  %s: %s\n", name, x)
		}
	} else {
		fmt.Fprintf(&b, "which no state that the engine can be in leads to\n")
	}
	v.Explanation = b.String()
	v.Title = "not-admitted: " + class
	if len(classes) > 0 {
		v.Title += ", allowed " + strings.Join(sorted(classes), " or ")
	}
	v.Rules = s.rulesAt(a, at.want)
}

// neverReached is the first event, in real time, among those that no longest prefix went beyond: the engine had nothing to
// show for that actor (its call never returns there).
func (s *search) neverReached() *refusal {
	var at *refusal
	for a := range s.h.Actors {
		i := int(s.bestPos[a])
		if s.best < 0 || i >= len(s.events[a]) {
			continue
		}
		if e := s.events[a][i]; at == nil || e.ticket < at.want.ticket {
			at = &refusal{actor: engine.ActorID(a), want: e}
		}
	}
	return at
}

func (s *search) showReal(a engine.ActorID, want event, e *history.Entry) (text, class string) {
	if want.kind == engine.EvHandler {
		return s.handler(e.Res.Out, s.h.ActorOf(e.Res.Out[2])), "handler ran"
	}
	in := &s.p.Actors[a].Code[want.instr]
	call := corpus.FormatCall(s.p, a, want.instr)
	if want.kind == engine.EvBegin {
		return "began " + call, callName(s.p, a, want.instr) + " began"
	}
	return fmt.Sprintf("%s = %s", call, corpus.FormatResult(s.p, a, want.instr, e.Res, s.h.Tids())),
		fmt.Sprintf("%s returned %s", callName(s.p, a, want.instr), s.class(in, e.Res, true))
}

// handler says what a handler was told: signal, code, and the sender, by its actor if it is one.
func (s *search) handler(out [3]int64, from engine.ActorID) string {
	sender := fmt.Sprint(out[2])
	switch {
	case from != engine.NoActor:
		sender = s.p.Actors[from].Name
	case out[2] == 0:
		sender = "nobody"
	case out[2] == int64(engine.InitTid):
		sender = "init"
	}
	return fmt.Sprintf("handler %s %s from %s", ptrace.Signals.Format(out[0]), ptrace.SigCodes.Format(out[1]), sender)
}

func (s *search) showGot(a engine.ActorID, r *refusal) string {
	switch r.got.Kind {
	case engine.EvHandler:
		from := engine.NoActor
		for b := range s.p.Actors {
			if engine.ActorID(b).Tid() == r.got.Pid {
				from = engine.ActorID(b)
			}
		}
		return s.handler([3]int64{int64(r.got.Signo), int64(r.got.Code), int64(r.got.Pid)}, from)
	case engine.EvBegin:
		return "began " + corpus.FormatCall(s.p, a, r.got.Instr)
	}
	return fmt.Sprintf("%s = %s", corpus.FormatCall(s.p, a, r.got.Instr), corpus.FormatResult(s.p, a, r.got.Instr, r.got.Res, nil))
}

func (s *search) classGot(a engine.ActorID, r *refusal) string {
	switch r.got.Kind {
	case engine.EvHandler:
		return "handler"
	case engine.EvBegin:
		return callName(s.p, a, r.got.Instr) + " to begin"
	}
	return s.class(&s.p.Actors[a].Code[r.got.Instr], r.got.Res, false)
}

// toldOtherwise names what a handler was told, and what the engine would have told it: of signal, code and sender the first in
// which they differ.
func (s *search) toldOtherwise(a engine.ActorID, e *history.Entry, want *event) (class string, allowed map[string]bool) {
	class, allowed = "handler ran", map[string]bool{}
	sender := func(pid int64) string {
		switch pid {
		case 0:
			return "of nobody"
		case int64(engine.InitTid):
			return "of init"
		}
		return "of somebody"
	}
	out := &e.Res.Out
	for i := range s.refused {
		r := &s.refused[i]
		if r.actor != a || r.want.entry != want.entry || r.want.kind != want.kind {
			continue
		}
		got, other := "", ""
		switch {
		case r.got.Kind != engine.EvHandler:
			other = s.classGot(a, r)
		case int64(r.got.Signo) != out[0]:
			got, other = ptrace.Signals.Format(out[0]), ptrace.Signals.Format(int64(r.got.Signo))
		case int64(r.got.Code) != out[1]:
			got, other = ptrace.SigCodes.Format(out[1]), ptrace.SigCodes.Format(int64(r.got.Code))
		default:
			got, other = sender(out[2]), sender(int64(r.got.Pid))
		}
		if got != "" {
			class = "handler was told " + got
		}
		allowed[other] = true
	}
	return class, allowed
}

// class names a result without actor names or numbers, so that equal bugs get equal titles.
func (s *search) class(in *engine.Instr, res engine.Result, real bool) string {
	if res.Ret < 0 {
		return ptrace.Errno(-res.Ret).String()
	}
	switch in.Call {
	case engine.CallWait4:
		if res.Ret == 0 {
			return "nothing"
		}
		return ptrace.Status(res.Out[0]).String()
	case engine.CallWaitid:
		return fmt.Sprintf("code %d status %#x", res.Out[1], res.Out[2])
	case engine.CallPtrace:
		if in.Args[0].Kind == engine.ArgImm && res.Out != [3]int64{} {
			return "data"
		}
	case engine.CallClone, engine.CallGetpid, engine.CallGettid, engine.CallGetppid, engine.CallGetpgid, engine.CallGetsid, engine.CallSetsid:
		return "a tid"
	}
	if res.Ret == 0 {
		return "0"
	}
	return "a number"
}

func (s *search) rulesAt(a engine.ActorID, want event) []int {
	if want.kind == engine.EvHandler {
		return []int{31, 38}
	}
	return rulesOf(&s.p.Actors[a].Code[want.instr])
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for x := range set {
		out = append(out, x)
	}
	sort.Strings(out)
	return out
}
