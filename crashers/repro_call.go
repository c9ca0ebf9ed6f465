package crashers

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// cCall is a system call in C: statements that fill its buffer, the expression that makes it, and expressions for Out.
type cCall struct {
	before []string
	call   string
	outs   []string
}

// sysNames are the calls whose arguments are plain numbers, in the kernel's order.
var sysNames = map[engine.Call]string{
	engine.CallExit: "exit", engine.CallExitGroup: "exit_group", engine.CallGetpid: "getpid", engine.CallGettid: "gettid",
	engine.CallGetppid: "getppid", engine.CallKill: "kill", engine.CallTkill: "tkill", engine.CallTgkill: "tgkill",
	engine.CallPidfdOpen: "pidfd_open", engine.CallPause: "pause", engine.CallSetpgid: "setpgid", engine.CallGetpgid: "getpgid",
	engine.CallSetsid: "setsid", engine.CallGetsid: "getsid", engine.CallPrctl: "prctl", engine.CallSchedYield: "sched_yield",
}

// filterNames are the other calls that a seccomp filter can name.
var filterNames = map[engine.Call]string{
	engine.CallClone: "clone", engine.CallExecve: "execveat", engine.CallRtSigqueueinfo: "rt_sigqueueinfo",
	engine.CallRtTgsigqueueinfo: "rt_tgsigqueueinfo", engine.CallPidfdSendSignal: "pidfd_send_signal",
	engine.CallSigaction: "rt_sigaction", engine.CallSigprocmask: "rt_sigprocmask", engine.CallSigpending: "rt_sigpending",
	engine.CallSigsuspend: "rt_sigsuspend", engine.CallNanosleep: "nanosleep", engine.CallWait4: "wait4",
	engine.CallWaitid: "waitid", engine.CallSeccomp: "seccomp", engine.CallSetresuid: "setresuid", engine.CallSetresgid: "setresgid", engine.CallPtrace: "ptrace",
}

func sysNr(c engine.Call) (string, bool) {
	name, ok := sysNames[c]
	if !ok {
		name, ok = filterNames[c]
	}
	return "SYS_" + name, ok
}

var seccompActions = [...]string{"SECCOMP_RET_ALLOW", "SECCOMP_RET_ERRNO", "SECCOMP_RET_TRACE", "SECCOMP_RET_KILL_THREAD", "SECCOMP_RET_KILL_PROCESS"}

// images are the descriptors of the images that an actor goes on in.
var images = map[int64]string{engine.ImageSelf: "EXE_FD", engine.ImageSetuid: "SETUID_FD"}

// Where a call's results lie in buf.
func int32Out(at int) string { return fmt.Sprintf("i32(buf + %d)", at) }
func int64Out(at int) string { return fmt.Sprintf("i64(buf + %d)", at) }

// sys is an expression that makes a raw call.
func sys(nr string, args ...string) string {
	for len(args) < 6 {
		args = append(args, "0")
	}
	return fmt.Sprintf("sys(%s, %s)", nr, strings.Join(args, ", "))
}

// cCallOf says how a call of the engine is made in C; at is its index, me its actor, self the leader of that actor's process. Calls and structures
// are those that actors use (stress/actor), so that a tracer sees the same.
func cCallOf(in *engine.Instr, self, me engine.ActorID, at int32) (cCall, bool) {
	c, ok := encodeCall(in, self, me, at)
	if len(c.outs) > 0 {
		c.before = append([]string{"memset(buf, 0, 64)"}, c.before...) // a call that fails leaves it as it is
	}
	return c, ok
}

