package live_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/sourcegraph/conc"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/live"
)

// shell boots a kernel for calls from outside, and closes it when the test is over.
func shell(t *testing.T) *live.Kernel {
	k := live.BootShell(4, engine.Options{Check: true}, 1)
	t.Cleanup(k.Close)
	return k
}

// must makes a call that succeeds.
func must(t *testing.T, k *live.Kernel, a engine.ActorID, c engine.Call, args ...int64) engine.Result {
	t.Helper()
	res, err := k.Call(a, c, args...)
	if err != nil || res.Ret < 0 {
		t.Fatalf("actor %d: %v%v: %d, %v", a, c, args, res.Ret, err)
	}
	return res
}

// TestBlockingCalls: a tracer's wait sleeps until its tracee, who is another goroutine or none at all, stops or dies.
func TestBlockingCalls(t *testing.T) {
	k := shell(t)
	child, errno, err := k.Clone(0, engine.SIGCHLD)
	if err != nil || errno != 0 {
		t.Fatalf("clone: errno %d, %v", errno, err)
	}
	tid := int64(child.Tid())
	if res := must(t, k, child, engine.CallGettid); res.Ret != tid {
		t.Errorf("the child is %d, and takes itself for %d", tid, res.Ret)
	}
	must(t, k, 0, engine.CallPtrace, int64(ptrace.Seize), tid, 0, 0)
	must(t, k, 0, engine.CallPtrace, int64(ptrace.Interrupt), tid, 0, 0)
	// Nobody drives the child: the pump lets it notice the trap, while the wait sleeps.
	if res := must(t, k, 0, engine.CallWait4, tid, 0); res.Ret != tid || res.Out[0] != int64(ptrace.EventStop)<<16|int64(ptrace.SIGTRAP)<<8|0x7f {
		t.Errorf("wait4: %d, status %#x", res.Ret, res.Out[0])
	}
	must(t, k, 0, engine.CallPtrace, int64(ptrace.Cont), tid, 0, 0)
	var wg conc.WaitGroup
	wg.Go(func() {
		if _, err := k.Call(child, engine.CallPause); !errors.Is(err, live.ErrDead) {
			t.Errorf("killed in pause: %v", err)
		}
	})
	must(t, k, 0, engine.CallKill, tid, engine.SIGKILL)
	if res := must(t, k, 0, engine.CallWait4, tid, 0); res.Out[0] != engine.SIGKILL {
		t.Errorf("status %#x of the killed child", res.Out[0])
	}
	wg.Wait()
	// A timer: the pump's.
	must(t, k, 0, engine.CallNanosleep, 1_000_000)
}

// TestClose ends calls that would sleep for good, and whatever comes later.
func TestClose(t *testing.T) {
	k := shell(t)
	var wg conc.WaitGroup
	for a := range engine.ActorID(3) { // two of which are never created
		wg.Go(func() {
			if _, err := k.Call(a, engine.CallPause); !errors.Is(err, live.ErrClosed) {
				t.Errorf("actor %d: %v", a, err)
			}
		})
	}
	for !k.Stalled() {
		runtime.Gosched()
	}
	k.Close()
	wg.Wait()
	if _, err := k.Call(0, engine.CallGetpid); !errors.Is(err, live.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := k.Signal(0, engine.SIGCONT); !errors.Is(err, live.ErrClosed) {
		t.Errorf("signal after Close: %v", err)
	}
	k.Close()
}

// TestFindings: on a kernel with a planted bug every kind of finding comes out of the target as it must.
func TestFindings(t *testing.T) {
	run := func(bug engine.Bug, seed string) (stuck bool, err error) {
		p, lerr := corpus.Lower(corpustest.Seed(t, seed))
		if lerr != nil {
			t.Fatal(lerr)
		}
		err = live.NewTarget("live", engine.Options{Check: true, Bugs: bug.Set()}).Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 50},
			func(h *history.History) bool {
				stuck = h.Outcome == history.Stuck
				return !stuck
			})
		return stuck, err
	}
	if stuck, err := run(engine.BugExitkillIgnored, "exitkill"); !stuck || err != nil {
		t.Errorf("a tracee that survives: stuck %v, %v", stuck, err)
	}
	var broken *engine.InvariantError
	if _, err := run(engine.BugDetachNoWake, "attach-detach"); !errors.As(err, &broken) || broken.N != 16 {
		t.Errorf("a tracee left in its stop: %v", err)
	}
}

// TestCancelled: a run that never ends does, when its context does.
func TestCancelled(t *testing.T) {
	s, err := corpus.Parse("", []byte("scenario sleepers\nproc main\nmain: repeat 1000 {\nmain: getpid\nmain: }\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := corpus.Lower(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = live.NewTarget("live", engine.Options{}).Run(ctx, p, stress.Plan{Repeat: 1 << 30}, func(*history.History) bool {
		t.Error("a run that was cut short is shown")
		return true
	})
	if err != nil {
		t.Error(err)
	}
}
