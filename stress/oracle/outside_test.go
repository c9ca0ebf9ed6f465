package oracle_test

import (
	"strings"
	"testing"
	"time"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
)

// TestOutside: what needs no engine is seen whatever else the history says.
func TestOutside(t *testing.T) {
	p := corpustest.Program(t, "scenario outside\nproc main\nproc child of main\nmain: wait4 child\nmain: pause\n")
	var wait, pause int32
	for i, in := range p.Actors[0].Code {
		switch in.Call {
		case engine.CallWait4:
			wait = int32(i)
		case engine.CallPause:
			pause = int32(i)
		}
	}
	call := func(instr int32, ret, out int64) history.History {
		return history.History{Actors: []history.Actor{
			{Tid: 10, Entries: []history.Entry{{Instr: instr, Done: true, Begin: 1, End: 2, Res: engine.Result{Ret: ret, Out: [3]int64{out}}}}},
			{Tid: 11}}}
	}
	final := func(f history.Final) history.History {
		return history.History{Actors: []history.Actor{{Tid: 10, Parked: true}, {Tid: 11, Parked: true, Final: &f}}}
	}
	for _, c := range []struct {
		title string
		h     history.History
	}{
		{"invariant: kernel-internal error number from pause", call(pause, -514, 0)},
		{"invariant: malformed wait status", call(wait, 11, 0x007f)},
		{"invariant: malformed wait status", call(wait, 11, 0x09057f)},
		{"invariant: tracing stop without a tracer", final(history.Final{State: 't'})},
		{"invariant: traced by a stranger", final(history.Final{State: 't', TracerPid: 4711})},
		{"invariant: SIGKILL did not end every actor in bounded time", history.History{Actors: make([]history.Actor, 2), Drain: time.Minute}},
		{"console: kernel tainted", history.History{Actors: make([]history.Actor, 2), Taint: 1 << 9}},
		{"console: BUG: workqueue lockup", history.History{Actors: make([]history.Actor, 2), Console: []string{"BUG: workqueue lockup - pool cpus=0"}}},
		{"console: bad memory access", history.History{Actors: make([]history.Actor, 2), Console: []string{"BUG: unable to handle page fault for address: 1"}}},
		{"console: WARNING in ptrace_stop", history.History{Actors: make([]history.Actor, 2), Taint: 1 << 9,
			Console: []string{"WARNING: CPU: 1 PID: 7 at kernel/signal.c:2300 ptrace_stop+0x1/0x2", "---[ end trace 0000000000000000 ]---"}}},
	} {
		o := oracle.New(engine.Profile{})
		o.Log = console.Complaint
		v := o.Judge(p, &c.h)
		if v.Title != c.title || !v.Kind.Finding() {
			t.Errorf("got %v %q, want a finding %q", v.Kind, v.Title, c.title)
		}
		if strings.TrimSpace(v.Explanation) == "" {
			t.Errorf("%s: no explanation", c.title)
		}
	}
	log := history.History{Actors: make([]history.Actor, 2), Console: []string{"random: crng init done"}}
	if v := oracle.New(engine.Profile{}).Judge(p, &log); v.Kind != oracle.Unknown {
		t.Errorf("a log that nobody reads: %v %q", v.Kind, v.Title)
	}
	init := final(history.Final{State: 't', TracerPid: int32(engine.InitTid)}) // its child asked for it: R11
	if v := oracle.New(engine.Profile{}).Judge(p, &init); strings.Contains(v.Title, "stranger") {
		t.Errorf("traced by init: %q", v.Title)
	}
}
