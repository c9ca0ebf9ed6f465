// Package engine is a simulated Linux kernel as a value: tasks, thread groups, signals, job control, clone, exec, exit, wait
// and credentials, with utrace inside, running one Program.
//
// A World is a whole state; a step is one critical section of the real kernel executed by one task, or one stretch of user
// code between two things that others can see. Choices lists the steps that can happen next, Step executes one. What a
// task does in the kernel is a small stack of stages in the task, never a goroutine's stack, so a World can be copied,
// hashed, compared and explored. Wake-ups are explicit, as in the kernel: a sleeping task stays asleep until some step wakes it.
//
// It knows nothing of ptrace but what package doc of client.go lists; package ptrace is a client of utrace.
// Nothing here allocates after NewMachine, and nothing takes locks: a World and its Machine belong to one goroutine.
package engine

import (
	"math/bits"
	"slices"
	"unsafe"
)

// Bounds of a Program, beside MaxActors.
const (
	MaxVars     = 64
	MaxBarriers = 64
	maxFilters  = 16
)

// Machine is a program on one kind of kernel. It is immutable apart from its rule marks; use one per goroutine.
type Machine struct {
	prog   *Program
	opt    Options
	ops    []Ops // utrace clients, by ClientID-1
	hooks  Hooks
	hooked bool               // the first client is Hooks
	caller Caller             // makes CallUtrace
	self   ClientID           // its own
	parent [MaxActors]ActorID // who creates the actor
	// private says which variables only one actor uses: arithmetic on them is nobody else's business.
	private [MaxVars]bool
	tsync   bool // some call installs a filter in other threads
	pidfds  bool // some call makes a pidfd
	seen    Seen
	named   [MaxActors]bool // somebody but its creator and itself names the actor
	reach   reach           // see local.go; made when it is first asked for
	marks   Marks
	marked  RuleSet // since TakeMarked
	full    bool    // a siginfo found no room, since TakeFull
	before  *World  // the World before the step, with Options.Check
	scope   scope   // of the step, likewise
	scratch *World  // for checks that try something; made when first needed
	ended   callEnd // likewise
	trace   []traced
	waited  waitWhat // what the last wait looked for, likewise
}

// World is the state of a Machine between two steps.
type World struct {
	m     *Machine
	event Event // what the step being executed showed; not part of the state
	pass  passResult
	call  CallState
	cur   TaskID
	alt   int8
	many  bool // the signal being sent goes to many processes

	used    uint16 // places in tasks that were ever used
	groups  uint16 // likewise in procs, sighands and mms
	told    uint16 // tasks whose tids are where actors find them
	inExec  uint16 // fs->in_exec: such are not shared with new tasks
	linking uint16 // who is in the middle of an attach (link.go) or of a fatal signal (traceme.go)
	filterN uint8
	seq     uint8                // counts births and changes of process groups
	at      [maxTasks + 1]TaskID // by tid

	barriers [MaxBarriers]uint16 // arrivals
	vars     [MaxVars]int64
	filters  [maxFilters]filter
	files    [maxTasks]fdTable
	tasks    [maxTasks]task
	procs    [maxTasks]proc
	sighands [maxTasks]sighand
	mms      [maxTasks]mm
	more     [maxTasks][maxEngines - 1]engine // engines at places from 1 on; only with more than one client
	clients  [MaxClients]ClientData
}

// NewMachine returns a machine with the given clients of utrace, and those of the program behind them. The first of them may
// also be Hooks: then it is the ptrace system call. It panics on a Program that exceeds the bounds.
func NewMachine(p *Program, o Options, clients ...Ops) *Machine {
	m := new(Machine)
	m.Load(p, o, clients...)
	return m
}

