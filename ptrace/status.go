package ptrace

import (
	"fmt"
	"strings"
)

// Status is a wait status word (table 6.0).
type Status uint32

// StatusContinued is the status of a continued child.
const StatusContinued Status = 0xffff

// Exited, Signaled and Stopped build status words; the code of a stop carries its event above bit 8.
func Exited(code int) Status                { return Status(code&0xff) << 8 }
func Killed(s Signal) Status                { return Status(s & 0x7f) }
func Stopped(s Signal) Status               { return Status(s&0xff)<<8 | 0x7f }
func EventStopped(e Event, s Signal) Status { return Status(e)<<16 | Stopped(s) }
func SyscallStopped(sysgood bool) Status {
	if sysgood {
		return Stopped(SIGTRAP | 0x80)
	}
	return Stopped(SIGTRAP)
}

func (s Status) IsExited() bool     { return s&0x7f == 0 }
func (s Status) ExitCode() int      { return int(s>>8) & 0xff }
func (s Status) IsKilled() bool     { return s&0x7f != 0 && s&0x7f != 0x7f }
func (s Status) TermSignal() Signal { return Signal(s & 0x7f) }
func (s Status) Core() bool         { return s.IsKilled() && s&0x80 != 0 }
func (s Status) IsContinued() bool  { return s == StatusContinued }
func (s Status) IsStopped() bool    { return s&0xff == 0x7f }
func (s Status) StopSignal() Signal { return Signal(s>>8) & 0xff }
func (s Status) Event() Event       { return Event(s >> 16) }

// String writes a status as scenarios do: "exited 0", "killed SIGKILL", "stopped SIGSTOP", "event EXEC", "event STOP SIGSTOP",
// "syscall-stop", "continued".
func (s Status) String() string {
	switch {
	case s.IsContinued():
		return "continued"
	case s.IsExited() && s>>16 == 0:
		return fmt.Sprintf("exited %d", s.ExitCode())
	case s.IsKilled() && s>>8 == 0:
		core := ""
		if s.Core() {
			core = " core"
		}
		return "killed " + s.TermSignal().String() + core
	case s.IsStopped() && s.Event() == 0 && s.StopSignal() == SIGTRAP|0x80:
		return "syscall-stop"
	case s.IsStopped() && s.Event() == 0:
		return "stopped " + s.StopSignal().String()
	case s.IsStopped() && s.StopSignal() == SIGTRAP:
		return "event " + strings.TrimPrefix(s.Event().String(), "PTRACE_EVENT_")
	case s.IsStopped():
		return "event " + strings.TrimPrefix(s.Event().String(), "PTRACE_EVENT_") + " " + s.StopSignal().String()
	}
	return fmt.Sprintf("%#x", uint32(s))
}
