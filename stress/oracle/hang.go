package oracle

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// documented says that waiting of this kind for a peer is what the interface promises: a cycle made only of such edges is
// the fault of the scenario's actors, not of the kernel. Waiting for another task's mutex (attach against exec, R7) or for
// a state change that the kernel itself owes (the attacher's wait for a stopped tracee to trap, R9) is not, even where a
// rule describes it.
func documented(k engine.WaitKind) bool {
	return k != engine.WaitCredGuard && k != engine.WaitTrapping
}

// waitFunction names the kernel function that a task waits in, for titles.
func waitFunction(w *engine.Wait) string {
	switch w.Kind {
	case engine.WaitCredGuard:
		if w.Call == engine.CallExecve {
			return "prepare_bprm_creds"
		}
		return "ptrace_attach"
	case engine.WaitTrapping:
		return "ptrace_attach"
	case engine.WaitDeThread:
		return "begin_new_exec"
	case engine.WaitVfork:
		return "wait_for_vfork_done"
	case engine.WaitChild:
		return "do_wait"
	case engine.WaitGroupStop:
		return "do_signal_stop"
	case engine.WaitPtraceStop:
		return "ptrace_stop"
	case engine.WaitEngine:
		return "utrace_stop"
	case engine.WaitBarrier:
		return "utrace_barrier"
	}
	return ""
}

// judgeHang decides about a run that did not end although the engine has an execution that ends in the same stuck state:
// it is a bug if tasks wait for each other in a cycle with an edge that is no documented wait for a peer.
func (s *search) judgeHang(v Verdict) Verdict {
	var buf [4 * engine.MaxActors]engine.Wait
	waits := s.at.world.Waits(buf[:0])
	cycle := findCycle(waits)
	v.Explanation = describeWaits(s.p, waits)
	if cycle == nil {
		v.Kind = HangPredicted
		v.Explanation = "the engine admits that this run never ends, and no task waits for another in a cycle\n" + v.Explanation
		return v
	}
	v.Kind, v.Predicted = Hang, true
	v.Title = "hang: " + cycleTitle(cycle)
	v.Rules = hangRules(cycle)
	if deadlock(cycle) {
		v.Row = engine.RowInRules
	}
	v.Explanation = "tasks wait for each other, and not only for peers that the interface lets them wait for\n" + v.Explanation
	v.Actor, v.Instr = s.blockedCall(cycle)
	return v
}

// deadlock says that a cycle is that of row 54: an attach waits for cred_guard_mutex, and its holder in de_thread, whoever else there is
// between them.
func deadlock(cycle []engine.Wait) bool {
	attaches := slices.ContainsFunc(cycle, func(w engine.Wait) bool { return w.Kind == engine.WaitCredGuard && w.Call != engine.CallExecve })
	return attaches && slices.ContainsFunc(cycle, func(w engine.Wait) bool { return w.Kind == engine.WaitDeThread })
}

// comesNext are observable steps that the engine can take where a stuck run's history ends.
func (s *search) comesNext() []string {
	next := map[string]bool{}
	for i := range s.further {
		r := &s.further[i]
		next[s.p.Actors[r.actor].Name+": "+s.showGot(r.actor, r)] = true
	}
	return sorted(next)
}

// unadmittedHang describes a run whose every result is admitted but whose end is not: in the engine something could still
// happen.
func (s *search) unadmittedHang(v Verdict) Verdict {
	v.Kind = Hang
	var where []string
	var b strings.Builder
	for a := range s.h.Actors {
		es := s.h.Actors[a].Entries
		if len(es) == 0 || es[len(es)-1].Kind != history.Call || es[len(es)-1].Done {
			continue
		}
		name := callName(s.p, engine.ActorID(a), es[len(es)-1].Instr)
		if fn := s.sleepsIn(engine.ActorID(a)); fn != "" {
			name += " in " + fn
		}
		where = append(where, name)
		v.Actor, v.Instr = engine.ActorID(a), es[len(es)-1].Instr
		fmt.Fprintf(&b, "  %s is in %s\n", s.p.Actors[a].Name, name)
	}
	sort.Strings(where)
	v.Title = "hang: " + strings.Join(compact(where), ", ")
	if len(where) == 0 {
		v.Title = "hang: outside any call"
	}
	if next := s.comesNext(); len(next) > 0 {
		fmt.Fprintf(&b, "in the engine this comes next, or one of these:\n  %s\n", strings.Join(next, "\n  "))
	}
	v.Explanation = "every result is admitted, but in each state that the engine can be in then, something can still happen; the kernel stands still\n" + b.String()
	return v
}