// Load makes m what NewMachine returns, in the memory that it has. Worlds of what it was before are no longer good.
func (m *Machine) Load(p *Program, o Options, clients ...Ops) {
	if len(p.Actors) > MaxActors || p.Vars > MaxVars || len(p.Barriers) > MaxBarriers {
		panic("engine: program exceeds MaxActors, MaxVars or MaxBarriers")
	}
	*m = Machine{prog: p, opt: o, ops: clients, before: m.before, scratch: m.scratch}
	for _, w := range []*World{m.before, m.scratch} {
		if w != nil {
			*w = World{}
		}
	}
	if len(p.Clients) > 0 {
		m.ops = append(slices.Clip(clients), p.Clients...)
	}
	if len(m.ops) > MaxClients {
		panic("engine: more than MaxClients clients")
	}
	if len(clients) > 0 {
		m.hooks, m.hooked = clients[0].(Hooks)
	}
	if m.hooks == nil {
		m.hooks = noHooks{}
	}
	for i, c := range m.ops {
		if caller, ok := c.(Caller); ok {
			m.caller, m.self = caller, ClientID(i+1)
		}
	}
	if o.Check && m.before == nil {
		m.before = new(World)
	}
	if m.seen = m.hooks.Seen(p); len(m.ops) > 1 {
		m.seen = Seen{Calls: true, Attach: ^uint16(0)} // other clients may look at anything
	}
	m.scan()
	m.scanNames()
}

// Program is the program that the machine runs.
func (m *Machine) Program() *Program { return m.prog }

// Options are the options that the machine was made with.
func (m *Machine) Options() Options { return m.opt }

// Init puts w into the start state: init asleep, and actor 0 about to run.
func (m *Machine) Init(w *World) {
	w.m, w.event, w.cur, w.alt = m, Event{}, 0, 0
	w.used, w.groups, w.told, w.inExec, w.linking, w.filterN, w.seq = 0, 0, 1<<firstTask, 0, 0, 0, 0
	w.at = [maxTasks + 1]TaskID{}
	for i := range w.at {
		w.at[i] = NoTask
	}
	w.barriers = [MaxBarriers]uint16{}
	w.vars = [MaxVars]int64{}
	w.filters = [maxFilters]filter{}
	w.files = [maxTasks]fdTable{}
	for _, g := range [2]TaskID{initTask, firstTask} {
		w.sighands[g], w.mms[g] = sighand{}, mm{dumpable: 1}
	}

	init := w.newTask(initTask, initTask)
	init.state, init.parent, init.realParent, init.exitSignal = Killable, initTask, initTask, SIGCHLD
	ip := &w.procs[0]
	ip.flags = gfUnkillable | gfSessionLeader
	ip.pgid, ip.sid = int8(InitTid), int8(InitTid)

	t := w.newTask(firstTask, firstTask)
	t.parent, t.realParent, t.exitSignal = initTask, initTask, SIGCHLD
	t.flags = tfExeced
	p := &w.procs[firstTask]
	p.pgid, p.sid = t.tid, ip.sid
	init.children.add(firstTask)
	w.skipPrivate(firstTask)
	if len(m.ops) > 1 {
		w.more, w.clients = [maxTasks][maxEngines - 1]engine{}, [MaxClients]ClientData{}
		for i, c := range m.ops {
			if s, ok := c.(Starter); ok {
				s.Start(w, ClientID(i+1))
			}
		}
	}
}

// newTask takes the place of a task into use; group is its own place for a new process.
func (w *World) newTask(id TaskID, group int8) *task {
	t := &w.tasks[id]
	*t = task{tid: id + 1, proc: group, mm: group, fs: id, files: id, vforkDone: NoTask}
	t.utrace.resume = ActResume
	t.utrace.reporting = noEngine
	if len(w.m.ops) > 1 {
		w.more[id] = [maxEngines - 1]engine{}
	}
	w.used |= 1 << id
	w.at[t.tid] = id
	if group == id {
		w.groups |= 1 << id
		w.seq++
		w.procs[id] = proc{leader: id, sighand: id, execTask: NoTask, guard: NoTask, cursor: id, birth: w.seq, joined: w.seq}
	}
	p := &w.procs[group]
	p.threads.add(id)
	p.quick++
	p.live++
	return t
}

