package engine

// Machine is a program on one kind of kernel. It is immutable apart from its rule marks; use one per goroutine.
type Machine struct {
	prog  *Program
	opt   Options
	marks [NumRules]uint64
}

// World is the state of a Machine between two steps.
type World struct {
	m *Machine
}

// NewMachine returns a machine without any client of utrace; package ptrace has the one that users want.
func NewMachine(p *Program, o Options) *Machine { return &Machine{prog: p, opt: o} }

// Program is the program that the machine runs.
func (m *Machine) Program() *Program { return m.prog }

// Marks returns how often each rule was exercised, by number.
func (m *Machine) Marks() [NumRules]uint64 { return m.marks }

// Init puts w into the start state: init, and actor 0 about to run.
func (m *Machine) Init(w *World) { w.m = m }

// CopyFrom makes w the same state as src.
func (w *World) CopyFrom(src *World) { *w = *src }

// Choices appends every step that can happen next.
func (w *World) Choices(dst []Choice) []Choice { return dst }

// Step executes one of Choices.
func (w *World) Step(c Choice) Event { return Event{Actor: NoActor} }

// Hash identifies the state; it leaves out the marks.
func (w *World) Hash() uint64 { return 0 }

// Done says whether every actor that is no victim has parked or is dead.
func (w *World) Done() bool { return true }

// Waits appends what each blocked task waits for.
func (w *World) Waits(dst []Wait) []Wait { return dst }

// ActorOfTask is the actor that runs in a task, NoActor for init.
func (w *World) ActorOfTask(t int8) ActorID { return NoActor }
