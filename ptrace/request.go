package ptrace

import "tracehammer/engine"

// What a program passes to and gets from CallPtrace, beside request, tid, addr and data with their usual meaning; where
// data is a buffer of the caller's, it is 0, or a bad address (EFAULT):
//
//	PEEKTEXT, PEEKDATA      addr the index of a word; from 512 on a bad address  -> Out[0] the word
//	POKETEXT, POKEDATA      addr likewise, data the word
//	PEEKUSR                 addr the index of a register; only the first four are modelled, on s390x gprs 10 to 13, on ppc64le
//	                        20 to 23, on 386 the first, ebp; OffByte  -> Out[0] the register
//	POKEUSR                 addr likewise, or 15 (orig_rax) with data -1 to skip the call, or 10 (rax) at an exit stop: r0 and r3
//	                        on ppc64le, orig_eax and eax on 386; on s390x 4 (gprs[2]) for both, with values that are no call's number
//	GETREGS                 -> Out registers 0 to 2
//	GETREGSET               addr the note's type, data the buffer's length, 0 for what it takes, negative for a bad address
//	                        -> Out[0] and Out[1] registers 0 and 1 (NT_PRSTATUS), Out[2] the length that came back, if data gave one
//	SETREGSET               addr the note's type, data register 0 (NT_PRSTATUS)
//	GETEVENTMSG             -> Out[0] message
//	GETSIGINFO              -> Out si_signo, si_code, si_pid (0 for faults: there the union holds an address)
//	SETSIGINFO              addr si_code, data si_signo; the caller as si_pid, everything else zero
//	PEEKSIGINFO             addr flags<<32|offset, data nr -> Out as GETSIGINFO, of the first one read
//	GETSIGMASK, SETSIGMASK  addr the size (8); SET: data the mask -> GET: Out[0] the mask
//	GET_SYSCALL_INFO        addr the buffer's size -> Out[0] op, Out[1] the engine.Call (entry, seccomp) or the result (exit),
//	                        if the buffer has the size for all of them
//	SET_SYSCALL_INFO        addr size<<32|op, size 0 meaning 88; BadInfo; data the engine.Call to make, if it is Settable, any other
//	                        number that is an int to skip the call, or (exit) the result
//	SECCOMP_GET_FILTER      addr the index -> Ret the filter's length
//	SECCOMP_GET_METADATA    addr the size, data the index, negative for a bad address -> Ret what was written, Out[0] flags
//	GET_RSEQ_CONFIGURATION  addr the size -> Ret the size that it could have
//	GET_SYSCALL_USER_DISPATCH  addr the size (32) -> Out[0] the mode
//	SET_SYSCALL_USER_DISPATCH  addr likewise, data the mode: DispatchOff, or DispatchOn for everything but what actors execute; DispatchRegion;
//	                        negative for a bad address

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
	if !gate(w, t, s.Target, r == Kill || r == Interrupt && !w.Old(engine.SwNoSeize)) {
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
	c, e, ok := of(w, target)
	if ok && w.Old(engine.SwPlainStops) && w.InGroupStop(target) {
		w.Control(target, e, engine.ActStop, false) // so that SIGCONT does not run it under the request (5.2)
	}
	if !ok || w.Listening(target) && !w.HasBug(engine.BugGateListening) || !w.Traced(target) || !held(w, target, c, e) {
		if w.FatalPending(target) {
			w.Mark(15) // SIGKILL has woken it: it is in no stop, although it has not died of it yet
		}
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

// held says that a tracee that is TRACED is so for its tracer: it is in a ptrace stop, or, where stops are plain, in a job control stop
// that an earlier request found it in.
func held(w *engine.World, target engine.TaskID, c context, e engine.EngineID) bool {
	return c.stopped() || w.Old(engine.SwPlainStops) && w.Holds(target, e)
}

// request executes a request that passed the gate. It returns the call's result.
func request(w *engine.World, t engine.TaskID, s *engine.CallState, r Request, c context, e engine.EngineID) int64 {
	target, addr, data := s.Target, s.Args[2], s.Args[3]
	if unknown(w, r) {
		w.Mark(13)
		return -engine.EIO
	}
	switch r {
	case Kill:
		w.Mark(19)
		if w.HasBug(engine.BugKillNeedsStop) && !w.Traced(target) {
			return 0
		}
		if w.Old(engine.SwKillResumes) {
			return killResumes(w, target, c, e)
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
		s.Out[0] = c.message() // a number of the caller's namespace (H5): the target names the task, TidMask
		if c.d[wordMessage]&messageTid != 0 {
			s.TidMask = 2
		}
		return 0
	case Getsiginfo, Setsiginfo, Peeksiginfo, Getsigmask, Setsigmask:
		return siginfo(w, t, s, r, addr, data, c)
	case Peektext, Peekdata, Poketext, Pokedata, Peekusr, Pokeusr, Getregs, Setregs, Getfpregs, Setfpregs, Getregset, Setregset:
		return memory(w, s, r, addr, data)
	case GetSyscallInfo:
		return syscallInfo(w, s, c)
	case SeccompGetFilter:
		return seccompFilter(w, t, target, addr)
	case SeccompGetMetadata:
		return seccompMetadata(w, t, s, addr, data)
	case SetSyscallInfo:
		return setSyscallInfo(w, s, addr, data, c)
	case GetRseqConfiguration:
		return rseqConfiguration(w, addr, data)
	case SetSyscallUserDispatch, GetSyscallUserDispatch:
		return userDispatch(w, s, r, addr, data)
	}
	w.Mark(13)
	return -engine.EIO
}

// killResumes is the KILL of old: a restart with SIGKILL, for what that is worth in the stop, and nothing elsewhere (R19).
func killResumes(w *engine.World, target engine.TaskID, c context, e engine.EngineID) int64 {
	if w.ExitState(target) == engine.Alive && w.Traced(target) && held(w, target, c, e) && !w.FatalPending(target) && !w.Listening(target) {
		w.FinishNotify(target)
		return resume(w, target, Cont, int64(SIGKILL), c, e)
	}
	return 0
}

// since names the switch under which a request is unknown.
var since = map[Request]engine.Switch{
	Seize: engine.SwNoSeize, Interrupt: engine.SwNoSeize, Listen: engine.SwNoSeize, Peeksiginfo: engine.SwNoPeeksiginfo,
	Getsigmask: engine.SwNoSigmask, Setsigmask: engine.SwNoSigmask, SeccompGetFilter: engine.SwNoSeccompGetFilter,
	SeccompGetMetadata: engine.SwNoSeccompGetMetadata, GetSyscallInfo: engine.SwNoSyscallInfo, SetSyscallInfo: engine.SwNoSetSyscallInfo,
	GetSyscallUserDispatch: engine.SwNoUserDispatch, SetSyscallUserDispatch: engine.SwNoUserDispatch,
	GetRseqConfiguration: engine.SwNoRseqConfiguration, Sysemu: engine.SwNoSysemu, SysemuSinglestep: engine.SwNoSysemu,
}

// unknown says whether the kernel does not know a request, or the architecture has not got it.
func unknown(w *engine.World, r Request) bool {
	p := w.Profile()
	if p.Old != 0 && Lacks(p, r) {
		return true
	}
	switch r {
	case Peekusr, Pokeusr:
		return registersOf(w).words == 0
	case Getregs, Setregs, Getfpregs, Setfpregs:
		return !registersOf(w).whole
	}
	return false
}

// setoptions replaces the whole set, or nothing (R20).
func setoptions(w *engine.World, t, target engine.TaskID, o Option, c context) int64 {
	w.Mark(20)
	if e := checkOptions(w, t, o); e != 0 {
		if (w.HasBug(engine.BugSetoptionsPartial) || w.Old(engine.SwSetoptionsPartial)) && e == engine.EINVAL {
			setOptions(w, target, c, o&known(w))
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

// mayLook says whether a tracer may look into seccomp filters at all.
func mayLook(w *engine.World, t engine.TaskID) bool { return w.CapableInit(t) && !w.Filtered(t) }

// nthFilter is get_nth_filter: why there is no such filter, or 0.
func nthFilter(w *engine.World, target engine.TaskID, n int64) int64 {
	switch {
	case !w.Filtered(target):
		return engine.EINVAL
	case n < 0 || n >= int64(w.Filters(target)):
		return engine.ENOENT
	}
	return 0
}

// seccompFilter is SECCOMP_GET_FILTER without a buffer (R111). EMEDIUMTYPE, of a filter that is no classic one, has no scenario: seccomp(2)
// installs no others.
func seccompFilter(w *engine.World, t, target engine.TaskID, n int64) int64 {
	w.Mark(111)
	if w.Old(engine.SwNoCheckpointRestore) {
		return -engine.EINVAL
	}
	if !mayLook(w, t) {
		return -engine.EACCES
	}
	if e := nthFilter(w, target, n); e != 0 {
		return -e
	}
	return filterLength
}

// seccompMetadata is SECCOMP_GET_METADATA (R111): flags of the filter that the buffer names, the oldest is 0.
func seccompMetadata(w *engine.World, t engine.TaskID, s *engine.CallState, size, n int64) int64 {
	w.Mark(111)
	switch {
	case w.Old(engine.SwNoCheckpointRestore):
		return -engine.EINVAL
	case !mayLook(w, t):
		return -engine.EACCES
	case uint64(size) < 8:
		return -engine.EINVAL
	case n < 0:
		return -engine.EFAULT
	}
	if e := nthFilter(w, s.Target, n); e != 0 {
		return -e
	}
	if size = int64(min(uint64(size), 16)); size == 16 && w.FilterLogs(s.Target, int(n)) {
		s.Out[0] = engine.SECCOMP_FILTER_FLAG_LOG
	}
	return size
}
