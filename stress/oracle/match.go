package oracle

import (
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// match says whether ev is what the history shows next of its actor, and advances the position if so.
func (s *search) match(g *progress, ev engine.Event) bool {
	a := ev.Actor
	evs := s.events[a]
	i := int(g.pos[a])
	if i >= len(evs) {
		ok := s.beyond(&g.ended, ev)
		if !ok && g.matched == s.total && len(s.further) < maxRefused {
			s.further = append(s.further, refusal{actor: a, got: ev})
		}
		return ok
	}
	want := &evs[i]
	ok := want.kind == ev.Kind
	if ok {
		switch ev.Kind {
		case engine.EvBegin:
			ok = want.instr == ev.Instr
			for b := range s.h.Actors {
				if g.pos[b] < want.need[b] {
					return false // too early in real time; not something that the engine refuses
				}
			}
		case engine.EvEnd:
			ok = want.instr == ev.Instr && s.same(a, want, ev.Res)
		case engine.EvHandler:
			out := &s.h.Actors[a].Entries[want.entry].Res.Out
			ok = out[0] == int64(ev.Signo) && out[1] == int64(ev.Code) && s.sameTid(out[2], ev.Pid)
		}
	}
	if !ok {
		if g.matched == s.best && len(s.refused) < maxRefused {
			s.refused = append(s.refused, refusal{a, *want, ev})
		}
		return false
	}
	g.pos[a]++
	g.matched++
	return true
}

// beyond decides about events after an actor's last recorded one. The call in flight at the cut may have ended, and a
// handler may have been entered, without either having been logged; a call cannot have begun.
func (s *search) beyond(ended *uint16, ev engine.Event) bool {
	if ev.Kind == engine.EvBegin || s.h.Outcome == history.Stuck && !s.gone(ev.Actor) {
		return false
	}
	bit := uint16(1) << uint(ev.Actor)
	if ev.Kind == engine.EvEnd {
		es := s.h.Actors[ev.Actor].Entries
		if *ended&bit != 0 || len(es) == 0 {
			return false
		}
	}
	*ended |= bit
	return true
}

// gone says that a stuck run's watcher no longer found the actor alive.
func (s *search) gone(a engine.ActorID) bool {
	if f := s.h.Actors[a].Final; f != nil {
		return f.Dead()
	}
	if s.h.Hang == nil {
		return false
	}
	for i := range s.h.Hang.Threads {
		t := &s.h.Hang.Threads[i]
		if t.Actor == a {
			return history.DeadState(t.State)
		}
	}
	return true
}

// same compares a recorded result with the engine's; values that the engine calls tids go through the run's bijection.
func (s *search) same(a engine.ActorID, want *event, got engine.Result) bool {
	rec := &s.h.Actors[a].Entries[want.entry].Res
	in := &s.p.Actors[a].Code[want.instr]
	if rec.Ret >= 0 && got.Ret >= 0 && signOnly(in) {
		return true
	}
	if !s.sameValue(rec.Ret, got.Ret, got.TidMask&1 != 0) {
		return false
	}
	for i := range rec.Out {
		if !s.sameValue(rec.Out[i], got.Out[i], got.TidMask&(2<<i) != 0) {
			return false
		}
	}
	return true
}

func (s *search) sameValue(real, sym int64, tid bool) bool {
	if !tid || sym <= 0 {
		return real == sym || sym == engine.Unpredicted
	}
	return s.sameTid(real, engine.Tid(sym))
}

func (s *search) sameTid(real int64, sym engine.Tid) bool {
	a := engine.ActorOf(sym)
	if a == engine.NoActor {
		return real == int64(sym) // init is 1 in both worlds, 0 is nobody
	}
	return int(a) < len(s.h.Actors) && real == int64(s.h.Actors[a].Tid) && real != 0
}

// signOnly says that a call's result means only success or failure: descriptor numbers are the process's own business, and
// how long a filter is, its compiler's.
func signOnly(in *engine.Instr) bool {
	return in.Call == engine.CallPidfdOpen || in.Call == engine.CallPtrace && in.Args[0] == engine.Imm(int64(ptrace.SeccompGetFilter))
}
