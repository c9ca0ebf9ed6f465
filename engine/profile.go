package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Profile says what differs between kernels. The zero Profile is Linux 6.18 on amd64 without Yama, as root of the initial
// user namespace.
type Profile struct {
	Name string
	// Old holds the behaviours of other kernels: see Switch.
	Old Switches
	// Arch is the architecture, as far as register sets depend on it (R110).
	Arch Arch
	// Yama is the level of the Yama security module (R108).
	Yama Yama
	// UserNamespace: uid 0 is root of a user namespace that is not the initial one, where capable() of kernel/capability.c
	// looks. What asks ns_capable, or for CAP_SYS_PTRACE over a task of the same namespace, is as in the initial one.
	UserNamespace bool
	// Users: the user ids below it are mapped in that namespace; setresuid takes no others (make_kuid). 0: all are.
	Users uint16
	// Groups are the group ids, likewise.
	Groups uint16
}

// Arch is an architecture.
type Arch uint8

const (
	AMD64 Arch = iota
	ARM64
	RISCV64
	S390X
	PPC64LE
	I386 // programs of 32 bits on a kernel of amd64
	numArchs
)

var archNames = [numArchs]string{"amd64", "arm64", "riscv64", "s390x", "ppc64le", "386"}

func (a Arch) String() string { return nameOf(archNames[:], int(a)) }

// Systems that are other than a Linux on hardware, be it emulated.
const (
	UserModeLinux = "uml"    // has architecture code of its own
	GVisor        = "gvisor" // is no Linux
)

// Yama is the level of the Yama security module.
type Yama uint8

const (
	YamaAbsent Yama = iota
	YamaClassic
	YamaRelational
	YamaCapability
	YamaNoAttach
)

// Release is a kernel's version, major and minor.
type Release struct{ Major, Minor int }

func (r Release) String() string { return fmt.Sprintf("%d.%d", r.Major, r.Minor) }

// Before says whether r is older than o.
func (r Release) Before(o Release) bool {
	return r.Major < o.Major || r.Major == o.Major && r.Minor < o.Minor
}

// Switch is one documented behaviour that the zero Profile does not have: that of older kernels, of other architectures, or
// of gVisor. A known bug of a kernel is none: kernels that have it differ from the engine, and are found.
type Switch uint8

const (
	// Older kernels, the oldest change first.
	SwNoSeize Switch = iota
	SwNoTraceSeccomp
	SwNoExitkill
	SwNoPeeksiginfo
	SwNoSigmask
	SwNoSuspendSeccomp
	SwNoSeccompGetFilter
	SwNoSeccompGetMetadata
	SwNoSyscallInfo
	SwNoRseqConfiguration
	SwMessageStays
	SwKillResumes
	SwKillLeavesExitEvent
	SwLeaderExitCode
	SwNoUserDispatch
	SwNoShadowStack
	SwExecOpensLate
	SwNoPidfdThread
	SwTsyncCountsDead
	SwPidfdThreadEINVAL
	SwNoSetSyscallInfo
	// Newer kernels.
	SwExitSignalChecked
	// The ptrace of 2009 over utrace.
	SwSetoptionsPartial
	SwTraceeHidden
	SwLateStops
	SwPlainStops
	// Architectures.
	SwNoBlockstep
	SwNoSinglestep
	SwNoSysemu
	SwNoTracehook
	SwUserModeRegisters
	SwNoGenericEntry
	SwStepFromNobody
	SwEmulatedArgument
	SwExecKeepsRegisters
	SwStepsDerail
	// Configurations.
	SwNoCheckpointRestore
	// gVisor.
	SwAttachNoWait
	SwAttachInExec
	NumSwitches
)

// Switches is a set of them.
type Switches uint64

func (s Switches) Has(x Switch) bool { return s&(1<<x) != 0 }

// Set is the set of only this switch.
func (x Switch) Set() Switches { return 1 << x }

// SwitchInfo is what is known about a Switch.
type SwitchInfo struct {
	Name   string
	Before Release // Linux older than that has it; zero: no release
	Since  Release // Linux from that on has it; zero: no release
	Arch   []Arch  // architectures that have it, whatever the release
	Until  Release // if set: those of Arch have it only before that release
	GVisor bool
	// Probe is what an agent tries for it, beside the release: kernels that say no have the switch. Empty: nothing.
	Probe  string
	Utrace bool // the ptrace of 2009 over utrace has it
	Rules  []Rule
	Doc    string // what such a kernel does
	Source string // commit, version or rule that says so
}

