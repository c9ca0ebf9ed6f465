package engine

import (
	"fmt"
	"math"
)

// A Program is the user-mode code of every actor of one scenario. A scenario is lowered to a Program once; the engine
// interprets it and the actors on a real kernel interpret an encoding of it, so both sides run the same instructions in
// the same order, harness calls (barriers, parking) included.
//
// A Program is immutable once built and is shared by every World that runs it.
type Program struct {
	Actors   []Actor
	Barriers []Barrier
	Vars     int // number of variables; all start as 0
	Cells    int // number of delay cells that OpDelay instructions name
	// Clients are clients of utrace that the program's CallUtrace calls name, or that watch it from its start: those of a
	// Machine behind ptrace.
	Clients []Ops
}

// MaxActors bounds the actors of one Program (the engine keeps tasks in a small array).
const MaxActors = 12

// ActorID indexes Program.Actors. Actor 0 is the scenario's first process; init creates it.
type ActorID int8

// NoActor marks the absence of an actor.
const NoActor ActorID = -1

// Tid is the symbolic thread id of the simulated world. Each actor is created at most once a run, so its tid is a
// function of its index; real tids are joined to these by a bijection that the history carries.
type Tid int32

const (
	NoTid    Tid = 0
	InitTid  Tid = 1       // the PID namespace's init: a modelled reaper, unkillable from inside (R36)
	FirstTid Tid = 2       // actor 0
	DeadTid  Tid = 1 << 20 // what a reference to an actor never created evaluates to: always ESRCH
)

// Tid returns the symbolic tid that the actor has from its creation until it dies or takes over its leader's in exec (R68).
func (a ActorID) Tid() Tid { return FirstTid + Tid(a) }

// ActorOf is the inverse of ActorID.Tid; NoActor for init and for tids that no actor has.
func ActorOf(t Tid) ActorID {
	if t < FirstTid || t >= FirstTid+MaxActors {
		return NoActor
	}
	return ActorID(t - FirstTid)
}

// Actor is one thread of execution of a Program: a process's first thread or a further thread.
type Actor struct {
	Name string
	Code []Instr // ends with OpEnd
	// Victim marks an actor whose reaching OpEnd is not awaited: the run is over when all non-victims reached OpEnd or died.
	Victim bool
}

// Barrier is a meeting point. Parties actors arrive, then all go on.
type Barrier struct {
	Name    string
	Parties int
	Align   bool // real actors add a bounded spin after the futex, to start a race together
}

// Op is the kind of an instruction.
type Op uint8

const (
	OpCall    Op = iota // one system call
	OpBarrier           // arrive at Barrier, then harness futex calls: the last to arrive calls FutexWake once, others FutexWait 0..n times until all arrived
	OpDelay             // spin for the plan's delay of Cell; nothing in the engine
	OpSet               // Vars[Dst] = Imm
	OpAdd               // Vars[Dst] += Imm
	OpJump              // go to Target
	OpBranch            // if Vars[Var]&Mask == Match go to Target
	OpEnd               // harness FutexWake of the run's end word, once; then FutexWait for ever (parked, again after every interruption)
)

// VarID indexes the program's variables.
type VarID int16

// NoVar marks an unused variable operand.
const NoVar VarID = -1

// Instr is one instruction. Which fields mean something depends on Op.
type Instr struct {
	Op      Op
	Call    Call
	Harness bool // OpCall: not an operation of the scenario; not logged, no history entry
	Args    [6]Arg
	Dst     VarID // OpCall: receives the return value (or -errno); OpSet, OpAdd: the target
	DstOut  VarID // OpCall: receives Result.Out[0] (wait4's status word)
	Imm     int64
	Target  int32
	Var     VarID
	Mask    int64
	Match   int64
	Cell    int16
	Barrier int16
	Src     int32 // index of the scenario operation this came from, -1 for none
}

// ArgKind says how an argument gets its value when the call is made.
type ArgKind uint8

const (
	ArgImm    ArgKind = iota // N
	ArgTid                   // the tid that actor N got at its creation; DeadTid if it was not created yet
	ArgNegTid                // minus that tid (a process group)
	ArgVar                   // variable N
	ArgNegVar                // minus variable N
)

// Arg is one argument of a call.
type Arg struct {
	Kind ArgKind
	N    int64
}

