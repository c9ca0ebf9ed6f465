package actor

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Missing says what actors lack on this machine; "" if they can run: Linux, as Go, wants the atomics (A) of every processor.
func Missing() string { return "" }

const (
	elfMachine = elf.EM_RISCV
	elfData    = elf.ELFDATA2LSB
	auditArch  = unix.AUDIT_ARCH_RISCV64

	// loWord is the offset of the low half of a 64-bit word: futexes and kernel ints are 32 bits wide.
	loWord = 0
	// userTop ends the addresses of a process, with the stack that it begins with (DEFAULT_MAP_WINDOW in arch/riscv); what lies
	// above the shared memory can be unmapped up to here. Processors with 39 bits refuse that.
	userTop = 1 << 47

	// Words of user_regs_struct. There is no PEEKUSR, and SETREGSET of one word sets the program counter.
	scratchRegisters = 0
	userResult       = 10 // a0
	userCall         = -1
	unusedRegister   = 0
	userRegs         = 0
	fpregsSize       = 33 * 8 // struct __riscv_d_ext_state
	longestSet       = 512
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

// A kernel sigaction is handler, flags, mask: there is no restorer.
func sigactionWords(handler, flags uint64) []uint64 { return []uint64{handler, flags, 0} }
