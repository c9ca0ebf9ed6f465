package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/host"
	"tracehammer/stress/live"
	"tracehammer/vm"
)

// Opener opens a target by the name that users write. A boot, which may take long, ends with ctx.
type Opener func(ctx context.Context, name string) (stress.Target, error)

// Open opens the targets of this program.
func Open(ctx context.Context, name string) (stress.Target, error) {
	kind, arg, err := stress.TargetName(name)
	if err != nil {
		return nil, err
	}
	switch kind {
	case stress.KindHost:
		return host.New()
	case stress.KindExec, stress.KindQEMU, stress.KindUML:
		return vm.Open(ctx, name, vm.Options{})
	}
	o, err := stress.EngineOptions(arg)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	o.Check = true
	if kind == stress.KindLive {
		return live.NewTarget(name, o), nil
	}
	return stress.NewEngineTarget(o), nil
}

// CannotRun says whether err means that this environment lacks what a command needs.
func CannotRun(err error) bool { return stress.IsEnv(err) }

// machineOf is the machine whose kernel a target is; what is simulated runs on this one.
func machineOf(t stress.Target) stress.Machine {
	if k, ok := t.(stress.Kernel); ok {
		return k.Machine()
	}
	return host.Kernel()
}

// scenarioMachine is a machine as scenarios' conditions see it.
func scenarioMachine(m *stress.Machine) corpus.Machine {
	on := corpus.Machine{Release: m.Release, Arch: m.Arch, System: m.System, Root: !m.Confined}
	if !on.Linux() {
		on.Release = strings.TrimPrefix(newest, "linux-")
	}
	return on
}

// unfit says why a scenario is not for a target on a machine; "" if it is.
func unfit(s *corpus.Scenario, target string, m *stress.Machine) string {
	if stress.Simulated(target) {
		return unfitFor(s, target)
	}
	on := scenarioMachine(m)
	switch {
	case s.EngineOnly():
		return "it uses utrace, which no kernel has"
	case s.RunsOn(on):
		return unknownTo(s, m)
	}
	if on.Root = true; s.RunsOn(on) {
		return "it needs root of the initial user namespace"
	}
	return fmt.Sprintf("not for %s on %s", m.Release, m.Arch)
}

// unknownTo says which request that a scenario makes a kernel answers differently although its release does not; "" if there is
// none.
func unknownTo(s *corpus.Scenario, m *stress.Machine) string {
	linux := scenarioMachine(m).Linux()
	if len(m.Lacks) == 0 && linux {
		return ""
	}
	p, err := corpus.Lower(s)
	if err != nil {
		return "" // whoever runs it says so
	}
	profile := m.Profile("")
	if !linux { // what it answers is compared with its profile
		if unmodelled(p, &profile) {
			return "nobody knows what this kernel does with its requests"
		}
		return ""
	}
	released, err := m.Released()
	if x := engine.SwExitSignalChecked; err == nil && profile.Old.Has(x) && !released.Old.Has(x) && clonesUnsignalled(p) {
		return "this kernel refuses an exit signal that is no signal"
	}
	if r, ok := findRequest(p, func(r ptrace.Request, _, _ int64) bool { return ptrace.Lacks(&profile, r) }); ok {
		return fmt.Sprintf("it makes the request %v, which this kernel does not know", r)
	}
	if r, ok := findRequest(p, func(r ptrace.Request, addr, data int64) bool { return ptrace.Differs(&profile, r, addr, data) }); ok {
		return fmt.Sprintf("this kernel does something else with %v", r)
	}
	return ""
}

// clonesUnsignalled says whether a program has a clone with an exit signal that is no signal.
func clonesUnsignalled(p *engine.Program) bool {
	return slices.ContainsFunc(p.Actors, func(a engine.Actor) bool {
		return slices.ContainsFunc(a.Code, func(in engine.Instr) bool {
			return in.Op == engine.OpCall && in.Call == engine.CallClone && in.Args[0].N&engine.CSIGNAL > engine.NSIG
		})
	})
}

// unmodelled is a request of a program of which the engine does not know what it does on kernels of a profile.
func unmodelled(p *engine.Program, profile *engine.Profile) bool {
	_, is := findRequest(p, func(r ptrace.Request, _, data int64) bool { return !ptrace.Modelled(profile, r, data) })
	return is || profile.Old.Has(engine.SwEmulatedArgument) && emulatesUnknown(p)
}

// emulatesUnknown says whether a program has a tracer that skips calls, and a call that then returns what the engine does not know. If
// there is one such tracer, its own calls are not skipped.
func emulatesUnknown(p *engine.Program) bool {
	tracers := map[int]bool{}
	for i := range p.Actors {
		if _, is := requestOf(&p.Actors[i], func(r ptrace.Request, _, _ int64) bool { return r == ptrace.Sysemu || r == ptrace.SysemuSinglestep }); is {
			tracers[i] = true
		}
	}
	for i := range p.Actors {
		if len(tracers) == 0 || len(tracers) == 1 && tracers[i] {
			continue
		}
		if slices.ContainsFunc(p.Actors[i].Code, func(in engine.Instr) bool {
			return in.Op == engine.OpCall && !in.Harness && !ptrace.EmulatedKnown(&in)
		}) {
			return true
		}
	}
	return false
}

// findRequest finds a request in a program.
func findRequest(p *engine.Program, is func(r ptrace.Request, addr, data int64) bool) (ptrace.Request, bool) {
	for i := range p.Actors {
		if r, found := requestOf(&p.Actors[i], is); found {
			return r, true
		}
	}
	return 0, false
}

// requestOf finds a request in an actor's code.
func requestOf(a *engine.Actor, is func(r ptrace.Request, addr, data int64) bool) (ptrace.Request, bool) {
	for _, in := range a.Code {
		if r := ptrace.Request(in.Args[0].N); in.Op == engine.OpCall && in.Call == engine.CallPtrace && is(r, in.Args[2].N, in.Args[3].N) {
			return r, true
		}
	}
	return 0, false
}

// liveRows are the rows of the list of known bugs that the seeds say a machine's kernel has, ascending.
func liveRows(m *stress.Machine) (rows []int) {
	for _, s := range corpus.Seeds() {
		for _, k := range s.Known(scenarioMachine(m)) {
			rows = append(rows, k.Row)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// knownBugs lists what a scenario is marked to show on a target on a machine. The engine has none of the bugs.
func knownBugs(s *corpus.Scenario, target string, m *stress.Machine) []corpus.KnownBug {
	if stress.Simulated(target) {
		return nil
	}
	return s.Known(scenarioMachine(m))
}
