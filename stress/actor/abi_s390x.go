package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run. Go itself needs a z13, and tickets what a z196 has (LAAG).
func Missing() string { return "" }

const (
	elfMachine = elf.EM_S390
	elfData    = elf.ELFDATA2MSB
	auditArch  = unix.AUDIT_ARCH_S390X

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 4
	// userTop ends the addresses of a process that can be unmapped: none here, because the kernel restarts what restart_syscall(2)
	// is for by an instruction of the vdso (arch_do_signal_or_restart).
	userTop = arenaBase + arenaSize

	saRestorer = 0 // the handler calls rt_sigreturn itself

	// Words of struct user. The scratch registers are gprs 10 to 13 (spareWord); the general set begins with the psw.
	scratchRegisters = 4
	userResult       = 4 // gprs[2]: the result, and while a call is entered its number
	userCall         = 4
	unusedRegister   = 19 // access registers 2 and 3
	userRegs         = 66 // behind the registers are those of the PER facility, and what is ignored
	fpregsSize       = 136
	longestSet       = 512 // no set that is modelled: room for four siginfos
)

var byteOrder = binary.BigEndian

// sysno is the system call that carries out each call.
var sysno = [engine.NumCalls]uint32{
	engine.CallClone:            unix.SYS_CLONE,
	engine.CallExecve:           unix.SYS_EXECVEAT,
	engine.CallExit:             unix.SYS_EXIT,
	engine.CallExitGroup:        unix.SYS_EXIT_GROUP,
	engine.CallGetpid:           unix.SYS_GETPID,
	engine.CallGettid:           unix.SYS_GETTID,
	engine.CallGetppid:          unix.SYS_GETPPID,
	engine.CallKill:             unix.SYS_KILL,
	engine.CallTkill:            unix.SYS_TKILL,
	engine.CallTgkill:           unix.SYS_TGKILL,
	engine.CallRtSigqueueinfo:   unix.SYS_RT_SIGQUEUEINFO,
	engine.CallRtTgsigqueueinfo: unix.SYS_RT_TGSIGQUEUEINFO,
	engine.CallPidfdOpen:        unix.SYS_PIDFD_OPEN,
	engine.CallPidfdSendSignal:  unix.SYS_PIDFD_SEND_SIGNAL,
	engine.CallSigaction:        unix.SYS_RT_SIGACTION,
	engine.CallSigprocmask:      unix.SYS_RT_SIGPROCMASK,
	engine.CallSigpending:       unix.SYS_RT_SIGPENDING,
	engine.CallSigsuspend:       unix.SYS_RT_SIGSUSPEND,
	engine.CallPause:            unix.SYS_PAUSE,
	engine.CallNanosleep:        unix.SYS_NANOSLEEP,
	engine.CallSetpgid:          unix.SYS_SETPGID,
	engine.CallGetpgid:          unix.SYS_GETPGID,
	engine.CallSetsid:           unix.SYS_SETSID,
	engine.CallGetsid:           unix.SYS_GETSID,
	engine.CallWait4:            unix.SYS_WAIT4,
	engine.CallWaitid:           unix.SYS_WAITID,
	engine.CallPrctl:            unix.SYS_PRCTL,
	engine.CallSeccomp:          unix.SYS_SECCOMP,
	engine.CallSetresuid:        unix.SYS_SETRESUID,
	engine.CallSetresgid:        unix.SYS_SETRESGID,
	engine.CallPtrace:           unix.SYS_PTRACE,
	engine.CallUtrace:           1 << 30, // none
	engine.CallSchedYield:       unix.SYS_SCHED_YIELD,
	engine.CallFutexWait:        unix.SYS_FUTEX,
	engine.CallFutexWake:        unix.SYS_FUTEX,
	engine.CallMmap:             unix.SYS_MMAP,
	engine.CallSigreturn:        unix.SYS_RT_SIGRETURN,
}

// interpreterText is where the assembler put the interpreter.
func interpreterText() *byte

// Cycles reads the clock that logs and delays use.
func Cycles() uint64

// xstateSize is 0: there is no NT_X86_XSTATE.
func xstateSize() uint32 { return 0 }

// cloneArgs is the argument order of clone(2): stack, flags, where the child's tid goes for the parent (CONFIG_CLONE_BACKWARDS2).
func cloneArgs(flags, stack, tid operand) []operand { return []operand{stack, flags, tid} }

// pauseArgs are the arguments of pause(2): none.
func pauseArgs() []operand { return nil }

// A kernel sigaction is handler, flags, restorer, mask.
func sigactionWords(handler, flags uint64) []uint64 {
	if handler > 1 {
		flags |= saRestorer
	}
	return []uint64{handler, flags, handler, 0}
}
