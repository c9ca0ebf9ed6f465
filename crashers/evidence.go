package crashers

import (
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// Evidence is what a run must show for a finding to be there again, in terms that a program can check by itself: calls that
// are all in flight while nothing moves any more, or a handler's run, or one call's result.
type Evidence struct {
	Hang    []Site      // not empty: these calls never return
	Handler *HandlerRun // else, not nil: this handler ran
	Site    Site        // else: this call returned Want
	Want    []Value
}

// HandlerRun is what a signal handler was told.
type HandlerRun struct {
	Actor       engine.ActorID
	Signo, Code int64
	Pid         Value
}

// Site is one call of a program.
type Site struct {
	Actor engine.ActorID
	Instr int32
}

// Value is one part of a result: Out[Index], or the return value for index -1. A tid is given by its actor.
type Value struct {
	Index int
	N     int64
	Actor engine.ActorID // NoActor: N is the value
	Sign  bool           // only the sign of N matters (descriptors)
}

// EvidenceOf takes the evidence of a finding from the history that shows it; false if there is none that one run of a
// program could check: an order of events, a complaint of the kernel.
func EvidenceOf(p *engine.Program, h *history.History, f *Finding) (Evidence, bool) {
	if h == nil {
		return Evidence{}, false
	}
	switch f.Kind {
	case Hang:
		ev := Evidence{Hang: inFlight(p, h)}
		return ev, len(ev.Hang) > 0
	case NotAdmitted, Invariant:
		if f.Instr < 0 {
			return handlerRun(h, f)
		}
		site := Site{f.Actor, f.Instr}
		in := instrAt(p, site)
		if in == nil || in.Op != engine.OpCall || int(f.Actor) >= len(h.Actors) {
			return Evidence{}, false
		}
		// In a loop the call has many results; the last is the one at which the history ended or left the engine.
		entries := h.Actors[f.Actor].Entries
		for i := len(entries) - 1; i >= 0; i-- {
			if e := &entries[i]; e.Kind == history.Call && e.Instr == f.Instr && e.Done {
				return Evidence{Site: site, Want: wanted(in, e.Res, h)}, true
			}
		}
	}
	return Evidence{}, false
}

// handlerRun is the evidence of a handler that ran as the engine does not let it.
func handlerRun(h *history.History, f *Finding) (Evidence, bool) {
	if f.Actor < 0 || int(f.Actor) >= len(h.Actors) || f.Entry < 0 || int(f.Entry) >= len(h.Actors[f.Actor].Entries) {
		return Evidence{}, false
	}
	e := &h.Actors[f.Actor].Entries[f.Entry]
	if e.Kind != history.Handler {
		return Evidence{}, false
	}
	out := e.Res.Out
	return Evidence{Site: Site{engine.NoActor, -1}, Handler: &HandlerRun{Actor: f.Actor, Signo: out[0], Code: out[1], Pid: tidValue(2, out[2], h)}}, true
}

func instrAt(p *engine.Program, s Site) *engine.Instr {
	if s.Actor < 0 || int(s.Actor) >= len(p.Actors) || s.Instr < 0 || int(s.Instr) >= len(p.Actors[s.Actor].Code) {
		return nil
	}
	return &p.Actors[s.Actor].Code[s.Instr]
}

// inFlight lists the calls that had not returned at the cut. An actor whose end nobody awaits may sleep or wait for good by
// design.
func inFlight(p *engine.Program, h *history.History) []Site {
	var sites []Site
	for a := range h.Actors {
		n := len(h.Actors[a].Entries)
		if n == 0 || a >= len(p.Actors) {
			continue
		}
		e := &h.Actors[a].Entries[n-1]
		s := Site{engine.ActorID(a), e.Instr}
		in := instrAt(p, s)
		if e.Kind != history.Call || e.Done || in == nil || p.Actors[a].Victim && sleeps(in.Call) {
			continue
		}
		sites = append(sites, s)
	}
	return sites
}

// sleeps says whether a call waits for whatever somebody else may do.
func sleeps(c engine.Call) bool {
	switch c {
	case engine.CallPause, engine.CallSigsuspend, engine.CallNanosleep, engine.CallWait4, engine.CallWaitid:
		return true
	}
	return false
}

// wanted says which parts of a result are characteristic of the call.
func wanted(in *engine.Instr, res engine.Result, h *history.History) []Value {
	tids := tidMask(in)
	value := func(index int, n int64, tid bool) Value {
		if tid && n > 0 {
			return tidValue(index, n, h)
		}
		return Value{Index: index, N: n, Actor: engine.NoActor}
	}
	ret := value(-1, res.Ret, tids&1 != 0)
	ret.Sign = ret.Sign || in.Call == engine.CallPidfdOpen
	want := []Value{ret}
	if res.Ret >= 0 {
		for i := range numOuts(in) {
			want = append(want, value(i, res.Out[i], tids&(2<<i) != 0))
		}
	}
	return want
}

// tidValue is a value that is a tid, or 0.
func tidValue(index int, n int64, h *history.History) Value {
	v := Value{Index: index, N: n, Actor: engine.NoActor}
	for a := range h.Actors {
		if t := h.Actors[a].Tid; t != 0 && int64(t) == n {
			v.Actor = engine.ActorID(a)
		}
	}
	v.Sign = n > 0 && v.Actor == engine.NoActor // a tid that no actor has: any
	return v
}

// tidMask says which parts of a call's result are tids: bit 0 the return value, bits 1 to 3 Out.
func tidMask(in *engine.Instr) uint8 {
	switch in.Call {
	case engine.CallClone, engine.CallGetpid, engine.CallGettid, engine.CallGetppid, engine.CallGetpgid, engine.CallGetsid,
		engine.CallSetsid, engine.CallWait4:
		return 1
	case engine.CallWaitid:
		return 2
	case engine.CallPtrace:
		switch request(in) {
		case ptrace.Geteventmsg:
			return 2
		case ptrace.Getsiginfo, ptrace.Peeksiginfo:
			return 8
		}
	}
	return 0
}

func request(in *engine.Instr) ptrace.Request { return ptrace.Request(in.Args[0].N) }

// numOuts is how many values of Out the call fills in that are the same on every machine: registers are not.
func numOuts(in *engine.Instr) int {
	switch in.Call {
	case engine.CallWait4, engine.CallSigpending:
		return 1
	case engine.CallWaitid:
		return 3
	case engine.CallPtrace:
		switch request(in) {
		case ptrace.Geteventmsg, ptrace.Getsigmask, ptrace.Peektext, ptrace.Peekdata, ptrace.GetSyscallInfo:
			return 1
		case ptrace.Getsiginfo, ptrace.Peeksiginfo:
			return 3
		}
	}
	return 0
}