var switchTable = [NumSwitches]SwitchInfo{
	SwNoSeize: {Name: "no-seize", Before: Release{3, 4}, Rules: []Rule{10, 48, 49},
		Doc: "SEIZE, INTERRUPT and LISTEN are unknown: EIO", Source: "ptrace(2): since Linux 3.4; before, behind PTRACE_SEIZE_DEVEL"},
	SwNoTraceSeccomp: {Name: "no-trace-seccomp", Before: Release{3, 5}, Rules: []Rule{20, 57},
		Doc: "the option TRACESECCOMP is unknown", Source: "ptrace(2): since Linux 3.5"},
	SwNoExitkill: {Name: "no-exitkill", Before: Release{3, 8}, Rules: []Rule{20, 102},
		Doc: "the option EXITKILL is unknown", Source: "ptrace(2): since Linux 3.8"},
	SwNoPeeksiginfo: {Name: "no-peeksiginfo", Before: Release{3, 10}, GVisor: true, Rules: []Rule{111},
		Doc: "PEEKSIGINFO is unknown: EIO", Source: "ptrace(2): since Linux 3.10; gVisor: PEEKSIGINFO is unimplemented, says Task.Ptrace"},
	SwNoSigmask: {Name: "no-sigmask", Before: Release{3, 11}, Rules: []Rule{111},
		Doc: "GETSIGMASK and SETSIGMASK are unknown: EIO", Source: "ptrace(2): since Linux 3.11"},
	SwNoSuspendSeccomp: {Name: "no-suspend-seccomp", Before: Release{4, 3}, GVisor: true, Rules: []Rule{5, 20},
		Doc: "the option SUSPEND_SECCOMP is unknown", Source: "ptrace(2): since Linux 4.3; gVisor: ptraceSetOptionsLocked"},
	SwNoSeccompGetFilter: {Name: "no-seccomp-get-filter", Before: Release{4, 4}, GVisor: true, Rules: []Rule{111},
		Doc: "SECCOMP_GET_FILTER is unknown: EIO", Source: "ptrace(2): since Linux 4.4; gVisor: Task.Ptrace"},
	SwNoSeccompGetMetadata: {Name: "no-seccomp-get-metadata", Before: Release{4, 16}, GVisor: true, Rules: []Rule{111},
		Doc: "SECCOMP_GET_METADATA is unknown: EIO", Source: "commit 26500475ac1b, 4.16; gVisor: Task.Ptrace"},
	SwNoSyscallInfo: {Name: "no-syscall-info", Before: Release{5, 3}, GVisor: true, Rules: []Rule{56, 111},
		Doc: "GET_SYSCALL_INFO is unknown: EIO; syscall stops have no message", Source: "commit 201766a20e30, 5.3; gVisor: Task.Ptrace, ptraceTrapLocked"},
	SwNoRseqConfiguration: {Name: "no-rseq-configuration", Before: Release{5, 13}, GVisor: true, Probe: "ptrace-get-rseq-configuration", Rules: []Rule{111},
		Doc: "GET_RSEQ_CONFIGURATION is unknown: EIO", Source: "commit 90f093fa8ea4, 5.13; gVisor: Task.Ptrace"},
	SwKillResumes: {Name: "kill-resumes", Before: Release{5, 19}, GVisor: true, Rules: []Rule{19},
		Doc: "KILL is a restart with SIGKILL: it does nothing outside of stops, nor in those whose restart signal is ignored", Source: "commit 6a2d90ba027a, 5.19 (row 48); gVisor: ptraceKill"},
	SwMessageStays: {Name: "message-stays", Before: Release{5, 18}, GVisor: true, Rules: []Rule{111},
		Doc: "a stop without a message shows that of an earlier one", Source: "commit 336d4b814bf0, 5.18: ptrace_stop sets and clears it; gVisor: only ptraceEventLocked sets it"},
	SwKillLeavesExitEvent: {Name: "kill-leaves-exit-event", Before: Release{6, 1}, GVisor: true, Rules: []Rule{22, 76, 112},
		Doc: "signals are not dropped by a group that is exiting: a thread-directed SIGKILL ends even an EVENT_EXIT stop", Source: "commit 9a95f78eab70, 6.1 (row 47); gVisor: killLocked ends any stop"},
	SwLeaderExitCode: {Name: "leader-exit-code", Before: Release{6, 1}, GVisor: true, Rules: []Rule{78},
		Doc: "a process whose threads exit one by one is reported with its leader's code", Source: "commit d80f7d7b2c75 (synchronize_group_exit), in 6.1; gVisor: ThreadGroup.ExitStatus"},
	SwNoUserDispatch: {Name: "no-user-dispatch", Before: Release{6, 4}, GVisor: true, Rules: []Rule{111},
		Doc: "GET_ and SET_SYSCALL_USER_DISPATCH are unknown: EIO", Source: "commit 3f67987cdc09, 6.4; gVisor: Task.Ptrace"},
	SwNoShadowStack: {Name: "no-shadow-stack", Before: Release{6, 6}, GVisor: true, Probe: "ptrace-shadow-stack", Rules: []Rule{110},
		Doc: "amd64: NT_X86_SHSTK is no register set: EINVAL", Source: "arch/x86/kernel/ptrace.c since 6.6, with CONFIG_X86_USER_SHADOW_STACK; without it, and so on 6.18.44, EINVAL was seen"},
	SwExecOpensLate: {Name: "exec-opens-late", Before: Release{6, 8}, Rules: []Rule{7, 63, 65},
		Doc:    "an exec takes the cred_guard_mutex, and keeps its process from getting threads, before it finds that there is no such file",
		Source: "commit 978ffcbf00d8, 6.8: do_open_execat comes first; seen on 6.1 of x86_64, arm64, s390x and UML, not on 6.12"},
	SwNoPidfdThread: {Name: "no-pidfd-thread", Before: Release{6, 9}, Rules: []Rule{21},
		Doc: "PIDFD_THREAD and the flags of pidfd_send_signal are unknown: EINVAL", Source: "pidfd_open(2): since Linux 6.9"},
	SwPidfdThreadEINVAL: {Name: "pidfd-thread-einval", Before: Release{6, 16}, Rules: []Rule{21},
		Doc: "pidfd_open of a thread that is no leader gives EINVAL; since then ENOENT", Source: "kernel/pid.c and fs/pidfs.c since 6.16; ENOENT seen on 6.18"},
	SwTsyncCountsDead: {Name: "tsync-counts-dead", Before: Release{6, 11}, Rules: []Rule{57},
		Doc: "TSYNC is refused for a filter of a thread that is exiting or dead, and not yet reaped", Source: "commit 13eb42e2529e, 6.11: seccomp_can_sync_threads; seen on 6.1 of arm64"},
	SwNoSetSyscallInfo: {Name: "no-set-syscall-info", Before: Release{6, 16}, GVisor: true, Rules: []Rule{111},
		Doc: "SET_SYSCALL_INFO is unknown: EIO", Source: "commit 26bb32768fe6, 6.16; gVisor: Task.Ptrace"},
	SwExitSignalChecked: {Name: "exit-signal-checked", Since: Release{7, 1}, GVisor: true, Probe: "clone-any-exit-signal", Rules: []Rule{84},
		Doc: "clone with an exit signal that is no signal gives EINVAL", Source: "commit 09e7827e7857, 7.1: kernel_clone; seen on 7.2, not on 6.18.44 and 6.12.117, although it was queued for stable releases; gVisor: Task.Clone"},
	SwSetoptionsPartial: {Name: "setoptions-partial", Utrace: true, Rules: []Rule{20},
		Doc: "SETOPTIONS applies the known bits, and then fails for the unknown ones", Source: "section 5.2 of the specification"},
	SwTraceeHidden: {Name: "tracee-hidden", Utrace: true, Rules: []Rule{92},
		Doc: "a real parent's wait sees neither stops nor continuations of a child that somebody else traces", Source: "H7 of the specification (5.4)"},
	SwLateStops: {Name: "late-stops", Utrace: true, Rules: []Rule{33, 53, 62, 70},
		Doc:    "stops of fork, clone, exec, a vfork's end and the exit of a call lie on the way to user mode: SYSCALL makes such an event's stop, as it is, that of the exit",
		Source: "sections 2.6 and 5.3 of the specification"},
	SwPlainStops: {Name: "plain-stops", Utrace: true, Rules: []Rule{9, 39, 41, 98},
		Doc: "a group stop of a tracee is the job control stop that it is for others: an attach leaves it, SIGCONT ends it; its tracer alone " +
			"is told, and its requests make it a tracing stop; an explicit restart ends the whole group's",
		Source: "sections 2.6, 5.2, 5.3 and H7 (5.4) of the specification"},
	SwNoBlockstep: {Name: "no-blockstep", Arch: []Arch{ARM64, RISCV64}, GVisor: true, Probe: "ptrace-singleblock", Rules: []Rule{17},
		Doc: "the processor has no block step: SINGLEBLOCK gives EIO", Source: "arch_has_block_step; gVisor: Task.Ptrace"},
	SwNoSinglestep: {Name: "no-singlestep", Arch: []Arch{RISCV64}, Rules: []Rule{17, 58},
		Doc: "the kernel cannot step: SINGLESTEP gives EIO", Source: "arch_has_single_step; arch/riscv has none, up to 7.2"},
	SwNoSysemu: {Name: "no-sysemu", Arch: []Arch{RISCV64}, Until: Release{6, 4}, Probe: "ptrace-sysemu", Rules: []Rule{17, 54},
		Doc: "SYSEMU and SYSEMU_SINGLESTEP give EIO", Source: "arch/riscv/include/asm/ptrace.h has them since commit f0bddf50586d, 6.4; seen on 7.2"},
	SwNoTracehook: {Name: "no-tracehook", Probe: "ptrace-getregset", Rules: []Rule{56, 110, 111},
		Doc: "GETREGSET, SETREGSET, GET_ and SET_SYSCALL_INFO are unknown: EIO", Source: "ptrace_request: they need HAVE_ARCH_TRACEHOOK, which User Mode Linux of 6.1 has not"},
	SwUserModeRegisters: {Name: "user-mode-registers", Probe: "ptrace-getregs-fault", Rules: []Rule{110},
		Doc: "PEEKUSR reads 0 behind the user area, GETREGS succeeds with a bad address; SETREGS and GETFPREGS with one are not modelled", Source: "arch/um/kernel/ptrace.c and arch/x86/um/ptrace_64.c of 6.1"},
	SwNoGenericEntry: {Name: "no-generic-entry", Arch: []Arch{ARM64, PPC64LE}, Rules: []Rule{111},
		Doc: "GET_ and SET_SYSCALL_USER_DISPATCH give EINVAL where they are known", Source: "include/linux/syscall_user_dispatch.h without CONFIG_GENERIC_ENTRY"},
	SwStepFromNobody: {Name: "step-from-nobody", Arch: []Arch{ARM64, S390X}, Rules: []Rule{29, 58},
		Doc:    "the report of a step over a call is a SIGTRAP of nobody (SI_USER): it takes its turn by its number among pending faults, and not before them",
		Source: "user_single_step_report in include/linux/ptrace.h, where an architecture has none of its own; seen on 6.1 of arm64"},
	SwEmulatedArgument: {Name: "emulated-argument", Arch: []Arch{ARM64, PPC64LE}, Rules: []Rule{54},
		Doc: "a call that SYSEMU skips returns its first argument; known is what that is if it is a number", Source: "el0_svc_common in arch/arm64/kernel/syscall.c and do_syscall_trace_enter of arch/powerpc set no result; seen on 6.1"},
	SwExecKeepsRegisters: {Name: "exec-keeps-registers", Arch: []Arch{S390X}, Rules: []Rule{71, 110},
		Doc: "a new image begins with the registers of the old one, but for the program counter, the stack pointer and gpr 14", Source: "start_thread and ELF_PLAT_INIT of arch/s390; seen on 6.1"},
	SwStepsDerail: {Name: "steps-derail", Probe: "ptrace-step-branch", Rules: []Rule{17, 54, 58},
		Doc: "a tracee that is stepped goes on behind a branch that it takes: SINGLESTEP, SINGLEBLOCK and SYSEMU_SINGLESTEP are not modelled", Source: "no kernel: the PER events of QEMU 7.2's s390x; seen with 6.1"},
	SwNoCheckpointRestore: {Name: "no-checkpoint-restore", Probe: "ptrace-o-suspend-seccomp", Rules: []Rule{5, 20, 111},
		Doc: "SECCOMP_GET_FILTER, SECCOMP_GET_METADATA and the option SUSPEND_SECCOMP give EINVAL", Source: "include/linux/seccomp.h and check_ptrace_options without CONFIG_CHECKPOINT_RESTORE"},
	SwAttachNoWait: {Name: "attach-no-wait", GVisor: true, Rules: []Rule{9},
		Doc: "attach to a stopped target does not wait for its trap", Source: "gVisor: ptraceAttach, which says so"},
	SwAttachInExec: {Name: "attach-in-exec", GVisor: true, Rules: []Rule{7},
		Doc: "attach does not wait for an exec of its target's process: there is no cred_guard_mutex", Source: "gVisor: ptraceAttach, Task.Execve"},
}

