package gen

import (
	"fmt"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Fate is what becomes of an operation in the execution of its scenario in the order of lines.
type Fate uint8

const (
	// NotBegun: its actor slept, was stopped or was dead.
	NotBegun Fate = iota
	// Refused at once: it failed, and nobody else did anything meanwhile. A sleep that a signal interrupts is not refused.
	Refused
	// Asleep: it began, and nothing in the scenario ends it.
	Asleep
	// Did something: it succeeded, or failed because of something that happened while it slept, or its actor died in it.
	Did
	NumFates
)

var fateNames = [NumFates]string{"not begun", "refused", "asleep", "did"}

func (f Fate) String() string {
	if f < NumFates {
		return fateNames[f]
	}
	return fmt.Sprintf("Fate(%d)", f)
}

// lines runs programs on the engine one operation after another, in the order of the scenario's lines: an operation begins
// when nothing else can happen but the beginning of later ones. So a race is run without racing, and what a line does can be
// told from what stands above it.
type lines struct {
	world   engine.World
	choices []engine.Choice
	fates   []Fate
	begun   []uint64 // by operation: events of others when it began for the first time, plus one; 0 before that
}

// run executes m's program, which has n operations, and leaves the fates of all of them and the world at its end. A loop's
// operation has the fate of its first round.
func (l *lines) run(m *engine.Machine, n int) {
	if cap(l.fates) < n {
		l.fates, l.begun = make([]Fate, n), make([]uint64, n)
	}
	l.fates, l.begun = l.fates[:n], l.begun[:n]
	clear(l.fates)
	clear(l.begun)
	w := &l.world
	m.Init(w)
	p := m.Program()
	events := uint64(0)
	for step := range maxSteps {
		if l.choices = w.Choices(l.choices[:0]); len(l.choices) == 0 {
			break
		}
		ev := w.Step(l.choose(p, step))
		if ev.Kind != engine.EvBegin && ev.Kind != engine.EvEnd {
			continue
		}
		events++
		op := p.Actors[ev.Actor].Code[ev.Instr].Src
		if op < 0 {
			continue
		}
		switch {
		case ev.Kind == engine.EvBegin && l.begun[op] == 0:
			l.begun[op], l.fates[op] = events, Asleep
		case ev.Kind == engine.EvEnd && l.fates[op] == Asleep:
			l.fates[op] = Did
			if alone := events == l.begun[op]+1; alone && ev.Res.Ret < 0 && ev.Res.Ret != -engine.EINTR {
				l.fates[op] = Refused
			}
		}
	}
	for op, f := range l.fates {
		if f == Asleep && w.Dead(actorOf(p, op)) {
			l.fates[op] = Did
		}
	}
}

// actorOf is the actor of an operation.
func actorOf(p *engine.Program, op int) engine.ActorID {
	for a := range p.Actors {
		for i := range p.Actors[a].Code {
			if p.Actors[a].Code[i].Src == int32(op) {
				return engine.ActorID(a)
			}
		}
	}
	return engine.NoActor
}

// choose takes what is under way before the first line that has not begun, and a timer only when all else is done. Where a
// step has several outcomes each has its turn: one of them alone might never lead on.
func (l *lines) choose(p *engine.Program, step int) engine.Choice {
	best, alts, least := 0, 0, int32(1<<30+1)
	for i, c := range l.choices {
		switch rank := l.rank(p, c); {
		case rank < least:
			best, alts, least = i, 1, rank
		case rank == least && c.Task == l.choices[best].Task && c.Kind == l.choices[best].Kind:
			alts++
		}
	}
	return l.choices[best+step%alts]
}

// rank is the line that a step begins, less than any line if it goes on with something.
func (l *lines) rank(p *engine.Program, c engine.Choice) int32 {
	switch c.Kind {
	case engine.ChoiceTimer:
		return 1 << 30
	case engine.ChoiceUser:
		a := l.world.ActorOfTask(c.Task)
		if pc, ok := l.world.Resting(a); ok {
			return p.Actors[a].Code[pc].Src
		}
	}
	return -1
}

// Fates are what becomes of the operations of s, by their places in s.Ops(), when it is run in the order of its lines.
func Fates(s *corpus.Scenario) ([]Fate, error) {
	p, err := corpus.Lower(s)
	if err != nil {
		return nil, err
	}
	var l lines
	l.run(ptrace.NewMachine(p, engine.Options{}), s.NumOps())
	return l.fates, nil
}
