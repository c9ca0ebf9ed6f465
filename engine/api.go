package engine

import "fmt"

// Options choose the kernel that a Machine simulates.
type Options struct {
	Profile Profile
	Bugs    BugSet
	Check   bool // check every invariant that can be seen in a state after every step; a broken one panics with *InvariantError
	// CheckAll makes Check look at the whole state after every step, and not only at what the step can have broken. It finds
	// the same: that is what it is for.
	CheckAll bool
}

// ChoiceKind says what makes a step happen.
type ChoiceKind uint8

const (
	ChoiceUser      ChoiceKind = iota // user code: end the finished call, or go on to the next instruction
	ChoiceInterrupt                   // user mode notices a pending signal, trap or stop
	ChoiceKernel                      // the next stage of the kernel's work in this task
	ChoiceTimer                       // the task's timer fires
	numChoiceKinds
)

var choiceNames = [numChoiceKinds]string{"user", "interrupt", "kernel", "timer"}

func (k ChoiceKind) String() string { return nameOf(choiceNames[:], int(k)) }

// Choice is one step that can happen next.
type Choice struct {
	Task int8
	Kind ChoiceKind
	Alt  int8 // >0: another outcome of the same step
}

// EventKind says what a step showed to user mode.
type EventKind uint8

const (
	EvNone EventKind = iota
	EvBegin
	EvEnd
	EvHandler
	numEventKinds
)

var eventNames = [numEventKinds]string{"none", "begin", "end", "handler"}

func (k EventKind) String() string { return nameOf(eventNames[:], int(k)) }

// Event is what a step showed to user mode.
type Event struct {
	Kind  EventKind
	Actor ActorID
	Instr int32  // EvBegin, EvEnd: index into the actor's code
	Res   Result // EvEnd
	Signo int32  // EvHandler
	Code  int32  // EvHandler
	Pid   Tid    // EvHandler
}

// WaitKind says what a task waits for.
type WaitKind uint8

const (
	WaitNone       WaitKind = iota
	WaitChild               // wait4, waitid: a child or tracee to change state
	WaitFutex               // a harness futex: barrier or run's end
	WaitSignal              // pause, sigsuspend
	WaitSleep               // nanosleep
	WaitCredGuard           // another task's cred_guard_mutex
	WaitDeThread            // exec: sibling threads to be released, the leader to die
	WaitVfork               // the vfork child to exec or exit
	WaitTrapping            // attach: a stopped tracee to trap
	WaitGroupStop           // SIGCONT
	WaitPtraceStop          // its tracer's next request
	WaitZombie              // a dead task: somebody to reap it
	WaitExitEvent           // PTRACE_EVENT_EXIT stop: its tracer's next request, not even SIGKILL helps (R76)
	WaitBarrier             // utrace_barrier: a callback to end
	WaitEngine              // an engine other than ptrace's to let it go
	numWaitKinds
)

var waitNames = [numWaitKinds]string{"nothing", "child", "futex", "signal", "sleep", "cred_guard_mutex", "de_thread", "vfork",
	"trapping", "group stop", "ptrace stop", "being reaped", "exit event stop", "utrace_barrier",
	"an engine's stop"}

func (k WaitKind) String() string { return nameOf(waitNames[:], int(k)) }

// MaxWaitOn bounds the tasks that one Wait names.
const MaxWaitOn = 8

// Wait is one blocked task and the tasks that could let it go on; unused places of On are NoTid.
type Wait struct {
	Task  int8
	Actor ActorID
	Tid   Tid
	Kind  WaitKind
	Call  Call // the call that it is in
	On    [MaxWaitOn]Tid
}

// InvariantError is a broken invariant of section 7 of the rules: what Options.Check panics with.
type InvariantError struct {
	N    int // number of the invariant
	Task int8
	What string
}

func (e *InvariantError) Error() string {
	return fmt.Sprintf("engine: invariant %d (%s) broken in task %d: %s", e.N, InvariantName(e.N), e.Task, e.What)
}

// Rule is the number of an R rule.
type Rule uint8

// NumRules bounds the rule numbers.
const NumRules = 114

func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) || names[i] == "" {
		return fmt.Sprintf("%d", i)
	}
	return names[i]
}
