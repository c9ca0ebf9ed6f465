// Package history holds what a run of a scenario showed: who called what, when, with which result, and how it ended.
//
// A History is the same value whatever target produced it; it never says whether what happened was right (that is the
// oracles' business). The package needs no locks: a History belongs to one goroutine at a time.
package history

import (
	"time"

	"tracehammer/engine"
)

// History is the record of one run.
type History struct {
	Target  string        // "engine", "host", ...
	Kernel  string        // uname -sr of the kernel that ran it
	Arch    string        // GOARCH
	Run     int           // index of the run within its plan
	Actors  []Actor       // as Program.Actors
	Cut     uint64        // ticket at which the history ends, taken before clean-up
	Outcome Outcome       // how the run ended
	Elapsed time.Duration // from the start of the run to the cut
	Drain   time.Duration // from the first SIGKILL of clean-up until everything was reaped, not counting when a machine had no CPU
	Delays  []int64       // delay of each cell in this run, nanoseconds
	Hang    *Snapshot     // set when Outcome is Stuck
	Console []string      // new kernel log lines, where readable
	Taint   uint64        // taint bits that appeared during the run
	Trunc   bool          // some actor's log overflowed: entries after it are missing
	// Blocks are the blocks of the kernel's code that actors went through for the first time since the target was opened, as KCOV
	// names them, up to about the end of this run. They say what is new and not what the run is: a Clone has none.
	Blocks []uint64
	// Schedule is the decision stream that makes this run again, of targets that have one (stress/schedule).
	Schedule []byte
}

// Outcome says how a run ended.
type Outcome uint8

const (
	Complete Outcome = iota // every actor that is not a victim parked or died
	Stuck                   // deadline passed with some actor still in a call; see Hang
)

// Actor is one actor's part of a History.
type Actor struct {
	Tid     int32 // real tid at creation, 0 if never created (for the engine target: the symbolic tid)
	Parked  bool  // reached OpEnd
	Entries []Entry
	Final   *Final // state at the cut, when sampled
}

// Kind tells the entries of an actor's log apart.
type Kind uint8

const (
	Call    Kind = iota // one call of the program
	Handler             // one run of a signal handler: Res.Out = signo, si_code, si_pid
)

// Entry is one record of an actor's log. Tickets come from one counter shared by all actors of the run: if a.End < b.Begin
// then a had returned before b was made.
type Entry struct {
	Kind  Kind
	Instr int32  // index into the actor's code (Call)
	Done  bool   // the call returned before the cut
	Begin uint64 // ticket before the call; for a Handler its only ticket
	End   uint64 // ticket after the call
	TSC   uint64 // cycle counter after the call, where there is one
	Res   engine.Result
}

// Final is what /proc showed of an actor at the cut.
type Final struct {
	State     byte // R S D T t Z X; 0 gone
	TracerPid int32
	Pending   uint64 // SigPnd | ShdPnd
}

// Dead says that the actor was a zombie or gone.
func (f *Final) Dead() bool { return DeadState(f.State) }

// DeadState says whether a state letter of /proc is that of a dead task; 0 is one that is gone.
func DeadState(state byte) bool { return state == 0 || state == 'Z' || state == 'X' }

// Snapshot is what the watcher saw of a run that did not end, before anything was killed.
type Snapshot struct {
	Threads []Thread
}

// Thread is one thread of a Snapshot.
type Thread struct {
	Actor     engine.ActorID
	Tid       int32
	State     byte
	TracerPid int32
	Wchan     string   // function that the thread sleeps in, "" unknown
	Syscall   string   // /proc/PID/syscall
	Stack     []string // function names, innermost first, when readable
}

// Tids lists the actors' tids at their creation, 0 for those never created: what corpus.FormatResult takes.
func (h *History) Tids() []int32 {
	tids := make([]int32, len(h.Actors))
	for i := range h.Actors {
		tids[i] = h.Actors[i].Tid
	}
	return tids
}

// ActorOf is the actor that got a tid at its creation, NoActor if none did.
func (h *History) ActorOf(tid int64) engine.ActorID {
	for i, a := range h.Actors {
		if a.Tid != 0 && int64(a.Tid) == tid {
			return engine.ActorID(i)
		}
	}
	return engine.NoActor
}
