package ptrace

import (
	"strings"
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

// Row 54: main traces a sibling thread of the leader; the leader execs and waits for that thread's zombie; main attaches to
// the leader and waits for the exec.
func TestAttachExecDeadlock(t *testing.T) {
	b := program("main", "child", "thread").victim("child").victim("thread")
	b.create("main", "child", forkFlags).create("child", "thread", threadFlags)
	b.barrier("main", "child", "thread")
	b.ptrace("main", Seize, "thread", 0, 0)
	b.barrier("main", "child")
	b.do("thread", engine.CallPause)
	b.do("child", engine.CallExecve, engine.ImageSelf)
	b.ptrace("main", Attach, "child")
	x := explore(t, b.done(), engine.Options{})
	deadlock := false
	for o, ws := range x.stuck {
		kinds := map[engine.WaitKind]engine.Wait{}
		for _, w := range ws {
			kinds[w.Kind] = w
		}
		g, d, z := kinds[engine.WaitCredGuard], kinds[engine.WaitDeThread], kinds[engine.WaitZombie]
		deadlock = true
		if g.Actor != 0 || g.On[0] != engine.ActorID(1).Tid() || d.Actor != 1 || d.On[0] != engine.ActorID(2).Tid() ||
			z.Actor != 2 || z.On[0] != engine.ActorID(0).Tid() {
			t.Errorf("%s: waits %+v", o, ws)
		}
	}
	if !deadlock {
		t.Errorf("no deadlock among %v", x.list())
	}
}

// Row 5: a filter installed with TSYNC while a thread is held at its entry stop applies to that call.
func TestTsyncAtEntryStop(t *testing.T) {
	b := program("main", "child", "thread")
	b.create("main", "child", forkFlags).create("child", "thread", threadFlags)
	b.ptrace("main", Seize, "thread", 0, int(OTracesysgood)).ptrace("main", Interrupt, "thread").wait("main", "thread", wall)
	b.ptrace("main", Syscall, "thread").wait("main", "thread", wall).ptrace("main", GetSyscallInfo, "thread", 100)
	b.barrier("main", "child")
	b.do("child", engine.CallSeccomp, engine.SeccompErrno, int(engine.CallGetppid), 1, engine.SECCOMP_FILTER_FLAG_TSYNC)
	b.barrier("main", "child")
	b.ptrace("main", Cont, "thread")
	b.do("thread", engine.CallGetppid)
	p := b.done()
	held := func(o engine.Options) (with, without int) {
		for _, l := range explore(t, p, o).list() {
			if !strings.Contains(l, "80,0x1,0x7") {
				continue // held at the entry of another call
			}
			if strings.HasSuffix(l, "EPERM") {
				with++
			} else {
				without++
			}
		}
		return
	}
	if with, without := held(engine.Options{}); with == 0 || without != 0 {
		t.Errorf("filtered in %d outcomes, not filtered in %d", with, without)
	}
	if with, without := held(engine.Options{Bugs: engine.BugTsyncNotReread.Set()}); with != 0 || without == 0 {
		t.Errorf("with the bug: filtered in %d outcomes, not filtered in %d", with, without)
	}
}
