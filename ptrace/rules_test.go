package ptrace

import (
	"strings"
	"testing"

	"tracehammer/engine"
)

func two() *build { return program("main", "child").create("main", "child", forkFlags) }

func three() *build {
	return program("main", "tracer", "child").create("main", "tracer", forkFlags).create("main", "child", forkFlags)
}

// R43 R48 R49 R51: LISTEN hides the stop, SIGCONT re-traps it, and is then delivered as an ordinary signal.
func TestListen(t *testing.T) {
	b := two()
	b.ptrace("main", Seize, "child", 0, 0).kill("main", "child", SIGSTOP).wait("main", "child", 0).ptrace("main", Cont, "child", 0, SIGSTOP).wait("main", "child", 0).
		ptrace("main", Listen, "child").ptrace("main", Cont, "child").do("main", engine.CallWait4, -1, engine.WNOHANG).
		kill("main", "child", SIGCONT).wait("main", "child", 0).ptrace("main", Detach, "child").kill("main", "child", SIGKILL).wait("main", "child", 0)
	expect(t, b, `0 0 child:stopped-SIGSTOP 0 child:event-STOP-SIGSTOP 0 ESRCH none 0 child:event-STOP 0 0 child:killed-SIGKILL |`)
}

// R8 R9: attach to a stopped process traps it at once; the SIGSTOP comes after the restart.
func TestAttachStopped(t *testing.T) {
	b := two()
	b.kill("main", "child", SIGSTOP).wait("main", "child", engine.WUNTRACED).ptrace("main", Attach, "child").do("main", engine.CallWait4, -1, engine.WNOHANG).
		ptrace("main", Getsiginfo, "child").ptrace("main", Cont, "child").wait("main", "child", 0).ptrace("main", Getsiginfo, "child").
		kill("main", "child", SIGKILL).wait("main", "child", 0)
	expect(t, b, `0 child:stopped-SIGSTOP 0 child:stopped-SIGSTOP EINVAL 0 child:stopped-SIGSTOP 0,0x13,0x80,0x0 0 child:killed-SIGKILL |`)
}

// R75 R76: SIGKILL parks the tracee at its exit event, and a second one does not help.
func TestExitEventKilled(t *testing.T) {
	b := two()
	b.ptrace("main", Seize, "child", 0, int(OTraceexit)).kill("main", "child", SIGKILL).wait("main", "child", 0).ptrace("main", Geteventmsg, "child").
		kill("main", "child", SIGKILL).do("main", engine.CallWait4, -1, engine.WNOHANG).ptrace("main", Cont, "child").wait("main", "child", 0)
	expect(t, b, `0 0 child:event-EXIT 0,0x9,0x0,0x0 0 none 0 child:killed-SIGKILL |`)
}

// R68 R69 R70: a thread's exec takes over the leader's tid; the traced one's tracer finds it there.
func TestThreadExec(t *testing.T) {
	b := program("main", "child", "thread").create("main", "child", forkFlags).create("child", "thread", threadFlags).barrier("main", "thread")
	b.ptrace("main", Seize, "thread", 0, int(OTraceexec|OTraceexit)).barrier("main", "thread").do("thread", engine.CallExecve, engine.ImageSelf).do("thread", engine.CallGettid).
		wait("main", "child", wall).ptrace("main", Geteventmsg, "child").ptrace("main", Cont, "thread").ptrace("main", Cont, "child")
	expect(t, b, `0 child:event-EXEC 0,thread,0x0,0x0 ESRCH 0 | | 0 child`)
}

// R59 R61 R62: vfork's three reports, and the order that is not free.
func TestVfork(t *testing.T) {
	b := program("main", "child", "grand").create("main", "child", forkFlags).barrier("main", "child")
	b.do("child", engine.CallSigaction, SIGCHLD, engine.SigIgnore, 0)
	b.ptrace("main", Seize, "child", 0, int(OTracevfork|OTracevforkdone)).barrier("main", "child").clone("child", "grand", vforkFlags).do("grand", engine.CallExit, 1)
	b.wait("main", "child", 0).ptrace("main", Geteventmsg, "child").wait("main", "grand", 0).ptrace("main", Cont, "child").
		do("main", engine.CallWait4, b.tid("child"), engine.WNOHANG).ptrace("main", Cont, "grand").
		wait("main", "grand", 0).wait("main", "child", 0).ptrace("main", Geteventmsg, "child").ptrace("main", Detach, "child")
	expect(t, b, `0 child:event-VFORK 0,grand,0x0,0x0 grand:event-STOP 0 none 0 grand:exited-1 child:event-VFORK_DONE 0,grand,0x0,0x0 0 | 0 grand |`)
}

// R77 R78 R79: a leader that exits first is not waitable; the last thread to begin exiting decides the code.
func TestZombieLeader(t *testing.T) {
	b := program("main", "child", "thread").create("main", "child", forkFlags).create("child", "thread", threadFlags)
	b.barrier("main", "thread").do("child", engine.CallExit, 3).do("main", engine.CallWait4, b.tid("child"), engine.WNOHANG).barrier("main", "thread").do("thread", engine.CallExit, 5).wait("main", "child", 0)
	expect(t, b, `
		none child:exited-3 | |
		none child:exited-5 | |
	`)
}

