// Package bench compares the rate of whole scenarios on this kernel with plain C programs that do the same or less, in
// interleaved pairs on one CPU, so that the ratio holds while the machine's speed drifts.
package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/vm/console"
)

const oneChild = `scenario one-child
proc main
proc child of main by fork
main: fork child
main: ptrace ATTACH child
main: wait4 child __WALL
main: ptrace DETACH child
main: kill child SIGKILL
main: wait4 child __WALL
`

const cycles = 400

var attachCycles = fmt.Sprintf(`scenario attach-cycles
proc main
proc child of main
main: repeat %d {
main: ptrace ATTACH child
main: wait4 child __WALL
main: ptrace DETACH child
main: }
`, cycles)

// compile builds a baseline with the compiler that its name in the report promises: gcc -O2, glibc, dynamic.
func compile(b *testing.B, name string) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), name)
	cmd := exec.Command("gcc", "-O2", "-Wall", "-Wextra", "-o", out, filepath.Join("testdata", name+".c"))
	if msg, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("compile baseline %s: %v\n%s", name, err, msg)
	}
	return out
}

// baseline runs a C program for n rounds on a CPU and returns nanoseconds a round.
func baseline(b *testing.B, program string, n, cpu int) float64 {
	b.Helper()
	cmd := exec.Command(program, strconv.Itoa(n), strconv.Itoa(cpu))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("run baseline %s: %v", program, err)
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		b.Fatalf("read baseline %s: %v", program, err)
	}
	return ns
}

func open(b *testing.B) stress.Target {
	b.Helper()
	t, err := host.New()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { t.Close() })
	return t
}

// rounds runs p n times and returns nanoseconds a run, everything on the Go side included.
func rounds(b *testing.B, t stress.Target, p *engine.Program, n, cpu int) float64 {
	b.Helper()
	plan := stress.Plan{Seed: 1, Repeat: n}
	for range p.Actors {
		plan.CPUs = append(plan.CPUs, cpu)
	}
	start, got := time.Now(), 0
	err := t.Run(context.Background(), p, plan, func(h *history.History) bool {
		if h.Outcome != history.Complete {
			b.Fatalf("run %d did not complete", h.Run)
		}
		got++
		return true
	})
	if err != nil {
		b.Fatal(err)
	}
	if got != n {
		b.Fatalf("%d of %d runs", got, n)
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

const pairs = 7

// pin keeps this whole process on one CPU, and with it everything that it starts: the Go side of a run competes with the
// actors for the CPU that the baseline has for itself.
func pin(b *testing.B, cpu int) {
	b.Helper()
	var old, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		b.Fatal(err)
	}
	one.Set(cpu)
	all := func(set *unix.CPUSet) {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range tasks {
			if tid, err := strconv.Atoi(t.Name()); err == nil {
				unix.SchedSetaffinity(tid, set) //nolint:errcheck // a thread that ended meanwhile
			}
		}
	}
	all(&one)
	b.Cleanup(func() { all(&old) })
}

// compare reports the rate of ours as a multiple of the baseline's, as the median over interleaved pairs.
func compare(b *testing.B, ours, theirs func() float64) {
	for range b.N {
		var ratio, a, c []float64
		ours()
		for range pairs {
			o, t := ours(), theirs()
			a, c, ratio = append(a, o), append(c, t), append(ratio, t/o)
		}
		b.ReportMetric(median(ratio), "x-of-C")
		b.ReportMetric(1e9/median(a), "ours/s")
		b.ReportMetric(1e9/median(c), "C/s")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkScenarioAgainstC: fork a child, attach, wait, detach, kill, reap, against a C program's fork, _exit, waitpid.
func BenchmarkScenarioAgainstC(b *testing.B) {
	c := compile(b, "forkwait")
	pin(b, 0)
	t, p := open(b), corpustest.Program(b, oneChild)
	compare(b, func() float64 { return rounds(b, t, p, 2000, 0) }, func() float64 { return baseline(b, c, 2000, 0) })
}

// BenchmarkCyclesAgainstC: attach, wait, detach inside one scenario, against a C loop of the same.
func BenchmarkCyclesAgainstC(b *testing.B) {
	c := compile(b, "attach")
	pin(b, 0)
	t, p := open(b), corpustest.Program(b, attachCycles)
	compare(b, func() float64 { return rounds(b, t, p, 25, 0) / cycles }, func() float64 { return baseline(b, c, 25*cycles, 0) })
}

// BenchmarkChecker: histories of the one-child scenario from this kernel, judged on one core. The rate is by processor time, however
// many share the core.
func BenchmarkChecker(b *testing.B) {
	t, p := open(b), corpustest.Program(b, oneChild)
	var hs []*history.History
	err := t.Run(context.Background(), p, stress.Plan{Seed: 1, Repeat: 64}, func(h *history.History) bool {
		hs = append(hs, h.Clone())
		return true
	})
	if err != nil {
		b.Fatal(err)
	}
	o := oracle.New(t.Profile())
	o.Log = console.Complaint
	states := 0
	b.ResetTimer()
	start := cpuTime(b)
	for i := range b.N {
		v := o.Judge(p, hs[i%len(hs)])
		if v.Kind != oracle.Admitted {
			b.Fatalf("%v: %s\n%s", v.Kind, v.Title, v.Explanation)
		}
		states += v.States
	}
	b.ReportMetric(float64(b.N)/(cpuTime(b)-start), "histories/s")
	b.ReportMetric(float64(states)/float64(b.N), "states/history")
}
