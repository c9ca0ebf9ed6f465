package ptrace

import "tracehammer/engine"

// Memory and registers (R109, R110).

// ValidWords is how many words of memory have valid addresses. The engine keeps the first engine.NumWords; scenarios name no
// others but beyond the end.
const ValidWords = 512

// Registers of struct user that mean something to the kernel, by index.
const (
	userRax     = 10
	userOrigRax = 15
	userWords   = 912 / 8 // sizeof(struct user)
)

// Note types of register sets.
const (
	ntPrstatus = 1
	ntPrfpreg  = 2
	ntXstate   = 0x202
)

func memory(w *engine.World, s *engine.CallState, r Request, addr, data int64) int64 {
	target := s.Target
	w.Mark(110)
	switch r {
	case Peektext, Peekdata, Poketext, Pokedata:
		if !w.Dumpable(target) && !w.TracerCap(target) && !w.HasBug(engine.BugPeekUndumpable) {
			w.Mark(109)
			return -engine.EIO
		}
		if addr < 0 || addr >= ValidWords {
			return -engine.EIO
		}
		if r == Poketext || r == Pokedata {
			*w.Word(target, addr%engine.NumWords) = data
			return 0
		}
		if data != 0 {
			return -engine.EFAULT
		}
		s.Out[0] = *w.Word(target, addr%engine.NumWords)
	case Peekusr, Pokeusr:
		if addr < 0 || addr >= userWords {
			return -engine.EIO
		}
		switch {
		case r == Peekusr && data != 0:
			return -engine.EFAULT
		case r == Peekusr && addr < engine.NumRegs:
			s.Out[0] = *w.Reg(target, addr)
		case r == Pokeusr && addr < engine.NumRegs:
			*w.Reg(target, addr) = data
		case r == Pokeusr && addr == userOrigRax && data == -1:
			w.SkipCall(target)
		case r == Pokeusr && addr == userRax:
			w.PokeResult(target, data)
		}
	case Getregs, Getfpregs, Setregs, Setfpregs:
		if data != 0 || r == Setregs || r == Setfpregs {
			return -engine.EFAULT
		}
		if r == Getregs {
			registers(w, s)
		}
	case Getregset, Setregset:
		switch addr {
		case ntPrstatus:
		case ntPrfpreg, ntXstate:
			return 0
		default:
			return -engine.EINVAL
		}
		switch {
		case r == Setregset:
			*w.Reg(target, 0) = data
		case data != 0:
			return -engine.EFAULT
		default:
			registers(w, s)
		}
	}
	return 0
}

// registers reports those registers that fit.
func registers(w *engine.World, s *engine.CallState) {
	for i := range s.Out {
		s.Out[i] = *w.Reg(s.Target, int64(i))
	}
}

// syscallInfo is GET_SYSCALL_INFO (R56).
func syscallInfo(w *engine.World, s *engine.CallState, c context) int64 {
	w.Mark(111)
	size := callInfo(w, s, c)
	if uint64(s.Args[2]) < SyscallInfoSize {
		s.Out, s.TidMask = [3]int64{}, 0
	}
	return size
}

func callInfo(w *engine.World, s *engine.CallState, c context) int64 {
	call, ret, tid := w.SyscallInfo(s.Target)
	switch code := w.SigInfo(s.Target).Code(); {
	case !c.stop(stopInfo):
	case code == int32(SIGTRAP)|0x80 && (c.message() == MessageSyscallEntry || w.HasBug(engine.BugSyscallInfoEntry)):
		s.Out = [3]int64{SyscallInfoEntry, int64(call)}
		return 80
	case code == int32(SIGTRAP)|0x80 && c.message() == MessageSyscallExit:
		s.Out = [3]int64{SyscallInfoExit, ret}
		if tid {
			s.TidMask = 4
		}
		return 33
	case code == int32(EventSeccomp)<<8|int32(SIGTRAP):
		s.Out = [3]int64{SyscallInfoSeccomp, int64(call)}
		return 84
	}
	return 24
}
