package live_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"go.uber.org/goleak"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/live"
)

var hammerFor = flag.Duration("live.for", 2*time.Second, "how long TestHammer goes on, for each of its two ways")

// goroutines is how many hammer at a time.
const goroutines = 64

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestHammer: goroutines call whatever there is, as tracers and tracees, and others look on and send signals, in kernels with
// all invariants on. At the end SIGKILL ends everybody (invariant 74), and Close everything.
func TestHammer(t *testing.T) {
	for _, way := range []struct {
		name                            string
		kernels, observers, controllers int // goroutines beside the actors of the kernels
	}{
		{"several kernels", 5, 2, 2},
		{"one kernel", 1, 26, 26},
	} {
		t.Run(way.name, func(t *testing.T) {
			d := *hammerFor
			if testing.Short() {
				d = min(d, 500*time.Millisecond)
			}
			var n counts
			rounds := 0
			for until := time.Now().Add(d); time.Now().Before(until) && !t.Failed(); rounds++ {
				hammer(t, uint64(rounds), way.kernels, way.observers, way.controllers, &n)
			}
			t.Logf("%d rounds of %d kernels: %d calls, %d actors, %d ptrace requests that succeeded, %d reports waited for, %d looks, %d signals",
				rounds, way.kernels, n.calls.Load(), n.actors.Load(), n.requests.Load(), n.reports.Load(), n.looks.Load(), n.signals.Load())
			if n.requests.Load() == 0 || n.reports.Load() == 0 {
				t.Error("nobody traced anybody")
			}
		})
	}
}

type counts struct{ calls, actors, requests, reports, looks, signals atomic.Int64 }

const (
	perKernel = 2000 // calls of a round, by all actors of a kernel
	places    = engine.MaxActors
)

// hammer is one round: kernels boot, everybody hammers them until the calls are used up or nothing moves any more, then they
// are killed off.
func hammer(t *testing.T, seed uint64, kernels, observers, controllers int, n *counts) {
	ks := make([]*live.Kernel, kernels)
	left := make([]atomic.Int64, kernels)
	p := pool.New().WithMaxGoroutines(goroutines)
	rng := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
	for i := range ks {
		ks[i] = live.BootShell(places, engine.Options{Check: true}, seed<<8|uint64(i))
		left[i].Store(perKernel)
		for a := range engine.ActorID(places) {
			r := rng(uint64(i)<<8 | uint64(a))
			p.Go(func() { act(t, ks[i], a, r, &left[i], n) })
		}
	}
	running := &atomic.Int64{}
	running.Store(int64(kernels))
	for i := range observers {
		r := rng(1<<16 | uint64(i))
		p.Go(func() {
			var w engine.World
			var waits []engine.Wait
			for running.Load() > 0 {
				k := ks[r.IntN(kernels)]
				k.Snapshot(&w)
				h := w.Hash()
				waits = w.Waits(waits[:0])
				if w.Hash() != h {
					t.Error("looking at a snapshot changed it")
				}
				k.Inspect(func(w *engine.World) { waits = w.Waits(waits[:0]) })
				n.looks.Add(1)
				runtime.Gosched()
			}
		})
	}
	for i := range controllers {
		r := rng(2<<16 | uint64(i))
		p.Go(func() {
			for running.Load() > 0 {
				_, err := ks[r.IntN(kernels)].Signal(engine.ActorID(r.IntN(places)), pickOne[uint8](r, engine.SIGSTOP, engine.SIGCONT, engine.SIGCONT,
					engine.SIGTSTP, engine.SIGCHLD))
				if err != nil && !errors.Is(err, live.ErrClosed) {
					t.Error(err)
					return
				}
				n.signals.Add(1)
				for range r.IntN(64) {
					runtime.Gosched()
				}
			}
		})
	}
	for i, k := range ks {
		for help := 0; left[i].Load() > 0 && help < 20 && !t.Failed(); {
			if k.Stalled() {
				help++
				for a := range engine.ActorID(places) {
					_, _ = k.Signal(a, engine.SIGCONT)
				}
			}
			runtime.Gosched()
		}
		left[i].Store(0)
		finish(t, k, n)
		running.Add(-1)
		k.Close()
	}
	p.Wait()
}

// finish kills everybody, once: also whom a clone under way creates behind the back of the first round, and whom the death of a tracer lets
// create somebody. What then still stands is a dead task, or one whose EVENT_EXIT stop its tracer, who stands in one himself, does not
// release (R76, R112).
func finish(t *testing.T, k *live.Kernel, n *counts) {
	var sent [places]bool
	for more := true; more && !t.Failed(); {
		more = false
		for a := range engine.ActorID(places) {
			if sent[a] {
				continue
			}
			var err error
			if sent[a], err = k.Signal(a, engine.SIGKILL); err != nil {
				t.Error(err)
				return
			}
			more = more || sent[a]
		}
		for !k.Stalled() && !t.Failed() {
			runtime.Gosched()
		}
	}
	k.Inspect(func(w *engine.World) {
		for _, wait := range w.Waits(nil) {
			if wait.Kind != engine.WaitZombie && wait.Kind != engine.WaitExitEvent && !t.Failed() {
				t.Errorf("actor %d survived SIGKILL: waits for %v in call %v", wait.Actor, wait.Kind, wait.Call)
			}
		}
		for a := range engine.ActorID(places) {
			if w.Created(a) {
				n.actors.Add(1)
			}
		}
	})
}

