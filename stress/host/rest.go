package host

import (
	"bytes"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"tracehammer/engine"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// A run is at rest when everybody in it is asleep and no clock wakes anybody: nothing will ever happen in its namespace again,
// however long one waits. Nobody can look at all tasks at once, but the kernel counts how often each was switched: who was found
// asleep at the beginning of a while and at its end, with the same counts, slept all the while, and if all did nobody is left to
// wake them. What the kernel does by itself, on another CPU, is what the while leaves time for.

// rest watches for that. The zero rest has seen nothing.
type rest struct {
	key   uint64
	since time.Duration // by the pulse
}

// resting says whether a run has been at rest for d.
func (w *watch) resting(p *procfs, r *actor.Run, d, now time.Duration) bool {
	key, ok := p.asleep(r)
	if !ok {
		w.rest = rest{}
		return false
	}
	if key != w.rest.key {
		w.rest = rest{key, now}
	}
	return now-w.rest.since > d
}

// peerWaits are the functions in which a task waits, deaf to signals but for SIGKILL, for what other tasks do: exec for its
// siblings to be gone, vfork for its child, ATTACH for its target to trap. Which of them are inlined depends on the kernel.
var peerWaits = []string{"de_thread", "begin_new_exec", "wait_for_vfork_done", "kernel_clone", "ptrace_attach"}

// waitsForPeer says whether a task that sleeps uninterruptibly waits for another one.
func (p *procfs) waitsForPeer(tid int32) bool {
	return slices.Contains(peerWaits, string(p.shown(tid, "wchan")))
}

// asleep says whether all actors of a run, and init, are asleep, stopped or dead; the key is another one when one of them was
// awake in between. A task in any other uninterruptible sleep does not count: it may be the end of a grace period that it
// waits for, and the kernel itself wakes it. Nor does one that is on its way to sleep and has lost its CPU there: it says that it sleeps,
// and waits nowhere (get_wchan); it may find that it need not. Kernels may hide where tasks wait, that of init then as well.
func (p *procfs) asleep(r *actor.Run) (key uint64, ok bool) {
	if r.Tid(0) == 0 || p.status(1).State != 'S' {
		return 0, false
	}
	shown := waits(p.shown(1, "wchan"))
	h := fnv.New64a()
	for i := range r.Program().Actors {
		a := engine.ActorID(i)
		tid := p.tidNow(r, a)
		h.Write(strconv.AppendInt([]byte{byte(i)}, int64(tid), 10))
		if tid == 0 {
			continue
		}
		deep, dead := false, false
		for line := range bytes.Lines(p.life(tid, "status")) {
			name, value, _ := bytes.Cut(line, []byte(":"))
			switch string(name) {
			case "State":
				deep = bytes.Contains(value[:min(len(value), 2)], []byte("D"))
				dead = bytes.ContainsAny(value[:min(len(value), 2)], "ZX")
				if !deep && !bytes.ContainsAny(value[:min(len(value), 2)], "STtZX") {
					return 0, false
				}
				h.Write(value)
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				h.Write(value)
			}
		}
		where := p.shown(tid, "wchan")
		if deep && !slices.Contains(peerWaits, string(where)) || shown && !dead && !waits(where) {
			return 0, false
		}
	}
	return h.Sum64() | 1, true
}

// waits says whether /proc/PID/wchan names a function.
func waits(wchan []byte) bool { return len(wchan) > 0 && string(wchan) != "0" }

// timed says whether a program has calls that a clock ends.
func timed(p *engine.Program) bool {
	return slices.ContainsFunc(p.Actors, func(a engine.Actor) bool {
		return slices.ContainsFunc(a.Code, func(in engine.Instr) bool { return in.Op == engine.OpCall && in.Call == engine.CallNanosleep })
	})
}

// glance is a snapshot of actors at rest. It reads only what blocks nobody, so it takes no process of its own.
func (w *worker) glance(r *actor.Run) *history.Snapshot {
	s, now := w.tasks.threads(r)
	for i := range s.Threads {
		if s.Threads[i].State != 0 {
			fill(&s.Threads[i], "wchan", string(w.tasks.shown(now[i], "wchan")))
		}
	}
	return s
}