func encodeCall(in *engine.Instr, self, me engine.ActorID, at int32) (cCall, bool) {
	arg := func(i int) string { return cArg(in.Args[i]) }
	n := func(i int) int64 { return in.Args[i].N }
	siginfo := func(sig, code int) string {
		return fmt.Sprintf("fill_siginfo(buf, %s, %s, T(%d))", arg(sig), arg(code), self)
	}
	switch in.Call {
	case engine.CallClone:
		return cCall{call: fmt.Sprintf("spawn(%s, %d)", cFlags(n(0)), n(1))}, true
	case engine.CallExecve:
		if image, ok := images[n(0)]; ok {
			return cCall{call: fmt.Sprintf("exec_self(%s, %q, %q)", image, fmt.Sprint(me), fmt.Sprint(at+1))}, true
		}
		return cCall{call: "exec_missing()"}, n(0) == engine.ImageMissing
	case engine.CallRtSigqueueinfo:
		return cCall{call: sys("SYS_rt_sigqueueinfo", arg(0), arg(1), siginfo(1, 2))}, true
	case engine.CallRtTgsigqueueinfo:
		return cCall{call: sys("SYS_rt_tgsigqueueinfo", arg(0), arg(1), arg(2), siginfo(2, 3))}, true
	case engine.CallPidfdSendSignal:
		return cCall{call: sys("SYS_pidfd_send_signal", arg(0), arg(1), "0", arg(2))}, true
	case engine.CallSigaction:
		flags := n(2) & 0xffffffff
		if n(1) == engine.SigHandler {
			flags |= engine.SA_SIGINFO
		}
		return cCall{call: fmt.Sprintf("set_action(%s, %s, %s)", arg(0), arg(1), cInt(flags))}, true
	case engine.CallSigprocmask:
		return cCall{[]string{"put64(buf, " + arg(1) + ")"}, sys("SYS_rt_sigprocmask", arg(0), "L(buf)", "0", "8"), nil}, true
	case engine.CallSigpending:
		return cCall{call: sys("SYS_rt_sigpending", "L(buf)", "8"), outs: []string{int64Out(0)}}, true
	case engine.CallSigsuspend:
		return cCall{[]string{"put64(buf, " + arg(0) + ")"}, sys("SYS_rt_sigsuspend", "L(buf)", "8"), nil}, true
	case engine.CallNanosleep:
		return cCall{[]string{"put64(buf, " + cInt(n(0)/1e9) + ")", "put64(buf + 8, " + cInt(n(0)%1e9) + ")"}, sys("SYS_nanosleep", "L(buf)"), nil}, true
	case engine.CallWait4:
		return cCall{call: sys("SYS_wait4", arg(0), "L(buf)", arg(1)), outs: []string{int32Out(0)}}, true
	case engine.CallWaitid:
		return cCall{call: sys("SYS_waitid", arg(0), arg(1), "L(buf)", arg(2)), outs: []string{int32Out(16), int32Out(8), int32Out(24)}}, true
	case engine.CallPrctl:
		if o := n(0); o == engine.PR_GET_PDEATHSIG || o == engine.PR_GET_CHILD_SUBREAPER {
			return cCall{call: sys("SYS_prctl", arg(0), "L(buf)"), outs: []string{int32Out(0)}}, true
		}
	case engine.CallSeccomp:
		nr, ok := sysNr(engine.Call(n(1)))
		if !ok || n(0) < 0 || int(n(0)) >= len(seccompActions) {
			return cCall{}, false
		}
		action := seccompActions[n(0)]
		if n(0) == engine.SeccompErrno || n(0) == engine.SeccompTrace {
			action += fmt.Sprintf(" | %d", n(2)&0xffff)
		}
		return cCall{call: fmt.Sprintf("filter_call(%s, %s, %s)", nr, action, arg(3))}, true
	case engine.CallSetresuid:
		return cCall{call: sys("SYS_setresuid", arg(0), arg(0), arg(0))}, true
	case engine.CallSetresgid:
		return cCall{call: sys("SYS_setresgid", arg(0), arg(0), arg(0))}, true
	case engine.CallPtrace:
		return cPtrace(in, siginfo), true
	}
	name, ok := sysNames[in.Call]
	return cCall{call: sys("SYS_"+name, arg(0), arg(1), arg(2))}, ok
}

// badPointer is in no mapping of any process (vm.mmap_min_addr).
const badPointer = "8"

