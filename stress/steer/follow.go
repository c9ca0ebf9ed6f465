package steer

import "tracehammer/engine"

// Kept says what is left of a run's program in another one.
type Kept struct {
	Actors []engine.ActorID // by the actor that it was; NoActor: gone
	Ops    []bool           // by the number of the operation that it was (engine.Instr.Src): still there
}

// All keeps a program as it is.
func All(p *engine.Program) Kept {
	k := Kept{Actors: make([]engine.ActorID, len(p.Actors))}
	for a := range p.Actors {
		k.Actors[a] = engine.ActorID(a)
		for i := range p.Actors[a].Code {
			if src := int(p.Actors[a].Code[i].Src); src >= len(k.Ops) {
				k.Ops = append(k.Ops, make([]bool, src+1-len(k.Ops))...)
			}
		}
	}
	for i := range k.Ops {
		k.Ops[i] = true
	}
	return k
}

// mark is a step of a run that is followed, in terms that outlive a change of the program: the task makes its next step when
// it has begun so many operations, of those that are still there.
type mark struct {
	engine.Choice
	begun int
}

// marks translates a run to what is kept.
func (k *Kept) marks(run *Run) []mark {
	marks := make([]mark, 0, len(run.Steps))
	var begun [engine.MaxTasks]int
	var gone [engine.MaxTasks]bool // the task is in, or behind, an operation that is no more
	for _, s := range run.Steps {
		a := engine.ActorID(int(s.Task) - firstTask)
		if a < 0 || int(a) >= len(k.Actors) || k.Actors[a] == engine.NoActor {
			continue
		}
		to := int8(int(k.Actors[a]) + firstTask)
		if s.Event.Kind == engine.EvBegin {
			gone[s.Task] = k.gone(&run.Program.Actors[a].Code[s.Event.Instr])
		}
		if gone[s.Task] {
			continue
		}
		c := s.Choice
		c.Task = to
		marks = append(marks, mark{c, begun[s.Task]})
		if s.Event.Kind == engine.EvBegin {
			begun[s.Task]++
		}
	}
	return marks
}

// gone says that a call is no more. Actors are mostly created by calls that are no operations.
func (k *Kept) gone(in *engine.Instr) bool {
	if in.Src < 0 {
		return in.Call == engine.CallClone && in.Args[1].N < int64(len(k.Actors)) && k.Actors[in.Args[1].N] == engine.NoActor
	}
	return int(in.Src) >= len(k.Ops) || !k.Ops[in.Src]
}

// firstTask is the task of actor 0.
const firstTask = 1

// Follow makes a run of p that goes along an earlier run as far as it can. What belonged to operations and actors that are no
// more, and what the program cannot do any more, is skipped; the end is that of a schedule that preempts nobody.
func (r *Runner) Follow(p *engine.Program, run *Run, k Kept) Run { return r.follow(p, k.marks(run)) }

func (r *Runner) follow(p *engine.Program, marks []mark) Run {
	var begun [engine.MaxTasks]int
	counted, at := 0, 0
	return r.lead(p, func(cs []engine.Choice, steps []Step) int {
		// Steps without alternatives were made meanwhile.
		for ; counted < len(steps); counted++ {
			s := &steps[counted]
			if at < len(marks) && marks[at].Task == s.Task && marks[at].begun == begun[s.Task] {
				at++
			}
			if s.Event.Kind == engine.EvBegin {
				begun[s.Task]++
			}
		}
		for ; at < len(marks); at++ {
			m := &marks[at]
			if i := alike(cs, m.Choice); i >= 0 && begun[m.Task] <= m.begun {
				return i
			}
		}
		return onward(cs, steps)
	})
}

// alike is the choice that is most like c, of the same task; -1 if that has none.
func alike(cs []engine.Choice, c engine.Choice) int {
	best, points := -1, -1
	for i := range cs {
		if cs[i].Task != c.Task {
			continue
		}
		n := 0
		if cs[i].Kind == c.Kind {
			n += 2
			if cs[i].Alt == c.Alt {
				n++
			}
		}
		if n > points {
			best, points = i, n
		}
	}
	return best
}

// Calm calls try with runs of the same program that preempt less often than run; what try says to hold is gone on from. It
// returns the last of these, or run itself.
func (r *Runner) Calm(run Run, try func(Run) bool) Run {
	all := All(run.Program)
	for i := 0; i < len(run.Steps); i++ {
		if !run.preempts(i) {
			continue
		}
		// The preempted task makes what it makes next before whoever came between.
		marks := all.marks(&run) // one for each step
		was := run.Steps[i-1].Task
		j := i
		for j < len(marks) && marks[j].Task != was {
			j++
		}
		end := j
		for end < len(marks) && marks[end].Task == was {
			end++
		}
		moved := append(append(append(append(make([]mark, 0, len(marks)), marks[:i]...), marks[j:end]...), marks[i:j]...), marks[end:]...)
		better := r.follow(run.Program, moved)
		if better.Preemptions() < run.Preemptions() && try(better) {
			run, i = better, 0
		}
	}
	return run
}
