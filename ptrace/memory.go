package ptrace

import "tracehammer/engine"

// Memory and registers (R109, R110).

// ValidWords is how many words of memory have valid addresses. The engine keeps the first engine.NumWords; scenarios name no
// others but beyond the end.
const ValidWords = 512

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
			*w.Word(target, addr%engine.NumWords) = registersOf(w).word(data)
			return 0
		}
		if data != 0 {
			return -engine.EFAULT
		}
		s.Out[0] = *w.Word(target, addr%engine.NumWords)
	case Peekusr, Pokeusr:
		return registersOf(w).user(w, s, r, addr, data)
	case Getregs, Getfpregs, Setregs, Setfpregs:
		if data != 0 && r == Getregs && w.Old(engine.SwUserModeRegisters) {
			return 0
		}
		if data != 0 || r == Setregs || r == Setfpregs {
			return -engine.EFAULT
		}
		if r == Getregs && registersOf(w).kept {
			registers(w, s)
		}
	case Getregset, Setregset:
		return registersOf(w).regset(w, s, r, addr, data)
	}
	return 0
}

// registers reports those registers that fit.
func registers(w *engine.World, s *engine.CallState) {
	for i := range s.Out {
		s.Out[i] = *w.Reg(s.Target, int64(i))
	}
}

// InfoSize is sizeof(struct ptrace_syscall_info).
const InfoSize = 88

// BadInfo added to the operation of a SET_SYSCALL_INFO means that the structure lies at a bad address.
const BadInfo = 0x100

// Settable says whether a tracer may make a tracee's call this one: calls without arguments that nothing restarts.
func Settable(c engine.Call) bool {
	switch c {
	case engine.CallGetpid, engine.CallGettid, engine.CallGetppid, engine.CallSchedYield, engine.CallExit, engine.CallExitGroup:
		return true
	}
	return false
}

// setSyscallInfo is SET_SYSCALL_INFO (R111): the checks in the kernel's order, then the number, or the result.
func setSyscallInfo(w *engine.World, s *engine.CallState, op, v int64, c context) int64 {
	w.Mark(111)
	size := int64(InfoSize)
	if op>>32 != 0 {
		op, size = op&0xffffffff, op>>32
	}
	switch {
	case size < InfoSize:
		return -engine.EINVAL
	case op&BadInfo != 0:
		return -engine.EFAULT
	}
	was := *s
	callInfo(w, s, c)
	at := s.Out[0]
	*s = was
	switch {
	case op != at || op == SyscallInfoNone:
		return -engine.EINVAL
	case op == SyscallInfoExit:
		w.PokeResult(s.Target, registersOf(w).word(v))
	case v != int64(int32(v)):
		return -engine.ERANGE
	case v > 0 && v < int64(engine.NumCalls) && Settable(engine.Call(v)):
		w.ReplaceCall(s.Target, engine.Call(v))
	default:
		w.SkipCall(s.Target)
	}
	return 0
}

// Modes of SET_SYSCALL_USER_DISPATCH; DispatchRegion added to one means a region of no length at address 8.
const (
	DispatchOff    = 0
	DispatchOn     = 1
	DispatchRegion = 0x100
)

// sudSize is sizeof(struct ptrace_sud_config).
const sudSize = 32

// userDispatch is GET_ and SET_SYSCALL_USER_DISPATCH (R111): syscall_user_dispatch_get_config and _set_config.
func userDispatch(w *engine.World, s *engine.CallState, r Request, size, data int64) int64 {
	w.Mark(111)
	switch {
	case size != sudSize, w.Old(engine.SwNoGenericEntry):
		return -engine.EINVAL
	case r == GetSyscallUserDispatch && data != 0, r == SetSyscallUserDispatch && data < 0:
		return -engine.EFAULT
	case r == SetSyscallUserDispatch && data != DispatchOff && data != DispatchOn:
		return -engine.EINVAL
	case r == SetSyscallUserDispatch:
		w.SetUserDispatch(s.Target, data == DispatchOn)
	case w.UserDispatch(s.Target):
		s.Out[0] = DispatchOn
	}
	return 0
}

// rseqSize is sizeof(struct ptrace_rseq_configuration).
const rseqSize = 24

// rseqConfiguration is GET_RSEQ_CONFIGURATION (R111). Actors register no area for restartable sequences: all is 0.
func rseqConfiguration(w *engine.World, size, data int64) int64 {
	w.Mark(111)
	if size != 0 && data != 0 {
		return -engine.EFAULT
	}
	return rseqSize
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
		const maxErrno = 4095
		if registersOf(w).narrow && ret < -maxErrno && ret != engine.Unpredicted { // syscall_get_error extends the sign of what is an error, and of nothing else
			ret = int64(uint32(ret))
		}
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
