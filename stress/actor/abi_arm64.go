package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run. Tickets are drawn by one instruction: a loop of LDXR and STXR
// never ends under PTRACE_SINGLESTEP, as every stop clears the monitor.
func Missing() string {
	if !cpu.ARM64.HasATOMICS {
		return "the processor has no LSE atomics (Armv8.1)"
	}
	return ""
}

const (
	elfMachine = elf.EM_AARCH64
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_AARCH64

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process; what lies above the shared memory can be unmapped up to here. Kernels of fewer than
	// 48 bits refuse that.
	userTop = 1 << 48

	saRestorer = 0 // the handler calls rt_sigreturn itself

	// Words of user_pt_regs. There is no PEEKUSR, and SETREGSET of one word sets x0, which actors use.
	scratchRegisters = 0
	userResult       = 0 // x0
	userCall         = -1
	unusedRegister   = 0
	userRegs         = 0
	fpregsSize       = 528 // struct user_fpsimd_state
	longestSet       = fpregsSize
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
	engine.CallPause:            unix.SYS_PPOLL, // there is no pause: see pauseArgs
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

// pauseArgs are the arguments of a ppoll(2) of nothing, for ever, with the signal mask as it is: it sleeps until a signal, and is
// interrupted and restarted as pause is (ERESTARTNOHAND in do_sys_poll).
func pauseArgs() []operand { return []operand{imm(0), imm(0), imm(0), imm(0), imm(0)} }

// A kernel sigaction is handler, flags, restorer, mask.
func sigactionWords(handler, flags uint64) []uint64 {
	if handler > 1 {
		flags |= saRestorer
	}
	return []uint64{handler, flags, handler, 0}
}
