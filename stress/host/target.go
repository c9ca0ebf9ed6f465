package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// Target runs programs on this machine's kernel.
type Target struct {
	w       *worker // nil after an error that makes the namespace unusable
	log     *kernelLog
	pulse   *pulse
	kcov    *kcov // nil if there is none
	kernel  string
	profile engine.Profile
	hist    history.History
	runs    [actor.MaxRuns]actor.Run
	code    *actor.Code
	pace    time.Duration // from one run that ends by itself to the next, on average
	delays  []int64
	finals  []history.Final
}

var _ stress.Kernel = (*Target)(nil)

// New starts a target. The error is a *stress.EnvError where this machine does not allow it.
func New() (*Target, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	k := openKcov()
	w, err := newWorker(k)
	if err != nil {
		k.close()
		return nil, err
	}
	t := &Target{w: w, kcov: k, log: openKernelLog(), pulse: startPulse(), kernel: kernelName(), profile: Profile()}
	if err := t.probeTrace(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Target) Name() string            { return "host" }
func (t *Target) Profile() engine.Profile { return t.profile }
func (t *Target) Machine() stress.Machine { return Kernel() }

// Close ends the namespace and waits until it is gone.
func (t *Target) Close() error {
	t.log.close()
	t.pulse.close()
	err := t.retire()
	t.kcov.close()
	return err
}

// retire ends the namespace; the next Run starts another.
func (t *Target) retire() error {
	if t.w == nil {
		return nil
	}
	err := t.w.close()
	t.w = nil
	return err
}

// logEvery is how many runs share a look at the kernel's log: about as many as are under way together, so that a message
// comes with one of the runs that may have caused it.
const logEvery = actor.MaxRuns / 2

// Times of the watcher, by the pulse.
const (
	firstTick = time.Millisecond
	lastTick  = 10 * time.Millisecond
	mostTick  = 50 * time.Millisecond
	slowest   = 10 * time.Second // beyond that a run with an actor that is not asleep is stuck too: it loops in the kernel, or waits there for what never comes
	drainTime = 5 * time.Second  // SIGKILL ends and reaps everything in less, or never
	patience  = time.Minute      // but a runnable task may wait that long for a CPU, on a machine with too much to do
)

// UnkillableError says that SIGKILL did not end a run's actors: a finding in itself, as only a ptrace stop at exit may do
// that (R76, R112), and only as long as its tracer lives.
type UnkillableError struct {
	What     string
	Snapshot *history.Snapshot
}

func (e *UnkillableError) Error() string {
	s := e.What + " survives SIGKILL"
	if e.Snapshot == nil {
		return s
	}
	for _, t := range e.Snapshot.Threads {
		if t.State != 0 && t.State != 'Z' {
			s += fmt.Sprintf("; tid %d state %c in %s %v", t.Tid, t.State, t.Wchan, t.Stack)
		}
	}
	return s
}

// Run implements stress.Target.
func (t *Target) Run(ctx context.Context, p *engine.Program, plan stress.Plan, yield func(*history.History) bool) (err error) {
	if t.w == nil {
		if t.w, err = newWorker(t.kcov); err != nil {
			return err
		}
	}
	if err := t.load(p); err != nil {
		return err
	}
	if err := t.kcov.need(len(p.Actors)); err != nil {
		return err
	}
	w := watch{Target: t, ctx: ctx, plan: plan, repeat: max(plan.Repeat, 1), deadline: plan.Deadline, timed: timed(p)}
	if w.deadline <= 0 {
		w.deadline = stress.DefaultDeadline
	}
	if w.cpus, err = t.w.pin(t.code, plan.CPUs); err != nil {
		return err
	}
	if err := w.run(yield); err != nil {
		return errors.Join(err, t.retire())
	}
	return ctx.Err()
}

func (t *Target) load(p *engine.Program) error {
	if t.code == nil || t.code.Program() != p {
		code, err := actor.Encode(p)
		if err != nil {
			return err
		}
		t.code = code
	}
	t.w.arena.Load(t.code)
	return nil
}

// watch conducts the runs of one plan from the Go side: it keeps the regions full, and sleeps until half of them are done.
type watch struct {
	*Target
	ctx      context.Context
	plan     stress.Plan
	repeat   int
	deadline time.Duration
	cpus     []uint64
	timed    bool // a clock ends some call
	issued   int
	taken    int

	// Of the oldest unfinished run:
	ticket  uint64
	begun   time.Duration // when it became the oldest, by the pulse
	since   time.Duration // when its ticket was last seen to change, by the pulse
	seen    bool          // since says so
	tick    time.Duration
	stuck   *history.Snapshot
	over    bool // the last look said so
	forced  bool
	sampled bool
	rest    rest
	ran     uint64        // when clean-up was last seen to have, or to wait for, a CPU: in cycles
	ranAt   time.Duration // by the pulse
}

func (w *watch) run(yield func(*history.History) bool) error {
	going := true
	for w.taken < w.repeat && (going || w.taken < w.issued) {
		for going && w.issued < w.repeat && w.issued-w.taken < actor.MaxRuns {
			w.issue()
		}
		r := w.at(w.taken)
		if err := w.await(r); err != nil {
			return err
		}
		if going {
			going = w.deliver(r, yield) && w.ctx.Err() == nil
			if !going {
				for i := w.taken + 1; i < w.issued; i++ {
					w.at(i).Finish()
					w.at(i).Release()
				}
			}
		}
		w.taken++
		if !w.forced {
			w.pace += (w.pulse.now() - w.begun - w.pace) / 8
		}
		w.seen, w.forced, w.stuck, w.sampled, w.rest = false, false, nil, false, rest{}
		w.pulse.quicken(false)
	}
	return nil
}

func (w *watch) at(i int) *actor.Run { return &w.runs[i%actor.MaxRuns] }

// sampling says whether run i ends with a look at /proc.
func (w *watch) sampling(i int) bool { return w.plan.Final > 0 && i%w.plan.Final == 0 }

// issue prepares the next run, with delays drawn from the plan's seed and the run's index.
func (w *watch) issue() {
	rng := rand.New(rand.NewPCG(w.plan.Seed, uint64(w.issued)))
	w.delays = w.delays[:0]
	for c := range w.code.Program().Cells {
		var ns int64
		if c < len(w.plan.Delays) {
			d := w.plan.Delays[c]
			ns = d.Lo + rng.Int64N(max(d.Hi-d.Lo, 0)+1)
		}
		w.delays = append(w.delays, ns)
	}
	w.w.arena.Prepare(w.at(w.issued), w.delays, w.sampling(w.issued), w.cpus)
	w.issued++
}

// await returns when r is done. Meanwhile it looks for runs that do not get there by themselves.
func (w *watch) await(r *actor.Run) error {
	w.tick = w.usual()
	w.begun = w.pulse.now()
	for !r.Done() {
		if r.Held() && !w.sampled { // it stays held until init has heard of the release
			w.sample(r)
			r.Release()
			if err := w.w.tasks.err; err != nil {
				return err
			}
			continue
		}
		w.target().Wait(w.tick)
		if r.Done() || r.Held() && !w.sampled {
			continue
		}
		if err := w.look(r); err != nil {
			return err
		}
	}
	return nil
}

// usual is how long to sleep where nothing seems wrong. With a CPU beside those of the actors that is short: a run that does not end by
// itself is seen the sooner. With one CPU it is about as long as what target waits for takes: each look takes the CPU from the actors, and a
// Go program that wakes every millisecond takes half of it on a User Mode Linux.
func (w *watch) usual() time.Duration {
	if runtime.NumCPU() > 1 {
		return firstTick
	}
	return min(max(firstTick, actor.MaxRuns/2*w.pace), mostTick)
}

// target is the run to sleep for: so far ahead that a wake-up serves several runs, but not beyond one that stops for us.
func (w *watch) target() *actor.Run {
	last := min(w.taken+actor.MaxRuns/2, w.issued) - 1
	for i := w.taken; i < last; i++ {
		if w.sampling(i) {
			return w.at(i)
		}
	}
	return w.at(last)
}

// look decides about a run that is not done.
func (w *watch) look(r *actor.Run) error {
	now := w.pulse.now()
	if ticket := r.Ticket(); ticket != w.ticket || !w.seen {
		w.ticket, w.since, w.seen, w.tick, w.over, w.rest = ticket, now, true, w.usual(), false, rest{}
		return nil
	}
	w.pulse.quicken(true)
	w.tick = min(2*w.tick, lastTick)
	still := now - w.since
	switch p := &w.w.tasks; {
	case r.Ended() && !w.forced: // actor 0 exited where init does not hear of it
		w.force(r)
	case still > lastTick && r.Ended() && p.cleaning(r) && still < patience:
		w.ran, w.ranAt = actor.Cycles(), now
	case w.forced:
		if !r.Ended() && still > lastTick*2 && w.w.initStopped() {
			return &stress.ProgramError{Err: errors.New("it stopped the namespace's init")}
		}
		if now-max(w.since, w.ranAt) > drainTime {
			return &UnkillableError{"a run's clean-up", w.w.snapshot(w.ctx, r)}
		}
	case p.over(r):
		if w.over {
			w.force(r)
		}
		w.over = true
	case w.plan.Rest > 0 && !w.timed && w.resting(p, r, w.plan.Rest, now):
		w.stuck = w.w.glance(r)
		w.force(r)
	case still > w.deadline && still < slowest && p.slow(r):
	case still > w.deadline:
		w.stuck = w.w.snapshot(w.ctx, r)
		if r.Ticket() != w.ticket || moving(w.stuck) {
			w.stuck, w.seen = nil, false // it went on while it was looked at
			return nil
		}
		w.force(r)
	case w.ctx.Err() != nil:
		w.force(r)
	}
	return w.w.tasks.err
}

// lost is how much of a span of cycles says nothing about the kernel: nobody was run, or clean-up waited for a CPU.
func (w *watch) lost(from, to uint64) uint64 {
	busy := min(max(w.ran, from), to)
	return busy - from + w.pulse.lost(busy, to)
}

// force ends a run from outside.
func (w *watch) force(r *actor.Run) {
	w.forced, w.since, w.tick = true, w.pulse.now(), firstTick
	r.Finish()
}

// sample records what /proc shows of the actors of a run that waits at its cut.
func (w *watch) sample(r *actor.Run) {
	n := len(r.Program().Actors)
	if cap(w.finals) < n {
		w.finals = make([]history.Final, n)
	}
	for i := range w.finals[:n] {
		w.finals[i] = w.w.tasks.seen(r, engine.ActorID(i))
	}
	w.sampled = true
}

// deliver makes the history of a finished run and hands it over.
func (w *watch) deliver(r *actor.Run, yield func(*history.History) bool) bool {
	h := &w.hist
	r.Read(h, w.lost)
	h.Target, h.Kernel, h.Arch, h.Run = w.Name(), w.kernel, runtime.GOARCH, w.taken
	h.Outcome, h.Hang = history.Complete, w.stuck
	if w.stuck != nil {
		h.Outcome = history.Stuck
	}
	if w.sampled {
		for i := range h.Actors {
			h.Actors[i].Final = &w.finals[i]
		}
	}
	h.Console, h.Taint = h.Console[:0], 0
	if w.stuck != nil || w.taken%logEvery == logEvery-1 || w.taken == w.repeat-1 {
		h.Console = w.log.lines(h.Console)
		h.Taint = w.log.newTaint()
	}
	h.Blocks = w.kcov.take(h.Blocks[:0])
	return yield(h)
}
