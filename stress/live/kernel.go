// Package live puts the engine behind a front that any number of goroutines may use at once, with calls that block like system
// calls: goroutines act as tracers and tracees, each drives its own task, and Go's scheduler and the machine's CPUs decide
// about the order, not a seeded strategy. It knows nothing of scenarios; Target, which runs programs, is one user of it.
//
// A Kernel has one lock, Kernel.mu, which guards the World and everything else of it. It is a leaf: nothing else is locked,
// no user's function but Inspect's is called, and nothing blocks but sync.Cond.Wait while it is held. Each step of the engine
// takes it anew. Tickets are an atomic counter outside it, as they are for actors on a real kernel.
//
// Goroutines: the users', and one pump for what happens by itself. Close ends the pump and every blocked call, and returns
// when all have left.
package live

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// Why a call does not return a result.
var (
	ErrClosed = errors.New("live: kernel closed")
	ErrDead   = errors.New("live: the actor is dead")
	ErrOver   = errors.New("live: the program is over")
	ErrStuck  = errors.New("live: nothing can happen any more")
)

// BrokenError is a broken invariant or a panic of the engine: the World is not to be used any more.
type BrokenError struct {
	Invariant *engine.InvariantError // nil after a panic
	Panic     any
}

func (e *BrokenError) Error() string {
	if e.Invariant != nil {
		return "live: " + e.Invariant.Error()
	}
	return fmt.Sprintf("live: the engine panicked: %v", e.Panic)
}

func (e *BrokenError) Unwrap() error {
	if e.Invariant != nil {
		return e.Invariant
	}
	return nil
}

// Kernel is a simulated kernel that runs.
type Kernel struct {
	clock   atomic.Uint64  // tickets
	inside  sync.WaitGroup // users' goroutines in here, and the pump
	program *engine.Program

	mu      sync.Mutex
	world   engine.World
	choices []engine.Choice // of the world as it is
	rng     *rand.Rand
	stream  schedule.Stream // of the steps so far, unless shell
	actors  [engine.MaxActors]seat
	wake    sync.Cond // the pump's
	sleeps  bool      // the pump does
	limit   int       // steps left
	shell   bool
	closed  bool
	over    bool // the program is over, or its steps are used up
	broken  *BrokenError
}

// seat is an actor's place: who drives it.
type seat struct {
	cond   sync.Cond
	driven bool // by a user's goroutine
	asleep bool // which waits for cond
	// reserved is for a clone that is under way.
	reserved bool
}

// maxSteps bounds what a program may do: longer ones are stuck in loops of user code.
const maxSteps = 200_000

// Boot starts a kernel that runs p, made of m's program and options; seed decides among the outcomes that one step can have.
// m belongs to the kernel until Close.
func Boot(m *engine.Machine, seed uint64) *Kernel {
	k := &Kernel{program: m.Program(), rng: rand.New(rand.NewPCG(seed, 0x6c697665)), limit: maxSteps}
	k.start(m)
	return k
}

func (k *Kernel) start(m *engine.Machine) {
	k.wake.L = &k.mu
	for a := range k.actors {
		k.actors[a].cond.L = &k.mu
	}
	m.Init(&k.world)
	k.refresh()
	k.inside.Add(1)
	go k.pump()
}

// NewMachine is ptrace.NewMachine, for callers that need nothing else of it.
func NewMachine(p *engine.Program, o engine.Options) *engine.Machine { return ptrace.NewMachine(p, o) }

// Close ends every call that is under way, and the pump, and returns when all have left. It may be called more than once.
func (k *Kernel) Close() {
	k.mu.Lock()
	k.closed = true
	k.wakeAll()
	k.mu.Unlock()
	k.inside.Wait()
}

// Ticket draws the next ticket.
func (k *Kernel) Ticket() uint64 { return k.clock.Add(1) }

// Event is something that an actor's user code did, and the tickets around it.
type Event struct {
	engine.Event
	Before uint64 // drawn before the step that showed it
	After  uint64 // drawn after it
}

// Next drives an actor until its user code shows something: a call begins, a call has returned, a handler runs. As long as its
// task has nothing to do, because it does not exist yet, sleeps or is stopped, it blocks. One goroutine may drive an actor.
func (k *Kernel) Next(a engine.ActorID) (Event, error) {
	if err := k.enter(a); err != nil {
		return Event{}, err
	}
	defer k.inside.Done() // the actor stays driven: nobody else may see its events
	for {
		ev, err := k.one(a, nil)
		if err != nil || ev.Kind != engine.EvNone {
			return ev, err
		}
	}
}

// enter makes the calling goroutine the driver of an actor.
func (k *Kernel) enter(a engine.ActorID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return ErrClosed
	}
	k.inside.Add(1)
	k.actors[a].driven = true
	return nil
}

// one makes one step of an actor's task, or waits until there may be one to make. prepare, if not nil, is called before it
// with the lock held.
func (k *Kernel) one(a engine.ActorID, prepare func()) (ev Event, err error) {
	ev.Before = k.Ticket()
	k.mu.Lock()
	if err = k.end(a); err == nil {
		if prepare != nil {
			prepare()
		}
		if c, ok := k.pick(func(c engine.Choice) bool { return c.Task == engine.TaskOf(a) && c.Kind != engine.ChoiceTimer }); ok {
			ev.Event, err = k.step(c)
			if ev.Kind == engine.EvHandler {
				// A handler has one ticket, and that must be the moment at which it ran.
				ev.Before = k.Ticket()
				ev.After = ev.Before
			}
		} else {
			s := &k.actors[a]
			s.asleep = true
			s.cond.Wait()
			s.asleep = false
		}
	}
	yield := k.rng.IntN(2) == 0
	k.mu.Unlock()
	if ev.Kind != engine.EvNone && ev.After == 0 {
		ev.After = k.Ticket()
	}
	if yield {
		runtime.Gosched() // an unfair mutex would let one goroutine run on
	}
	return ev, err
}

