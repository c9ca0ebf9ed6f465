package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run. Tickets are drawn by one instruction: a loop of LDARX and STDCX
// never ends under PTRACE_SINGLESTEP, as every stop clears the reservation.
func Missing() string {
	if !cpu.PPC64.IsPOWER9 {
		return "the processor has no atomic operations in memory (ISA 3.0, POWER9)"
	}
	return ""
}

const (
	elfMachine = elf.EM_PPC64
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_PPC64LE

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends what a process gets without asking for more (DEFAULT_MAP_WINDOW); what lies above the shared memory can be unmapped
	// up to here.
	userTop = 1 << 47

	// Words of struct user, which begins with the general set. The scratch registers are r20 to r23 (spareWord).
	scratchRegisters = 4
	userResult       = 10 // of scenarios: r3 (wordAt)
	userCall         = 15 // r0
	unusedRegister   = 13 // r13, the thread's pointer
	userRegs         = 39 // up to CCR: what can be written
	fpregsSize       = 264
	longestSet       = 544 // NT_PPC_VMX
)

var byteOrder = binary.LittleEndian

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

// Cycles reads the cycle counter that logs and delays use.
func Cycles() uint64

// xstateSize is 0: there is no NT_X86_XSTATE.
func xstateSize() uint32 { return 0 }

// cloneArgs is the argument order of clone(2): flags, stack, where the child's tid goes for the parent.
func cloneArgs(flags, stack, tid operand) []operand { return []operand{flags, stack, tid} }

// pauseArgs are the arguments of pause(2): none.
func pauseArgs() []operand { return nil }

// A kernel sigaction is handler, flags, restorer, mask; nobody uses the restorer.
func sigactionWords(handler, flags uint64) []uint64 { return []uint64{handler, flags, 0, 0} }
