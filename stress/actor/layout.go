package actor

import (
	"unsafe"

	"tracehammer/engine"
)

// The actors' memory is one shared mapping, at one address in every actor. Its layout saves page faults, which are a large
// part of what a short-lived process costs: what every actor touches lies within the reach of one page table, and in two
// windows of pages that the kernel maps together at one fault (fault_around_bytes, when the first access is a read).
//
//	common     the interpreter's text, constants, code; the same for all runs
//	windows    for each region (a run, or the control region of the namespace's init) its header, and a slot per actor
//	init       init's own code and constants
//	far        the rest of each actor's log
//	stacks     of each actor
//
// A slot has a number, 16 times its region's plus its place there, that gives its far log and its stack.
const (
	arenaBase = 0x20000000

	textAt = 0
	dataAt = 1 << 12
	codeAt = dataAt + 1<<14

	windowsAt  = 1 << 19
	windowSize = 1 << 16
	slotSize   = 1 << 12

	// MaxRuns is how many runs can be prepared at a time.
	MaxRuns       = 16
	controlRegion = MaxRuns
	regions       = MaxRuns + 1

	initDataAt = windowsAt + regions*windowSize
	initCodeAt = initDataAt + 1<<14
	farAt      = 1 << 21
	stacksAt   = farAt + regions*16<<farShift
	arenaSize  = stacksAt + regions*16<<farShift

	farShift   = 18
	farSize    = 1 << farShift
	stackTop   = farSize - 64 // of a stack, which only signal frames use
	entrySize  = 64
	nearOffset = 896 // in a slot: the first entries of its log
	nearCap    = (slotSize - nearOffset) / entrySize
	logSize    = farSize - 1<<14 // behind it is a zero area
	logCap     = logSize / entrySize

	// In a window: where barriers, variables and delay cells go when they do not fit the header's page.
	tablesOffset = 13 * slotSize
)

// Where the image is: its text, of which only the first instructions run, and one private page of words for PTRACE_PEEK*
// and PTRACE_POKE* (copied by fork, shared by threads, zero after exec, like any memory of a program).
const (
	textBase    = 0x10000000
	scratchBase = 0x18000000
	scratchSize = 4096
)

// Descriptors that every actor has.
const (
	ImageFD  = 3
	ArenaFD  = 4
	SetuidFD = 5 // the image again as a set-user-id file; ImageFD where that cannot be made
	GateFD   = 6 // init only
	KcovFD   = 7 // and those after it, one for each actor, where the kernel's coverage is wanted
)

// deadTid is what a reference to an actor never created evaluates to: above any pid_max, so no task has it.
const deadTid = 1 << 30

// Operations of encoded instructions.
const (
	opCall = iota
	opBranch
	opStore
	opStore32
	opXadd
	opStamp
	opSpin
	opSpinUntil
)

// Flags of an encoded opCall.
const (
	flagLog   = 1  // append an entry to the log
	flagClone = 2  // returns twice
	flagOut   = 4  // has output words
	flagVars  = 8  // sets variables
	flagMore  = 16 // has more than three arguments
	flagKeep  = 32 // its output words are also inputs: they are not cleared before
)

// How an operand gets its value: v plus a base, then perhaps a load and a negation.
const (
	fromZero  = 0
	fromSlot  = 1
	fromRun   = 2
	fromStack = 3 // the stacks of the run's region
	deref     = 4
	negate    = 8
)

// operand is one argument of an encoded instruction.
type operand struct {
	how uint8
	v   int64
}

func imm(v int64) operand                 { return operand{0, v} }
func slotAddr(off uintptr) operand        { return operand{fromSlot, int64(off)} }
func slotWord(off uintptr) operand        { return operand{fromSlot | deref, int64(off)} }
func runAddr(off uintptr) operand         { return operand{fromRun, int64(off)} }
func runWord(off uintptr) operand         { return operand{fromRun | deref, int64(off)} }
func stackAddr(i int) operand             { return operand{fromStack, int64(i)<<farShift + stackTop} }
func word(addr uintptr) operand           { return operand{deref, int64(addr)} }
func address(addr uintptr) operand        { return imm(int64(addr)) }
func (o operand) negated() operand        { o.how |= negate; return o }
func (o operand) plus(n int64) operand    { o.v += n; return o }
func (o operand) constant() (int64, bool) { return o.v, o.how == fromZero }

