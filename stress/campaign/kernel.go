package campaign

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/stress"
	"tracehammer/stress/host"
	"tracehammer/stress/live"
)

// Opener opens a target by the name that users write.
type Opener func(name string) (stress.Target, error)

// Open opens the targets of this program.
func Open(name string) (stress.Target, error) {
	kind, arg, err := stress.TargetName(name)
	if err != nil {
		return nil, err
	}
	if kind == stress.KindHost {
		return host.New()
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

// kernel is the running kernel, as far as scenarios depend on it.
type kernel struct {
	name, release string
	root          bool // actors on the host are root of the initial user namespace
}

func thisKernel() kernel {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return kernel{name: "unknown kernel"}
	}
	return kernel{unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), !host.Profile().UserNamespace}
}

func (k kernel) String() string { return fmt.Sprintf("%s %s %s", k.name, k.release, runtime.GOARCH) }

func (k kernel) machine() corpus.Machine {
	return corpus.Machine{Release: k.release, Arch: runtime.GOARCH, Root: k.root}
}

// unfit says why a scenario is not for a target; "" if it is.
func (k kernel) unfit(s *corpus.Scenario, target string) string {
	m := k.machine()
	if isEngine(target) {
		return unfitFor(s, target)
	}
	switch {
	case stress.Simulated(target):
		return ""
	case s.EngineOnly():
		return "it uses utrace, which no kernel has"
	case s.RunsOn(m):
		return ""
	}
	if m.Root = true; s.RunsOn(m) {
		return "it needs root of the initial user namespace"
	}
	return fmt.Sprintf("it is not for %s on %s", k.release, runtime.GOARCH)
}

// liveRows are the rows of the list of known bugs that the seeds say this machine's kernel has, ascending.
var liveRows = sync.OnceValue(func() (rows []int) {
	for _, s := range corpus.Seeds() {
		for _, k := range s.Known(thisKernel().machine()) {
			rows = append(rows, k.Row)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
})

// knownBugs lists what a scenario is marked to show on a target. The engine has none of the bugs.
func (k kernel) knownBugs(s *corpus.Scenario, target string) []corpus.KnownBug {
	if stress.Simulated(target) {
		return nil
	}
	return s.Known(k.machine())
}
