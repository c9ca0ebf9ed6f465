package ptrace

import (
	"strings"
	"testing"

	"tracehammer/engine"
)

// attached is a child in an EVENT_STOP of main, or, where there is no SEIZE, in the signal-delivery-stop of ATTACH's SIGSTOP.
func attached() *build {
	return two().ptrace("main", Attach, "child").wait("main", "child", 0)
}

// Each switch makes some program end differently. The programs are deterministic but for what the switch is about.
func TestSwitches(t *testing.T) {
	request := func(r Request, args ...any) func() *build {
		return func() *build { return attached().ptrace("main", r, "child", args...) }
	}
	option := func(o Option) func() *build { return request(Setoptions, 0, int(o)) }
	cases := map[engine.Switch]struct {
		program   func() *build
		with, not string // results of main's last call that only the one and only the other has
	}{
		engine.SwNoSeize:              {func() *build { return two().ptrace("main", Seize, "child", 0, 0) }, "EIO", "0"},
		engine.SwNoTraceSeccomp:       {option(OTraceseccomp), "EINVAL", "0"},
		engine.SwNoExitkill:           {option(OExitkill), "EINVAL", "0"},
		engine.SwNoSuspendSeccomp:     {option(OSuspendSeccomp), "EINVAL", "0"},
		engine.SwNoPeeksiginfo:        {request(Peeksiginfo, 0, 1), "EIO", "0"},
		engine.SwNoSigmask:            {request(Getsigmask, 8, 0), "EIO", "0"},
		engine.SwNoSeccompGetFilter:   {request(SeccompGetFilter, 0, 0), "EIO", "EINVAL"},
		engine.SwNoSeccompGetMetadata: {request(SeccompGetMetadata, 16, 0), "EIO", "EINVAL"},
		engine.SwNoSyscallInfo:        {request(GetSyscallInfo, 88, 0), "EIO", "24"},
		engine.SwNoRseqConfiguration:  {request(GetRseqConfiguration, 24, 0), "EIO", "24"},
		engine.SwNoUserDispatch:       {request(GetSyscallUserDispatch, 32, 0), "EIO", "0"},
		engine.SwNoShadowStack:        {request(Getregset, ntShstk, 8), "EINVAL", "ENODEV"},
		engine.SwNoGenericEntry:       {request(GetSyscallUserDispatch, 32, 0), "EINVAL", "0"},
		engine.SwNoSetSyscallInfo:     {request(SetSyscallInfo, 0, 0), "EIO", "EINVAL"},
		engine.SwNoBlockstep:          {request(Singleblock, 0, 99), "EIO", ""}, // a bad signal is EIO anyway
		engine.SwNoSinglestep:         {request(Singlestep, 0, 0), "EIO", "0"},
		engine.SwNoSysemu:             {request(Sysemu, 0, 0), "EIO", "0"},
		engine.SwNoTracehook:          {request(SetSyscallInfo, 0, 0), "EIO", "EINVAL"},
		engine.SwUserModeRegisters:    {request(Getregs, 0, 1), "0", "EFAULT"},
		engine.SwNoCheckpointRestore:  {request(SeccompGetMetadata, 16, -1), "EINVAL", "EFAULT"},
		engine.SwEmulatedArgument: {func() *build {
			b := program("main", "child").create("main", "child", forkFlags).ptrace("child", Traceme, "child").kill("child", "child", SIGSTOP)
			b.do("child", engine.CallGetppid).wait("main", "child", 0).ptrace("main", Sysemu, "child").wait("main", "child", 0)
			b.ptrace("main", Setoptions, "child", 0, int(OTracesysgood)).ptrace("main", Syscall, "child").wait("main", "child", 0)
			return b.ptrace("main", GetSyscallInfo, "child", 88)
		}, "33,0x2,0x0,0x0", "33,0x2,-0x26,0x0"},
		engine.SwExecKeepsRegisters: {func() *build {
			b := program("main", "child").create("main", "child", forkFlags).ptrace("child", Traceme, "child").kill("child", "child", SIGSTOP)
			b.do("child", engine.CallExecve, 0).wait("main", "child", 0).ptrace("main", Setoptions, "child", 0, int(OTraceexec))
			b.ptrace("main", Pokeusr, "child", 1, 7).ptrace("main", Cont, "child").wait("main", "child", 0)
			return b.ptrace("main", Peekusr, "child", 1, 0)
		}, "0,0x7,0x0,0x0", "0"},
		engine.SwKillResumes: {func() *build {
			return two().ptrace("main", Seize, "child", 0, 0).ptrace("main", Kill, "child").wait("main", "child", engine.WNOHANG)
		}, "", "child:killed-SIGKILL"},
		engine.SwMessageStays: {func() *build {
			b := program("main", "child", "grand").victim("grand").create("main", "child", forkFlags)
			b.ptrace("main", Seize, "child", 0, int(OTracefork)).barrier("main", "child").clone("child", "grand", forkFlags).wait("main", "child", 0)
			return b.ptrace("main", Cont, "child").ptrace("main", Interrupt, "child").wait("main", "child", 0).ptrace("main", Geteventmsg, "child", 0, 0)
		}, "0,grand,0x0,0x0", "0"},
		engine.SwKillLeavesExitEvent: {func() *build {
			b := two().ptrace("main", Seize, "child", 0, int(OTraceexit)).kill("main", "child", SIGKILL).wait("main", "child", 0)
			return b.do("main", engine.CallTkill, b.tid("child"), SIGKILL).wait("main", "child", engine.WNOHANG)
		}, "child:killed-SIGKILL", ""},
		engine.SwLeaderExitCode: {func() *build {
			b := program("main", "child", "t").create("main", "child", forkFlags).create("child", "t", threadFlags)
			b.barrier("main", "t").ptrace("main", Seize, "child", 0, 0).barrier("main", "child", "t").do("child", engine.CallExit, 3)
			b.do("main", engine.CallWaitid, engine.P_PID, b.tid("child"), engine.WEXITED|engine.WNOHANG)
			return b.do("t", engine.CallExit, 5).wait("main", "child", 0)
		}, "", "child:exited-5"},
		engine.SwNoPidfdThread: {func() *build {
			b := program("main", "t").create("main", "t", threadFlags)
			return b.do("main", engine.CallPidfdOpen, b.tid("t"), 0x80)
		}, "EINVAL", "0"},
		engine.SwPidfdThreadEINVAL: {func() *build {
			b := program("main", "t").create("main", "t", threadFlags)
			return b.do("main", engine.CallPidfdOpen, b.tid("t"), 0)
		}, "EINVAL", "ENOENT"},
		engine.SwTsyncCountsDead: {func() *build {
			b := program("main", "p", "t").create("main", "p", forkFlags).create("main", "t", threadFlags).barrier("p", "t").ptrace("p", Seize, "t", 0, 0)
			b.barrier("p", "t").do("t", engine.CallSeccomp, int(engine.SeccompErrno), int(engine.CallGetpgid), 1, 0).do("t", engine.CallExit, 0)
			b.do("p", engine.CallWaitid, engine.P_PID, b.tid("t"), engine.WEXITED|engine.WNOWAIT).barrier("p", "main")
			return b.do("main", engine.CallSeccomp, int(engine.SeccompErrno), int(engine.CallGetpgid), 1, engine.SECCOMP_FILTER_FLAG_TSYNC)
		}, "t", "0"},
		engine.SwExecOpensLate: {func() *build {
			b := program("main", "t", "u").create("main", "t", threadFlags).do("t", engine.CallExecve, engine.ImageMissing)
			return b.clone("main", "u", threadFlags)
		}, "EAGAIN", ""},
		engine.SwStepFromNobody: {func() *build {
			b := program("main", "child").create("main", "child", forkFlags)
			b.ptrace("child", Traceme, "child").do("child", engine.CallTkill, b.tid("child"), SIGSTOP).do("child", engine.CallTkill, b.tid("child"), SIGILL)
			return b.wait("main", "child", 0).ptrace("main", Syscall, "child").wait("main", "child", 0).ptrace("main", Singlestep, "child").wait("main", "child", 0)
		}, "child:stopped-SIGILL", "child:stopped-SIGTRAP"},
		engine.SwAttachNoWait: {func() *build {
			return two().kill("main", "child", SIGSTOP).wait("main", "child", engine.WUNTRACED).ptrace("main", Attach, "child").
				ptrace("main", Peekdata, "child", 0, 0)
		}, "ESRCH", ""},
		engine.SwExitSignalChecked: {func() *build {
			return program("main", "kid").victim("kid").clone("main", "kid", 81)
		}, "EINVAL", "kid"},
		engine.SwSetoptionsPartial: {func() *build {
			b := attached().ptrace("main", Setoptions, "child", 0, int(OTraceexit)|1<<9).ptrace("main", Cont, "child")
			return b.do("child", engine.CallExit, 0).wait("main", "child", 0)
		}, "child:event-EXIT", "child:exited-0"},
		engine.SwTraceeHidden: {func() *build {
			b := program("main", "tracer", "child").victim("child").create("main", "tracer", forkFlags).create("main", "child", forkFlags)
			b.barrier("main", "tracer").ptrace("tracer", Attach, "child").wait("tracer", "child", 0).ptrace("tracer", Cont, "child", 0, int(SIGSTOP)).
				wait("tracer", "child", 0).barrier("main", "tracer")
			return b.wait("main", "child", engine.WUNTRACED|engine.WNOHANG)
		}, "", "child:stopped-SIGSTOP"},
		engine.SwLateStops: {func() *build {
			b := program("main", "child", "grand").victim("grand").create("main", "child", forkFlags)
			b.ptrace("main", Seize, "child", 0, int(OTracefork|OTracesysgood)).barrier("main", "child").clone("child", "grand", forkFlags)
			return b.wait("main", "child", 0).ptrace("main", Syscall, "child").wait("main", "child", engine.WNOHANG)
		}, "", "none"},
		engine.SwPlainStops: {func() *build {
			return two().kill("main", "child", SIGSTOP).wait("main", "child", engine.WUNTRACED).ptrace("main", Attach, "child").
				kill("main", "child", SIGCONT).wait("main", "child", engine.WNOHANG)
		}, "none", ""},
		engine.SwAttachInExec: {func() *build {
			b := program("main", "child", "t").victim("child").victim("t").create("main", "child", forkFlags).create("child", "t", threadFlags)
			b.barrier("main", "t").ptrace("main", Seize, "t", 0, int(OTraceexit)).barrier("main", "child").do("child", engine.CallExecve, 0)
			return b.wait("main", "t", 0).ptrace("main", Seize, "child", 0, 0) // the exec waits for t, which waits for main
		}, "0", ""},
	}
	for x := range engine.NumSwitches {
		if x == engine.SwStepsDerail { // what tracees do then, no engine knows
			p, none := engine.Profile{Old: x.Set()}, engine.Profile{}
			for _, r := range []Request{Singlestep, Singleblock, SysemuSinglestep} {
				if Modelled(&p, r, 0) || !Differs(&p, r, 0, 0) || !Modelled(&none, r, 0) || Differs(&none, r, 0, 0) {
					t.Errorf("%v: %v", x, r)
				}
			}
			if !Modelled(&p, Cont, 0) {
				t.Errorf("%v: CONT is not modelled", x)
			}
			continue
		}
		c, ok := cases[x]
		if !ok {
			t.Errorf("no program for %v", x)
			continue
		}
		last := func(old engine.Switches) map[string]bool {
			ends := map[string]bool{}
			for _, l := range explore(t, c.program().done(), engine.Options{Profile: engine.Profile{Old: old}}).list() {
				calls := strings.Fields(strings.Split(l, "|")[0])
				ends[calls[len(calls)-1]] = true
			}
			return ends
		}
		with, without := last(x.Set()), last(0)
		if c.with != "" && !with[c.with] || c.not != "" && !without[c.not] || x != engine.SwNoBlockstep && (without[c.with] && c.with != "" || with[c.not] && c.not != "") {
			t.Errorf("%v: main's last call gives %v with it, %v without", x, with, without)
		}
	}
}
