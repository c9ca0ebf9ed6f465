package ptrace

import "tracehammer/engine"

// What a program passes to and gets from CallPtrace, beside request, tid, addr and data with their usual meaning; where
// data is a buffer of the caller's, it is 0, or a bad address (EFAULT):
//
//	PEEKTEXT, PEEKDATA      addr the index of a word; from 512 on a bad address  -> Out[0] the word
//	POKETEXT, POKEDATA      addr likewise, data the word
//	PEEKUSR                 addr the index of a register; only the first four are modelled  -> Out[0] the register
//	POKEUSR                 addr likewise, or 15 (orig_rax) with data -1 to skip the call, or 10 (rax) at an exit stop
//	GETREGS                 -> Out registers 0 to 2
//	GETREGSET               addr the note's type -> NT_PRSTATUS: Out registers 0 to 2
//	SETREGSET               addr the note's type, data register 0 (NT_PRSTATUS)
//	GETEVENTMSG             -> Out[0] message
//	GETSIGINFO              -> Out si_signo, si_code, si_pid (0 for faults: there the union holds an address)
//	SETSIGINFO              addr si_code, data si_signo; the caller as si_pid, everything else zero
//	PEEKSIGINFO             addr flags<<32|offset, data nr -> Out as GETSIGINFO, of the first one read
//	GETSIGMASK, SETSIGMASK  addr the size (8); SET: data the mask -> GET: Out[0] the mask
//	GET_SYSCALL_INFO        addr the buffer's size -> Out[0] op, Out[1] the engine.Call (entry, seccomp) or the result (exit),
//	                        if the buffer has the size for all of them
//	SECCOMP_GET_FILTER      addr the index -> Ret the filter's length
//	GET_RSEQ_CONFIGURATION, *_SYSCALL_USER_DISPATCH, SECCOMP_GET_METADATA  addr the size; nothing reported

// Syscall is the ptrace system call.
func (client) Syscall(w *engine.World, t engine.TaskID, s *engine.CallState) engine.CallResult {
	r := Request(s.Args[0])
	if s.Stage == stageStart {
		if r == Traceme {
			return traceme(w, t)
		}
		if s.Target = w.Find(int64(int32(s.Args[1]))); s.Target == engine.NoTask {
			return fail(engine.ESRCH)
		}
	}
	if r == Attach || r == Seize {
		return attach(w, t, s)
	}
	if !gate(w, t, s.Target, r == Kill || r == Interrupt) {
		w.Mark(13)
		return fail(engine.ESRCH)
	}
	c, e, _ := of(w, s.Target)
	return engine.CallResult{Ret: request(w, t, s, r, c, e)}
}

// gate is ptrace_check_attach (R13 to R16, R72).
func gate(w *engine.World, t, target engine.TaskID, anyState bool) bool {
	if !w.IsTraced(target) || w.Parent(target) != t && !(w.HasBug(engine.BugGateOtherThread) && w.SameGroup(w.Parent(target), t)) {
		w.Mark(1)
		return false
	}
	if w.ExitState(target) != engine.Alive {
		w.Mark(16)
	}
	if anyState {
		return true
	}
	c, _, ok := of(w, target)
	if !ok || w.Listening(target) && !w.HasBug(engine.BugGateListening) || !w.Traced(target) || !c.stopped() {
		return false
	}
	if w.FatalPending(target) {
		w.Mark(15)
		return false
	}
	if w.ReportCode(target) == uint16(EventExec)<<8|uint16(SIGTRAP) && int64(w.TidOf(target)) != c.message() && !w.HasBug(engine.BugStaleLeader) {
		w.Mark(72)
		return false
	}
	w.FinishNotify(target)
	w.Mark(14)
	return true
}

// request executes a request that passed the gate. It returns the call's result.
func request(w *engine.World, t engine.TaskID, s *engine.CallState, r Request, c context, e engine.EngineID) int64 {
	target, addr, data := s.Target, s.Args[2], s.Args[3]
	switch r {
	case Kill:
		w.Mark(19)
		if w.HasBug(engine.BugKillNeedsStop) && !w.Traced(target) {
			return 0
		}
		w.SendUser(t, target, uint8(SIGKILL))
		return 0
	case Interrupt:
		return interrupt(w, target, c)
	case Listen:
		return listen(w, target, c)
	case Cont, Singlestep, Singleblock, Syscall, Sysemu, SysemuSinglestep:
		return resume(w, target, r, data, c, e)
	case Detach:
		return detach(w, t, target, data)
	case Setoptions:
		return setoptions(w, t, target, Option(data), c)
	case Geteventmsg:
		if data != 0 {
			return -engine.EFAULT
		}
		s.Out[0] = c.message()
		if ev := c.event(); c.message() != 0 && ev != EventExit && ev != EventSeccomp && ev != 0 {
			s.TidMask = 2
		}
		return 0
	case Getsiginfo, Setsiginfo, Peeksiginfo, Getsigmask, Setsigmask:
		return siginfo(w, t, s, r, addr, data, c)
	case Peektext, Peekdata, Poketext, Pokedata, Peekusr, Pokeusr, Getregs, Setregs, Getfpregs, Setfpregs, Getregset, Setregset:
		return memory(w, s, r, addr, data)
	case GetSyscallInfo:
		return syscallInfo(w, s, c)
	case SeccompGetFilter, SeccompGetMetadata:
		return seccomp(w, t, target, r, addr)
	case SetSyscallInfo:
		if w.Profile().NoSetSyscallInfo {
			return -engine.EIO
		}
		return -engine.EINVAL
	case GetRseqConfiguration:
		return 24
	case SetSyscallUserDispatch, GetSyscallUserDispatch:
		if addr != 32 {
			return -engine.EINVAL
		}
		return 0
	}
	w.Mark(13)
	return -engine.EIO
}

// setoptions replaces the whole set, or nothing (R20).
func setoptions(w *engine.World, t, target engine.TaskID, o Option, c context) int64 {
	w.Mark(20)
	if e := checkOptions(w, t, o); e != 0 {
		if w.HasBug(engine.BugSetoptionsPartial) && e == engine.EINVAL {
			setOptions(w, target, c, o&OMask)
		}
		return -e
	}
	if w.HasBug(engine.BugSetoptionsMerge) {
		o |= c.options()
	}
	setOptions(w, target, c, o)
	return 0
}

// filterLength is how many instructions the actors' filters have.
const filterLength = 6

// seccomp is SECCOMP_GET_FILTER and SECCOMP_GET_METADATA (R111).
func seccomp(w *engine.World, t, target engine.TaskID, r Request, addr int64) int64 {
	w.Mark(111)
	switch {
	case !w.CapableInit(t) || w.Filtered(t):
		return -engine.EACCES
	case r == SeccompGetMetadata && addr < 8:
		return -engine.EINVAL
	case !w.Filtered(target):
		return -engine.EINVAL
	case r == SeccompGetMetadata:
		return min(addr, 16)
	case addr < 0 || addr >= int64(w.Filters(target)):
		return -engine.ENOENT
	}
	return filterLength
}