// CopyFrom makes w the same state as src. It copies only what is in use.
func (w *World) CopyFrom(src *World) {
	w.m, w.event, w.cur, w.alt = src.m, src.event, src.cur, src.alt
	w.used, w.groups, w.told, w.inExec, w.linking, w.filterN, w.seq, w.at = src.used, src.groups, src.told, src.inExec, src.linking, src.filterN, src.seq, src.at
	p := w.m.prog
	if w.m.pidfds {
		w.files = src.files
	}
	copy(w.barriers[:len(p.Barriers)], src.barriers[:len(p.Barriers)])
	copy(w.vars[:p.Vars], src.vars[:p.Vars])
	copy(w.filters[:w.filterN], src.filters[:w.filterN])
	several := len(w.m.ops) > 1
	for s := src.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		from := src.tasks[i].words()
		copy(unsafe.Slice((*uint64)(unsafe.Pointer(&w.tasks[i])), len(from)), from)
		if several {
			w.more[i] = src.more[i]
		}
	}
	if several {
		copy(w.clients[:len(w.m.ops)], src.clients[:len(w.m.ops)])
	}
	n := bits.Len16(src.groups)
	copy(w.procs[:n], src.procs[:n])
	copy(w.sighands[:n], src.sighands[:n])
	copy(w.mms[:n], src.mms[:n])
}

// Done says whether every actor that is no victim has parked or is dead. An actor never created counts as dead once
// nobody is left to create it.
func (w *World) Done() bool {
	for a := range w.m.prog.Actors {
		if !w.m.prog.Actors[a].Victim && w.coming(ActorID(a)) {
			return false
		}
	}
	return true
}

// coming says that an actor may still reach its end.
func (w *World) coming(a ActorID) bool {
	for {
		id := TaskID(a) + firstTask
		if w.used&(1<<id) != 0 {
			t := &w.tasks[id]
			return !t.dead() && !t.is(tfParked)
		}
		if a = w.m.parent[a]; a == NoActor {
			return false
		}
	}
}

// Created says whether an actor was created.
func (w *World) Created(a ActorID) bool { return w.used&(1<<(TaskID(a)+firstTask)) != 0 }

// Parked says whether an actor reached its end.
func (w *World) Parked(a ActorID) bool {
	return w.Created(a) && w.tasks[TaskID(a)+firstTask].is(tfParked)
}

// Dead says whether an actor was created and is dead.
func (w *World) Dead(a ActorID) bool {
	return w.Created(a) && w.tasks[TaskID(a)+firstTask].dead()
}

// Silent says whether an actor was created and shows nothing more, whatever happens: it is dead, or killed and in the kernel, from
// which it does not return.
func (w *World) Silent(a ActorID) bool {
	if !w.Created(a) {
		return false
	}
	t := &w.tasks[TaskID(a)+firstTask]
	return t.dead() || t.depth > 0 && t.fatalPending()
}

// ActorOfTask is the actor that runs in a task, NoActor for init.
func (w *World) ActorOfTask(t TaskID) ActorID {
	if t < firstTask || int(t) >= maxTasks {
		return NoActor
	}
	return ActorID(t - firstTask)
}

// find is find_task_by_vpid: what a number means to the task that makes the step.
func (w *World) find(tid int64) TaskID {
	if t := &w.tasks[w.cur]; w.ownNamespace(t) {
		if tid == int64(InitTid) {
			return w.procOf(t).leader
		}
		return NoTask
	}
	return w.findOutside(tid)
}

// findOutside finds by the number in the namespace of init, which every task has.
func (w *World) findOutside(tid int64) TaskID {
	if tid <= 0 || tid > maxTasks {
		return NoTask
	}
	return w.at[tid]
}

func (w *World) tgid(t *task) int8            { return w.tasks[w.procs[t.proc].leader].tid }
func (w *World) sameGroup(a, b TaskID) bool   { return w.tasks[a].proc == w.tasks[b].proc }
func (w *World) isLeader(id TaskID) bool      { return w.procs[w.tasks[id].proc].leader == id }
func (w *World) groupEmpty(t *task) bool      { return w.procs[t.proc].threads.n <= 1 }
func (w *World) threads(p *proc) []TaskID     { return p.threads.at[:p.threads.n] }
func (w *World) bug(b Bug) bool               { return w.m.opt.Bugs.Has(b) }
func (w *World) delayedLeader(id TaskID) bool { return w.isLeader(id) && !w.groupEmpty(&w.tasks[id]) }
func (w *World) reparented(t *task) bool      { return !w.sameGroup(t.parent, t.realParent) }