// end says why an actor cannot go on; nil if it can, or may later.
func (k *Kernel) end(a engine.ActorID) error {
	switch {
	case k.broken != nil:
		return k.broken
	case k.closed:
		return ErrClosed
	case k.over:
		return ErrOver
	case k.world.Dead(a) && !k.canStep(a):
		return ErrDead
	case len(k.choices) == 0 && !k.shell:
		return ErrStuck
	}
	return nil
}

// canStep says that a task has something to do; dead ones may still have others to release.
func (k *Kernel) canStep(a engine.ActorID) bool {
	for _, c := range k.choices {
		if c.Task == engine.TaskOf(a) {
			return true
		}
	}
	return false
}

// pick draws one of the choices that fit.
func (k *Kernel) pick(fits func(engine.Choice) bool) (chosen engine.Choice, ok bool) {
	n := 0
	for _, c := range k.choices {
		if fits(c) {
			if n++; k.rng.IntN(n) == 0 {
				chosen = c
			}
		}
	}
	return chosen, n > 0
}

// step executes a choice and wakes whom it concerns.
func (k *Kernel) step(c engine.Choice) (ev engine.Event, err error) {
	if len(k.choices) > 1 && !k.shell {
		k.stream = append(k.stream, byte(slices.Index(k.choices, c)))
	}
	err = k.guard(func() { ev = k.world.Step(c) })
	if k.limit--; k.limit <= 0 && !k.shell {
		k.over = true
	}
	if err == nil {
		k.refresh()
	} else {
		k.wakeAll()
	}
	return ev, err
}

// guard runs what may break the world.
func (k *Kernel) guard(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			ie, _ := r.(*engine.InvariantError)
			k.broken = &BrokenError{Invariant: ie, Panic: r}
			err = k.broken
		}
	}()
	f()
	return nil
}

// refresh looks at what can happen now, and wakes who sleeps although there is something for him.
func (k *Kernel) refresh() {
	k.choices = k.world.Choices(k.choices[:0])
	k.over = k.over || !k.shell && k.world.Done()
	if k.over || len(k.choices) == 0 {
		k.wakeAll()
		return
	}
	for _, c := range k.choices {
		a := k.world.ActorOfTask(c.Task)
		if a != engine.NoActor && k.actors[a].asleep && c.Kind != engine.ChoiceTimer {
			k.actors[a].cond.Signal()
		}
		if k.sleeps && k.pumped(c) {
			k.wake.Signal()
		}
	}
	for a := range k.actors {
		if s := &k.actors[a]; s.asleep && k.world.Dead(engine.ActorID(a)) {
			s.cond.Signal()
		}
	}
}

func (k *Kernel) wakeAll() {
	for a := range k.actors {
		k.actors[a].cond.Broadcast()
	}
	k.wake.Broadcast()
}

// pumped says that a choice is one of those that happen by themselves: a timer fires, or a task whose goroutine is elsewhere
// notices a signal, is in the kernel because of one, or runs a handler.
func (k *Kernel) pumped(c engine.Choice) bool {
	if c.Kind == engine.ChoiceTimer {
		return true
	}
	a := k.world.ActorOfTask(c.Task)
	if a == engine.NoActor || !k.shell || k.actors[a].driven {
		return false
	}
	_, resting := k.world.Resting(a)
	return !resting || c.Kind != engine.ChoiceUser
}

// pump is the goroutine for what happens by itself.
func (k *Kernel) pump() {
	defer k.inside.Done()
	for {
		k.mu.Lock()
		if k.closed || k.broken != nil {
			k.mu.Unlock()
			return
		}
		if c, ok := k.pick(k.pumped); ok && !k.over {
			k.step(c)
		} else {
			k.sleeps = true
			k.wake.Wait()
			k.sleeps = false
		}
		patience := k.rng.IntN(16) // a timer may fire at any time
		k.mu.Unlock()
		for range patience {
			runtime.Gosched()
		}
	}
}

// Inspect calls f with the world as it is between two steps. f must not change it, keep it or call the kernel.
func (k *Kernel) Inspect(f func(*engine.World)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.world)
}

// Snapshot copies the world as it is between two steps.
func (k *Kernel) Snapshot(to *engine.World) {
	k.mu.Lock()
	defer k.mu.Unlock()
	to.CopyFrom(&k.world)
}

// Stalled says that nothing can happen until somebody outside does something: every task is dead or sleeps for good.
func (k *Kernel) Stalled() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.choices) == 0
}

// Signal sends a signal to an actor's process in the name of the kernel. It returns false if there is no such process.
func (k *Kernel) Signal(a engine.ActorID, sig uint8) (sent bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return false, k.broken
	}
	if k.closed {
		return false, ErrClosed
	}
	if err = k.guard(func() { sent = k.world.Post(a, sig) }); err != nil {
		k.wakeAll()
		return false, err
	}
	k.refresh()
	return sent, nil
}
