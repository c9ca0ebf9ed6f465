package actor

import (
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Where requests read and write. Small structures are in the slot's buffer; the others in the actor's far area, whose end
// the log leaves free.
const (
	iovAt      = 0  // in the buffer: struct iovec
	queryAt    = 0  // struct ptrace_peeksiginfo_args
	regsAt     = 32 // general registers
	registersN = 4  // of the scratch registers
)

// badAddress is in no mapping of any process (vm.mmap_min_addr).
const badAddress = 8

// ptrace encodes CallPtrace. What addr and data mean to the engine for each request, and what Out is, package ptrace says;
// this is how it comes about on a real kernel. Requests not listed take their arguments as they are.
//
//	PEEKTEXT and the like      AddrWord is the first word of the actors' scratch page; all else is badAddress
//	SETREGS, SETFPREGS,        write back what the GET of the same kind, the instruction before, read; where there is none,
//	SETREGSET                  they set scratch registers only, because anything else would derail the tracee
//	POKEUSR                    the result, and the number -1 of a call; all else goes to a scratch register, which is as
//	                           invisible as it is to the engine
//	GET_SYSCALL_INFO           Out is completed by abstract
//	requests with a structure  it is zero where neither addr nor data go into it
func (b *builder) ptrace() encoded {
	arg := b.arg
	request := ptrace.Request(b.constArg(0))
	e := encoded{args: []operand{arg(0), arg(1), arg(2), arg(3)}}
	addr, data := &e.args[2], &e.args[3]
	into := func(at operand, outs ...output) { *data, e.outs = at, outs }
	switch request {
	case ptrace.Peektext, ptrace.Peekdata:
		*addr = b.wordAddr()
		into(buffer(0), int64At(0))
	case ptrace.Poketext, ptrace.Pokedata:
		*addr = b.wordAddr()
	case ptrace.Peekusr:
		into(buffer(0))
	case ptrace.Pokeusr:
		if a := b.constArg(2); a >= 0 && a < ptrace.UserSize && a%8 == 0 && !(a == ptrace.UserRax || a == ptrace.UserOrigRax && b.constArg(3) == -1) {
			*addr = imm(scratchRegister)
		}
	case ptrace.Getregs, ptrace.Getfpregs:
		into(b.registers(request))
	case ptrace.Setregs, ptrace.Setfpregs:
		into(b.registers(request))
		if get := map[ptrace.Request]ptrace.Request{ptrace.Setregs: ptrace.Getregs, ptrace.Setfpregs: ptrace.Getfpregs}[request]; !b.follows(get) {
			e.args[0], *addr = imm(int64(ptrace.Setregset)), imm(ntPrstatus)
			b.iovec(data, buffer(regsAt), imm(registersN*8))
		}
	case ptrace.Getregset, ptrace.Setregset:
		size := arg(3)
		if request == ptrace.Setregset && b.constArg(2) == ntPrstatus && !b.follows(ptrace.Getregset) {
			if n := b.constArg(3); n%8 == 0 {
				size = imm(min(n, registersN*8))
			}
		}
		b.iovec(data, b.registers(request), size)
		if request == ptrace.Getregset && b.constArg(2) != ntXstate {
			e.outs = []output{int64At(iovAt + 8)}
		}
	case ptrace.Geteventmsg, ptrace.Getsigmask:
		into(buffer(0), int64At(0))
	case ptrace.Setsigmask:
		b.store(buffer(0), arg(3))
		into(buffer(0))
	case ptrace.Getsiginfo:
		into(buffer(0), int32At(siSigno), int32At(siCode), int32At(siPid))
	case ptrace.Setsiginfo:
		into(b.siginfo(2, 3))
		*addr = imm(0)
	case ptrace.Peeksiginfo:
		b.store(buffer(queryAt), imm(b.constArg(2)&0xffffffff))
		b.store32(buffer(queryAt+8), imm(b.constArg(2)>>32))
		b.store32(buffer(queryAt+12), arg(3))
		*addr = buffer(queryAt)
		into(buffer(regsAt), int32At(regsAt+siSigno), int32At(regsAt+siCode), int32At(regsAt+siPid))
		if n := b.constArg(3); n > (bufferSize-regsAt)/siSize {
			b.fail("PEEKSIGINFO of %d siginfos, at most %d", n, (bufferSize-regsAt)/siSize)
		}
	case ptrace.GetSyscallInfo:
		into(buffer(0), uint8At(0), int64At(24), int32At(80))
	case ptrace.SeccompGetFilter, ptrace.GetRseqConfiguration, ptrace.GetSyscallUserDispatch:
		into(buffer(0))
	case ptrace.SeccompGetMetadata, ptrace.SetSyscallUserDispatch, ptrace.SetSyscallInfo:
		for at := uintptr(0); at < 96; at += 8 {
			b.store(buffer(at), imm(0))
		}
		into(buffer(0))
	}
	return e
}

// wordAddr is the address of the word of PEEK and POKE.
func (b *builder) wordAddr() operand {
	if b.constArg(2) == ptrace.AddrWord {
		return imm(scratchBase)
	}
	return imm(badAddress)
}

// registers is where a register set goes: one place for each kind, so that a SET finds what its GET left.
func (b *builder) registers(r ptrace.Request) operand {
	far := func(at int64) operand {
		return operand{fromStack, int64(farAt-stacksAt) + int64(actorSlot(b.me))<<farShift + logSize + at}
	}
	set := b.in.Args[2].N
	switch {
	case r == ptrace.Getfpregs || r == ptrace.Setfpregs:
		return far(0)
	case (r == ptrace.Getregset || r == ptrace.Setregset) && set != ntPrstatus:
		return far(1024)
	}
	return buffer(regsAt)
}

// follows says whether the instruction before this one makes the same request of the same tracee as this, but for get.
func (b *builder) follows(get ptrace.Request) bool {
	if b.prev == nil || b.prev.Op != engine.OpCall || b.prev.Call != engine.CallPtrace {
		return false
	}
	want := b.in.Args
	want[0].N = int64(get)
	return b.prev.Args == want
}

// iovec builds a struct iovec and points data at it.
func (b *builder) iovec(data *operand, at, size operand) {
	b.store(buffer(iovAt), at)
	b.store(buffer(iovAt+8), size)
	*data = buffer(iovAt)
}

// Notes of GETREGSET.
const (
	ntPrstatus = 1
	ntXstate   = 0x202
)

// abstract makes what a request gave the engine's Out.
func abstract(request ptrace.Request, res *engine.Result) {
	if res.Ret < 0 {
		return
	}
	switch request {
	case ptrace.Getsiginfo, ptrace.Peeksiginfo:
		senderOnly(&res.Out)
	case ptrace.GetSyscallInfo:
		op, word, data := res.Out[0], res.Out[1], res.Out[2]
		switch op {
		case ptrace.SyscallInfoEntry:
			res.Out = [3]int64{op, canonical(word)}
		case ptrace.SyscallInfoExit:
			failed := int64(0)
			if word < 0 && word >= -4095 {
				failed = 1
			}
			res.Out = [3]int64{op, failed}
		case ptrace.SyscallInfoSeccomp:
			res.Out = [3]int64{op, canonical(word), data}
		default:
			res.Out = [3]int64{}
		}
	}
}

// senderOnly clears si_pid where the kernel puts something else at its place: of faults, an address.
func senderOnly(out *[3]int64) {
	if out[0] != engine.SIGCHLD && out[1] > 0 && out[1] < engine.SI_KERNEL {
		out[2] = 0
	}
}
