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

// unfitFor says why a scenario is not for a simulated target. What is no Linux is compared with the newest.
func unfitFor(s *corpus.Scenario, target string) string {
	_, arg, err := stress.TargetName(target)
	if err != nil {
		return err.Error()
	}
	o, err := stress.EngineOptions(arg)
	if err != nil {
		return err.Error()
	}
	name := cmp.Or(o.Profile.Name, newest)
	on := corpus.Machine{Arch: o.Profile.Arch.String(), Root: true}
	switch version, linux := strings.CutPrefix(name, "linux-"); {
	case linux:
		on.Release, _, _ = strings.Cut(version, "/")
		name = fmt.Sprintf("Linux %s on %s", on.Release, on.Arch)
	default:
		on.Release = strings.TrimPrefix(newest, "linux-")
		if slices.Contains(corpus.Systems, name) {
			on.System = name
		}
	}
	if s.RunsOn(on) {
		return ""
	}
	return "not for " + name
}

// foreign says whether a simulated target is of a profile that is no Linux.
func foreign(target string) bool {
	kind, arg, err := stress.TargetName(target)
	if err != nil || kind != stress.KindEngine && kind != stress.KindLive {
		return false
	}
	o, err := stress.EngineOptions(arg)
	return err == nil && o.Profile.Name != "" && !strings.HasPrefix(o.Profile.Name, "linux-")
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
