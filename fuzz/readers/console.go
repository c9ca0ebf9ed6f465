package readers

import (
	"bytes"
	"context"
	"reflect"
	"strings"
	"sync"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/memory"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
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

var consoleOracle = func() *oracle.Oracle {
	o := oracle.New(engine.Profile{})
	o.Log = console.Complaint
	return o
}()

// FuzzConsole takes bytes for what a kernel prints; the first byte is how many come at a time. It asserts that the parser
// of consoles finds the same reports however the text comes in, that they are in order, bounded and printable, and that the
// oracle calls a run with that log, in which nothing else is wrong, the kernel's complaint exactly if there are reports, by
// the title of one of them.
func FuzzConsole(data []byte) int { return memory.Bounded("FuzzConsole", consoleText, data) }

func consoleText(data []byte) int {
	if len(data) == 0 {
		return never
	}
	piece, text := int(data[0])+1, data[1:]
	reports := console.Parse(text)
	checkReports(reports, bytes.Count(text, []byte("\n"))+1)

	var again []console.Report
	p := console.NewParser(func(r console.Report) { again = append(again, r) })
	for rest := text; len(rest) > 0; {
		n := min(piece, len(rest))
		if written, err := p.Write(rest[:n]); err != nil || written != n {
			violated("FuzzConsole", "writing %d bytes: %d, %v", n, written, err)
		}
		rest = rest[n:]
	}
	p.Close()
	if again = again[:min(len(again), console.MaxReports)]; len(again)+len(reports) > 0 && !reflect.DeepEqual(again, reports) {
		violated("FuzzConsole", "at once:\n%+v\n%d bytes at a time:\n%+v", reports, piece, again)
	}

	prog, h := quiet()
	h.Console = strings.Split(string(text), "\n")
	switch v := consoleOracle.Judge(prog, h); {
	case v.Kind != oracle.Admitted && v.Kind != oracle.Console:
		violated("FuzzConsole", "%v: %s", v.Kind, v.Title)
	case v.Kind == oracle.Console && !titled(console.ParseLines(h.Console), v.Title):
		violated("FuzzConsole", "the title %q, the reports %+v", v.Title, reports)
	case v.Kind == oracle.Admitted && len(console.ParseLines(h.Console)) > 0:
		violated("FuzzConsole", "a log with reports is admitted: %+v", reports)
	case v.Kind == oracle.Admitted:
		return neutral
	}
	return keep
}

func titled(reports []console.Report, title string) bool {
	for i := range reports {
		if "console: "+reports[i].Title == title {
			return true
		}
	}
	return false
}

// checkReports looks at the reports in a text of some lines.
func checkReports(reports []console.Report, lines int) {
	if len(reports) > console.MaxReports {
		violated("FuzzConsole", "%d reports", len(reports))
	}
	first := 1
	for i := range reports {
		r := &reports[i]
		if r.First < first || r.Last < r.First || r.Last > lines {
			violated("FuzzConsole", "a report from line %d to %d of %d, behind one from %d", r.First, r.Last, lines, first)
		}
		first = r.First
		if len(r.Title) == 0 || len(r.Title) > console.MaxTitle || len(r.Alt) > console.MaxAlt || len(r.Trace) > console.MaxTrace {
			violated("FuzzConsole", "out of bounds: %+v", r)
		}
		for _, s := range append([]string{r.Title, r.Func, r.Kind.String(), r.State.String()}, r.Alt...) {
			if !printable(s) {
				violated("FuzzConsole", "%q reaches a terminal", s)
			}
		}
		for _, f := range r.Trace {
			if !printable(f.Func) || !printable(f.Module) {
				violated("FuzzConsole", "%q of %q reaches a terminal", f.Func, f.Module)
			}
		}
	}
}
