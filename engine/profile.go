package engine

// Profile is the set of named switches for behaviours that differ between kernels. The zero Profile is Linux 6.18 without Yama.
type Profile struct {
	Name string
	// Arch is the architecture, as far as register sets depend on it (R110).
	Arch Arch
	// Yama is the level of the Yama security module (R108).
	Yama Yama
	// PidfdThreadEINVAL: pidfd_open of a thread that is no leader gives EINVAL; since 6.16 ENOENT.
	PidfdThreadEINVAL bool
	// NoBlockstep: the processor has no block step; SINGLEBLOCK gives EIO.
	NoBlockstep bool
	// NoSetSyscallInfo: PTRACE_SET_SYSCALL_INFO is unknown and gives EIO; since 6.16 it is known.
	NoSetSyscallInfo bool
	// UserNamespace: uid 0 is root of a user namespace that is not the initial one, where capable() of kernel/capability.c
	// looks. What asks ns_capable, or for CAP_SYS_PTRACE over a task of the same namespace, is as in the initial one.
	UserNamespace bool
	// Users: the user ids below it are mapped in that namespace; setresuid takes no others (make_kuid). 0: all are.
	Users uint16
}

// Arch is an architecture.
type Arch uint8

const (
	AMD64 Arch = iota
	ARM64
	RISCV64
	numArchs
)

var archNames = [numArchs]string{"amd64", "arm64", "riscv64"}

func (a Arch) String() string { return nameOf(archNames[:], int(a)) }

// Yama is the level of the Yama security module.
type Yama uint8

const (
	YamaAbsent Yama = iota
	YamaClassic
	YamaRelational
	YamaCapability
	YamaNoAttach
)
