package actor

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// An output word is a place in the actor's buffer that a call writes, and how wide it is.
type output struct {
	at    uintptr // in slot.buf
	shift uint8   // 64 minus the width in bits
}

// emptyAt is the output word of calls without one, which stays 0.
var emptyAt = output{at: ^uintptr(0) - (slotBuf - slotNothing) + 1}

func int32At(at uintptr) output { return output{at, 32} }
func int64At(at uintptr) output { return output{at, 0} }
func longAt(at uintptr) output  { return output{at, 64 - 8*wordSize} }
func uint8At(at uintptr) output { return output{at, 56} }
func buffer(at uintptr) operand { return slotAddr(slotBuf + at) }
func (o output) offset() uint16 { return uint16(slotBuf + o.at) }

// Fields of a siginfo.
const (
	siSigno  = 0
	siCode   = 8
	siPid    = siFields
	siStatus = siFields + 8
	siSize   = 128
)

// encoded is a system call: its arguments, and what of the buffer it makes visible.
type encoded struct {
	args []operand
	outs []output
	keep bool // the outs are also inputs
}

// engineCall encodes one OpCall: perhaps instructions that fill the buffer, then the system call.
func (b *builder) engineCall(n int32) {
	in := b.in
	if in.Call == engine.CallUtrace {
		b.fail("utrace is no system call of a kernel's")
		return
	}
	if !in.Call.Scripted() {
		b.fail("call %d is not for programs", in.Call)
		return
	}
	e := b.operands()
	i := b.call(sysno[in.Call], e.args...)
	i.index = uint32(n)
	if !in.Harness {
		i.flags |= flagLog
	}
	if in.Call == engine.CallClone {
		i.flags |= flagClone
	}
	if in.Dst != engine.NoVar || in.DstOut != engine.NoVar {
		i.flags |= flagVars
		i.dst, i.dstOut = uint32(b.variable(in.Dst)), uint32(b.variable(in.DstOut))
	}
	if len(e.outs) > 0 {
		i.flags |= flagOut
	}
	if e.keep {
		i.flags |= flagKeep
	}
	for k, o := range e.outs {
		*[]*uint16{&i.out0, &i.out1, &i.out2}[k] = o.offset()
		*[]*uint8{&i.shift0, &i.shift1, &i.shift2}[k] = o.shift
	}
}

// sigsetSize is what the kernel wants to be told a signal set measures.
const sigsetSize = 8

