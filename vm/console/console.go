// Package console finds the reports of kernels in what they print: oopses, panics, warnings, what sanitizers, lockdep and
// watchdogs say, and the crashes of kernels that are Go programs. The same bug has the same title on every architecture.
//
// It only reads. It judges nothing, opens nothing, and knows no machine. The text is untrusted: a
// guest prints what it likes, so what is kept of it is bounded, and nothing of it is handed out before it is printable.
// A Parser belongs to one goroutine at a time; there are no locks.
package console

import (
	"fmt"
	"slices"
)

// Kind is what a report complains about.
type Kind uint8

const (
	BadAccess         Kind = 1 + iota // the kernel touched memory that it may not: NULL, unmapped, non-canonical, read-only
	GeneralProtection                 // x86: a general protection fault that is no memory access
	DivideError                       // a division trapped
	Trap                              // any other exception in the kernel
	StackOverflow                     // the kernel's stack ran into its guard
	Panic                             // a panic that no other report explains
	KernelBug                         // BUG() or BUG_ON()
	Bug                               // any other "BUG: ..."
	Warning                           // WARN() and its like
	KASAN                             // memory errors
	KFENCE                            // memory errors, sampled
	KMSAN                             // uninitialised memory
	UBSAN                             // undefined behaviour
	KCSAN                             // data races
	Lockdep                           // locking and RCU rules
	HungTask                          // a task sleeps uninterruptibly for too long
	RCUStall                          // a grace period does not end
	SoftLockup                        // a CPU does not schedule
	HardLockup                        // a CPU does not take interrupts
	SleepInAtomic                     // a function that may sleep was called where none may
	SchedInAtomic                     // the scheduler was called where it must not
	GoPanic                           // Go: an unrecovered panic
	GoFatal                           // Go: a fatal error of the runtime
	GoRace                            // Go: a report of the race detector
	GoStuck                           // gVisor: its watchdog found stuck tasks
)

// String is the kind's name in lower case, as in files.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kinds[k].name
}

// State says whether a report is all there. What is known of a corrupted report may be wrong.
type State uint8

const (
	Complete    State = iota
	Truncated         // its end, or the function that it is about, is missing
	Interleaved       // other messages broke into it
	Dropped           // the kernel says that it dropped messages ("printk messages dropped") amid it
)

var stateNames = [...]string{"complete", "corrupted: truncated", "corrupted: interleaved", "corrupted: printk messages dropped"}

// String returns "complete" or "corrupted: " and why.
func (s State) String() string {
	if int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return stateNames[s]
}

// Corrupted says that the report must not be taken at its word.
func (s State) Corrupted() bool { return s != Complete }

// Frame is one function of a call trace.
type Frame struct {
	Func   string // without suffixes of the compiler (".isra.0", ".cold"); a Go function with its package's path
	Offset uint64 // bytes from the function's start; 0 for Go functions
	Module string // "" if built in
	Return bool   // the offset is where a call returns to, not where the program counter was
	Place  string // "FILE:LINE", if Symbolise knows
}

// Report is what one complaint comes to. All its strings are printable and bounded.
type Report struct {
	Kind  Kind
	Title string   // the same for the same bug whatever the architecture, addresses, pids, CPUs and times
	Alt   []string // other titles of it: with the architecture's wording, with the source file
	State State
	Func  string  // the function in the title, "" if unknown
	Trace []Frame // the first call trace with what the program counter says in front; unreliable frames are left out
	First int     // the line of the text on which it begins, from 1
	Last  int     // the last line that belongs to it
}

// Bounds of what is kept of a text.
const (
	MaxReports = 1000 // Parse returns no more
	MaxTrace   = 64   // frames of a trace
	MaxAlt     = 4    // alternative titles
	MaxTitle   = 120  // bytes of a title
	maxLine    = 2048 // bytes of a line: twice what printk emits at once (LOG_LINE_MAX)
	maxFunc    = 80   // bytes of a function's name
)

// Parse returns the reports in a text, in the order in which they begin, at most MaxReports.
func Parse(text []byte) []Report {
	var all []Report
	p := NewParser(func(r Report) {
		if len(all) < MaxReports {
			all = append(all, r)
		}
	})
	p.Write(text) // never fails
	p.Close()
	return all
}

// ParseLines is Parse for a text in lines, as a kernel's log is read from /dev/kmsg.
func ParseLines(lines []string) []Report {
	var all []Report
	p := NewParser(func(r Report) {
		if len(all) < MaxReports {
			all = append(all, r)
		}
	})
	for _, l := range lines {
		p.line([]byte(l))
	}
	p.Close()
	return all
}

// Complaint is the title of the first report in a kernel's log, "" if there is none, and what kind of report it is, as an oracle wants them. It is
// a whole report if there is one: the title of half a report may be another's.
func Complaint(lines []string) (title, how string) {
	rs := ParseLines(lines)
	if len(rs) == 0 {
		return "", ""
	}
	r := &rs[max(0, slices.IndexFunc(rs, func(r Report) bool { return !r.State.Corrupted() }))]
	return r.Title, fmt.Sprintf("%v, %v", r.Kind, r.State)
}
