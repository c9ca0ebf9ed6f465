package corpus

import (
	"slices"

	"tracehammer/engine"
)

func (c Condition) valid() bool {
	ok := c.MinKernel.valid() && c.MaxKernel.valid()
	for i, a := range c.Arch {
		ok = ok && slices.Contains(Archs, a) && slices.Index(c.Arch, a) == i
	}
	last := -1
	for _, s := range c.System { // in this order, which their byte form has
		i := slices.Index(Systems, s)
		ok = ok && i > last
		last = i
	}
	return ok
}

// empty says that the condition restricts nothing.
func (c Condition) empty() bool {
	return c.MinKernel == Version{} && c.MaxKernel == Version{} && len(c.Arch) == 0 && len(c.System) == 0 && !c.Root
}

func (v Version) valid() bool {
	return v == Version{} || v.Major > 0 && v.Major < 1<<16 && v.Minor >= 0 && v.Minor < 1<<16
}

// Holds says whether a machine meets the condition.
func (c Condition) Holds(m Machine) bool {
	r, _ := engine.ParseRelease(m.Release) // what has none is older than all
	v := Version(r)
	return (c.MinKernel == Version{} || !v.less(c.MinKernel)) && (c.MaxKernel == Version{} || v.less(c.MaxKernel)) &&
		(len(c.Arch) == 0 || slices.Contains(c.Arch, m.Arch)) && (len(c.System) == 0 || slices.Contains(c.System, m.System)) && (!c.Root || m.Root)
}

// versioned says whether the condition is about versions of Linux.
func (c Condition) versioned() bool { return c.MinKernel != Version{} || c.MaxKernel != Version{} }

func (v Version) less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// RunsOn says whether the scenario is meant for a machine: any of its "on" lines holds, or there is none.
func (s *Scenario) RunsOn(m Machine) bool {
	return len(s.On) == 0 || slices.ContainsFunc(s.On, func(c Condition) bool { return c.Holds(m) })
}

// Known returns the known bugs that a machine is said to have. What versions of Linux have is none of another kernel.
func (s *Scenario) Known(m Machine) []KnownBug {
	var out []KnownBug
	for _, k := range s.KnownBugs {
		if k.On.Holds(m) && (m.Linux() || !k.On.versioned()) {
			out = append(out, k)
		}
	}
	return out
}
