package fuzz

import (
	"context"
	"strings"
	"sync"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// quiet is a run in which nothing happens, to which a kernel's log is added.
var quiet = sync.OnceValues(func() (*engine.Program, *history.History) {
	p := corpus.LowerValid(&corpus.Scenario{Name: "quiet", Actors: []corpus.ActorDecl{{Name: "main"}}})
	var h *history.History
	err := stress.NewEngineTarget(engine.Options{}).Run(context.Background(), p, stress.Plan{}, func(got *history.History) bool {
		h = got.Clone()
		return false
	})
	if err != nil {
		panic(err)
	}
	return p, h
})

var consoleOracle = oracle.New(engine.Profile{})

// FuzzConsole takes bytes for the lines that a kernel logged during a run in which nothing else was wrong. It asserts that the
// oracle calls them a complaint of the kernel exactly if a line holds one of the marks of a kernel's complaints, that its title is of those marks and of no
// text from the log, and that the explanation has every line.
func FuzzConsole(data []byte) int {
	p, h := quiet()
	lines := strings.Split(string(data), "\n")
	h.Console = lines
	v := consoleOracle.Judge(p, h)
	marked := ""
	for _, mark := range consoleMarks {
		if strings.Contains(string(data), mark) {
			marked = mark
			break
		}
	}
	switch {
	case marked == "" && v.Kind != oracle.Admitted:
		violated("FuzzConsole", "%v: %s", v.Kind, v.Title)
	case marked == "":
		return neutral
	case v.Kind != oracle.Console:
		violated("FuzzConsole", "a log with %q is %v", marked, v.Kind)
	}
	known := false
	for _, mark := range consoleMarks {
		known = known || v.Title == "console: "+mark
	}
	if !known {
		violated("FuzzConsole", "the title %q", v.Title)
	}
	if !strings.HasSuffix(v.Explanation, strings.Join(lines, "\n")) {
		violated("FuzzConsole", "the explanation lacks the log: %q", v.Explanation)
	}
	return keep
}

// consoleMarks are what the kernel's reports of its own bugs have in common: bug.h, panic.c, lockdep, RCU, hung_task and UBSAN write them.
var consoleMarks = []string{"BUG:", "WARNING:", "Oops", "general protection fault", "kernel BUG at", "INFO: task ", "rcu: INFO", "UBSAN:"}
