package ptrace

import (
	"strings"
	"testing"

	"tracehammer/engine"
)

// outcomes says which outcomes of a program hold a text.
func outcomes(t *testing.T, p *engine.Program, with string) (some, all bool) {
	all = true
	for _, l := range explore(t, p, engine.Options{Check: true}).list() {
		if strings.Contains(l, with) {
			some = true
		} else {
			all = false
		}
	}
	return
}

// R62 R63: a SIGSTOP that comes between a clone's look at pending signals and the child's becoming visible waits for the
// event stop, although there is no child yet when it comes.
func TestStopInClone(t *testing.T) {
	b := program("main", "child", "thread").victim("child").victim("thread").create("main", "child", forkFlags)
	b.ptrace("main", Seize, "child", 0, int(OTraceclone)).barrier("main", "child").clone("child", "thread", threadFlags)
	b.kill("main", "child", SIGSTOP).do("main", engine.CallWait4, b.tid("thread"), engine.WNOHANG|wall).wait("main", "child", 0)
	p := b.done()
	for _, l := range []string{"0 0 ECHILD child:event-CLONE", "0 0 ECHILD child:stopped-SIGSTOP", "0 0 none child:event-CLONE"} {
		if some, _ := outcomes(t, p, l); !some {
			t.Errorf("no outcome with %s", l)
		}
	}
	if some, _ := outcomes(t, p, "0 0 none child:stopped-SIGSTOP"); some {
		t.Error("the signal overtakes the event")
	}
}

// R59 R60: SEIZE while a fork is under way makes no event; before it, always one.
func TestSeizeInFork(t *testing.T) {
	b := program("main", "child", "grand").victim("child").victim("grand").create("main", "child", forkFlags)
	b.clone("child", "grand", forkFlags).ptrace("main", Seize, "child", 0, int(OTracefork)).do("main", engine.CallWait4, b.tid("child"), engine.WNOHANG)
	p := b.done()
	for _, l := range []string{"0 child:event-FORK | ", "0 none | grand"} {
		if some, _ := outcomes(t, p, l); !some {
			t.Errorf("no outcome with %s", l)
		}
	}
	if some, _ := outcomes(t, p, "0 child:event-FORK | grand"); some {
		t.Error("the call returned although nobody let its event stop go on")
	}
}

// R66: copy_fs refuses while another thread is in execve, and not before or afterwards.
func TestCloneInExec(t *testing.T) {
	for _, flags := range []int{threadFlags, threadFlags &^ engine.CLONE_FS} {
		b := program("main", "child", "thread", "late").victim("child").victim("thread").victim("late")
		b.create("main", "child", forkFlags).create("child", "thread", threadFlags)
		b.do("child", engine.CallExecve, engine.ImageSelf).clone("thread", "late", flags)
		some, all := outcomes(t, b.done(), "| EAGAIN")
		if want := flags == threadFlags; some != want || all {
			t.Errorf("flags %#x: EAGAIN in some outcomes: %v, in all: %v", flags, some, all)
		}
	}
}

// R63: a signal for the group that comes while a member forks reaches its child too, from nobody.
func TestGroupSignalInFork(t *testing.T) {
	b := program("main", "child", "grand").victim("grand").create("main", "child", forkFlags)
	b.do("main", engine.CallSetpgid, b.tid("child"), b.tid("child")).do("child", engine.CallSigaction, SIGUSR1, engine.SigHandler, 0)
	b.barrier("main", "child").clone("child", "grand", forkFlags)
	b.do("main", engine.CallKill, engine.Arg{Kind: engine.ArgNegTid, N: b.tid("child").N}, SIGUSR1)
	p := b.done()
	for _, l := range []string{"| 0 handler(SIGUSR1,0,2) grand | handler(SIGUSR1,0,0)", "| 0 grand handler(SIGUSR1,0,2) | handler(SIGUSR1,0,2)"} {
		if some, _ := outcomes(t, p, l); !some {
			t.Errorf("no outcome with %s", l)
		}
	}
	if some, _ := outcomes(t, p, "grand handler(SIGUSR1,0,2) | handler(SIGUSR1,0,0)"); some {
		t.Error("a signal that comes after the fork is delayed")
	}
}
