package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// outside checks what needs no engine: kernel-internal error numbers, malformed wait statuses, contradicting process
// states, clean-up time, and the kernel's own complaints.
func (o *Oracle) outside(p *engine.Program, h *history.History) (Verdict, bool) {
	bad := func(k Kind, title, format string, args ...any) (Verdict, bool) {
		return Verdict{Kind: k, Title: title, Explanation: fmt.Sprintf(format, args...), Actor: engine.NoActor, Instr: -1}, true
	}
	for a := range h.Actors {
		es := h.Actors[a].Entries
		for i := range es {
			e := &es[i]
			if e.Kind != history.Call || !e.Done {
				continue
			}
			in := &p.Actors[a].Code[e.Instr]
			if e.Res.Ret <= -512 && e.Res.Ret >= -516 {
				v, _ := bad(Invariant, "invariant: kernel-internal error number from "+callName(p, engine.ActorID(a), e.Instr),
					"%s: %s returned %d, a number that must never leave the kernel (ERESTART*)", p.Actors[a].Name, callName(p, engine.ActorID(a), e.Instr), e.Res.Ret)
				v.Actor, v.Instr = engine.ActorID(a), e.Instr
				return v, true
			}
			if in.Call == engine.CallWait4 && e.Res.Ret > 0 && !validStatus(uint32(e.Res.Out[0])) {
				v, _ := bad(Invariant, "invariant: malformed wait status",
					"%s: wait4 returned status %#x, which is none of the table in section 6.0 (invariants 34, 43)", p.Actors[a].Name, e.Res.Out[0])
				v.Actor, v.Instr = engine.ActorID(a), e.Instr
				return v, true
			}
		}
		f := h.Actors[a].Final
		switch {
		case f == nil:
		case f.State == 't' && f.TracerPid == 0:
			return bad(Invariant, "invariant: tracing stop without a tracer",
				"%s is in state t (tracing stop) with TracerPid 0 (invariants 27, 76)", p.Actors[a].Name)
		case f.TracerPid != 0 && f.TracerPid != int32(engine.InitTid) && !slices.Contains(h.Tids(), f.TracerPid):
			return bad(Invariant, "invariant: traced by a stranger",
				"%s has TracerPid %d, which neither init nor an actor ever had (invariant 27)", p.Actors[a].Name, f.TracerPid)
		}
	}
	if o.Bound > 0 && h.Drain > o.Bound {
		return bad(Invariant, "invariant: SIGKILL did not end every actor in bounded time",
			"clean-up by SIGKILL took %v; the bound is %v (invariant 74)", h.Drain.Round(time.Millisecond), o.Bound)
	}
	if len(h.Console) > 0 && o.Log == nil {
		return bad(Unknown, "unread kernel log", "nobody reads the kernel's log:\n%s", strings.Join(h.Console, "\n"))
	}
	if len(h.Console) > 0 {
		if title, how := o.Log(h.Console); title != "" {
			return bad(Console, "console: "+title, "the kernel log says (%s):\n%s", how, strings.Join(h.Console, "\n"))
		}
	}
	if h.Taint != 0 {
		return bad(Console, "console: kernel tainted", "taint bits %#x appeared during the run\n%s", h.Taint, strings.Join(h.Console, "\n"))
	}
	return Verdict{}, false
}

// validStatus says whether a wait status word is one of section 6.0.
func validStatus(w uint32) bool {
	switch {
	case w == 0xffff:
		return true
	case w&0xff == 0x7f:
		sig, event := w>>8&0xff, w>>16
		if event == 0 {
			return sig != 0 && sig&0x7f <= 64 && (sig&0x80 == 0 || sig == 0x80|uint32(ptrace.SIGTRAP))
		}
		if event == uint32(ptrace.EventStop) {
			return sig != 0 && sig <= 64
		}
		return event <= uint32(ptrace.EventSeccomp) && sig == uint32(ptrace.SIGTRAP)
	case w&0x7f == 0:
		return w&^0xff00 == 0
	default:
		return w&^0xff == 0 && w&0x7f <= 64
	}
}
