package actor

import (
	"cmp"
	"math"
	"runtime"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Where requests read and write. What is larger than the buffer is a zero area behind the actor's far log.
const (
	iovAt   = 0  // in the buffer: struct iovec
	queryAt = 0  // struct ptrace_peeksiginfo_args
	blockAt = 32 // what goes with either
)

// badAddress is in no mapping of any process (vm.mmap_min_addr).
const badAddress = 8

// Where GET_SYSCALL_INFO puts what it says.
const (
	infoOp      = 0
	infoWord    = 24          // call number, or result
	infoFutexOp = 40 + loWord // second argument of the call
)

// requestNumbers are the requests that have other numbers on some architectures (arch/*/include/uapi/asm/ptrace.h); what an architecture
// lacks becomes a number that means nothing there.
var requestNumbers = map[string]map[ptrace.Request]int64{
	"ppc64le": {ptrace.Sysemu: 29, ptrace.SysemuSinglestep: 30, ptrace.Singleblock: 0x100},
	"s390x":   {ptrace.Singleblock: 12, ptrace.Getregs: noRequest, ptrace.Setregs: noRequest, ptrace.Getfpregs: noRequest, ptrace.Setfpregs: noRequest},
}[runtime.GOARCH]

const noRequest = 0x4fff

// spareWord is where in struct user the first scratch register is, where that is not its beginning.
var spareWord = map[string]int64{"386": 5, "ppc64le": 20, "s390x": 2 + 10}[runtime.GOARCH]

// wordAt is where in struct user a word is that scenarios name, where it is not there. On 386 and ppc64le that is result and number of a
// call; and on the latter the reason for which the tracee is in the kernel, like DSCR, is not for tracers to change: r13 is nobody's.
var wordAt = map[string]map[int64]int64{"386": {10: 6, 15: 11}, "ppc64le": {10: 3, 15: 0, 40: 13, 44: 13}}[runtime.GOARCH]

// generalScratch says whether the scratch registers are the first ones of the general set.
func generalScratch() bool { return scratchRegisters > 0 && spareWord == 0 }

// ptrace encodes CallPtrace. What addr, data and Out mean for each request, package ptrace says; this is how it comes about
// on a real kernel. Words are those of the actors' scratch page, registers those that actors never use themselves, other
// buffers the actor's own, unless the program says that they are bad. A request that would derail its tracee is made in a
// way that is as invisible to the tracee as it is to the engine.
func (b *builder) ptrace() encoded {
	arg := b.arg
	request := ptrace.Request(b.constArg(0))
	e := encoded{args: []operand{arg(0), arg(1), arg(2), arg(3)}}
	if nr, other := requestNumbers[request]; other {
		e.args[0] = imm(nr)
	}
	addr, data := &e.args[2], &e.args[3]
	// into makes data a place of the actor's own; it says no when the program wants a bad one.
	into := func(at operand, outs ...output) bool {
		if v, ok := data.constant(); ok && v != 0 {
			*data = imm(badAddress)
			return false
		}
		*data, e.outs = at, outs
		return true
	}
	word := func() {
		*addr = imm(scratchBase + 8*b.constArg(2))
		if b.constArg(2) >= ptrace.ValidWords { // where a page is larger, more words are valid
			*addr = imm(badAddress)
		}
	}
	register := func() {
		n := b.constArg(2)
		switch *addr = imm(wordSize * n); {
		case n >= 0 && n < scratchRegisters:
			*addr = imm(wordSize * (n + spareWord))
		case n >= ptrace.OffByte:
			*addr = imm(wordSize*(n-ptrace.OffByte) + 1)
		default:
			if at, other := wordAt[n]; other {
				*addr = imm(wordSize * at)
			}
		}
	}
	switch request {
	case ptrace.Peektext, ptrace.Peekdata:
		word()
		into(buffer(0), longAt(0))
	case ptrace.Poketext, ptrace.Pokedata:
		word()
	case ptrace.Peekusr:
		register()
		if into(buffer(0), longAt(0)) && b.constArg(2) >= scratchRegisters {
			e.outs = nil
		}
	case ptrace.Pokeusr:
		register()
		n := b.constArg(2)
		known := n == userResult && (n != userCall || !ptrace.NamesCall(b.constArg(3))) || n == userCall && b.constArg(3) == -1
		if n >= scratchRegisters && n < userRegs && !known {
			*addr, *data = imm(wordSize*unusedRegister), imm(0)
		}
	case ptrace.Getregs:
		var outs []output
		if generalScratch() {
			outs = registers
		}
		into(buffer(blockAt), outs...)
	case ptrace.GetSyscallUserDispatch:
		into(buffer(0), int64At(0))
	case ptrace.Getfpregs, ptrace.SeccompGetFilter, ptrace.GetRseqConfiguration:
		into(buffer(0))
	case ptrace.Setregs, ptrace.Setfpregs:
		*data = imm(badAddress)
	case ptrace.Getregset:
		length := b.constArg(3)
		if length < 0 {
			*data = imm(badAddress)
			break
		}
		*data = buffer(iovAt)
		if length == 0 || length%8 == 0 {
			length = min(cmp.Or(length, bufferSize), bufferSize-blockAt)
		}
		b.iovec(buffer(blockAt), length)
		if b.constArg(3) != 0 {
			e.outs, e.keep = []output{emptyAt, emptyAt, longAt(iovAt + wordSize)}, true
		}
		if b.constArg(2) == ntPrstatus && generalScratch() {
			b.store(buffer(blockAt), imm(0))
			b.store(buffer(blockAt+8), imm(0))
			e.outs = append(registers[:2:2], e.outs[min(2, len(e.outs)):]...)
		}
	case ptrace.Setregset:
		*data = buffer(iovAt)
		switch b.constArg(2) {
		case ntPrfpreg:
			b.iovec(b.zeros(), fpregsSize)
		case ntXstate:
			b.iovec(b.zeros(), int64(xstateSize()))
		case ntPrxfpreg: // 386 alone has it
			b.iovec(b.zeros(), 512)
		default:
			length := int64(8)
			if !generalScratch() { // the first register is one that the tracee needs: all of the request but the change
				length = 0
			}
			b.store(buffer(blockAt), arg(3))
			b.iovec(buffer(blockAt), length)
		}
	case ptrace.Geteventmsg:
		into(buffer(0), longAt(0))
	case ptrace.Getsigmask:
		into(buffer(0), int64At(0))
	case ptrace.Setsigmask:
		b.store(buffer(0), arg(3))
		*data = buffer(0)
	case ptrace.Getsiginfo:
		into(buffer(0), int32At(siSigno), int32At(siCode), int32At(siPid))
	case ptrace.Setsiginfo:
		*addr, *data = imm(0), b.siginfo(3, 2)
	case ptrace.Peeksiginfo:
		b.store(buffer(queryAt), imm(b.constArg(2)&0xffffffff))
		b.store32(buffer(queryAt+8), imm(b.constArg(2)>>32))
		b.store32(buffer(queryAt+12), imm(min(b.constArg(3), (bufferSize-blockAt)/siSize)))
		*addr, *data = buffer(queryAt), buffer(blockAt)
		e.outs = []output{int32At(blockAt + siSigno), int32At(blockAt + siCode), int32At(blockAt + siPid)}
	case ptrace.GetSyscallInfo:
		into(buffer(0), uint8At(infoOp), int64At(infoWord), int32At(infoFutexOp))
		if uint64(b.constArg(2)) < ptrace.SyscallInfoSize {
			e.outs = nil
		}
	case ptrace.SeccompGetMetadata:
		if n := b.constArg(3); n < 0 {
			*data = imm(badAddress)
		} else {
			b.store(buffer(0), imm(n))
			b.store(buffer(8), imm(0))
			*data, e.outs = buffer(0), []output{int64At(8)}
		}
	case ptrace.SetSyscallUserDispatch:
		*data = b.dispatch(b.constArg(3))
	case ptrace.SetSyscallInfo:
		*addr, *data = b.syscallInfo(b.constArg(2), b.constArg(3))
	}
	return e
}

// registers are the first scratch registers in a block.
var registers = []output{int64At(blockAt), int64At(blockAt + 8), int64At(blockAt + 16)}

// dispatch builds a struct ptrace_sud_config: no call of an actor is to be dispatched, so the region that is exempt is all
// memory but the first page.
func (b *builder) dispatch(mode int64) operand {
	if mode < 0 {
		return imm(badAddress)
	}
	offset, length := int64(0), int64(0)
	switch {
	case mode&ptrace.DispatchRegion != 0:
		mode, offset = mode&^ptrace.DispatchRegion, 8
	case mode == ptrace.DispatchOn:
		offset, length = 4096, math.MaxInt64
	}
	for i, v := range [4]int64{mode, 0, offset, length} {
		b.store(buffer(uintptr(i)*8), imm(v))
	}
	return buffer(0)
}

// syscallInfo builds a struct ptrace_syscall_info, and returns its size and place.
func (b *builder) syscallInfo(op, v int64) (size, at operand) {
	n := int64(ptrace.InfoSize)
	if op>>32 != 0 {
		op, n = op&0xffffffff, op>>32
	}
	if op&ptrace.BadInfo != 0 {
		return imm(n), imm(badAddress)
	}
	for i := uintptr(0); i < ptrace.InfoSize; i += 8 {
		b.store(buffer(i), imm(0))
	}
	b.store(buffer(0), firstByte(op))
	switch {
	case op == ptrace.SyscallInfoExit:
		if v < 0 {
			b.store(buffer(infoWord+8), firstByte(1)) // is_error
		}
	case v != int64(int32(v)): // refused
	case v > 0 && v < int64(engine.NumCalls) && ptrace.Settable(engine.Call(v)):
		v = int64(sysno[v])
	default:
		v = -1
	}
	b.store(buffer(infoWord), imm(v))
	return imm(n), buffer(0)
}

// firstByte is a word whose first byte is v, and all others 0.
func firstByte(v int64) operand {
	if loWord != 0 {
		return imm(v << 56)
	}
	return imm(v & 0xff)
}

// iovec builds a struct iovec.
func (b *builder) iovec(at operand, size int64) {
	store := b.store
	if wordSize == 4 {
		store = b.store32
	}
	store(buffer(iovAt), at)
	store(buffer(iovAt+wordSize), imm(size))
}

// zeros is the address of memory that is zero.
func (b *builder) zeros() operand {
	return operand{fromStack, farAt - stacksAt + int64(actorSlot(b.me))<<farShift + logSize}
}

// Notes of register sets.
const (
	ntPrstatus = 1
	ntPrfpreg  = 2
	ntXstate   = 0x202
	ntPrxfpreg = 0x46e62b7f
)

// abstract makes of what a request gave the engine's Out.
func abstract(request ptrace.Request, res *engine.Result) {
	if res.Ret < 0 {
		if request == ptrace.Getregset {
			res.Out = [3]int64{} // there the length of the buffer still stands
		}
		return
	}
	switch request {
	case ptrace.Getsiginfo, ptrace.Peeksiginfo:
		senderOnly(&res.Out)
	case ptrace.GetSyscallInfo:
		op, word, futexOp := res.Out[0], res.Out[1], res.Out[2]
		switch op {
		case ptrace.SyscallInfoEntry, ptrace.SyscallInfoSeccomp:
			word = int64(callOf(word, futexOp))
		case ptrace.SyscallInfoNone:
			word = 0
		}
		res.Out = [3]int64{op, word}
	}
}

// senderOnly clears si_pid where the kernel puts an address at its place.
func senderOnly(out *[3]int64) {
	if !engine.SigInfoHasPid(out[0], out[1]) {
		out[2] = 0
	}
}

// callOf is the inverse of sysno; CallNone for restart_syscall and everything else that no call is made with.
func callOf(nr, futexOp int64) engine.Call {
	for c := engine.CallNone + 1; c < engine.NumCalls; c++ {
		if int64(sysno[c]) == nr {
			if c == engine.CallFutexWait && futexOp == futexWake {
				return engine.CallFutexWake
			}
			return c
		}
	}
	return engine.CallNone
}