// Info describes a switch.
func (x Switch) Info() *SwitchInfo { return &switchTable[x] }

func (x Switch) String() string {
	if x < NumSwitches {
		return switchTable[x].Name
	}
	return fmt.Sprintf("switch %d", uint8(x))
}

// List lists the switches of a set in order.
func (s Switches) List() []Switch {
	var out []Switch
	for x := range NumSwitches {
		if s.Has(x) {
			out = append(out, x)
		}
	}
	return out
}

// ProfileFor returns the profile of a Linux kernel by its release, as uname -r prints it, and architecture, as Go names it.
// An unknown architecture has the register sets and the abilities of amd64.
func ProfileFor(release, arch string) (Profile, error) {
	r, err := ParseRelease(release)
	if err != nil {
		return Profile{}, err
	}
	p := Profile{Name: "linux-" + r.String(), Arch: AMD64}
	if i := slices.Index(archNames[:], arch); i >= 0 {
		p.Arch = Arch(i)
	}
	if p.Arch != AMD64 {
		p.Name += "/" + p.Arch.String()
	}
	for x := range NumSwitches {
		i := x.Info()
		if r.Before(i.Before) || i.Since != (Release{}) && !r.Before(i.Since) || slices.Contains(i.Arch, p.Arch) && (i.Until == Release{} || r.Before(i.Until)) {
			p.Old |= x.Set()
		}
	}
	return p, nil
}

