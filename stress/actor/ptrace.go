package actor

import (
	"tracehammer/ptrace"
)

const ntPrstatus = 1 // note type of the general registers

// Layout of the buffer for requests with more than one structure.
const (
	iovAt   = 0  // struct iovec
	blockAt = 32 // what it points to; also what the second structure of a request is
)

// ptrace encodes CallPtrace as package ptrace documents it for the engine. Requests not listed take their four arguments as they are; of the others:
//
//	request                   addr                  data            Out
//	PEEKTEXT PEEKDATA         index of a word       0, or a bad     the word
//	                          of the scratch page   address
//	POKETEXT POKEDATA         the same              the word
//	PEEKUSR                   index of a register   0               the register
//	POKEUSR                   the same              its value
//	GETREGS                                                         registers 0, 1, 2
//	GETREGSET                 note type                             registers 0, 1, 2
//	SETREGSET                 note type             register 0
//	GETEVENTMSG                                                     the message
//	GETSIGINFO                                                      si_signo, si_code, si_pid
//	SETSIGINFO                si_code               si_signo
//	PEEKSIGINFO               offset, flags<<32     how many        si_signo, si_code, si_pid of the first
//	GETSIGMASK                size                                  the mask
//	SETSIGMASK                size                  the mask
//	GET_SYSCALL_INFO          size                                  op; call or result
//	SECCOMP_GET_METADATA      size                                  flags
//	SECCOMP_GET_FILTER        index
//
// Registers are four that actors never use themselves; a word of the scratch page beyond ScratchWords is no valid address.
func (b *builder) ptrace() encoded {
	arg := b.arg
	request := ptrace.Request(b.constArg(0))
	e := encoded{args: []operand{arg(0), arg(1), arg(2), arg(3)}}
	addr, data := &e.args[2], &e.args[3]
	scaled := func(base int64) operand { return imm(base + 8*b.constArg(2)) }
	switch request {
	case ptrace.Peektext, ptrace.Peekdata:
		*addr = scaled(scratchBase)
		b.into(&e, data, int64At(0))
	case ptrace.Poketext, ptrace.Pokedata:
		*addr = scaled(scratchBase)
	case ptrace.Peekusr:
		*addr = scaled(0)
		b.into(&e, data, int64At(0))
	case ptrace.Pokeusr:
		*addr = scaled(0)
	case ptrace.Getregs:
		b.into(&e, data, int64At(0), int64At(8), int64At(16))
	case ptrace.Getfpregs, ptrace.SeccompGetFilter, ptrace.GetRseqConfiguration, ptrace.GetSyscallUserDispatch:
		b.into(&e, data)
	case ptrace.Getregset:
		b.iovec(data, regsSize)
		if b.constArg(2) == ntPrstatus {
			e.outs = []output{int64At(blockAt), int64At(blockAt + 8), int64At(blockAt + 16)}
		}
	case ptrace.Setregset:
		b.store(buffer(blockAt), arg(3))
		b.iovec(data, 8)
	case ptrace.Geteventmsg, ptrace.Getsigmask:
		b.into(&e, data, int64At(0))
	case ptrace.Setsigmask:
		b.store(buffer(0), arg(3))
		*data = buffer(0)
	case ptrace.Getsiginfo:
		b.into(&e, data, int32At(siSigno), int32At(siCode), int32At(siPid))
	case ptrace.Setsiginfo:
		*data = b.siginfo(3, 2)
		*addr = imm(0)
	case ptrace.Peeksiginfo:
		b.store(buffer(0), imm(b.constArg(2)&0xffffffff))
		b.store(buffer(8), imm(b.constArg(3)<<32|b.constArg(2)>>32))
		*addr, *data = buffer(0), buffer(blockAt)
		e.outs = []output{int32At(blockAt + siSigno), int32At(blockAt + siCode), int32At(blockAt + siPid)}
	case ptrace.GetSyscallInfo:
		b.into(&e, data, uint8At(0), int64At(24))
	case ptrace.SeccompGetMetadata:
		b.into(&e, data, int64At(8))
	}
	return e
}

// into points data at the buffer, unless the program wants a bad address there.
func (b *builder) into(e *encoded, data *operand, outs ...output) {
	if v, ok := data.constant(); ok && v != 0 {
		return
	}
	*data, e.outs = buffer(0), outs
}

// iovec builds a struct iovec of n bytes of the block, and points data at it.
func (b *builder) iovec(data *operand, n int64) {
	b.store(buffer(iovAt), buffer(blockAt))
	b.store(buffer(iovAt+8), imm(n))
	*data = buffer(iovAt)
}
