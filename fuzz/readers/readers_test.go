package readers_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/input/inputtest"
	"tracehammer/fuzz/readers"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
)

func FuzzScenarioText(f *testing.F) {
	for _, s := range corpus.Seeds() {
		inputtest.Add(f, s.Print())
	}
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzScenarioText(data) })
}

func FuzzScenarioBytes(f *testing.F) {
	for _, s := range corpus.Seeds() {
		inputtest.Add(f, input.Encode(input.Input{Scenario: s}))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 { // of few different values, so that they mean much
		b := make([]byte, rng.IntN(1024))
		most := 1 + rng.IntN(256)
		for i := range b {
			b[i] = byte(rng.IntN(most))
		}
		inputtest.Add(f, b)
	}
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzScenarioBytes(data) })
}

func FuzzStatus(f *testing.F) {
	for _, s := range []ptrace.Status{0, ptrace.StatusContinued, ptrace.Killed(ptrace.SIGSEGV) | 0x80, ptrace.SyscallStopped(true),
		ptrace.EventStopped(ptrace.EventStop, ptrace.SIGSTOP)} {
		inputtest.Add(f, binary.LittleEndian.AppendUint32(nil, uint32(s)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzStatus(data) })
}

func FuzzConsole(f *testing.F) {
	logs, err := filepath.Glob("../../vm/console/testdata/*.log")
	if err != nil || len(logs) == 0 {
		f.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		inputtest.Add(f, append([]byte{63}, text[:min(len(text), 16<<10)]...))
	}
	inputtest.Add(f, []byte("\x00usb 1-1: new device"))
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzConsole(data) })
}

// aHistory is one with everything in it.
func aHistory(f *testing.F) []byte {
	s, err := corpus.Parse("seed", []byte(`scenario seed
proc main
proc child of main
main:  sigaction SIGCHLD HANDLER
main:  ptrace SEIZE child
main:  kill child SIGSTOP
main:  wait4 child __WALL
`))
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	err = stress.NewEngineTarget(engine.Options{}).Run(context.Background(), corpus.LowerValid(s), stress.Plan{Seed: 1}, func(h *history.History) bool {
		h = h.Clone()
		h.Outcome, h.Delays, h.Console, h.Taint = history.Stuck, []int64{3}, []string{"BUG: x"}, 4
		h.Hang = &history.Snapshot{Threads: []history.Thread{{Actor: 1, Tid: 3, State: 't', Wchan: "ptrace_stop", Syscall: "0", Stack: []string{"a"}}}}
		h.Actors[1].Final = &history.Final{State: 't', TracerPid: 2}
		if err := jsonl.Write(&b, h); err != nil {
			f.Fatal(err)
		}
		return false
	})
	if err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

func FuzzHistory(f *testing.F) {
	b := aHistory(f)
	inputtest.Add(f, b)
	inputtest.Add(f, b[:len(b)/2])
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzHistory(data) })
}

func FuzzCrasher(f *testing.F) {
	const meta = "meta.json\n" + `{"id":"0123456789ab","kind":"hang","title":"hang: a <-> b","rules":[8],"signature":"s","coarse":"c","target":"host",` +
		`"kernel":"Linux 6.18","arch":"amd64","ops":2,"hits":3,"runs":10,"count":1,"firstSeen":"2026-01-02T03:04:05Z","command":"stressd repro"}`
	const rest = "\n--\nscenario.scn\nscenario x\nproc main\n\n--\nplan.json\n" + `{"seed":1,"repeat":2,"schedule":"AQID","delays":[{"lo":1,"hi":2}]}` +
		"\n--\nexplanation.txt\nwhy\n--\nreport.md\n# x\n--\nrepro.c\nint main;"
	inputtest.Add(f, []byte(meta))
	inputtest.Add(f, []byte(meta+rest))
	inputtest.Add(f, append([]byte(meta+rest+"\n--\nhistory.jsonl\n"), aHistory(f)...))
	const marks = "\n--\nowner\nJane <j@x>\n--\ntargets\nhost\tLinux 6.18\tamd64\t1\t10\t2026-01-02T03:04:05Z\n"
	inputtest.Add(f, []byte(meta+rest+marks+"\n--\nstate\nopen\nduplicate 2026-01-02T03:04:05Z of 0123456789ab\n"))
	inputtest.Add(f, []byte(meta+rest+marks+"\n--\nstate\nfixt\n--\nclosed\nby abc\n"))
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzCrasher(data) })
}

func FuzzInputFile(f *testing.F) {
	inputtest.Add(f, []byte("go test fuzz v1\n[]byte(\"a\\x00\\n\")\n"))
	inputtest.Add(f, []byte("go test fuzz v1\r\n[]byte(`raw`)\r\n"))
	inputtest.Add(f, []byte("go test fuzz v1\nint(3)\n"))
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzInputFile(data) })
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"pct:3", "replay:AQID", "mutate:AQID", "linux-6.1/arm64", "utrace-2009", "lost-chld-wakeup,exitkill-ignored",
		"not-admitted", "go-fuzz", "engine:linux-5.10", "live:lost-chld-wakeup", "host"} {
		inputtest.Add(f, []byte(name))
	}
	f.Fuzz(func(t *testing.T, data []byte) { readers.FuzzNames(data) })
}
