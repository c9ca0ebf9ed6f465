package actor

import (
	"cmp"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// Read decodes what the actors of a finished run logged into h, whose slices it reuses: Actors, Cut, Elapsed, Drain,
// Delays, Trunc. The rest of h is the target's. lost says how many cycles between two moments nobody had a CPU.
func (r *Run) Read(h *history.History, lost func(from, to uint64) uint64) {
	head := r.head()
	h.Cut = head.cut
	h.Elapsed = time.Duration(cyclesToNs(head.ended - head.started))
	h.Drain = 0
	if head.drained != 0 {
		h.Drain = time.Duration(cyclesToNs(head.drained - head.ended - lost(head.ended, head.drained)))
	}
	h.Delays = append(h.Delays[:0], r.Delays...)
	h.Trunc = false
	n := len(r.code.start)
	h.Actors = slices.Grow(h.Actors[:0], n)[:n]
	for i := range h.Actors {
		a := &h.Actors[i]
		s := r.arena.slot(r.region, i+1)
		a.Tid = r.Tid(engine.ActorID(i))
		a.Parked = s.parked != 0 && s.parked < head.cut
		a.Final = nil
		h.Trunc = h.Trunc || s.logn > logCap
		a.Entries = a.Entries[:0]
		ordered := true
		for _, part := range r.arena.used(r.region, i+1) {
			for k := range part {
				e := &part[k]
				if e.begin == 0 || e.begin >= head.cut { // killed before it drew a ticket, or after the history's end
					continue
				}
				last := len(a.Entries) - 1
				ordered = ordered && (last < 0 || a.Entries[last].Begin < e.begin)
				a.Entries = append(a.Entries, r.entry(engine.ActorID(i), e, head.cut))
			}
		}
		if !ordered { // a handler interrupted a call between its place in the log and its ticket
			slices.SortFunc(a.Entries, func(x, y history.Entry) int { return cmp.Compare(x.Begin, y.Begin) })
		}
	}
}

func (r *Run) entry(a engine.ActorID, e *entry, cut uint64) history.Entry {
	if e.kind == entryHandler {
		out := [3]int64{e.out0, e.out1, e.out2}
		senderOnly(&out)
		return history.Entry{Kind: history.Handler, Instr: -1, Done: true, Begin: e.begin, Res: engine.Result{Out: out}}
	}
	out := history.Entry{Kind: history.Call, Instr: int32(e.instr), Begin: e.begin}
	if e.end == 0 || e.end >= cut {
		return out
	}
	out.Done, out.End, out.TSC = true, e.end, e.tsc
	out.Res = engine.Result{Ret: e.ret, Out: [3]int64{e.out0, e.out1, e.out2}}
	if in := &r.code.program.Actors[a].Code[e.instr]; in.Call == engine.CallPtrace {
		abstract(ptrace.Request(in.Args[0].N), &out.Res)
	}
	return out
}

// Tid is the tid that an actor got at its creation, 0 before.
func (r *Run) Tid(a engine.ActorID) int32 {
	if t := atomic.LoadInt64(&r.head().tids[a]); t != deadTid {
		return int32(t)
	}
	return 0
}

// Parked says whether an actor reached its end.
func (r *Run) Parked(a engine.ActorID) bool {
	return atomic.LoadUint64(&r.arena.slot(r.region, actorSlot(a)).parked) != 0
}

// Leader is the leader of the process that an actor was created in.
func (r *Run) Leader(a engine.ActorID) engine.ActorID { return r.code.leader[a] }

// Executed is the ticket with which an actor's last execve that was made ended, 0 if it made none.
func (r *Run) Executed(a engine.ActorID) uint64 {
	if atomic.LoadUint64(&r.arena.slot(r.region, actorSlot(a)).execs) == 0 {
		return 0 // a filter may let one that was not made return 0
	}
	for e := range r.backwards(a) {
		if r.execve(a, e) && e.end != 0 && e.ret == 0 {
			return e.end
		}
	}
	return 0
}

// Executing is the ticket with which an actor began the execve that it is in, 0 if the last thing that it began is none, or
// has returned.
func (r *Run) Executing(a engine.ActorID) uint64 {
	for e := range r.backwards(a) {
		if r.execve(a, e) && e.end == 0 {
			return e.begin
		}
		break
	}
	return 0
}

func (r *Run) execve(a engine.ActorID, e *entry) bool {
	return r.code.program.Actors[a].Code[e.instr].Call == engine.CallExecve
}

// backwards are the calls that an actor began, the last first.
func (r *Run) backwards(a engine.ActorID) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		parts := r.arena.used(r.region, actorSlot(a))
		for p := len(parts) - 1; p >= 0; p-- {
			for i := len(parts[p]) - 1; i >= 0; i-- {
				if e := &parts[p][i]; e.kind == entryCall && e.begin != 0 && !yield(e) {
					return
				}
			}
		}
	}
}

// Program is what runs.
func (r *Run) Program() *engine.Program { return r.code.program }
