//go:build 386 || amd64 || arm64 || ppc64le || riscv64 || s390x

package actor

import (
	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// What is alike on all architectures that have actors, but for constants of theirs: abi_ARCH.go.

// interpreterText is where the assembler put the interpreter.
func interpreterText() *byte

// Cycles reads the counter that logs and delays use: of cycles, or of time.
func Cycles() uint64

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
	engine.CallPause:            sysPause,
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

// cloneArgs is the argument order of clone(2): flags, stack, where the child's tid goes for the parent; with CONFIG_CLONE_BACKWARDS2
// the stack is the first.
func cloneArgs(flags, stack, tid operand) []operand {
	if stackFirst {
		flags, stack = stack, flags
	}
	return []operand{flags, stack, tid}
}

// pauseArgs are the arguments of pause(2): none. Where there is no pause, they are those of a ppoll(2) of nothing, for ever, with the
// signal mask as it is: it sleeps until a signal, and is interrupted and restarted as pause is (ERESTARTNOHAND in do_sys_poll).
func pauseArgs() []operand {
	if sysPause != unix.SYS_PPOLL {
		return nil
	}
	return []operand{imm(0), imm(0), imm(0), imm(0), imm(0)}
}

// A kernel sigaction is handler, flags, restorer where there is such a word, mask. The handler calls rt_sigreturn itself: it is the
// restorer as well, where the kernel refuses handlers without one.
func sigactionWords(handler, flags uint64) []uint64 {
	if !restorerWord {
		return []uint64{handler, flags, 0}
	}
	if handler > 1 {
		flags |= saRestorer
	}
	return append(longs(handler, flags, handler), 0)
}

// longs packs longs and pointers, as structures of the kernel have them, into words; what is left of the last one is 0.
func longs(values ...uint64) (words []uint64) {
	if wordSize == 8 {
		return values
	}
	for i, v := range values {
		if i%2 == 0 {
			words = append(words, v)
		} else {
			words[i/2] |= v << 32
		}
	}
	return words
}
