package campaign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"tracehammer/stress"
	"tracehammer/stress/host"
	"tracehammer/vm"
)

// Usable is a target, and what this machine lacks to run it; "" if it can.
type Usable struct{ Target, Lacks string }

// UsableTargets looks at what targets this machine can run, without booting any.
func UsableTargets() ([]Usable, error) {
	all := []Usable{{Target: stress.KindEngine}, {Target: stress.KindHost}}
	if err := host.Probe(); err != nil {
		all[1].Lacks = oneLine(err.Error())
	}
	machines, err := vm.List()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the stressd of other architectures: %w", err)
	}
	for _, m := range machines.Machines {
		all = append(all, Usable{m.Target, machineLacks(m, machines.Kernels, filepath.Dir(self))})
	}
	return all, nil
}

// machineLacks says what a machine needs that there is not.
func machineLacks(m vm.Machine, kernels []vm.Kernel, beside string) string {
	if m.Missing != "" {
		return "there is no " + m.Missing
	}
	kind, arg, _ := stress.TargetName(m.Target)
	if kind != stress.KindQEMU {
		return ""
	}
	arch, _, _ := vm.ParseQEMU(arg)
	if !slices.ContainsFunc(kernels, func(k vm.Kernel) bool { return k.Arch == vm.KernelArch(arch) }) {
		return "no kernel for it: stressd vm fetch " + arg
	}
	if arch != runtime.GOARCH {
		if _, err := os.Stat(filepath.Join(beside, "stressd-"+arch)); err != nil {
			return "no stressd for it beside this one: make bin/stressd-" + arch
		}
	}
	return ""
}

// InitCampaign writes a campaign file with comments for what this machine can run. It overwrites nothing.
func InitCampaign(path string) error {
	targets, err := UsableTargets()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("init: %s is there already, and nothing is overwritten: name another file", path)
	}
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_, err = f.WriteString(campaignText(targets))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("init: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// campaignText is a campaign file with what there is to say, and the defaults as comments.
func campaignText(targets []Usable) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# A campaign of stressd: stressd run --campaign THIS-FILE. Flags win over it. Paths are seen from this file.
# What is stopped or killed goes on when the same command is given again; --fresh begins anew.

for = "8h"              # how long, pauses not counted; "0" runs until it is stopped
state = "state"         # where findings go, and what a stopped campaign goes on with
#runs = 100000          # of each target, after which it is over before that (default: no such end)
#seed = 7               # of everything random (default: drawn; the summary says which)
#workers = 1            # of a target with weight 1 (default: one for each two CPUs)
#profile = "linux-6.1"  # kernel that the engine simulates (default: linux-6.18)
#scenarios = ["mine/*.scn"] # (default: the built-in seeds)

# Where to run. A target with weight 2 has twice as many workers as one with 1; each has one at least.
`)
	for _, t := range targets {
		if t.Lacks == "" {
			fmt.Fprintf(&b, "\n[[target]]\nname = %q\n#weight = 1\n", t.Target)
		}
	}
	for _, t := range targets {
		if t.Lacks != "" {
			fmt.Fprintf(&b, "\n# not here: %s\n#[[target]]\n#name = %q\n", t.Lacks, t.Target)
		}
	}
	fmt.Fprintf(&b, `
[limits]
memory = %q    # of stressd; machines have their own memory besides
disk = %q        # of the state directory; kept scenarios go first, then histories of old findings, never a finding
`, fileSize(DefaultLimits.Memory), fileSize(DefaultLimits.Disk))
	return b.String()
}

// fileSize is a size as a campaign file has it.
func fileSize(s Size) string { return strings.ReplaceAll(s.String(), " ", "") }
