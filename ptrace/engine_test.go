package ptrace

import (
	"testing"

	"tracehammer/engine"
)

const wall = engine.WALL

func TestForkExitWait(t *testing.T) {
	expect(t, program("main", "child").clone("main", "child", forkFlags).do("child", engine.CallExit, 3).wait("main", "", 0).wait("main", "", 0), `
		child child:exited-3 ECHILD|
	`)
}

func TestKillWait(t *testing.T) {
	expect(t, program("main", "child").victim("child").clone("main", "child", forkFlags).do("child", engine.CallPause).kill("main", "child", SIGTERM).wait("main", "child", 0), `
		child 0 child:killed-SIGTERM|
	`)
}

func TestAttachDetach(t *testing.T) {
	b := program("main", "child").create("main", "child", forkFlags)
	b.ptrace("main", Attach, "child").wait("main", "child", 0).ptrace("main", Cont, "child").ptrace("main", Cont, "child").
		kill("main", "child", SIGKILL).wait("main", "child", 0)
	expect(t, b, `
		0 child:stopped-SIGSTOP 0 ESRCH 0 child:killed-SIGKILL|
	`)
}

func TestAttachWaitDetachBarrier(t *testing.T) {
	b := program("main", "child").create("main", "child", forkFlags)
	b.ptrace("main", Attach, "child").wait("main", "child", 0).ptrace("main", Detach, "child").barrier("main", "child").do("child", engine.CallGetppid)
	expect(t, b, `
		0 child:stopped-SIGSTOP 0 | main
	`)
}
