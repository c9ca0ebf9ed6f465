package oracle

import (
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// rulesOf names the rules that decide the result of a call: where a reader should look first.
func rulesOf(in *engine.Instr) []int {
	switch in.Call {
	case engine.CallPtrace:
		if in.Args[0].Kind == engine.ArgImm {
			return requestRules(ptrace.Request(in.Args[0].N))
		}
		return []int{13}
	case engine.CallWait4, engine.CallWaitid:
		return []int{86, 87, 88, 89, 90, 93}
	case engine.CallClone:
		return []int{59, 60, 61, 62, 63}
	case engine.CallExecve:
		return []int{65, 66, 67, 68, 70}
	case engine.CallKill, engine.CallTkill, engine.CallTgkill, engine.CallRtSigqueueinfo, engine.CallRtTgsigqueueinfo, engine.CallPidfdSendSignal:
		return []int{21, 24, 26, 27}
	case engine.CallPause, engine.CallSigsuspend, engine.CallNanosleep:
		return []int{29, 31, 34}
	case engine.CallSeccomp:
		return []int{57}
	}
	return []int{53, 57}
}

func requestRules(r ptrace.Request) []int {
	switch r {
	case ptrace.Traceme:
		return []int{11}
	case ptrace.Attach, ptrace.Seize:
		return []int{4, 5, 7, 9}
	case ptrace.Detach:
		return []int{13, 99}
	case ptrace.Interrupt:
		return []int{48}
	case ptrace.Listen:
		return []int{49}
	case ptrace.Kill:
		return []int{19}
	case ptrace.Setoptions:
		return []int{13, 20}
	case ptrace.Cont, ptrace.Syscall, ptrace.Singlestep, ptrace.Sysemu:
		return []int{13, 15, 17}
	}
	return []int{13, 110, 111}
}
