package readers

import (
	"encoding/binary"
	"fmt"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/memory"
	"tracehammer/ptrace"
)

// FuzzStatus takes bytes for a wait status word, a signal number, an si_code and a sender. It asserts that every word is at
// most one of exited, killed, stopped and continued, that it is written as text from which a scenario's expectation reads
// the same word, that the words made for an exit code, a signal and an event decode to them, and that a siginfo keeps its
// number, and its code as far as that fits.
func FuzzStatus(data []byte) int { return memory.Bounded("FuzzStatus", statusWord, data) }

func statusWord(data []byte) int {
	var b [16]byte
	copy(b[:], data)
	status := ptrace.Status(binary.LittleEndian.Uint32(b[:]))
	kinds := 0
	for _, is := range []bool{status.IsExited(), status.IsKilled(), status.IsStopped(), status.IsContinued()} {
		if is {
			kinds++
		}
	}
	if kinds > 1 && status != ptrace.StatusContinued {
		violated("FuzzStatus", "%#x is %d things at once", uint32(status), kinds)
	}
	readBack(status)

	code, sig, event := int(b[4]), ptrace.Signal(b[5]&0x7f), ptrace.Event(binary.LittleEndian.Uint16(b[6:]))
	if s := ptrace.Exited(code); !s.IsExited() || s.ExitCode() != code {
		violated("FuzzStatus", "exit code %d is %#x", code, uint32(s))
	}
	if s := ptrace.Killed(sig); sig > 0 && sig < 0x7f && (!s.IsKilled() || s.TermSignal() != sig || s.Core()) {
		violated("FuzzStatus", "killed by %d is %#x", sig, uint32(s))
	}
	if s := ptrace.EventStopped(event, sig); !s.IsStopped() || s.StopSignal() != sig || s.Event() != event {
		violated("FuzzStatus", "event %d with signal %d is %#x", event, sig, uint32(s))
	}

	si := engine.NewSigInfo(b[8], int32(binary.LittleEndian.Uint32(b[9:])), engine.Tid(b[13]&0x7f), uint16(b[14]))
	want := int32(binary.LittleEndian.Uint32(b[9:]))
	if want >= -256 && want < 0xff00 && si.Code() != want || si.Code() != engine.NewSigInfo(b[8], si.Code(), 0, 0).Code() || si.Signo != b[8] {
		violated("FuzzStatus", "siginfo of signal %d, code %#x: %d, %#x", b[8], want, si.Signo, si.Code())
	}
	if si.HasPid() != engine.SigInfoHasPid(int64(si.Signo), int64(si.Code())) {
		violated("FuzzStatus", "siginfo %v: two answers", si)
	}
	return neutral
}

func readBack(status ptrace.Status) {
	written := corpus.FormatStatus(int64(status))
	s, err := corpus.Parse("status", fmt.Appendf(nil, "scenario x\nproc main\nmain: wait4 -1 => 0 %s\n", written))
	if err != nil {
		violated("FuzzStatus", "%#x is written %q: %v", uint32(status), written, err)
	}
	if got := s.Ops()[0].Expect[0].Out[0]; got != corpus.Num(int64(status)) {
		violated("FuzzStatus", "%#x is written %q, which is read as %#x", uint32(status), written, got.N)
	}
}
