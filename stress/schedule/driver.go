package schedule

import (
	"math/rand/v2"

	"tracehammer/engine"
)

// Strategy chooses among what can happen next. It lives across the runs of one program, so that it may learn from them.
type Strategy interface {
	// Begin prepares a run. The rng is the run's own, and stays good until it is over.
	Begin(w *engine.World, s *Shape, rng *rand.Rand)
	// Choose returns an index into cs, which has at least two choices, or -1 to leave the rest of the run to the fair
	// schedule.
	Choose(w *engine.World, cs []engine.Choice) int
}

// Shape is what earlier runs of the program were like.
type Shape struct {
	Runs      int
	Decisions int // most decisions between tasks of one run: PCT's k
	Tasks     int // most tasks that made a step in one run: PCT's n
	// Steps are the most steps that each task made in one run, by their subjects.
	Steps [engine.MaxTasks][engine.NumSubjects]int
}

// Of is the most steps that a task made in one run.
func (s *Shape) Of(t int8) (n int) {
	for _, k := range s.Steps[t] {
		n += k
	}
	return n
}

func (s *Shape) learn(run *Shape) {
	s.Runs++
	s.Decisions = max(s.Decisions, run.Decisions)
	s.Tasks = max(s.Tasks, run.Tasks)
	for t := range s.Steps {
		for k := range s.Steps[t] {
			s.Steps[t][k] = max(s.Steps[t][k], run.Steps[t][k])
		}
	}
}

// End says how a run ended.
type End uint8

const (
	// Done: every actor that is no victim parked or died.
	Done End = iota
	// Quiescent: nothing can happen any more, and somebody waits for good.
	Quiescent
	// Livelock: tasks ran, but in FairSteps steps of a fair schedule none of them got on with its program.
	Livelock
	// Endless: the run was longer than MaxSteps: loops in user mode.
	Endless
)

var endNames = [...]string{"done", "quiescent", "livelock", "endless"}

func (e End) String() string { return endNames[e] }

// Bounds of a run, in steps. A strategy may be unfair and starve whoever would end the run. The fair schedule that takes over
// after UnfairSteps lets every runnable task run again and again: what shows nothing to any actor for FairSteps of it never
// will, or only by luck.
const (
	UnfairSteps = 20_000
	FairSteps   = 20_000
	MaxSteps    = 200_000
)

// Driver makes runs of one program, one after another. The zero Driver is ready; the program that it drives must not
// change.
type Driver struct {
	Shape  Shape
	Stream Stream // of the last run
	Steps  int    // of the last run
	Fair   int    // of these, those that the fair schedule chose
	Limit  int    // steps of a run, with what Settle adds, behind which it is Endless; 0: MaxSteps

	run     Shape
	choices []engine.Choice
	pcg     rand.PCG
	rng     *rand.Rand // on pcg
	fair    fair
	idle    int // fair steps since an actor got on
}

// Run makes one run of w, from its state to its end, and calls see after every step. The same strategy, seeds and
// earlier runs make the same run; so does replaying its Stream, whatever strategy made it.
func (d *Driver) Run(w *engine.World, s Strategy, seed1, seed2 uint64, see func(engine.Choice, engine.Event)) End {
	d.begin(w, s, seed1, seed2)
	for !w.Done() {
		if end := d.step(w, s, see); end != Done {
			d.Shape.learn(&d.run)
			return end
		}
	}
	d.Shape.learn(&d.run)
	return Done
}

// Settle goes on with a run that is done, under the fair schedule, until nothing can happen any more. The stream does not
// hold these steps.
func (d *Driver) Settle(w *engine.World, see func(engine.Choice, engine.Event)) End {
	for {
		if end := d.step(w, leave{}, see); end != Done {
			return end
		}
	}
}

// leave leaves everything to the fair schedule.
type leave struct{}

func (leave) Begin(*engine.World, *Shape, *rand.Rand)   {}
func (leave) Choose(*engine.World, []engine.Choice) int { return -1 }

// begin prepares a run of w.
func (d *Driver) begin(w *engine.World, s Strategy, seed1, seed2 uint64) {
	if d.rng == nil {
		d.rng = rand.New(&d.pcg)
	}
	d.pcg.Seed(seed1, seed2)
	d.Stream, d.Steps, d.Fair = d.Stream[:0], 0, 0
	d.run, d.fair, d.idle = Shape{}, fair{}, 0
	s.Begin(w, &d.Shape, d.rng)
}

// step makes the next step. Done means that the run goes on.
func (d *Driver) step(w *engine.World, s Strategy, see func(engine.Choice, engine.Event)) End {
	d.choices = w.Choices(d.choices[:0])
	cs, i := d.choices, 0
	switch {
	case len(cs) == 0:
		return Quiescent
	case d.idle == FairSteps:
		return Livelock
	case d.Steps >= MaxSteps || d.Limit > 0 && d.Steps >= d.Limit:
		return Endless
	case d.Fair > 0 || d.Steps >= UnfairSteps:
		i = -1
	case len(cs) > 1:
		i = s.Choose(w, cs)
	}
	if i < 0 {
		i = d.fair.choose(cs)
		d.Fair++
		d.idle++
	} else if len(cs) > 1 {
		d.Stream = append(d.Stream, byte(i))
	}
	d.Steps++
	d.note(w, cs, cs[i])
	c := cs[i]
	ev := w.Step(c)
	if ev.Kind != engine.EvNone {
		d.idle = 0
	}
	if see != nil {
		see(c, ev)
	}
	return Done
}

// note counts a step for later runs.
func (d *Driver) note(w *engine.World, cs []engine.Choice, c engine.Choice) {
	n := &d.run.Steps[c.Task]
	if *n == ([engine.NumSubjects]int{}) {
		d.run.Tasks++
	}
	n[w.SubjectOf(c)]++
	if cs[0].Task != cs[len(cs)-1].Task {
		d.run.Decisions++
	}
}

// fair is the fair schedule: it lets the tasks run in turn, each making one of its possible steps, whichever.
type fair struct {
	last int8
	n    uint64
}

func (f *fair) choose(cs []engine.Choice) int {
	at := 0
	for i := range cs {
		if cs[i].Task > f.last {
			at = i
			break
		}
	}
	f.last = cs[at].Task
	of := uint64(1)
	for i := at + 1; i < len(cs) && cs[i].Task == f.last; i++ {
		of++
	}
	// Taking turns among a task's steps as well could fall into step with the task, and always miss the one that leads on.
	f.n += 0x9e3779b97f4a7c15
	x := (f.n ^ f.n>>30) * 0xbf58476d1ce4e5b9
	return at + int((x^x>>27)%of)
}
