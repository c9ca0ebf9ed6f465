package engine

import (
	"slices"
	"testing"
)

// Every switch has a name of its own, what it does, a source, rules, and something that has it; and those of releases are
// listed from the oldest change on.
func TestSwitchTable(t *testing.T) {
	names := map[string]bool{}
	last := Release{}
	for x := range NumSwitches {
		i := x.Info()
		if i.Name == "" || i.Doc == "" || i.Source == "" || len(i.Rules) == 0 || names[i.Name] {
			t.Errorf("switch %d: incomplete or double: %+v", x, i)
		}
		names[i.Name] = true
		if i.Before == (Release{}) && i.Since == (Release{}) && len(i.Arch) == 0 && !i.GVisor && i.Probe == "" && !i.Utrace {
			t.Errorf("%s: nobody has it", i.Name)
		}
		if i.Before != (Release{}) {
			if i.Before.Before(last) {
				t.Errorf("%s stands behind one of %v", i.Name, last)
			}
			last = i.Before
		}
	}
	if NumSwitches > 64 {
		t.Error("more switches than bits")
	}
}

func TestProfileFor(t *testing.T) {
	for _, c := range []struct {
		release, arch string
		has, hasNot   []Switch
	}{
		{"6.18.44", "amd64", nil, []Switch{SwNoSetSyscallInfo, SwNoBlockstep}},
		{"7.2.0-rc1+", "amd64", nil, []Switch{SwNoSetSyscallInfo}},
		{"6.16.0", "amd64", nil, []Switch{SwPidfdThreadEINVAL, SwNoSetSyscallInfo}},
		{"6.15.9", "amd64", []Switch{SwPidfdThreadEINVAL, SwNoSetSyscallInfo}, []Switch{SwNoPidfdThread}},
		{"6.1.0-37-amd64", "amd64", []Switch{SwNoPidfdThread, SwNoUserDispatch}, []Switch{SwLeaderExitCode, SwKillLeavesExitEvent}},
		{"5.15.0-generic", "amd64", []Switch{SwLeaderExitCode, SwKillResumes, SwMessageStays}, []Switch{SwNoRseqConfiguration, SwNoSyscallInfo}},
		{"5.18.3", "amd64", []Switch{SwKillResumes}, []Switch{SwMessageStays}},
		{"5.10", "amd64", []Switch{SwNoRseqConfiguration}, []Switch{SwNoSyscallInfo}},
		{"5.2", "amd64", []Switch{SwNoSyscallInfo}, []Switch{SwNoSeccompGetMetadata}},
		{"4.8.0", "amd64", []Switch{SwNoSyscallInfo, SwNoSeccompGetMetadata}, []Switch{SwNoSeccompGetFilter}},
		{"4.4", "amd64", []Switch{SwNoSeccompGetMetadata}, []Switch{SwNoSeccompGetFilter, SwNoSuspendSeccomp}},
		{"2.6.32", "amd64", []Switch{SwNoSeize, SwNoExitkill, SwNoTraceSeccomp, SwNoPeeksiginfo, SwNoSigmask}, []Switch{SwNoBlockstep}},
		{"6.18", "riscv64", []Switch{SwNoBlockstep, SwNoSinglestep}, []Switch{SwNoSetSyscallInfo, SwNoSysemu, SwNoGenericEntry, SwEmulatedArgument}},
		{"7.0", "amd64", nil, []Switch{SwExitSignalChecked}},
		{"7.1", "amd64", []Switch{SwExitSignalChecked}, []Switch{SwNoSetSyscallInfo}},
		{"6.3", "riscv64", []Switch{SwNoSinglestep, SwNoSysemu, SwNoUserDispatch}, nil},
		{"6.18", "arm64", []Switch{SwNoBlockstep, SwNoGenericEntry, SwEmulatedArgument}, []Switch{SwNoSinglestep, SwNoSysemu}},
		{"6.18", "ppc64le", []Switch{SwNoGenericEntry, SwEmulatedArgument}, []Switch{SwNoBlockstep, SwNoSinglestep, SwNoSysemu}},
		{"6.18", "s390x", []Switch{SwExecKeepsRegisters}, []Switch{SwNoBlockstep, SwNoSinglestep, SwNoSysemu, SwNoGenericEntry}},
		{"6.18", "386", nil, []Switch{SwNoBlockstep, SwNoSinglestep, SwNoSysemu, SwNoGenericEntry, SwEmulatedArgument}},
		{"6.18", "mips64", nil, []Switch{SwNoBlockstep}}, // an architecture that is not modelled
	} {
		p, err := ProfileFor(c.release, c.arch)
		if err != nil {
			t.Errorf("%s %s: %v", c.release, c.arch, err)
		}
		for _, x := range c.has {
			if !p.Old.Has(x) {
				t.Errorf("%s %s lacks %v", c.release, c.arch, x)
			}
		}
		for _, x := range c.hasNot {
			if p.Old.Has(x) {
				t.Errorf("%s %s has %v", c.release, c.arch, x)
			}
		}
	}
	for _, bad := range []string{"", "linux", "six.one", "-6.1"} {
		if _, err := ProfileFor(bad, "amd64"); err == nil {
			t.Errorf("release %q is accepted", bad)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for _, name := range ProfileNames() {
		p, err := ParseProfile(name)
		if err != nil || p.Name != name {
			t.Errorf("%s: %q, %v", name, p.Name, err)
		}
	}
	if p, _ := ParseProfile("linux-6.18"); p != (Profile{Name: "linux-6.18"}) {
		t.Errorf("the zero profile is not linux-6.18: %+v", p)
	}
	if p, _ := ParseProfile("gvisor"); !slices.Contains(p.Old.List(), SwAttachNoWait) {
		t.Error("gvisor waits for a trap")
	}
	for _, bad := range []string{"", "linux", "linux-", "linux-6.1/vax", "6.1", "solaris"} {
		if _, err := ParseProfile(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
