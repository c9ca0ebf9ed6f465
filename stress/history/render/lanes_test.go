package render

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"tracehammer/corpus/corpustest"
	"tracehammer/corpus/golden"
	"tracehammer/engine"
	"tracehammer/stress/history"
	"tracehammer/stress/history/historytest"
)

// program lowers a scenario; at finds its calls by actor and text.
func program(t *testing.T, text string) (*engine.Program, func(actor, call string) int32) {
	t.Helper()
	s, p := corpustest.Lower(t, text)
	return p, func(actor, call string) int32 {
		t.Helper()
		return corpustest.Calls(t, s, p, actor, call)[0]
	}
}

const signalled = `scenario signalled
proc main
proc child of main
thread t of child
proc late of main by fork

child: sigaction SIGUSR1 HANDLER
main:  ptrace SEIZE child TRACEEXEC|EXITKILL
t:     kill main SIGCONT
main:  kill child SIGUSR1
main:  wait4 child __WALL
main:  ptrace GETSIGINFO child
child: pause
child: execve
main:  fork late
late:  exit 3
main:  wait4 late
`

// signalledRun has every mark: calls that others fall into, a handler inside a call, one in flight at the end, one dead actor.
func signalledRun(t *testing.T) (*engine.Program, *history.History) {
	p, at := program(t, signalled)
	return p, &history.History{
		Target: "host", Kernel: "Linux 6.18.44", Arch: "amd64", Run: 3, Cut: 30, Outcome: history.Stuck, Elapsed: 312456789,
		Delays: []int64{0, 17300},
		Actors: []history.Actor{
			{Tid: 4101, Entries: []history.Entry{
				historytest.Call(at("main", "fork child"), 1, 2, 4102),
				historytest.Call(at("main", "ptrace SEIZE child TRACEEXEC|EXITKILL"), 6, 9, 0),
				historytest.Call(at("main", "kill child SIGUSR1"), 12, 14, 0),
				historytest.Call(at("main", "wait4 child __WALL"), 15, 19, 4102, 0x0a7f),
				historytest.Call(at("main", "ptrace GETSIGINFO child"), 20, 21, 0, 10, 0, 4101),
				historytest.Call(at("main", "fork late"), 22, 23, 4104),
				historytest.Call(at("main", "wait4 late"), 24, 27, 4104, 0x300),
			}, Parked: true, Final: &history.Final{State: 'S'}},
			{Tid: 4102, Entries: []history.Entry{
				historytest.Call(at("child", "clone t THREAD"), 3, 4, 4103),
				historytest.Call(at("child", "sigaction SIGUSR1 HANDLER"), 5, 7, 0),
				historytest.Call(at("child", "pause"), 13, 18, -4),
				historytest.Handler(17, 10, 0, 4101),
				historytest.Call(at("child", "execve"), 28, 0, 0),
			}, Final: &history.Final{State: 'D', TracerPid: 4101, Pending: 1<<9 | 1<<17}},
			{Tid: 4103, Entries: []history.Entry{historytest.Call(at("t", "kill main SIGCONT"), 10, 11, -3)}},
			{Tid: 4104, Entries: []history.Entry{historytest.Call(at("late", "exit 3"), 25, 0, 0)}},
		},
		Hang: &history.Snapshot{Threads: []history.Thread{
			{Actor: 1, Tid: 4102, State: 'D', TracerPid: 4101, Wchan: "begin_new_exec", Syscall: "59 0x401000",
				Stack: []string{"begin_new_exec", "load_elf_binary", "do_syscall_64"}},
		}},
		Console: []string{"INFO: task main:12 blocked\x1b[31m"},
	}
}

func TestTable(t *testing.T) {
	p, h := signalledRun(t)
	var b bytes.Buffer
	if err := WriteTable(&b, p, h); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/signalled.table", b.Bytes())
}

func TestLanes(t *testing.T) {
	p, h := signalledRun(t)
	var b bytes.Buffer
	if err := WriteLanes(&b, p, h); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/signalled.lanes", b.Bytes())
	fits(t, b.String())
}

// TestLanesOfManyActors: also the most actors with long texts fit, wrapped in their columns.
func TestLanesOfManyActors(t *testing.T) {
	text := "scenario crowd\nproc main\n"
	for i := 1; i < engine.MaxActors; i++ {
		text += "proc child-with-a-name-" + string(rune('a'+i)) + " of main\n"
	}
	text += "\n"
	for i := 1; i < engine.MaxActors; i++ {
		text += "main: ptrace SEIZE child-with-a-name-" + string(rune('a'+i)) + " TRACESYSGOOD|TRACEFORK|EXITKILL\n"
	}
	p, _ := program(t, text)
	h := &history.History{Target: "engine", Actors: make([]history.Actor, engine.MaxActors)}
	for i := range h.Actors {
		h.Actors[i].Tid = int32(i) + 2
	}
	for i := range p.Actors[0].Code {
		if p.Actors[0].Code[i].Op == engine.OpCall {
			h.Actors[0].Entries = append(h.Actors[0].Entries, historytest.Call(int32(i), uint64(2*i+1), uint64(2*i+2), 0))
		}
	}
	for i := 1; i < engine.MaxActors; i++ {
		h.Actors[i].Entries = []history.Entry{historytest.Handler(uint64(100+i), 10, -6, int64(i)+1)}
	}
	h.Actors[11].Tid, h.Actors[11].Entries = 0, nil
	var b bytes.Buffer
	if err := WriteLanes(&b, p, h); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/crowd.lanes", b.Bytes())
	fits(t, b.String())
}

func fits(t *testing.T, s string) {
	t.Helper()
	for l := range strings.Lines(s) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 160 || strings.HasSuffix(l, " \n") {
			t.Errorf("%d columns, or a blank at the end: %q", n, l)
		}
	}
}