// cPtrace makes the structures that a request reads or writes.
func cPtrace(in *engine.Instr, siginfo func(sig, code int) string) cCall {
	arg := func(i int) string { return cArg(in.Args[i]) }
	addr, data := arg(2), arg(3)
	var c cCall
	// into points data at the buffer, unless the scenario wants a bad address there.
	into := func(outs ...string) {
		if in.Args[3].Kind != engine.ArgImm || in.Args[3].N == 0 {
			data, c.outs = "L(buf)", outs
		}
	}
	word := func(base string) {
		addr = fmt.Sprintf("%s%d", base, 8*in.Args[2].N)
		if n := in.Args[2].N; base == "" && n >= ptrace.OffByte {
			addr = fmt.Sprint(8*(n-ptrace.OffByte) + 1)
		}
	}
	words := func(values ...int64) { // fills the buffer
		for i, v := range values {
			c.before = append(c.before, fmt.Sprintf("put64(buf + %d, %s)", 8*i, cInt(v)))
		}
		data = "L(buf)"
	}
	iovec := func(size int) {
		c.before = append(c.before, "put64(buf, L(buf + 32))", fmt.Sprintf("put64(buf + 8, %d)", size))
		data = "L(buf)"
	}
	switch request(in) {
	case ptrace.Peektext, ptrace.Peekdata:
		word("L(scratch) + ")
		into(int64Out(0))
	case ptrace.Poketext, ptrace.Pokedata:
		word("L(scratch) + ")
	case ptrace.Peekusr:
		word("")
		into(int64Out(0))
	case ptrace.Pokeusr:
		word("")
	case ptrace.Getregs:
		into(int64Out(0), int64Out(8), int64Out(16))
	case ptrace.Getfpregs, ptrace.SeccompGetFilter, ptrace.GetRseqConfiguration:
		into()
	case ptrace.GetSyscallUserDispatch:
		into(int64Out(0))
	case ptrace.Getregset:
		if in.Args[3].N < 0 {
			data = badPointer
			break
		}
		iovec(int(min(cmp.Or(in.Args[3].N, 216), 512)))
		c.outs = []string{int64Out(32), int64Out(40), int64Out(8)}
	case ptrace.Setregset:
		c.before = append(c.before, "put64(buf + 32, "+data+")")
		iovec(8)
	case ptrace.Geteventmsg, ptrace.Getsigmask:
		into(int64Out(0))
	case ptrace.Setsigmask:
		c.before, data = []string{"put64(buf, " + data + ")"}, "L(buf)"
	case ptrace.Getsiginfo:
		into(int32Out(0), int32Out(8), int32Out(16))
	case ptrace.Setsiginfo:
		addr, data = "0", siginfo(3, 2)
	case ptrace.Peeksiginfo:
		c.before = []string{"put64(buf, " + cInt(in.Args[2].N&0xffffffff) + ")",
			"put32(buf + 8, " + cInt(in.Args[2].N>>32) + ")", "put32(buf + 12, " + data + ")"}
		addr, data = "L(buf)", "L(buf + 32)"
		c.outs = []string{int32Out(32), int32Out(40), int32Out(48)}
	case ptrace.GetSyscallInfo:
		into("(long)buf[0]", int64Out(24))
	case ptrace.SeccompGetMetadata:
		if in.Args[3].N < 0 {
			data = badPointer
			break
		}
		words(in.Args[3].N, 0)
		c.outs = []string{int64Out(8)}
	case ptrace.SetSyscallUserDispatch:
		switch mode := in.Args[3].N; {
		case mode < 0:
			data = badPointer
		case mode&ptrace.DispatchRegion != 0:
			words(mode&^ptrace.DispatchRegion, 0, 8, 0)
		case mode == ptrace.DispatchOn:
			words(mode, 0, 4096, math.MaxInt64)
		default:
			words(mode, 0, 0, 0)
		}
	case ptrace.SetSyscallInfo:
		op, v, size := in.Args[2].N&0xffffffff, in.Args[3].N, cmp.Or(in.Args[2].N>>32, ptrace.InfoSize)
		addr = fmt.Sprint(size)
		if op&ptrace.BadInfo != 0 {
			data = badPointer
			break
		}
		words(op&0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		nr := cInt(v)
		if op != ptrace.SyscallInfoExit && v == int64(int32(v)) {
			if nr = "-1"; v > 0 && v < int64(engine.NumCalls) && ptrace.Settable(engine.Call(v)) {
				nr = "SYS_" + sysNames[engine.Call(v)]
			}
		}
		c.before = append(c.before, "put64(buf + 24, "+nr+")")
	}
	c.call = sys("SYS_ptrace", fmt.Sprintf("%#x /* %s */", in.Args[0].N, request(in)), arg(1), addr, data)
	return c
}

// cFlags writes clone flags as people read them.
func cFlags(n int64) string {
	flags, sig := n&^engine.CSIGNAL, n&engine.CSIGNAL
	var parts []string
	if flags != 0 {
		parts = strings.Split(ptrace.CloneFlags.Format(flags), "|")
	}
	switch {
	case sig > 0 && sig < engine.SIGRTMIN:
		parts = append(parts, ptrace.Signals.Format(sig))
	case sig != 0 || flags == 0:
		parts = append(parts, fmt.Sprint(sig)) // C has no names for real-time signals
	}
	return strings.Join(parts, " | ")
}
