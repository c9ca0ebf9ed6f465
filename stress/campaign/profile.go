package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
)

// Profiles of kernels that the engine simulates: targets "engine" and "engine:PROFILE".

// newest is the kernel that the zero profile is.
const newest = "linux-6.18"

// unfitFor says why a scenario is not for a simulated target: with a profile that is no Linux, every scenario for its architecture is.
func unfitFor(s *corpus.Scenario, target string) string {
	_, arg, err := stress.TargetName(target)
	if err != nil {
		return err.Error()
	}
	o, err := stress.EngineOptions(arg)
	if err != nil {
		return err.Error()
	}
	arch := o.Profile.Arch.String()
	version, linux := strings.CutPrefix(cmp.Or(o.Profile.Name, newest), "linux-")
	if !linux {
		if len(s.On) > 0 && !slices.ContainsFunc(s.On, func(c corpus.Condition) bool { return len(c.Arch) == 0 || slices.Contains(c.Arch, arch) }) {
			return "it is not for " + arch
		}
		return ""
	}
	version, _, _ = strings.Cut(version, "/")
	if s.RunsOn(corpus.Machine{Release: version, Arch: arch, Root: true}) {
		return ""
	}
	return fmt.Sprintf("it is not for Linux %s on %s", version, arch)
}

// WithProfile puts a profile on the targets that are the engine.
func WithProfile(targets []string, profile string) ([]string, error) {
	if profile == "" {
		return targets, nil
	}
	if _, err := engine.ParseProfile(profile); err != nil {
		return nil, err
	}
	out, found := make([]string, len(targets)), false
	for i, t := range targets {
		if out[i] = t; t == "engine" {
			out[i], found = "engine:"+profile, true
		}
	}
	if !found {
		return nil, fmt.Errorf("profile %s: no target is the engine, and a kernel has its own", profile)
	}
	return out, nil
}