func pickOne[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// act is a goroutine that acts as one actor until that dies or the kernel closes.
func act(t *testing.T, k *live.Kernel, a engine.ActorID, r *rand.Rand, left *atomic.Int64, n *counts) {
	for {
		var err error
		c, args := anything(r, a)
		if left.Add(-1) <= 0 {
			c, args = engine.CallPause, nil // until the end
		}
		var res engine.Result
		if c == engine.CallClone {
			var errno int64
			_, errno, err = k.Clone(a, args[0])
			res.Ret = -errno
		} else {
			res, err = k.Call(a, c, args...)
		}
		n.calls.Add(1)
		switch {
		case errors.Is(err, live.ErrDead), errors.Is(err, live.ErrClosed), errors.Is(err, live.ErrOver):
			return
		case err != nil:
			t.Error(err)
			return
		case c == engine.CallPtrace && res.Ret >= 0:
			n.requests.Add(1)
		case (c == engine.CallWait4 || c == engine.CallWaitid) && res.Ret > 0:
			n.reports.Add(1)
		}
	}
}

// anything is some call of actor a.
func anything(r *rand.Rand, a engine.ActorID) (engine.Call, []int64) {
	tid := func() int64 { return int64(engine.ActorID(r.IntN(places)).Tid()) }
	sig := func() int64 {
		if r.IntN(16) == 0 {
			return int64(pickOne(r, engine.SIGUSR1, engine.SIGUSR2, engine.SIGRTMIN, engine.SIGKILL)) // most of which kill
		}
		return int64(pickOne(r, engine.SIGSTOP, engine.SIGCONT, engine.SIGCONT, engine.SIGCONT, engine.SIGTSTP, engine.SIGCHLD, engine.SIGWINCH, 0))
	}
	switch r.IntN(20) {
	case 0, 1, 2:
		flags := pickOne(r, int64(engine.SIGCHLD), int64(engine.SIGCHLD), engine.SIGCHLD|engine.CLONE_PTRACE, engine.CLONE_VFORK|engine.CLONE_VM|engine.SIGCHLD, 0,
			engine.CLONE_VM|engine.CLONE_FS|engine.CLONE_FILES|engine.CLONE_SIGHAND|engine.CLONE_THREAD,
			engine.CLONE_VM|engine.CLONE_FS|engine.CLONE_FILES|engine.CLONE_SIGHAND|engine.CLONE_THREAD, engine.CLONE_PARENT|engine.SIGCHLD)
		return engine.CallClone, []int64{flags}
	case 3:
		return engine.CallKill, []int64{tid(), sig()}
	case 4:
		return engine.CallTgkill, []int64{tid(), tid(), sig()}
	case 5, 6:
		return engine.CallWait4, []int64{-1, engine.WNOHANG | engine.WALL | engine.WUNTRACED | engine.WCONTINUED}
	case 7:
		if r.IntN(4) > 0 {
			return engine.CallSchedYield, nil
		}
		return engine.CallWait4, []int64{pickOne(r, -1, tid()), pickOne[int64](r, engine.WALL, engine.WALL|engine.WNOTHREAD, engine.WUNTRACED)}
	case 8:
		return engine.CallSigaction, []int64{int64(pickOne(r, engine.SIGUSR1, engine.SIGCHLD, engine.SIGUSR2, engine.SIGTRAP, engine.SIGRTMIN)),
			pickOne(r, int64(engine.SigHandler), engine.SigHandler, engine.SigIgnore), pickOne(r, 0, int64(engine.SA_RESTART), engine.SA_NOCLDSTOP)}
	case 9:
		return engine.CallSigprocmask, []int64{pickOne(r, int64(engine.SIG_BLOCK), engine.SIG_UNBLOCK), 1<<(engine.SIGUSR1-1) | 1<<(engine.SIGCHLD-1)}
	case 10:
		switch r.IntN(12) {
		case 0:
			return engine.CallExecve, []int64{engine.ImageSelf}
		case 1:
			return engine.CallExit, []int64{3}
		case 2:
			return engine.CallExitGroup, []int64{4}
		case 3:
			return engine.CallNanosleep, []int64{1000}
		case 4:
			return engine.CallSetpgid, []int64{0, 0}
		case 5:
			return engine.CallSeccomp, []int64{engine.SeccompErrno, int64(engine.CallGetppid), 1, pickOne(r, 0, int64(engine.SECCOMP_FILTER_FLAG_TSYNC))}
		}
		return engine.CallGetppid, nil
	}
	req := pickOne(r, ptrace.Seize, ptrace.Seize, ptrace.Attach, ptrace.Cont, ptrace.Cont, ptrace.Syscall, ptrace.Singlestep, ptrace.Interrupt, ptrace.Listen,
		ptrace.Detach, ptrace.Setoptions, ptrace.Getsiginfo, ptrace.Geteventmsg, ptrace.GetSyscallInfo, ptrace.Peekdata, ptrace.Traceme)
	args := []int64{int64(req), tid(), 0, 0}
	switch req {
	case ptrace.Seize, ptrace.Setoptions:
		args[3] = int64(ptrace.OMask) & r.Int64() &^ int64(ptrace.OSuspendSeccomp)
	case ptrace.Cont, ptrace.Syscall, ptrace.Detach:
		args[3] = pickOne(r, 0, 0, 0, sig())
	case ptrace.GetSyscallInfo:
		args[2] = 88
	}
	return engine.CallPtrace, args
}
