package vm

import (
	"cmp"
	"maps"
	"os/exec"
	"slices"
)

// Machine is a machine that may be booted here.
type Machine struct {
	Target  string `json:"target"`
	Program string `json:"program,omitempty"` // that boots it
	Missing string `json:"missing,omitempty"` // what there is not
}

// Machines is what List says.
type Machines struct {
	Machines []Machine `json:"machines"`
	Kernels  []Kernel  `json:"kernels"` // in the cache
}

// List says what machines there are.
func List() (*Machines, error) {
	l := &Machines{Kernels: []Kernel{}}
	add := func(target, program string) {
		path, err := exec.LookPath(program)
		m := Machine{Target: target, Program: path}
		if err != nil {
			m.Missing = program
		}
		l.Machines = append(l.Machines, m)
	}
	add("uml", defaultUML)
	for _, goarch := range slices.Sorted(maps.Keys(arches)) {
		name := cmp.Or(arches[goarch].uname, goarch)
		add("qemu:"+name, arches[goarch].qemu)
	}
	kernels, err := Cached()
	l.Kernels = append(l.Kernels, kernels...)
	return l, err
}
