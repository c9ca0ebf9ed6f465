package ptrace

import (
	"slices"

	"tracehammer/engine"
)

// Register files (R110): what an architecture shows of a stopped tracee as sets (GETREGSET) and, where it has a struct user, by
// word (PEEKUSR). Values are abstract: only the first few registers of the general set are kept, where no actor uses those.

// Note types of register sets.
const (
	ntPrstatus       = 1
	ntPrfpreg        = 2
	ntPpcVMX         = 0x100
	ntPpcVSX         = 0x102
	ntPpcTAR         = 0x103
	ntPpcPPR         = 0x104
	ntPpcDSCR        = 0x105
	ntTLS            = 0x200
	ntIoperm         = 0x201
	ntXstate         = 0x202
	ntShstk          = 0x204
	ntS390LastBreak  = 0x306
	ntS390SystemCall = 0x307
	ntArmTLS         = 0x401
	ntArmSystemCall  = 0x404
	ntPrxfpreg       = 0x46e62b7f
)

// regset is one set: n registers of size bytes; err is what reading it gives where no actor has such state.
type regset struct {
	note, size, n int64
	err           int64
	readOnly      bool
}

// registerFile is an architecture's sets, and its struct user, of so many words. words is 0 where there is no PEEKUSR.
type registerFile struct {
	sets         []regset
	kept         bool  // the first registers of the general set are the actors' to spare: not x0, nor pc
	spare        int64 // so many of the registers that scenarios name are there, by word, and the actors' to spare
	narrow       bool  // a word has 32 bits
	whole        bool  // there are GETREGS, SETREGS, GETFPREGS and SETFPREGS
	words        int64
	fixed        []span // words that cannot be written
	holes        []span // nor read
	result, call int64  // words that mean something to the kernel at stops of system calls
	unsigned     bool   // that a result is an error is told by another register
}

// span is words from one to another.
type span struct{ from, to int64 }

func within(spans []span, at int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= at && at <= s.to })
}

// xstateSeen is how much of an XSAVE area is modelled: how long it is depends on the processor. No buffer is longer.
const xstateSeen = 512

// registerFiles are those of arch/*/kernel/ptrace.c.
var registerFiles = [...]registerFile{
	engine.AMD64: {
		sets: []regset{
			{note: ntPrstatus, size: 8, n: 27}, {note: ntPrfpreg, size: 8, n: 64}, {note: ntXstate, size: 8, n: xstateSeen / 8},
			{note: ntIoperm, size: 8, n: 1024, err: engine.ENXIO, readOnly: true}, {note: ntShstk, size: 8, n: 1, err: engine.ENODEV},
		},
		kept: true, spare: engine.NumRegs, whole: true, words: 928 / 8, fixed: []span{{27, 105}, {110, 111}, {114, 115}}, // what is no register; DR4 and DR5; what is behind DR7
		result: 10, call: 15, // rax, orig_rax
	},
	engine.ARM64: {sets: []regset{
		{note: ntPrstatus, size: 8, n: 34}, {note: ntPrfpreg, size: 4, n: 132}, {note: ntArmTLS, size: 8, n: 2}, {note: ntArmSystemCall, size: 4, n: 1},
	}},
	engine.RISCV64: {sets: []regset{{note: ntPrstatus, size: 8, n: 32}, {note: ntPrfpreg, size: 8, n: 33}}},
	// All of struct user can be written, as far as it is anything. The general set begins with the psw.
	engine.S390X: {
		sets: []regset{
			{note: ntPrstatus, size: 8, n: 27}, {note: ntPrfpreg, size: 8, n: 17},
			{note: ntS390LastBreak, size: 8, n: 1}, {note: ntS390SystemCall, size: 4, n: 1},
		},
		spare: engine.NumRegs, words: 528 / 8, result: 4, call: 4, // gprs[2]: __poke_user
	},
	// struct user is the general set, DSCR and the floating point registers. The general set begins with r0, the number of calls.
	// Result and number are r3 and r0, at the words that they have on amd64.
	engine.PPC64LE: {
		sets: []regset{
			{note: ntPrstatus, size: 8, n: 48}, {note: ntPrfpreg, size: 8, n: 33}, {note: ntPpcVMX, size: 16, n: 34}, {note: ntPpcVSX, size: 8, n: 32},
			{note: ntPpcTAR, size: 8, n: 1}, {note: ntPpcPPR, size: 8, n: 1}, {note: ntPpcDSCR, size: 8, n: 1},
		},
		spare: engine.NumRegs, whole: true, words: 81, fixed: []span{{39, 39}, {41, 43}}, holes: []span{{45, 47}}, // PT_MAX_PUT_REG, PT_TRAP; PT_DSCR, PT_FPR0
		result: 10, call: 15, unsigned: true,
	},
	// user_x86_32_view and ia32_arch_ptrace. What is no register in struct user can be written as well as read. Of the debug registers
	// DR4 and DR5 take nothing.
	// Result and number are eax and orig_eax, at the words that they have on amd64; ebp alone is to spare.
	engine.I386: {
		sets: []regset{
			{note: ntPrstatus, size: 4, n: 17}, {note: ntPrfpreg, size: 4, n: 27}, {note: ntPrxfpreg, size: 4, n: 128}, {note: ntXstate, size: 8, n: xstateSeen / 8},
			{note: ntTLS, size: 16, n: 3}, {note: ntIoperm, size: 4, n: 2048, err: engine.ENXIO, readOnly: true},
		},
		spare: 1, narrow: true, whole: true, words: 284 / 4, fixed: []span{{67, 68}},
		result: 10, call: 15,
	},
}

