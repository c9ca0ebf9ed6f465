package coverage

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/ptrace"
	"tracehammer/stress/history"
)

// resultClass is what a call returned, to whomever: the call, for ptrace, prctl and utrace with what they are to do; the errno, or
// whether it returned 0 or more; what it told: a wait's status, a siginfo's signal and code, which stop of a system call it is,
// how many callbacks there were; for handlers the signal.
//
//	bits 0-23  what it told, without exit codes
//	    24-32  errno, or else 0x100 for 0 and 0x101 for more
//	    33-48  ptrace's request, prctl's option; utrace's operation, client, and action or callback, 4, 4 and 8 bits
//	    49-56  call
//	    57     a handler, no call
//	    58     always set: 0 is no class
type resultClass uint64

const (
	classCode     = 16
	classRet      = 24
	classRequest  = 33
	classCall     = 49
	classHandler  = 1 << 57
	classSome     = 1 << 58
	retZero       = 0x100
	retMore       = 0x101
	classStatus   = 1<<classRet - 1
	classRetMask  = 0x1ff
	classReqMask  = 0xffff
	classCallMask = 0xff
)

// classOf is the class of an entry of an actor's log.
func classOf(p *engine.Program, actor int, e *history.Entry) resultClass {
	if e.Kind == history.Handler {
		return resultClass(classSome | classHandler | uint64(e.Res.Out[0])&classStatus)
	}
	in := &p.Actors[actor].Code[e.Instr]
	ret, status, request := uint64(retZero), uint64(0), uint64(0)
	switch {
	case e.Res.Ret < 0:
		ret = uint64(min(-e.Res.Ret, retZero-1))
	case e.Res.Ret > 0:
		ret = retMore
	}
	switch in.Call {
	case engine.CallPtrace:
		request = uint64(in.Args[0].N) & classReqMask
		if e.Res.Ret >= 0 {
			status = toldBy(ptrace.Request(in.Args[0].N), &e.Res)
		}
	case engine.CallUtrace:
		request = uint64(in.Args[0].N)&0xf | uint64(in.Args[2].N)&0xf<<4
		switch clients.Op(in.Args[0].N) {
		case clients.OpControl:
			request |= uint64(in.Args[3].N) & 0xff << 8
		case clients.OpCount:
			request |= uint64(in.Args[3].N) & 0xff << 8
			status = uint64(max(e.Res.Ret, 0)) & classStatus
		}
	case engine.CallPrctl:
		request = uint64(in.Args[0].N) & classReqMask
	case engine.CallWait4:
		if st := ptrace.Status(e.Res.Out[0]); e.Res.Ret > 0 && !st.IsExited() { // which code it was is the scenario's own business
			status = uint64(st) & classStatus
		}
	case engine.CallWaitid:
		if status = uint64(e.Res.Out[1]) << classCode; e.Res.Out[1] != engine.CLD_EXITED {
			status |= uint64(e.Res.Out[2]) & (1<<classCode - 1)
		}
	}
	return resultClass(classSome | uint64(in.Call)<<classCall | request<<classRequest | ret<<classRet | status)
}

// toldBy is what a request told about the tracee, as far as it is one of a few things.
func toldBy(r ptrace.Request, res *engine.Result) uint64 {
	switch r {
	case ptrace.Getsiginfo, ptrace.Peeksiginfo:
		return uint64(res.Out[0])&0xff<<8 | uint64(res.Out[1])&0xff
	case ptrace.GetSyscallInfo:
		return uint64(res.Out[0]) & 0xff
	}
	return 0
}

// callNames are the verbs by call and request; of those that make one call, the plainest.
var callNames = func() map[[2]int64]string {
	names := map[[2]int64]string{}
	for _, v := range corpus.Verbs {
		k := [2]int64{int64(v.Call)}
		if v.Call == engine.CallPtrace || v.Call == engine.CallPrctl || v.Call == engine.CallUtrace {
			if len(v.Fixed) == 0 {
				continue
			}
			k[1] = v.Fixed[0].N & classReqMask
		}
		if _, ok := names[k]; !ok || v.Name == "clone" {
			names[k] = v.Name
		}
	}
	return names
}()

