package power

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/fuzz/gen"
	"tracehammer/fuzz/input"
)

// How long fuzzers take to find planted bugs, beside random schedules. It takes hours, so it is asked for:
//
//	go test ./stress/power -run TestFuzzers -v -timeout 0 -power.for=20s -power.out=power.jsonl
//
// and what an earlier run wrote to the same file is not done again. Times are of CPU, of all processes of a fuzzer, so that
// what else the machine does hardly matters.
var (
	powerFor   = flag.Duration("power.for", 0, "TestFuzzers: CPU time for one bug, one way and one seed; 0 skips it")
	powerOut   = flag.String("power.out", "", "TestFuzzers: file that results are appended to, as JSON lines, and taken from")
	powerBugs  = flag.String("power.bugs", "", "TestFuzzers: bugs, joined by commas (default: all)")
	powerWays  = flag.String("power.ways", strings.Join(wayNames(), ","), "TestFuzzers: ways to look for them, joined by commas")
	powerSeeds = flag.Int("power.seeds", 3, "TestFuzzers: how often to look; one that the first seed did not find gets no other")
	powerZip   = flag.String("power.gofuzz", "", "TestFuzzers: what go-fuzz-build made of FuzzChecker; go-fuzz is on the PATH")
)

// way is one way to look for planted bugs.
type way struct {
	name string
	what string
	find func(t *testing.T, bug engine.Bug, seed uint64) found
}

var ways []way

func init() {
	ways = []way{
		{"native", "native fuzzing of FuzzChecker from the seed corpus, whose inputs run first", func(t *testing.T, b engine.Bug, _ uint64) found { return native(t, b, true) }},
		{"empty", "the same from an empty corpus", func(t *testing.T, b engine.Bug, _ uint64) found { return native(t, b, false) }},
		{"gofuzz", "go-fuzz with FuzzChecker from the seed corpus", gofuzz},
		{"schedules", "random schedules of the seed scenarios, without feedback", schedules},
		{"generated", "generated scenarios, each under 4 random schedules, without feedback", generated},
	}
}

func wayNames() []string { return []string{"native", "empty", "gofuzz", "schedules", "generated"} }

// found says how one look for a bug ended.
type found struct {
	Found   bool    `json:"found"`
	Seconds float64 `json:"seconds"` // of CPU, until then
	Tried   int     `json:"tried"`   // inputs, or schedules
}

// looked is a line of the output.
type looked struct {
	Bug   string  `json:"bug"`
	Way   string  `json:"way"`
	Seed  int     `json:"seed"`
	Limit float64 `json:"limit"` // seconds
	found
}

// TestFuzzers measures, for each planted bug and each way to look for it, how long that takes.
func TestFuzzers(t *testing.T) {
	if *powerFor == 0 {
		t.Skip("takes hours: give -power.for")
	}
	bugs := engine.Bugs()
	if *powerBugs != "" {
		bugs = nil
		for _, name := range strings.Split(*powerBugs, ",") {
			b, err := engine.ParseBug(name)
			if err != nil {
				t.Fatal(err)
			}
			bugs = append(bugs, b)
		}
	}
	all := readLooked(t)
	for seed := 1; seed <= *powerSeeds; seed++ {
		for _, w := range ways {
			if !slices.Contains(strings.Split(*powerWays, ","), w.name) || w.name == "gofuzz" && *powerZip == "" {
				continue
			}
			for _, b := range bugs {
				did := func(seed int) *looked {
					i := slices.IndexFunc(all, func(l looked) bool {
						return l.Bug == b.String() && l.Way == w.name && l.Seed == seed && l.Limit >= powerFor.Seconds()
					})
					if i < 0 {
						return nil
					}
					return &all[i]
				}
				if first := did(1); did(seed) != nil || seed > 1 && first != nil && !first.Found {
					continue
				}
				l := looked{b.String(), w.name, seed, powerFor.Seconds(), w.find(t, b, uint64(seed))}
				all = append(all, l)
				writeLooked(t, l)
			}
		}
	}
	t.Logf("\n%s", table(all, bugs))
}

func readLooked(t *testing.T) (all []looked) {
	if *powerOut == "" {
		return nil
	}
	text, err := os.ReadFile(*powerOut)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var l looked
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", *powerOut, err)
		}
		all = append(all, l)
	}
	return all
}

