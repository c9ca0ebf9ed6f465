// Package corpus is the scenario language: parsing, printing, checking, a byte form for fuzzers, the lowering to an
// engine.Program, and the seed scenarios.
//
// It never runs anything and never looks at a kernel. A Scenario belongs to one goroutine at a time; the tables and the
// seeds are immutable, so the package needs no locks.
package corpus

import (
	"time"

	"tracehammer/engine"
)

// Bounds of a scenario. They keep every scenario runnable on the engine, whose tables are small arrays, and every
// malformed file cheap to refuse.
const (
	MaxActors     = engine.MaxActors
	MaxOps        = 64
	MaxDepth      = 3    // repeat in repeat in race
	MaxRepeat     = 1000 // of one repeat loop
	MaxNameLen    = 24
	MaxVars       = 16
	MaxAlts       = 8       // alternatives of one expectation
	MaxText       = 1 << 16 // bytes of a scenario file
	MaxBarriers   = 16
	MaxCases      = 16
	MaxDelay      = 10 * time.Millisecond
	MaxRaceRepeat = 100_000
	MaxSleep      = 200 * time.Millisecond
	MaxTrivia     = 256 // comment lines above one line
	MaxMeta       = 16  // "on" and "known-bug" lines
)

// Scenario is one parsed scenario file.
type Scenario struct {
	Trivia           // of the "scenario" line
	Name      string // [a-z0-9-], unique in a corpus
	Rules     []int  // R rules that it shows
	On        []Condition
	KnownBugs []KnownBug
	Actors    []ActorDecl // Actors[0] is the first process; index = engine.ActorID
	Body      []Stmt      // in line order
	Tail      []string    // comment and blank lines after the last statement
	file      string      // that Parse read, for Validate's errors
}

// Trivia is what surrounds a line without meaning anything: Before holds the comment lines above it ("# text", "" for a
// blank line), After the comment behind it.
type Trivia struct {
	Before []string
	After  string
	line   int // where Parse found it, for Validate's errors; 0 elsewhere
}

// Condition says where a scenario, or a known bug, holds. Zero fields do not restrict.
type Condition struct {
	Trivia
	MinKernel, MaxKernel Version  // linux>=4.8, linux<6.1 (MaxKernel is excluded)
	Arch                 []string // GOARCH names, any of them
	System               []string // of Systems, any of them
	Root                 bool     // root: actors with other user ids, and with capabilities in the initial user namespace
}

// Machine is what conditions are about.
type Machine struct {
	Release string // of the kernel, as 6.18.44, or of the Linux that one that is no Linux is compared with
	Arch    string // GOARCH
	System  string // of Systems, "" for a Linux on hardware, be it emulated
	Root    bool   // actors are root of the initial user namespace
}

// Linux says whether the machine's kernel is Linux, which versions in conditions are about.
func (m Machine) Linux() bool { return m.System != engine.GVisor }

// Version is a kernel version, major and minor.
type Version struct{ Major, Minor int }

// KnownBug says that kernels with a listed bug differ from the engine on this scenario, and how.
type KnownBug struct {
	Trivia
	Row   int       // row of the list of known bugs
	On    Condition // its Trivia is unused
	Shows []Sign    // any of them
}

// Sign is how a known bug shows.
type Sign uint8

const (
	SignHang        Sign = iota // a run gets stuck although the engine's does not for good, or in a forbidden cycle
	SignNotAdmitted             // the engine admits no such history
	SignConsole                 // the kernel log says so
	SignNothing                 // kernels of that release may have it, or may not: nobody can tell from the release
	numSigns
)

// ActorDecl declares one actor. An actor is created by its parent in a prologue before the parent's first operation
// unless By names the verb of the operation that creates it.
type ActorDecl struct {
	Trivia
	Name   string
	Thread bool   // thread of its parent's process, else a process
	Parent string // "" for the first actor only
	By     string // "", "fork", "vfork" or "clone"
	Victim bool   // its end is not awaited: it stays stopped, blocked or dead by design
}

// Stmt is a statement of a body: *Op, *Barrier, *Race or *Repeat.
type Stmt interface {
	trivia() *Trivia
	clone() Stmt
}