// ParseRelease reads the version at the beginning of what uname -r prints.
func ParseRelease(s string) (r Release, err error) {
	major, rest, ok := leadingNumber(s)
	rest, dot := strings.CutPrefix(rest, ".")
	minor, _, more := leadingNumber(rest)
	if !ok || !dot || !more {
		return Release{}, fmt.Errorf("no kernel release: %q", s)
	}
	return Release{major, minor}, nil
}

// leadingNumber reads the decimal number at the beginning of s, and returns what is behind it. (Package fmt could, but brings what scans along:
// a fuzzer of this package counts the edges of it all after each run.)
func leadingNumber(s string) (n int, rest string, ok bool) {
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return n, s[i:], i > 0
		}
		if n = n*10 + int(d); n > 1<<30 {
			return 0, s, false
		}
	}
	return n, "", s != ""
}

// ProfileNames lists profiles that matter; ParseProfile knows every linux-VERSION.
func ProfileNames() []string {
	return []string{"utrace-2009", "linux-4.7", "linux-4.8", "linux-5.4", "linux-5.10", "linux-6.1", "linux-6.12", "linux-6.18", "linux-7.2",
		"linux-6.18/arm64", "linux-6.18/riscv64", "linux-6.18/s390x", "linux-6.18/ppc64le", "linux-6.18/386", "gvisor"}
}

