package campaign

import (
	"cmp"
	"fmt"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
)

// Profiles of kernels that the engine simulates: targets "engine" and "engine:PROFILE".

// isEngine says whether a target is the engine.
func isEngine(target string) bool {
	return target == "engine" || strings.HasPrefix(target, "engine:")
}

// newest is the kernel that the zero profile is.
const newest = "linux-6.18"

// unfitFor says why a scenario is not for a target of the engine: with a profile that is no Linux, every scenario is.
func unfitFor(s *corpus.Scenario, target string) string {
	o, err := stress.EngineOptions(strings.TrimPrefix(strings.TrimPrefix(target, stress.KindEngine), ":"))
	if err != nil {
		return err.Error()
	}
	version, linux := strings.CutPrefix(cmp.Or(o.Profile.Name, newest), "linux-")
	if !linux {
		return ""
	}
	version, arch, _ := strings.Cut(version, "/")
	if arch == "" {
		arch = engine.AMD64.String()
	}
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
