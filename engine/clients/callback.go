package clients

import (
	"math/bits"

	"tracehammer/engine"
)

// Callback is a kind of callback that is counted: up to 255 of each kind.
type Callback uint8

// The first ones are numbered as the bits of engine.Events.
const (
	CallbackQuiesce Callback = iota
	CallbackReap
	CallbackClone
	CallbackExec
	CallbackExit
	CallbackDeath
	CallbackSyscallEntry
	CallbackSyscallExit
	CallbackSignal
	CallbackSignalIgn
	CallbackSignalStop
	CallbackSignalTerm
	CallbackSignalCore
	CallbackJctl
	CallbackReport  // quiesce(0), or report_signal without a signal
	CallbackHandler // report_signal after a handler was set up
	CallbackRelease // of the last reference
	NumCallbacks
)

var callbackNames = [NumCallbacks]string{"QUIESCE", "REAP", "CLONE", "EXEC", "EXIT", "DEATH", "SYSCALL_ENTRY", "SYSCALL_EXIT", "SIGNAL",
	"SIGNAL_IGN", "SIGNAL_STOP", "SIGNAL_TERM", "SIGNAL_CORE", "JCTL", "REPORT", "HANDLER", "RELEASE"}

func (b Callback) String() string {
	if b < NumCallbacks {
		return callbackNames[b]
	}
	return "no callback"
}

func ofEvent(ev engine.Events) Callback { return Callback(bits.TrailingZeros16(uint16(ev))) }

// Count is how many callbacks of a kind a client got in this run, from all its engines.
func Count(w *engine.World, c engine.ClientID, b Callback) int64 {
	return int64(w.ClientState(c)[b/8] >> (b % 8 * 8) & 0xff)
}