// ParseProfile finds a profile by its name: linux-VERSION, linux-VERSION/ARCH, utrace-2009 or gvisor.
func ParseProfile(name string) (Profile, error) {
	switch name {
	case "utrace-2009":
		// The API of late 2009 lived beside Linux 2.6.31 to 2.6.33.
		p, err := ProfileFor("2.6", "amd64")
		p.Name = name
		for x := range NumSwitches {
			if x.Info().Utrace {
				p.Old |= x.Set()
			}
		}
		return p, err
	case GVisor:
		p := Profile{Name: name}
		for x := range NumSwitches {
			if x.Info().GVisor {
				p.Old |= x.Set()
			}
		}
		return p, nil
	}
	version, ok := strings.CutPrefix(name, "linux-")
	version, arch, _ := strings.Cut(version, "/")
	if p, err := ProfileFor(version, arch); ok && err == nil && (arch == "" || slices.Contains(archNames[:], arch)) {
		return p, nil
	}
	return Profile{}, fmt.Errorf("unknown profile %q: linux-VERSION, linux-VERSION/%s, utrace-2009 or gvisor", name, strings.Join(archNames[:], "|"))
}

// Old says whether the kernel has an older or another behaviour.
func (w *World) Old(x Switch) bool { return w.m.opt.Profile.Old.Has(x) }