// operands says how each call of the engine is made on Linux. Calls whose arguments are plain numbers need no case.
func (b *builder) operands() encoded {
	arg := b.arg
	set := func(n int) operand { return address(b.code.constant(uint64(b.constArg(n)))) }
	switch b.in.Call {
	case engine.CallClone:
		child := engine.ActorID(b.constArg(1))
		if child <= 0 || int(child) >= len(b.code.program.Actors) {
			b.fail("clone of actor %d", child)
			return encoded{}
		}
		flags := b.constArg(0) | unix.CLONE_PARENT_SETTID
		stack := stackAddr(actorSlot(child))
		return encoded{args: cloneArgs(imm(flags), stack, runAddr(tidOffset(child)+loWord))}
	case engine.CallExecve:
		argv, envp := slotAddr(unsafe.Offsetof(slot{}.argv)), slotAddr(unsafe.Offsetof(slot{}.envp))
		if fd := b.image(); fd != 0 {
			return encoded{args: []operand{imm(fd), envp, argv, envp, imm(unix.AT_EMPTY_PATH)}} // envp is also an empty string
		}
		path := address(b.code.constant(stringWords("/tracehammer/no/such/image")...))
		return encoded{args: []operand{imm(unix.AT_FDCWD), path, argv, envp, imm(0)}}
	case engine.CallRtSigqueueinfo:
		return encoded{args: []operand{arg(0), arg(1), b.siginfo(1, 2)}}
	case engine.CallRtTgsigqueueinfo:
		return encoded{args: []operand{arg(0), arg(1), arg(2), b.siginfo(2, 3)}}
	case engine.CallPidfdSendSignal:
		return encoded{args: []operand{arg(0), arg(1), imm(0), arg(2)}}
	case engine.CallSigaction:
		handler := uint64(b.constArg(1)) // SIG_DFL 0, SIG_IGN 1
		flags := uint64(uint32(b.constArg(2)))
		if handler == engine.SigHandler {
			handler = uint64(handlerAddr())
			flags |= engine.SA_SIGINFO
		}
		return encoded{args: []operand{arg(0), address(b.code.constant(sigactionWords(handler, flags)...)), imm(0), imm(sigsetSize)}}
	case engine.CallSigprocmask:
		return encoded{args: []operand{arg(0), set(1), imm(0), imm(sigsetSize)}}
	case engine.CallSigpending:
		return encoded{args: []operand{buffer(0), imm(sigsetSize)}, outs: []output{int64At(0)}}
	case engine.CallSigsuspend:
		return encoded{args: []operand{set(0), imm(sigsetSize)}}
	case engine.CallPause:
		return encoded{args: pauseArgs()}
	case engine.CallNanosleep:
		ns := uint64(b.constArg(0))
		return encoded{args: []operand{address(b.code.constant(longs(ns/1e9, ns%1e9)...)), imm(0)}}
	case engine.CallWait4:
		return encoded{args: []operand{arg(0), buffer(0), arg(1), imm(0)}, outs: []output{int32At(0)}}
	case engine.CallWaitid:
		return encoded{args: []operand{arg(0), arg(1), buffer(0), arg(2), imm(0)}, outs: []output{int32At(siPid), int32At(siCode), int32At(siStatus)}}
	case engine.CallPrctl:
		switch b.constArg(0) {
		case engine.PR_GET_PDEATHSIG, engine.PR_GET_CHILD_SUBREAPER:
			return encoded{args: []operand{arg(0), buffer(0)}, outs: []output{int32At(0)}}
		}
		return encoded{args: []operand{arg(0), arg(1), imm(0), imm(0), imm(0)}} // some options want the rest to be 0
	case engine.CallSeccomp:
		return encoded{args: []operand{imm(unix.SECCOMP_SET_MODE_FILTER), arg(3), address(b.filter())}}
	case engine.CallSetresuid, engine.CallSetresgid:
		return encoded{args: []operand{arg(0), arg(0), arg(0)}}
	case engine.CallPtrace:
		return b.ptrace()
	}
	return encoded{args: []operand{arg(0), arg(1), arg(2)}}
}

// image is the descriptor of the image that an execve names, 0 if there is none.
func (b *builder) image() int64 {
	switch b.constArg(0) {
	case engine.ImageSelf:
		return ImageFD
	case engine.ImageSetuid:
		return SetuidFD
	}
	return 0
}

// siginfo fills the buffer with what sigqueue(3) would send: signal and code from two arguments, the caller as sender.
func (b *builder) siginfo(signo, code int) operand {
	for at := uintptr(0); at < siSize; at += 8 { // the kernel refuses codes that it does not know with anything behind them
		b.store(buffer(at), imm(0))
	}
	b.store32(buffer(siSigno), b.arg(signo))
	b.store32(buffer(siCode), b.arg(code))
	b.store32(buffer(siPid), runWord(tidOffset(b.code.leader[b.me])))
	return buffer(0)
}

// filter puts a seccomp program into the data that allows every call but the one that arguments 0 to 2 name, and
// returns the address of its sock_fprog.
func (b *builder) filter() uintptr {
	call := engine.Call(b.constArg(1))
	if !call.Scripted() {
		b.fail("seccomp filter of call %d", call)
		return 0
	}
	action := uint32(unix.SECCOMP_RET_ALLOW)
	data := uint32(b.constArg(2)) & unix.SECCOMP_RET_DATA
	switch b.constArg(0) {
	case engine.SeccompAllow:
	case engine.SeccompErrno:
		action = unix.SECCOMP_RET_ERRNO | data
	case engine.SeccompTrace:
		action = unix.SECCOMP_RET_TRACE | data
	case engine.SeccompKillThread:
		action = unix.SECCOMP_RET_KILL_THREAD
	case engine.SeccompKillProcess:
		action = unix.SECCOMP_RET_KILL_PROCESS
	default:
		b.fail("seccomp action %d", b.constArg(0))
	}
	const nrAt, archAt = 0, 4 // in struct seccomp_data
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: archAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nrAt},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: sysno[call], Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	words := unsafe.Slice((*uint64)(unsafe.Pointer(&program[0])), len(program))
	insns := b.code.constant(words...)
	var length uint64
	*(*uint16)(unsafe.Pointer(&length)) = uint16(len(program))
	return b.code.constant(longs(length, uint64(insns))...)
}

// stringWords is a C string as words.
func stringWords(s string) []uint64 {
	words := make([]uint64, len(s)/8+1)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8), s)
	return words
}
