// Package steer leads runs of the engine where somebody wants them: along another run of a larger program, or with few
// preemptions; and says in words what a run does.
//
// It judges nothing: what it hands out are runs with their decision streams (stress/schedule), and whether these show anything
// is for others to say. So it checks no invariants, and a run of which the engine dies ends there. A Runner belongs to one
// goroutine; the package takes no locks.
package steer

import (
	"github.com/sourcegraph/conc/panics"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress/schedule"
)

// maxSteps bounds a run that is led: what is longer has loops in user mode, and nobody reads it.
const maxSteps = 5000

// Runner makes runs of one program after another on the engine.
type Runner struct {
	options engine.Options
	m       *engine.Machine
	world   engine.World
	choices []engine.Choice
	driver  schedule.Driver
}

// New returns a runner of an engine with these options, but without checks.
func New(o engine.Options) *Runner {
	o.Check = false
	return &Runner{options: o}
}

// Step is one step of a run.
type Step struct {
	engine.Choice
	Event   engine.Event
	Decided bool   // there was another choice: the stream says which was made
	Ready   uint16 // who could have made a step instead, timers apart: a bit a task, its own included
	// Then is what the task waits for behind the step; WaitNone where it can go on, and in runs that were not replayed.
	Then engine.WaitKind
}

// Run is what a run did, step by step.
type Run struct {
	Program *engine.Program
	Stream  schedule.Stream // makes it again
	Steps   []Step
	Done    bool          // every actor that is no victim parked or died; else the run stands still, or was given up
	Waits   []engine.Wait // who waits for what at its end
	ends    [engine.MaxActors]uint8
}

// attempt makes a run of p by stepping r.world from its start state. If the engine dies of that, the steps until then are
// the run.
func (r *Runner) attempt(p *engine.Program, step func(*Run)) Run {
	if r.m == nil || r.m.Program() != p {
		r.m = ptrace.NewMachine(p, r.options)
	}
	r.m.Init(&r.world)
	run := Run{Program: p}
	if died := panics.Try(func() { step(&run) }); died != nil {
		r.m = nil
		return run
	}
	run.Done, run.Waits = r.world.Done(), r.world.Waits(nil)
	for a := range p.Actors {
		switch id := engine.ActorID(a); {
		case r.world.Parked(id):
			run.ends[a] = 1
		case r.world.Dead(id):
			run.ends[a] = 2
		case r.world.Created(id):
			run.ends[a] = 3
		}
	}
	return run
}

// lead makes a run of p; choose returns an index into the choices, of which there are two at least.
func (r *Runner) lead(p *engine.Program, choose func(cs []engine.Choice, before []Step) int) Run {
	return r.attempt(p, func(run *Run) {
		for len(run.Steps) < maxSteps && !r.world.Done() {
			r.choices = r.world.Choices(r.choices[:0])
			if len(r.choices) == 0 {
				return
			}
			i := 0
			if len(r.choices) > 1 {
				i = choose(r.choices, run.Steps)
				run.Stream = append(run.Stream, byte(i))
			}
			run.Steps = append(run.Steps, Step{Choice: r.choices[i], Decided: len(r.choices) > 1, Ready: ready(r.choices)})
			run.Steps[len(run.Steps)-1].Event = r.world.Step(r.choices[i])
		}
	})
}

// drive makes a run of p under a strategy, and asks then, if that is not nil, what tasks wait for that cannot go on.
func (r *Runner) drive(p *engine.Program, s schedule.Strategy, seed1, seed2 uint64, then func(int8) engine.WaitKind) Run {
	run := r.attempt(p, func(run *Run) {
		next := r.ready()
		decided := len(r.choices) > 1
		r.driver.Run(&r.world, s, seed1, seed2, func(c engine.Choice, ev engine.Event) {
			run.Steps = append(run.Steps, Step{Choice: c, Event: ev, Decided: decided, Ready: next})
			next = r.ready()
			decided = len(r.choices) > 1
			if then != nil && next&(1<<c.Task) == 0 {
				run.Steps[len(run.Steps)-1].Then = then(c.Task)
			}
		})
	})
	run.Stream = append(run.Stream, r.driver.Stream...)
	return run
}

// Replay makes the run of a stream, and of the fair schedule behind it.
func (r *Runner) Replay(p *engine.Program, stream schedule.Stream) Run {
	return r.drive(p, schedule.Replay(stream), 0, 0, r.waits)
}

// waits is what a task waits for.
func (r *Runner) waits(task int8) engine.WaitKind {
	for _, w := range r.world.Waits(nil) {
		if w.Task == task {
			return w.Kind
		}
	}
	return engine.WaitNone
}

func (r *Runner) ready() uint16 {
	r.choices = r.world.Choices(r.choices[:0])
	return ready(r.choices)
}

func ready(cs []engine.Choice) (set uint16) {
	for _, c := range cs {
		if c.Kind != engine.ChoiceTimer {
			set |= 1 << c.Task
		}
	}
	return set
}

// onward is the choice of whoever preempts nobody: the task that made the last step goes on as long as it can, and notices
// signals at once; then the next one's turn comes. A timer fires when there is nothing else to do.
func onward(cs []engine.Choice, before []Step) int {
	last := int8(0)
	if len(before) > 0 {
		last = before[len(before)-1].Task
	}
	if i := naturally(cs, last); i >= 0 {
		return i
	}
	first := -1
	for i := range cs {
		if cs[i].Kind == engine.ChoiceTimer {
			continue
		}
		if cs[i].Task > last {
			return naturally(cs, cs[i].Task)
		}
		if first < 0 {
			first = i
		}
	}
	if first < 0 {
		return 0
	}
	return naturally(cs, cs[first].Task)
}

// naturally is what a task does if nothing unlikely happens, -1 if it can do nothing.
func naturally(cs []engine.Choice, task int8) int {
	at := -1
	for i := range cs {
		switch {
		case cs[i].Task != task || cs[i].Kind == engine.ChoiceTimer:
		case cs[i].Kind == engine.ChoiceInterrupt:
			return i
		case at < 0:
			at = i
		}
	}
	return at
}

// preempts says whether step i is made by another task although the one before could have gone on.
func (run *Run) preempts(i int) bool {
	if i == 0 {
		return false
	}
	before := run.Steps[i-1].Task
	return run.Steps[i].Task != before && run.Steps[i].Ready&(1<<before) != 0
}

// Preemptions counts how often a task was not let go on although it could.
func (run *Run) Preemptions() (n int) {
	for i := range run.Steps {
		if run.preempts(i) {
			n++
		}
	}
	return n
}