// String says what a class is, like a line of a history.
func (c resultClass) String() string {
	status := int64(c & classStatus)
	if c&classHandler != 0 {
		return "handler of " + ptrace.Signal(status).String()
	}
	call, request := engine.Call(c>>classCall&classCallMask), int64(c>>classRequest&classReqMask)
	key := [2]int64{int64(call), request}
	if call == engine.CallUtrace {
		key[1] &= 0xf
	}
	name, ok := callNames[key]
	if !ok {
		name = fmt.Sprintf("%s %d", map[engine.Call]string{engine.CallPtrace: "ptrace", engine.CallPrctl: "prctl"}[call], request)
	}
	if call == engine.CallUtrace {
		name += " " + clients.Kind(request>>4&0xf).String()
		switch clients.Op(key[1]) {
		case clients.OpCount:
			name += " " + clients.Callback(request>>8).String()
		case clients.OpControl:
			name += " " + engine.Action(request>>8).String()
		}
	}
	ret, result := int64(c>>classRet&classRetMask), "more than 0"
	switch {
	case ret < retZero:
		result = ptrace.Errno(ret).String()
	case call == engine.CallWait4 && ret == retMore && status == 0:
		result = "exited"
	case call == engine.CallWait4 && ret == retMore:
		result = ptrace.Status(status).String()
	case call == engine.CallWaitid && status != 0:
		result = ptrace.ChildCodes.Format(status >> classCode)
		if n := status & (1<<classCode - 1); n != 0 {
			result += " " + ptrace.Signal(n&0xff).String()
			if ev := n >> 8; ev != 0 {
				result += fmt.Sprintf(" event %d", ev)
			}
		}
	case call == engine.CallUtrace && status != 0:
		result = fmt.Sprint(status)
	case ret == retZero:
		result = "0"
	}
	if call == engine.CallPtrace && status != 0 {
		switch ptrace.Request(request) {
		case ptrace.GetSyscallInfo:
			result += fmt.Sprintf(" op %d", status)
		default:
			result += fmt.Sprintf(" %v code %d", ptrace.Signal(status>>8), int8(status))
		}
	}
	return name + " => " + result
}

// ShapeOf is a hash of what the actors of a program do without its arguments: which calls each of them makes, in which order.
// Scenarios of one shape are alike but for signals, flags, options and who is meant.
func ShapeOf(p *engine.Program) uint64 {
	h := fnv.New64a()
	for a := range p.Actors {
		number(h, -1)
		for i := range p.Actors[a].Code {
			in := &p.Actors[a].Code[i]
			if in.Op != engine.OpCall || in.Harness {
				continue
			}
			number(h, int64(in.Call))
			if in.Call == engine.CallPtrace || in.Call == engine.CallPrctl {
				number(h, in.Args[0].N)
			}
		}
	}
	return h.Sum64()
}

// OutcomeOf is a hash of what all calls of a run returned, with tids as actor numbers; order and times are not part of an
// outcome.
func OutcomeOf(hist *history.History) uint64 {
	h := fnv.New64a()
	number(h, int64(hist.Outcome))
	for a := range hist.Actors {
		number(h, int64(a))
		for i := range hist.Actors[a].Entries {
			e := &hist.Actors[a].Entries[i]
			done := int64(0)
			if e.Done {
				done = 1
			}
			number(h, int64(e.Instr), int64(e.Kind), done, symbol(hist, e.Res.Ret))
			for _, o := range e.Res.Out {
				number(h, symbol(hist, o))
			}
		}
	}
	return h.Sum64()
}

func number(h hash.Hash64, numbers ...int64) {
	var b [8]byte
	for _, n := range numbers {
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
}

// symbol maps a real tid to a number that is the same on every run; other numbers stay.
func symbol(h *history.History, n int64) int64 {
	for a := range h.Actors {
		if t := int64(h.Actors[a].Tid); t != 0 && (n == t || n == -t) {
			return -int64(1<<40) - int64(a)
		}
	}
	return n
}
