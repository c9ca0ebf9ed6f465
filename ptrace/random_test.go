package ptrace

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"tracehammer/engine"
)

// randomProgram makes a program of a few processes and threads that do anything to each other.
func randomProgram(rng *rand.Rand) *engine.Program {
	n := 2 + rng.IntN(4)
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("a", i))
	}
	b := program(names...)
	pick := func() string { return names[rng.IntN(n)] }
	flags := []int{forkFlags, forkFlags, threadFlags, threadFlags, vforkFlags, forkFlags | engine.CLONE_PTRACE, engine.CLONE_PARENT | SIGCHLDi,
		threadFlags | engine.CLONE_UNTRACED, engine.CLONE_VM | engine.CLONE_SIGHAND | SIGCHLDi, SIGCHLDi | engine.CLONE_NEWPID}
	for i := 1; i < n; i++ {
		b.create(names[rng.IntN(i)], names[i], flags[rng.IntN(4+rng.IntN(len(flags)-3))])
	}
	signals := []Signal{SIGKILL, SIGSTOP, SIGCONT, SIGCONT, SIGUSR1, SIGTERM, SIGTSTP, SIGCHLD, SIGRTMIN, 0}
	sig := func() Signal { return signals[rng.IntN(len(signals))] }
	requests := []Request{Attach, Seize, Seize, Cont, Cont, Syscall, Singlestep, Sysemu, Detach, Interrupt, Listen, Setoptions, Getsiginfo,
		Geteventmsg, Kill, GetSyscallInfo, Setsigmask, Getsigmask, Peeksiginfo, Traceme, SysemuSinglestep, Setsiginfo, Peekdata, Pokeusr}
	options := []Option{0, OTracefork | OTraceclone | OTracevfork, OTraceexit, OTraceexec | OTracesysgood, OExitkill | OTracevforkdone, OTraceseccomp, 1 << 9}
	waits := []int{0, wall, engine.WNOHANG | wall, engine.WUNTRACED, engine.WCONTINUED | engine.WNOHANG, engine.WNOTHREAD}
	restarts := []Request{Cont, Syscall, Syscall, Singlestep, Sysemu, SysemuSinglestep, Listen, Detach, Interrupt, Getsiginfo, Geteventmsg, GetSyscallInfo}
	// A tracer's loop: attach to somebody, then answer whatever stops.
	if rng.IntN(3) > 0 {
		b.p.Vars = 1
		a := pick()
		one, two := int64(options[rng.IntN(len(options)-1)]), int64(options[rng.IntN(len(options)-1)])
		b.ptrace(a, []Request{Attach, Seize, Seize}[rng.IntN(3)], pick(), 0, one|two)
		b.ptrace(a, Interrupt, pick())
		for range 2 + rng.IntN(20) {
			in := call(engine.CallWait4, -1, wall|engine.WNOHANG*(rng.IntN(4)/3))
			in.Dst = 0
			b.add(a, in)
			b.do(a, engine.CallPtrace, restarts[rng.IntN(len(restarts))], engine.VarOf(0), 0, sig()*Signal(rng.IntN(2)))
		}
	}
	for range 4 + rng.IntN(20) {
		a := pick()
		switch rng.IntN(16) {
		case 0, 1, 2, 3, 4, 5:
			r := requests[rng.IntN(len(requests))]
			addr, data := 0, int64(0)
			switch r {
			case Seize, Setoptions:
				data = int64(options[rng.IntN(len(options))])
			case Cont, Syscall, Singlestep, Detach, Sysemu:
				data = int64(sig())
			case Getsigmask, Setsigmask:
				addr, data = 8, int64(rng.Uint64()>>rng.IntN(64))
			case Peeksiginfo:
				data = 2
			case Setsiginfo:
				data = int64(SIGUSR2)
			case Pokeusr:
				addr, data = 15, -1
			}
			b.ptrace(a, r, pick(), addr, data)
		case 6, 7:
			if rng.IntN(3) == 0 {
				b.wait(a, "", waits[rng.IntN(len(waits))])
			} else {
				b.wait(a, pick(), waits[rng.IntN(len(waits))])
			}
		case 8, 9:
			b.kill(a, pick(), sig())
		case 10:
			b.do(a, engine.CallTkill, b.tid(pick()), sig())
		case 11:
			b.do(a, engine.CallSigaction, sig(), rng.IntN(3), engine.SA_RESTART*rng.IntN(2))
		case 12:
			b.do(a, []engine.Call{engine.CallExecve, engine.CallExecve, engine.CallExit, engine.CallExitGroup}[rng.IntN(4)], 0)
		case 13:
			b.do(a, []engine.Call{engine.CallPause, engine.CallNanosleep, engine.CallSigsuspend, engine.CallGettid, engine.CallSetsid}[rng.IntN(5)], 0)
		case 14:
			switch rng.IntN(5) {
			case 0:
				b.do(a, engine.CallSeccomp, rng.IntN(5), int(engine.CallKill), 1, rng.IntN(2))
			case 1:
				b.do(a, engine.CallPrctl, engine.PR_SET_PDEATHSIG, sig())
			case 2:
				b.do(a, engine.CallPrctl, engine.PR_SET_CHILD_SUBREAPER, 1)
			case 3:
				b.do(a, engine.CallSetpgid, 0, 0)
			case 4:
				b.do(a, engine.CallKill, -1-rng.IntN(2)*2, sig())
			}
		case 15:
			b.do(a, engine.CallSigprocmask, rng.IntN(3), rng.Int64())
		}
	}
	return b.done()
}

// TestRandomWalks lets random programs run under random schedules with every invariant checked after every step, and each
// walk again step by step on copies: a copy behaves as its original.
func TestRandomWalks(t *testing.T) {
	programs := 3000
	if testing.Short() {
		programs = 300
	}
	for seed := range programs {
		rng := rand.New(rand.NewPCG(uint64(seed), 9))
		p := randomProgram(rng)
		m := NewMachine(p, engine.Options{Check: true})
		for walk := range 5 {
			if !randomWalk(t, m, rng) {
				t.Fatalf("program %d, walk %d", seed, walk)
			}
		}
	}
}

func randomWalk(t *testing.T, m *engine.Machine, rng *rand.Rand) (ok bool) {
	var w, v, before engine.World
	var watch engine.Watch
	step := 0
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("step %d: %v", step, r)
			for _, wt := range w.Waits(nil) {
				t.Logf("%+v", wt)
			}
			if _, known := r.(*engine.InvariantError); !known {
				panic(r)
			}
		}
	}()
	m.Init(&w)
	print := w.Fingerprint()
	var cs []engine.Choice
	for ; step < 3000; step++ {
		if cs = w.Choices(cs[:0]); len(cs) == 0 {
			break
		}
		c := cs[rng.IntN(len(cs))]
		v.CopyFrom(&w)
		before.CopyFrom(&w)
		b := v.Step(c)
		a := w.Step(c)
		if a != b || w.Hash() != v.Hash() {
			t.Errorf("step %d: a copy did %+v, the original %+v", step, b, a)
			return false
		}
		if print = w.After(&before, print); print != v.Fingerprint() {
			t.Errorf("step %d: the fingerprint made of the one before differs from that of the whole", step)
			return false
		}
		watch.Step(&w, c, a)
	}
	return true
}
