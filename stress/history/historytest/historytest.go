// Package historytest has a history for the tests of packages that keep, copy or send histories.
package historytest

import (
	"time"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// Sample uses every field.
func Sample() *history.History {
	return &history.History{
		Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Run: 7, Cut: 40, Outcome: history.Stuck,
		Elapsed: 312 * time.Millisecond, Drain: 2 * time.Millisecond, Delays: []int64{0, 1500}, Taint: 1 << 9, Trunc: true,
		Actors: []history.Actor{
			{Tid: 4101, Entries: []history.Entry{Call(0, 1, 2, 0), Call(1, 3, 9, 4102, 0x137f), Call(2, 10, 0, 0)}},
			{Tid: 4102, Entries: []history.Entry{Call(0, 4, 8, -4), Handler(6, 10, 0, 4101)},
				Final: &history.Final{State: 't', TracerPid: 4101, Pending: 1 << 18}},
			{Tid: 4103, Parked: true, Final: &history.Final{State: 'S'}},
			{},
		},
		Hang: &history.Snapshot{Threads: []history.Thread{
			{Actor: 0, Tid: 4101, State: 'S', Wchan: "ptrace_attach", Syscall: "101 0x10", Stack: []string{"ptrace_attach", "do_syscall_64"}},
			{Actor: 1, Tid: 4102, State: 'D', TracerPid: 4101, Wchan: "begin_new_exec"},
		}},
		Console: []string{"WARNING: at kernel/signal.c\x1b[31m", "second"},
	}
}

// Call is the entry of a call, not finished if end is 0.
func Call(instr int32, begin, end uint64, ret int64, out ...int64) history.Entry {
	e := history.Entry{Kind: history.Call, Instr: instr, Done: end != 0, Begin: begin, End: end, Res: engine.Result{Ret: ret}}
	copy(e.Res.Out[:], out)
	return e
}

// Handler is the entry of a handler that ran.
func Handler(ticket uint64, signo, code, pid int64) history.Entry {
	return history.Entry{Kind: history.Handler, Done: true, Begin: ticket, Res: engine.Result{Out: [3]int64{signo, code, pid}}}
}
