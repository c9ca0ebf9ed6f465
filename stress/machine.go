package stress

import (
	"cmp"
	"slices"

	"tracehammer/engine"
)

// Machine is a machine with its kernel, as far as scenarios, profiles and those who look into a failure depend on it. Of what
// could not be read, fields have their zero or unknown value.
type Machine struct {
	Kernel     string  `json:"kernel"`           // uname -sr
	Release    string  `json:"release"`          // uname -r
	Arch       string  `json:"arch"`             // GOARCH
	Under      string  `json:"under,omitempty"`  // GOARCH of the kernel, where it runs the actors as programs of another architecture: that of 386
	System     string  `json:"system,omitempty"` // what the kernel is besides its architecture: one of corpus.Systems, or ""
	CPUs       []int   `json:"cpus"`             // that actors may use
	Root       bool    `json:"root"`
	Confined   bool    `json:"confined"`         // actors are not root of the initial user namespace
	Users      uint16  `json:"users,omitempty"`  // if confined: user ids from 0 on that exist for them; 0 for all that they may ask for
	Groups     uint16  `json:"groups,omitempty"` // group ids, likewise
	Proc       bool    `json:"proc"`             // /proc is there; else most of the below is unknown
	YamaScope  int     `json:"yamaScope"`        // kernel.yama.ptrace_scope, -1 without Yama or unknown
	UserNS     int     `json:"userNS"`           // how many user namespaces there may be, -1 unknown
	TaskLimit  bool    `json:"taskLimit"`        // a cgroup can limit the namespace's tasks
	KernelLog  bool    `json:"kernelLog"`        // readable
	CoresPiped bool    `json:"coresPiped"`       // core dumps go to a program
	Ticks      float64 `json:"ticks"`            // of the cycle counter in a nanosecond, 0 without one
	Taint      uint64  `json:"taint"`
	// Lacks are the switches (engine.Switch) that probes found the kernel to have, whatever its release says.
	Lacks []string `json:"lacks,omitempty"`
}

// Released is what is known of the kernel by its name and version alone.
func (m *Machine) Released() (engine.Profile, error) {
	if m.System == engine.GVisor {
		return engine.ParseProfile(m.System)
	}
	return engine.ProfileFor(m.Release, m.Arch)
}

// Profile is what actors on the machine find different from the zero Profile; name is the target's. A kernel that does not
// say its version is taken for the newest.
func (m *Machine) Profile(name string) engine.Profile {
	p, err := m.Released()
	if err != nil {
		p = engine.Profile{}
	}
	for x := range engine.NumSwitches {
		if slices.Contains(m.Lacks, x.String()) {
			p.Old |= x.Set()
		}
	}
	if p.Old.Has(engine.SwNoSuspendSeccomp) { // it refuses the option because it is older, however it was configured
		p.Old &^= engine.SwNoCheckpointRestore.Set()
	}
	p.Name, p.Yama = name, engine.YamaAbsent
	if m.YamaScope >= 0 {
		p.Yama = min(engine.YamaClassic+engine.Yama(m.YamaScope), engine.YamaNoAttach)
	}
	if m.Confined {
		p.UserNamespace, p.Users, p.Groups = true, m.Users, m.Groups
	}
	return p
}

// String names the kernel as reports do.
func (m *Machine) String() string {
	s := cmp.Or(m.Kernel, "unknown kernel") + " " + m.Arch
	if m.Under != "" {
		s += " on " + m.Under
	}
	return s
}
