package fuzz

import (
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/ptrace"
	"tracehammer/stress/oracle"
	"tracehammer/stress/schedule"
)

var passiveRunner = newRunner()

// FuzzPassive runs a scenario of FuzzPtrace's with an engine on every thread that watches every event and does nothing, and
// asserts that users of ptrace cannot tell (O1 to O5, invariant 31): a kernel on which nobody watches admits what the actors
// logged. It also asserts the invariants, as FuzzPtrace does, and that the watching engines' callbacks come in an order that
// utrace promises.
//
// A run that stands still is left alone: who sees syscalls sees that the last one at a barrier wakes the others by a call of
// its own, and may kill it before that.
func FuzzPassive(data []byte) int {
	r := passiveRunner
	defer r.guard("FuzzPassive")
	plain, ok := r.load(data, false)
	if !ok || len(plain.Clients) > 0 {
		return never
	}
	watched := *plain
	watched.Clients = watchers
	ptrace.Load(&r.machine, &watched, engine.Options{Check: true, Profile: r.in.Profile.Engine(), Bugs: bugs})
	if r.run(schedule.Replay(r.in.Stream)) == schedule.Endless {
		return never
	}
	if r.judge(plain, maxStates).Kind == oracle.Admitted && acted(&r.hist) {
		return keep
	}
	return neutral
}

var watchers = clients.Checked([]engine.Ops{clients.Everywhere(clients.Quiet)})