func registersOf(w *engine.World) *registerFile { return &registerFiles[w.Profile().Arch] }

// regset is ptrace_regset: length is the buffer's in bytes, 0 for as much as there is, negative for a bad address.
func (f *registerFile) regset(w *engine.World, s *engine.CallState, r Request, note, data int64) int64 {
	if r == Getregset && data < 0 {
		return -engine.EFAULT
	}
	i := 0
	for i < len(f.sets) && f.sets[i].note != note {
		i++
	}
	if i == len(f.sets) || note == ntShstk && w.Old(engine.SwNoShadowStack) {
		return -engine.EINVAL
	}
	set := &f.sets[i]
	switch {
	case r == Setregset && set.readOnly:
		return -engine.EOPNOTSUPP
	case r == Setregset && set.err != 0:
		return -set.err
	case r == Setregset:
		if note == ntPrstatus && f.kept {
			*w.Reg(s.Target, 0) = data
		}
		return 0
	case data%set.size != 0:
		return -engine.EINVAL
	case set.err != 0:
		return -set.err
	}
	length := set.n * set.size
	if data > 0 {
		length = min(length, data)
		s.Out[2] = length // what the iovec says afterwards
	}
	if note == ntPrstatus && f.kept {
		for k := range min(2, length/set.size) {
			s.Out[k] = *w.Reg(s.Target, k)
		}
	}
	return 0
}

// word is what is left of a value in one.
func (f *registerFile) word(v int64) int64 {
	if f.narrow {
		return int64(int32(v))
	}
	return v
}

// OffByte added to the index of a PEEKUSR or POKEUSR means the address one byte behind that of the word.
const OffByte = 1 << 16

// user is PEEKUSR and POKEUSR by index.
func (f *registerFile) user(w *engine.World, s *engine.CallState, r Request, at, data int64) int64 {
	target := s.Target
	data = f.word(data)
	beyond := at >= f.words
	if at < 0 && w.HasBug(engine.BugUserAreaWraps) {
		return 0
	}
	if at == f.words && w.HasBug(engine.BugUserAreaLonger) { // getreg32, putreg32
		beyond = false
	}
	if at < 0 || beyond && (r == Pokeusr || at&OffByte != 0 || !w.Old(engine.SwUserModeRegisters)) {
		return -engine.EIO
	}
	switch {
	case within(f.holes, at):
		return -engine.EIO
	case r == Peekusr && data != 0:
		return -engine.EFAULT
	case r == Peekusr && at < f.spare:
		s.Out[0] = *w.Reg(target, at)
	case r == Peekusr:
	case at < f.spare:
		*w.Reg(target, at) = data
	case at == f.call && at == f.result:
		if !NamesCall(data) {
			w.SkipCall(target)
			w.PokeResult(target, data)
		}
	case at == f.call && data == -1:
		w.SkipCall(target)
	case at == f.result:
		if _, ret, _ := w.SyscallInfo(target); f.unsigned && ret < 0 {
			data = -data
		}
		w.PokeResult(target, data)
	case within(f.fixed, at):
		return -engine.EIO
	}
	return 0
}

// NamesCall says whether a value makes a call another one that exists, where one word of struct user is the number of a call that is
// entered and the result of one that is left: actors write no such values there.
func NamesCall(v int64) bool { return v&0xffff != 0 && v&0xffff < 1024 }