func (s *search) sleepsIn(a engine.ActorID) string {
	if s.h.Hang == nil {
		return ""
	}
	for i := range s.h.Hang.Threads {
		t := &s.h.Hang.Threads[i]
		if t.Actor == a && t.Wchan != "0" {
			return t.Wchan
		}
	}
	return ""
}

func compact(sorted []string) []string {
	out := sorted[:0]
	for i, x := range sorted {
		if i == 0 || x != sorted[i-1] {
			out = append(out, x)
		}
	}
	return out
}

// findCycle returns the waits of a cycle with at least one edge that is no documented wait, nil if there is none.
func findCycle(waits []engine.Wait) []engine.Wait {
	for i := range waits {
		if documented(waits[i].Kind) {
			continue
		}
		if c := pathBack(waits, []int{i}); c != nil {
			out := make([]engine.Wait, len(c))
			for j, k := range c {
				out[j] = waits[k]
			}
			return out
		}
	}
	return nil
}

// pathBack extends a path of waits until it returns to its first waiter.
func pathBack(waits []engine.Wait, path []int) []int {
	first, last := &waits[path[0]], &waits[path[len(path)-1]]
	for _, on := range last.On {
		if on == engine.NoTid {
			continue
		}
		if on == first.Tid {
			return path
		}
		for j := range waits {
			if waits[j].Tid != on || contains(path, j) {
				continue
			}
			if c := pathBack(waits, append(path[:len(path):len(path)], j)); c != nil {
				return c
			}
		}
	}
	return nil
}

func contains(path []int, j int) bool {
	for _, k := range path {
		if k == j {
			return true
		}
	}
	return false
}

// cycleTitle names the functions of a cycle in an order that does not depend on where the walk began.
func cycleTitle(cycle []engine.Wait) string {
	var fns []string
	for i := range cycle {
		if fn := waitFunction(&cycle[i]); fn != "" {
			fns = append(fns, fn)
		}
	}
	best := strings.Join(fns, " <-> ")
	for r := 1; r < len(fns); r++ {
		if s := strings.Join(append(append([]string{}, fns[r:]...), fns[:r]...), " <-> "); s > best {
			best = s
		}
	}
	return best
}

func hangRules(cycle []engine.Wait) []int {
	set := map[int]bool{}
	for i := range cycle {
		switch cycle[i].Kind {
		case engine.WaitCredGuard:
			set[7] = true
		case engine.WaitDeThread:
			set[66], set[67] = true, true
		case engine.WaitTrapping:
			set[9] = true
		case engine.WaitVfork:
			set[62] = true
		}
	}
	var out []int
	for r := range set {
		out = append(out, r)
	}
	sort.Ints(out)
	return out
}

// blockedCall is the unfinished call of the cycle's first waiter that has one.
func (s *search) blockedCall(cycle []engine.Wait) (engine.ActorID, int32) {
	for i := range cycle {
		a := cycle[i].Actor
		if a < 0 || int(a) >= len(s.h.Actors) {
			continue
		}
		es := s.h.Actors[a].Entries
		if n := len(es); n > 0 && es[n-1].Kind == history.Call && !es[n-1].Done {
			return a, es[n-1].Instr
		}
	}
	return engine.NoActor, -1
}

func describeWaits(p *engine.Program, waits []engine.Wait) string {
	var b strings.Builder
	name := func(t engine.Tid) string {
		if a := engine.ActorOf(t); a != engine.NoActor && int(a) < len(p.Actors) {
			return p.Actors[a].Name
		}
		return "init"
	}
	for i := range waits {
		w := &waits[i]
		fmt.Fprintf(&b, "  %s: %s", name(w.Tid), w.Kind)
		var on []string
		for _, t := range w.On {
			if t != engine.NoTid {
				on = append(on, name(t))
			}
		}
		if len(on) > 0 {
			fmt.Fprintf(&b, ", on %s", strings.Join(on, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