// Imm, TidOf and VarOf are shorthands for arguments.
func Imm(n int64) Arg        { return Arg{ArgImm, n} }
func TidOf(a ActorID) Arg    { return Arg{ArgTid, int64(a)} }
func VarOf(v VarID) Arg      { return Arg{ArgVar, int64(v)} }
func (a Arg) String() string { return fmt.Sprintf("%d:%d", a.Kind, a.N) }

// Result is what a call returned, as far as an actor can see it.
type Result struct {
	Ret int64    // return value, or -errno
	Out [3]int64 // per call, see Call
	// TidMask says which values are tids: bit 0 Ret, bits 1..3 Out. Only the engine sets it; a real history keeps raw
	// numbers, and the comparison translates those that the engine says are tids.
	TidMask uint8
}

// Unpredicted stands for a value in the engine's Out that only the machine knows: what a call of the harness returns, be it
// the number of threads that a wake-up found asleep, or the register that rt_sigreturn restores.
const Unpredicted int64 = math.MinInt64

// Call is an abstract system call. The comment gives Args and, after the arrow, Out; tids among them are marked with *.
// All numbers (flags, options, signals, requests) are those of Linux on amd64.
type Call uint8

const (
	CallNone             Call = iota
	CallClone                 // flags|exit signal, child actor, child's parties -> ; Ret=*child
	CallExecve                // image (ImageSelf, ImageMissing, ImageSetuid); on success the actor goes on with its next instruction in the new image, after one harness CallMmap
	CallExit                  // code
	CallExitGroup             // code
	CallGetpid                // Ret=*
	CallGettid                // Ret=*
	CallGetppid               // Ret=*
	CallKill                  // pid, sig
	CallTkill                 // tid, sig
	CallTgkill                // tgid, tid, sig
	CallRtSigqueueinfo        // tgid, sig, si_code (negative: SI_QUEUE -1)
	CallRtTgsigqueueinfo      // tgid, tid, sig, si_code
	CallPidfdOpen             // pid, flags; Ret is a descriptor: compared only for its sign
	CallPidfdSendSignal       // descriptor, sig, flags
	CallSigaction             // sig, Disposition, sa_flags (SA_SIGINFO and SA_RESTORER are added by actors)
	CallSigprocmask           // how, mask (bit sig-1)
	CallSigpending            // -> mask of pending signals
	CallSigsuspend            // mask
	CallPause                 //
	CallNanosleep             // nanoseconds; interrupted: restarts (restart_syscall) unless a handler ran, then EINTR
	CallSetpgid               // pid, pgid
	CallGetpgid               // pid; Ret=*
	CallSetsid                // Ret=*
	CallGetsid                // pid; Ret=*
	CallWait4                 // pid, options -> status word; Ret=* (0 with WNOHANG)
	CallWaitid                // idtype, id, options -> *si_pid, si_code, si_status (all 0 if nothing with WNOHANG); Ret=0
	CallPrctl                 // option, argument
	CallSeccomp               // SeccompAction, call filtered (a Call), errno or data, filter flags (TSYNC); actors set no_new_privs by themselves only through CallPrctl
	CallSetresuid             // ruid=euid=suid
	CallPtrace                // request, tid, addr, data -> per request: see ptrace.Request
	CallSchedYield            //
	// Harness calls: made by the instructions themselves, never logged, but visible to a tracer in syscall stops and to SIGKILL.
	CallFutexWait
	CallFutexWake
	CallMmap      // maps the shared memory again after exec
	CallSigreturn // at the end of a signal handler
	// Scripted calls that came later: tracers see calls by number.
	CallSetresgid // rgid=egid=sgid
	// CallUtrace is made by a client that is a Caller: see package clients. No Linux kernel has it.
	CallUtrace
	NumCalls
)

// Scripted says whether a call is one that scenarios make, not their harness, nor a client of utrace.
func (c Call) Scripted() bool { return c > CallNone && c < CallFutexWait || c == CallSetresgid }

// Images for CallExecve.
const (
	ImageSelf    = 0 // the actors' own image: succeeds
	ImageMissing = 1 // no such file: ENOENT, before the point of no return
	ImageSetuid  = 2 // as ImageSelf, but a set-user-id file of user 0 (R74)
)

// Disposition of a signal, argument of CallSigaction.
const (
	SigDefault = 0
	SigIgnore  = 1
	SigHandler = 2 // a handler that appends (signo, si_code, si_pid, ticket) to the actor's log and returns
)

// Seccomp filter actions, argument of CallSeccomp. The filter allows every call but the one it names.
const (
	SeccompAllow = iota
	SeccompErrno
	SeccompTrace
	SeccompKillThread
	SeccompKillProcess
)
