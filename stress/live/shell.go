package live

import (
	"math/rand/v2"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// A shell is a kernel whose actors have no code: their calls come from goroutines, one at a time. In the engine each actor's
// program is a loop around one call, which the front writes just before it is made.

// BootShell starts a kernel with places for so many actors, of which the first exists. o says what kernel it is.
func BootShell(actors int, o engine.Options, seed uint64) *Kernel {
	p := shellProgram(actors)
	k := &Kernel{program: p, rng: rand.New(rand.NewPCG(seed, 0x7368656c6c)), shell: true}
	k.start(ptrace.NewMachine(p, o))
	return k
}

// The code of an actor in a shell: the call, and back to it. What follows is never reached; it tells the engine, which looks
// through a program for what can happen in it, that anything may.
const shellCall = 0

func shellProgram(actors int) *engine.Program {
	p := &engine.Program{}
	for a := range actors {
		code := []engine.Instr{
			shellInstr(engine.CallSchedYield, nil),
			{Op: engine.OpJump, Target: shellCall, Dst: engine.NoVar, DstOut: engine.NoVar, Src: -1},
			shellInstr(engine.CallPidfdOpen, nil),
			shellInstr(engine.CallSeccomp, []int64{0, 0, 0, engine.SECCOMP_FILTER_FLAG_TSYNC}),
		}
		for b := range actors {
			if a == 0 && b != 0 {
				code = append(code, shellInstr(engine.CallClone, []int64{0, int64(b)}))
			}
			named := shellInstr(engine.CallKill, nil)
			named.Args[0] = engine.TidOf(engine.ActorID(b))
			code = append(code, named)
		}
		p.Actors = append(p.Actors, engine.Actor{Name: string(rune('a' + a)), Code: code})
	}
	return p
}

func shellInstr(c engine.Call, args []int64) engine.Instr {
	in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar, Src: -1}
	for i, n := range args {
		in.Args[i] = engine.Imm(n)
	}
	return in
}

// Call makes a system call as an actor of a shell, and blocks until it returns, the actor dies or the kernel is closed.
// Arguments are numbers; actors are named by their tids (engine.ActorID.Tid at birth). An actor that does not exist yet waits
// until it is created.
func (k *Kernel) Call(a engine.ActorID, c engine.Call, args ...int64) (engine.Result, error) {
	if err := k.enter(a); err != nil {
		return engine.Result{}, err
	}
	defer k.leave(a)
	begun := false
	prepare := func() {
		if _, resting := k.world.Resting(a); resting && !begun {
			k.program.Actors[a].Code[shellCall] = shellInstr(c, args)
		}
	}
	for {
		ev, err := k.one(a, prepare)
		switch {
		case err != nil:
			return engine.Result{}, err
		case ev.Kind == engine.EvBegin:
			begun = true
		case ev.Kind == engine.EvEnd:
			return ev.Res, nil
		}
	}
}

// leave ends the calling goroutine's driving of an actor.
func (k *Kernel) leave(a engine.ActorID) {
	k.mu.Lock()
	k.actors[a].driven = false
	if k.broken == nil {
		k.refresh() // the actor is the pump's now
	}
	k.mu.Unlock()
	k.inside.Done()
}

// Clone makes a new actor, as CallClone with these flags and exit signal, and returns it. errno is that of the call, EAGAIN if
// there is no place.
func (k *Kernel) Clone(a engine.ActorID, flags int64) (child engine.ActorID, errno int64, err error) {
	child = k.reserve()
	if child == engine.NoActor {
		return child, engine.EAGAIN, nil
	}
	res, err := k.Call(a, engine.CallClone, flags, int64(child))
	k.release(child)
	if err != nil || res.Ret < 0 {
		return engine.NoActor, -res.Ret, err
	}
	return child, 0, nil
}

// reserve takes a place that nobody has, for a clone under way: the engine expects that no two want the same.
func (k *Kernel) reserve() engine.ActorID {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.program.Actors {
		if a := engine.ActorID(i); !k.world.Created(a) && !k.actors[a].reserved {
			k.actors[a].reserved = true
			return a
		}
	}
	return engine.NoActor
}

func (k *Kernel) release(a engine.ActorID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.actors[a].reserved = false
}