func writeLooked(t *testing.T, l looked) {
	if *powerOut == "" {
		return
	}
	line, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(*powerOut, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// table is the medians, and below it what was not found.
func table(all []looked, bugs []engine.Bug) string {
	var b strings.Builder
	b.WriteString("| bug |")
	for _, w := range ways {
		fmt.Fprintf(&b, " %s |", w.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(ways)) + "\n")
	missed := map[string][]string{}
	times := map[string][]float64{}
	for _, bug := range bugs {
		fmt.Fprintf(&b, "| %v |", bug)
		for _, w := range ways {
			var s []float64
			for _, l := range all {
				if l.Bug == bug.String() && l.Way == w.name {
					if !l.Found {
						l.Seconds = math.Inf(1)
					}
					s = append(s, l.Seconds)
				}
			}
			switch m := median(s); {
			case len(s) == 0:
				b.WriteString("  |")
			case math.IsInf(m, 1):
				b.WriteString(" - |")
				missed[w.name] = append(missed[w.name], bug.String())
				times[w.name] = append(times[w.name], m)
			default:
				fmt.Fprintf(&b, " %.2f |", m)
				times[w.name] = append(times[w.name], m)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, w := range ways {
		if n := len(times[w.name]); n > 0 {
			fmt.Fprintf(&b, "%s: %s: %d of %d found, median %.2f s", w.name, w.what, n-len(missed[w.name]), n, median(times[w.name]))
			if len(missed[w.name]) > 0 {
				fmt.Fprintf(&b, "; not found: %s", strings.Join(missed[w.name], ", "))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// median is the middle one, of an even number the greater of the two.
func median(s []float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	slices.Sort(s)
	return s[len(s)/2]
}

// target is the fuzz target that every fuzzer runs: it judges each input by all oracles.
const target = "FuzzChecker"

var binary string

// nativeBinary builds the target as go test -fuzz does, once.
func nativeBinary(t *testing.T) string {
	t.Helper()
	if binary == "" {
		dir, err := os.MkdirTemp("", "power")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir); binary = "" })
		binary = filepath.Join(dir, "fuzz.test")
		if out, err := exec.Command("go", "test", "-c", "-fuzz", "^"+target+"$", "-o", binary, "tracehammer/fuzz").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return binary
}

var execs = regexp.MustCompile(`execs: (\d+)`)

// native runs native fuzzing with one worker.
func native(t *testing.T, b engine.Bug, seeded bool) found {
	dir := t.TempDir()
	c := exec.Command(nativeBinary(t), "-test.run=^$", "-test.fuzz=^"+target+"$", "-test.parallel=1", "-test.fuzzcachedir="+dir,
		"-seeds="+strconv.FormatBool(seeded))
	c.Dir, c.Env = dir, append(os.Environ(), "TRACEHAMMER_BUG="+b.String())
	out, seconds := limited(t, c)
	f := found{Found: strings.Contains(out, "--- FAIL: "+target), Seconds: seconds}
	if !f.Found && !strings.Contains(out, "fuzz: elapsed") {
		t.Fatalf("%v: %s", b, out)
	}
	if m := execs.FindAllStringSubmatch(out, -1); m != nil {
		f.Tried, _ = strconv.Atoi(m[len(m)-1][1])
	}
	return f
}

var gofuzzExecs = regexp.MustCompile(`execs: (\d+) \(\d+/sec\)`)

// gofuzz runs go-fuzz with one worker, until it has a crasher.
func gofuzz(t *testing.T, b engine.Bug, _ uint64) found {
	dir := t.TempDir()
	c := exec.Command("go-fuzz", "-bin", *powerZip, "-func", target, "-workdir", dir, "-procs", "1")
	c.Env = append(os.Environ(), "TRACEHAMMER_BUG="+b.String())
	for _, s := range corpus.Seeds() {
		s = s.Clone()
		s.Strip()
		s.Rules, s.On, s.KnownBugs = nil, nil, nil
		if _, err := input.Write(dir, input.GoFuzz, input.Encode(input.Input{Scenario: s})); err != nil {
			t.Fatal(err)
		}
	}
	crashed := func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "crashers", "*"))
		return len(files) > 0
	}
	out, seconds := limited(t, c, crashed)
	f := found{Found: crashed(), Seconds: seconds}
	if m := gofuzzExecs.FindAllStringSubmatch(out, -1); m != nil {
		f.Tried, _ = strconv.Atoi(m[len(m)-1][1])
	}
	return f
}

// limited runs a command until it ends, until has says that it may, or until it has had its CPU time, and says how much it and
// its children had.
func limited(t *testing.T, c *exec.Cmd, has ...func() bool) (out string, seconds float64) {
	t.Helper()
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	group := c.Process.Pid
	done := make(chan struct{})
	go func() {
		c.Wait() //nolint:errcheck // how it ended is in its output
		close(done)
	}()
	every := 200 * time.Millisecond // a look reads all of /proc
	if len(has) > 0 {
		every /= 10 // when it was found is only seen by looking
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			syscall.Kill(-group, syscall.SIGKILL) //nolint:errcheck // whoever is left
			return b.String(), max(seconds, (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds())
		case <-tick.C:
		}
		if seconds = max(seconds, groupSeconds(group)); seconds > powerFor.Seconds() || slices.ContainsFunc(has, func(f func() bool) bool { return f() }) {
			syscall.Kill(-group, syscall.SIGKILL) //nolint:errcheck // it may have ended
			<-done
			return b.String(), seconds
		}
	}
}

// groupSeconds is the CPU time of the processes of a group, and of the children that they have reaped.
func groupSeconds(group int) float64 {
	const hz = 100 // USER_HZ, the same on all architectures that matter here
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	sum := 0
	for _, s := range stats {
		text, err := os.ReadFile(s)
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(f) < 15 || f[2] != strconv.Itoa(group) {
			continue
		}
		for _, ticks := range f[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.Atoi(ticks)
			sum += n
		}
	}
	return float64(sum) / hz
}

// schedules runs random schedules of the seeds.
func schedules(t *testing.T, b engine.Bug, seed uint64) found {
	q := seeds(t)
	start := ownSeconds()
	h, err := NewHunter(b).Hunt(context.Background(), q, Limits{Time: 10 * *powerFor, Schedules: math.MaxInt, FirstOnly: true, Seed: seed, Plain: true,
		Stop: func() bool { return ownSeconds()-start > powerFor.Seconds() }})
	if err != nil {
		t.Fatal(err)
	}
	return found{h.Found, ownSeconds() - start, h.Schedules}
}

// generated runs scenarios that are made of nothing.
func generated(t *testing.T, b engine.Bug, seed uint64) found {
	g, h, f, start := gen.NewEngine(seed), NewHunter(b), found{}, ownSeconds()
	for f.Seconds < powerFor.Seconds() && !f.Found {
		if p, err := corpus.Lower(g.Free()); err == nil {
			for k := uint64(0); k < perTurn && !f.Found; k++ {
				seen, err := h.Try(context.Background(), p, seed<<32+uint64(f.Tried))
				if err != nil {
					t.Fatal(err)
				}
				f.Found = seen.Any()
				f.Tried++
			}
		}
		f.Seconds = ownSeconds() - start
	}
	return f
}

// ownSeconds is the CPU time of this process.
func ownSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// TestTable: medians, of which a bug that was not found is the greatest, and what was not found.
func TestTable(t *testing.T) {
	a, b := engine.Bugs()[0], engine.Bugs()[1]
	all := []looked{
		{a.String(), "native", 1, 20, found{true, 3, 10}}, {a.String(), "native", 2, 20, found{true, 1, 10}},
		{a.String(), "native", 3, 20, found{false, 20, 10}}, {b.String(), "native", 1, 20, found{false, 20, 10}},
		{b.String(), "schedules", 1, 20, found{true, 0.5, 10}},
	}
	got := table(all, []engine.Bug{a, b})
	for _, want := range []string{
		fmt.Sprintf("| %v | 3.00 |  |  |  |  |\n", a), fmt.Sprintf("| %v | - |  |  | 0.50 |  |\n", b),
		"native: native fuzzing of FuzzChecker from the seed corpus, whose inputs run first: 1 of 2 found, median +Inf s; not found: " + b.String() + "\n",
		"schedules: random schedules of the seed scenarios, without feedback: 1 of 1 found, median 0.50 s\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q", got, want)
		}
	}
}