// R101: a signal-delivery-stop that was waited for is lost with its tracer, one that was not is delivered.
func TestTracerDeath(t *testing.T) {
	b := three().barrier("main", "tracer", "child")
	b.ptrace("tracer", Seize, "child", 0, 0).barrier("main", "tracer").kill("main", "child", SIGTERM).
		do("main", engine.CallNanosleep, 1).do("tracer", engine.CallWait4, b.tid("child"), 0).do("tracer", engine.CallExit, 0).wait("main", "tracer", 0).
		do("main", engine.CallWait4, b.tid("child"), engine.WNOHANG)
	expect(t, b, `0 0 tracer:exited-0 none | 0 child:stopped-SIGTERM |`)

	b = three().barrier("main", "tracer", "child")
	b.ptrace("tracer", Seize, "child", 0, 0).barrier("main", "tracer").kill("main", "child", SIGTERM).
		do("tracer", engine.CallWaitid, engine.P_PID, b.tid("child"), engine.WEXITED|engine.WNOWAIT).do("tracer", engine.CallExit, 0).wait("main", "child", 0)
	expect(t, b, `0 child:killed-SIGTERM | 0 child:4:0xf |`)
}

// R81 R82: a zombie with a foreign tracer is its tracer's first, then its parent's.
func TestForeignZombie(t *testing.T) {
	b := three().barrier("main", "tracer", "child")
	b.ptrace("tracer", Seize, "child", 0, 0).barrier("main", "tracer").kill("main", "child", SIGKILL).do("tracer", engine.CallWaitid, engine.P_PID, b.tid("child"), engine.WEXITED|engine.WNOWAIT).
		barrier("main", "tracer").do("main", engine.CallWait4, b.tid("child"), engine.WNOHANG).barrier("main", "tracer").wait("tracer", "child", 0).wait("main", "child", 0)
	expect(t, b, `0 none child:killed-SIGKILL | 0 child:2:0x9 child:killed-SIGKILL |`)
}

// R54: an emulated call is not executed.
func TestSysemu(t *testing.T) {
	b := two()
	b.ptrace("child", Traceme, "main").do("child", engine.CallTkill, b.tid("child"), SIGUSR1).do("child", engine.CallGettid)
	b.wait("main", "child", 0).ptrace("main", Sysemu, "child").wait("main", "child", 0).ptrace("main", Cont, "child")
	expect(t, b, `child:stopped-SIGUSR1 0 child:stopped-SIGTRAP 0 | 0 0 ENOSYS`)
}

// R57: TRACE without anybody to ask skips the call; KILL_PROCESS is a death by SIGSYS.
func TestSeccomp(t *testing.T) {
	b := two()
	b.do("child", engine.CallSeccomp, engine.SeccompTrace, int(engine.CallGettid), 77, 0).do("child", engine.CallGettid).
		do("child", engine.CallSeccomp, engine.SeccompKillProcess, int(engine.CallGetpid), 0, 0).do("child", engine.CallGetpid).wait("main", "child", 0)
	expect(t, b, `child:killed-SIGSYS | 0 ENOSYS 0`)
}

// A tracer that dies while its tracee is about to stop at a system call without TRACESYSGOOD may leave a SIGTRAP behind
// (known bug list, row 49); with it never.
func TestSpuriousTrap(t *testing.T) {
	for _, o := range []Option{0, OTracesysgood} {
		b := program("main", "tracer", "child").victim("child").create("main", "tracer", forkFlags).create("main", "child", forkFlags)
		b.barrier("tracer", "child").ptrace("tracer", Seize, "child", 0, int(o)).ptrace("tracer", Interrupt, "child").wait("tracer", "child", 0).
			ptrace("tracer", Syscall, "child").do("tracer", engine.CallExit, 0)
		b.do("child", engine.CallGettid).do("child", engine.CallExit, 7).wait("main", "child", 0)
		killed := false
		for _, l := range explore(t, b.done(), engine.Options{}).list() {
			killed = killed || strings.Contains(l, "child:killed-SIGTRAP")
		}
		if killed != (o == 0) {
			t.Errorf("options %v: killed by SIGTRAP: %v", o, killed)
		}
	}
}

// R41 R46: a thread created by a restarted tracee of a stopped group joins the stop, and knows its signal (known bug 7).
func TestCloneInStoppedGroup(t *testing.T) {
	build := func() *build {
		b := program("main", "child", "thread").victim("child").victim("thread").create("main", "child", forkFlags)
		b.do("child", engine.CallTkill, b.tid("child"), SIGSTOP).clone("child", "thread", threadFlags)
		b.wait("main", "child", engine.WUNTRACED).ptrace("main", Seize, "child", 0, int(OTraceclone)).wait("main", "child", 0).
			ptrace("main", Cont, "child").wait("main", "child", 0).wait("main", "thread", wall)
		return b
	}
	expect(t, build(), `child:stopped-SIGSTOP 0 child:event-STOP-SIGSTOP 0 child:event-CLONE thread:event-STOP-SIGSTOP | 0 |`)
	for _, l := range explore(t, build().done(), engine.Options{Bugs: engine.BugCloneSkipsGroupStop.Set()}).list() {
		if strings.Contains(l, "thread:event-STOP-SIGSTOP") {
			t.Errorf("with the bug: %s", l)
		}
	}
}

// R5 R111: what capable() decides is refused to root of a user namespace; what needs rights over a task there is not. Only
// mapped user ids can be taken.
func TestUserNamespace(t *testing.T) {
	b := two()
	b.do("main", engine.CallSetresuid, 1000).do("main", engine.CallSetresuid, 0).
		ptrace("main", Seize, "child", 0, int(OSuspendSeccomp)).ptrace("main", Seize, "child", 0, 0).ptrace("main", Interrupt, "child").wait("main", "child", 0).
		ptrace("main", Setoptions, "child", 0, int(OSuspendSeccomp)).ptrace("main", SeccompGetFilter, "child", 0).ptrace("main", SeccompGetMetadata, "child", 16).
		ptrace("main", Detach, "child")
	expectOn(t, b, engine.Options{Profile: engine.Profile{UserNamespace: true, Users: 1}},
		`EINVAL 0 EPERM 0 0 child:event-STOP EPERM EACCES EACCES 0 |`)
}