// instr is an encoded instruction. The assembly names the fields by the offsets that go_asm.h gives.
type instr struct {
	op     uint8
	flags  uint8
	how0   uint8
	how1   uint8
	how2   uint8
	how3   uint8
	how4   uint8
	how5   uint8
	shift0 uint8 // left, then right with the sign: narrows an output word
	shift1 uint8
	shift2 uint8
	_      uint8
	index  uint32 // of the engine's instruction, for the log
	nr     uint32
	out0   uint16 // offset in the slot of an output word
	out1   uint16
	out2   uint16
	_      uint16
	dst    uint32 // offset in the run of the variable for the return value
	dstOut uint32 // and for out0
	arg0   int64
	arg1   int64 // opBranch: mask
	arg2   int64 // opBranch: match
	arg3   int64 // opBranch: distance in bytes
	arg4   int64
	arg5   int64
}

const instrSize = unsafe.Sizeof(instr{})

// entry is one record of a log. It exists once begin is set; a call in flight has no end.
type entry struct {
	instr uint32
	kind  uint32
	begin uint64
	end   uint64
	ret   int64
	out0  int64
	out1  int64
	out2  int64
	tsc   uint64
}

const (
	entryCall    = 0
	entryHandler = 1
)

// bufferSize is the room for what calls read and write: registers, siginfo, and so on.
const bufferSize = blockAt + longestSet

// slot is the head of an actor's slot. Only the actor itself writes it during a run; signal handlers of the actor only
// append to the log, by one instruction on logn.
type slot struct {
	base    [4]uint64 // by the low bits of an operand's how
	enter   uint64    // where a new image goes on, in the text of the shared memory
	pc      uint64    // of the call in flight; of the first instruction before the actor runs
	cur     uint64    // log entry of the call in flight
	logn    uint64
	tmp     uint64 // what opXadd found
	clock   uint64 // where a machine puts its clock that has no register for it
	execs   uint64 // how often an image started here
	parked  uint64 // ticket at which the actor reached its end: clean-up may let it get there after the cut
	nothing uint64 // the output word of calls without one
	more    uint64 // where the log would start if it were all behind the window: from nearCap on it is
	sink    entry  // entries beyond the log's end go here
	argv    [2]uint64
	envp    [1]uint64
	name    [32]byte
	buf     [bufferSize]byte
}

// run is the head of a run's region; barriers, variables and delay cells follow it.
type run struct {
	ticket  uint64
	_       [7]uint64
	clone   uint64 // flags that init creates actor 0 with
	left    int64  // actors that still have to park
	done    uint64 // futex: init waits on it
	nobody  uint64 // futex: the wake-up of an actor that was not the last to park
	never   uint64 // futex: parked actors wait on it
	state   uint64 // see stateIdle
	hold    uint64 // init waits before clean-up while it is 1
	wake    uint64 // Go waits for the next change of state
	sink    uint64 // variable of calls without one
	cut     uint64
	started uint64
	ended   uint64
	drained uint64
	tids    [engine.MaxActors]int64
	kcov    uint64                   // actors switch the kernel's coverage on at their start
	cpus    [engine.MaxActors]uint64 // set of CPUs that each actor takes to at its start; 0: those of its creator
}

// States of a run region.
const (
	stateIdle = iota
	stateReady
	stateHeld
	stateDone
)

// barrier has a cache line of its own.
type barrier struct {
	arrived  uint64
	released uint64
	aligned  uint64
	_        [5]uint64
}

const (
	headerSize  = (unsafe.Sizeof(run{}) + 63) &^ 63
	barrierSize = unsafe.Sizeof(barrier{})
	slotBuf     = unsafe.Offsetof(slot{}.buf)
	slotTmp     = unsafe.Offsetof(slot{}.tmp)
	slotNothing = unsafe.Offsetof(slot{}.nothing)
	runSink     = unsafe.Offsetof(run{}.sink)
)

// The layout's promises to the assembly.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(entry{})-entrySize]
	_ = [1]struct{}{}[unsafe.Sizeof(slot{})/(nearOffset+1)]
	_ = [1]struct{}{}[(engine.MaxActors+1)*slotSize/(tablesOffset+1)]
)

// Addresses in every actor.
func regionAddr(region int) uintptr      { return arenaBase + windowsAt + uintptr(region)*windowSize }
func slotAddrOf(region, i int) uintptr   { return regionAddr(region) + uintptr(i)*slotSize }
func farAddr(region, i int) uintptr      { return arenaBase + farAt + uintptr(region*16+i)<<farShift }
func stacksAddr(region int) uintptr      { return arenaBase + stacksAt + uintptr(region*16)<<farShift }
func tidOffset(a engine.ActorID) uintptr { return unsafe.Offsetof(run{}.tids) + uintptr(a)*8 }

// actorSlot is the place of an actor's slot in its run's region; place 0 is the run's header.
func actorSlot(a engine.ActorID) int { return int(a) + 1 }

// initSlot is the place of init's slot in the control region.
const initSlot = 1
