package steer

import (
	"fmt"
	"strings"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Words tells a replayed run up to a step as who runs until what: a line for each stretch of steps of one task, with the calls
// that begin and end in it. Tasks that are preempted are named; where nobody is, the order is that in which tasks sleep.
func (run *Run) Words(upTo int) string {
	upTo = min(upTo, len(run.Steps))
	var b strings.Builder
	preempted := 0
	for i := range upTo {
		if run.preempts(i) {
			preempted++
		}
	}
	switch preempted {
	case 0:
		b.WriteString("nobody is preempted\n")
	case 1:
		b.WriteString("1 preemption\n")
	default:
		fmt.Fprintf(&b, "%d preemptions\n", preempted)
	}
	t := teller{run: run}
	for i := 0; i < upTo; {
		j := i + 1
		for j < upTo && run.Steps[j].Task == run.Steps[i].Task {
			j++
		}
		fmt.Fprintf(&b, "%3d  %s\n", i+1, t.stretch(i, j, upTo))
		i = j
	}
	if upTo < len(run.Steps) {
		fmt.Fprintf(&b, "%3d  there it shows; %d more steps to the end of the run\n", upTo+1, len(run.Steps)-upTo)
	}
	return b.String()
}

// teller tells the stretches of a run in their order.
type teller struct {
	run *Run
	in  [engine.MaxTasks]string // the call that a task is in
	had [engine.MaxTasks]bool   // it made a step before
}

// stretch tells steps i to j, all of one task.
func (t *teller) stretch(i, j, upTo int) string {
	task := t.run.Steps[i].Task
	var said []string
	quiet := 0 // steps since something was said
	begun := -1
	for at := i; at < j; at++ {
		s := &t.run.Steps[at]
		switch ev := &s.Event; ev.Kind {
		case engine.EvBegin:
			t.in[task] = corpus.FormatCall(t.run.Program, ev.Actor, ev.Instr)
			said, begun = append(said, "begins "+t.in[task]), len(said)
		case engine.EvEnd:
			result := corpus.FormatResult(t.run.Program, ev.Actor, ev.Instr, ev.Res, nil)
			if begun >= 0 {
				said[begun] = t.in[task] + " = " + result
			} else {
				said = append(said, t.in[task]+" returns "+result)
			}
			t.in[task], begun = "", -1
		case engine.EvHandler:
			said = append(said, "its handler of "+ptrace.Signals.Format(int64(ev.Signo))+" runs")
		default:
			if s.Kind == engine.ChoiceTimer {
				said = append(said, "its timer fires")
			} else if s.Alt > 0 && s.Kind == engine.ChoiceKernel {
				said = append(said, fmt.Sprintf("in the kernel the less likely happens (alternative %d)", s.Alt))
			}
			quiet++
			continue
		}
		quiet = 0
	}
	if len(said) == 0 || quiet > 0 && t.in[task] != "" {
		said = append(said, steps(quiet)+t.where(task))
	}
	t.had[task] = true
	end := &t.run.Steps[j-1]
	switch {
	case end.Then == engine.WaitZombie:
		said = append(said, "and is dead")
	case end.Then != engine.WaitNone:
		said = append(said, "and waits: "+end.Then.String())
	case j < upTo && t.run.preempts(j):
		said = append(said, "and is PREEMPTED"+t.where(task))
	}
	return t.name(task) + ": " + strings.Join(said, ", ")
}

func steps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

// where is where a task is, as far as its calls say.
func (t *teller) where(task int8) string {
	switch {
	case t.in[task] != "":
		return " in " + t.in[task]
	case !t.had[task]:
		return " at its start"
	}
	return " between its operations"
}

func (t *teller) name(task int8) string {
	if a := int(task) - firstTask; a >= 0 && a < len(t.run.Program.Actors) {
		return t.run.Program.Actors[a].Name
	}
	return "init"
}

// Actor is who made a step.
func (run *Run) Actor(step int) engine.ActorID {
	return engine.ActorID(int(run.Steps[step].Task) - firstTask)
}