// Op is one operation: ACTOR: [VAR =] VERB ARGS [=> EXPECTATION | ...].
type Op struct {
	Trivia
	Actor  string
	Dst    string // variable that receives the return value, "" for none
	Verb   *Verb
	Args   []Arg    // one for each of Verb.Params, optional ones at their defaults
	Expect []Expect // alternatives; none: anything goes
	Cases  []Case   // serve only
	End    Trivia   // serve only: of the closing brace
}

// Barrier is a meeting point of two or more actors.
type Barrier struct {
	Trivia
	Name   string
	Actors []string
}

// Race makes its operations run against each other: the actors inside meet, then each waits a random delay from [Lo, Hi]
// before each of its operations. Repeat says how many runs a plan should give the scenario to hit something.
type Race struct {
	Trivia
	Lo, Hi time.Duration
	Repeat int // 0: not said
	Body   []Stmt
	End    Trivia
}

// Repeat is a loop in one actor's code; all its statements are of that actor, and neither barriers nor races.
type Repeat struct {
	Trivia
	Actor string
	N     int
	Body  []Stmt
	End   Trivia
}

func (o *Op) trivia() *Trivia      { return &o.Trivia }
func (b *Barrier) trivia() *Trivia { return &b.Trivia }
func (r *Race) trivia() *Trivia    { return &r.Trivia }
func (r *Repeat) trivia() *Trivia  { return &r.Trivia }

// ArgKind says what an Arg is.
type ArgKind uint8

const (
	ArgNum      ArgKind = iota // N, written as the parameter's type says
	ArgActor                   // the tid of actor Name
	ArgNegActor                // minus that tid: a process group
	ArgVar                     // variable Name
	ArgNegVar                  // minus variable Name
	ArgAny                     // "_": whatever; expectations only
	numArgKinds
)

// Arg is one argument of an operation, or one value that an expectation wants.
type Arg struct {
	Kind ArgKind
	N    int64
	Name string
}

// Num, ActorArg and VarArg are shorthands.
func Num(n int64) Arg          { return Arg{Kind: ArgNum, N: n} }
func ActorArg(name string) Arg { return Arg{Kind: ArgActor, Name: name} }
func VarArg(name string) Arg   { return Arg{Kind: ArgVar, Name: name} }

// ExpectKind tells expectations apart.
type ExpectKind uint8

const (
	ExpectResult ExpectKind = iota // the call returned, with these values
	ExpectBlocks                   // the call began and never returned: it sleeps for ever, or its actor died in it
	ExpectNever                    // the call was never begun
	numExpectKinds
)

// Expect is one alternative of an expectation.
type Expect struct {
	Kind ExpectKind
	Ret  Arg   // return value; a negative number is an errno
	Out  []Arg // leading values of engine.Result.Out, as Verb.Outs types them; the rest is not looked at
}

// CaseKind is what a case of a serve loop applies to.
type CaseKind uint8

const (
	CaseSignal    CaseKind = iota // signal-delivery-stop; N is the signal, 0 any. For an ATTACHed tracee also its group-stops: the status words are alike
	CaseGroupStop                 // EVENT_STOP with a stop signal: group-stop of a SEIZEd tracee
	CaseEvent                     // event stop; N is the ptrace.Event
	CaseSyscall                   // syscall stop under TRACESYSGOOD
	CaseExited
	CaseKilled
	CaseContinued
	numCaseKinds
)

// AnswerKind is what a serve loop does about a report.
type AnswerKind uint8

const (
	AnswerRequest AnswerKind = iota // a ptrace request to the tracee that reported
	AnswerIgnore                    // nothing: wait again
	AnswerEnd                       // leave the loop
	numAnswerKinds
)

// SigKind says which signal an answer passes.
type SigKind uint8

const (
	SigNone SigKind = iota
	SigSame         // "sig": the signal that the report named
	SigNum          // N
	numSigKinds
)

// Case is one line of a serve loop. Reports that no case fits: signal-delivery-stops are CONTinued with their signal, other
// stops with 0, deaths and continuations are ignored. When the wait fails the loop always ends, so that none can spin.
type Case struct {
	Trivia
	Kind   CaseKind
	N      int64
	Answer AnswerKind
	Verb   *Verb // AnswerRequest: one of ServeVerbs
	Sig    SigKind
	SigN   int64
}
