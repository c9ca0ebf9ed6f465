package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress/explore"
)

// protocol is what testdata/protocol.pml models: two tracers attach to a tracee of their own, wait for its stop and let it
// go, twice, while the tracees make calls.
const protocol = `scenario protocol
proc one
proc two of one
proc first of one
proc second of one
one: repeat 2 {
one: ptrace ATTACH first
one: wait4 first __WALL
one: ptrace DETACH first
one: }
two: repeat 2 {
two: ptrace ATTACH second
two: wait4 second __WALL
two: ptrace DETACH second
two: }
first: gettid
first: gettid
second: gettid
second: gettid
`

// searched is an exhaustive search: states stored, processor seconds, and bytes for all states.
type searched struct{ states, seconds, bytes float64 }

func (s searched) rate() float64     { return s.states / s.seconds }
func (s searched) perState() float64 { return s.bytes / s.states }

// spin makes the verifier of the model; the flags are gcc's beside -O2 -DSAFETY.
func spin(b *testing.B, flags ...string) (pan string) {
	b.Helper()
	if _, err := exec.LookPath("spin"); err != nil {
		b.Skip("the baseline needs Spin: apt-get install spin (Debian, Ubuntu), or https://spinroot.com")
	}
	model, err := filepath.Abs(filepath.Join("testdata", "protocol.pml"))
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for _, args := range [][]string{{"spin", "-a", model}, append([]string{"gcc", "-w", "-O2", "-DSAFETY", "-o", "pan", "pan.c"}, flags...)} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if msg, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %v\n%s", args, err, msg)
		}
	}
	return filepath.Join(dir, "pan")
}

var (
	spinErrors = regexp.MustCompile(`errors: (\d+)`)
	spinStates = regexp.MustCompile(`(?m)^\s*(\d+) states, stored`)
	// The memory for states and for the stack grows with the model; the hash table has the size that it was given.
	spinMemory = regexp.MustCompile(`(?m)^\s*([0-9.]+)\s+actual memory usage for states`)
)

// verify runs a verifier that spin made. Only what the states themselves take counts as its memory, not the hash table.
func verify(b *testing.B, pan string) searched {
	b.Helper()
	cmd := exec.Command(pan, "-m100000")
	cmd.Dir = filepath.Dir(pan)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("run the verifier: %v\n%s", err, out)
	}
	number := func(re *regexp.Regexp) float64 {
		m := re.FindSubmatch(out)
		if m == nil {
			b.Fatalf("the verifier does not say %v:\n%s", re, out)
		}
		f, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	if n := number(spinErrors); n != 0 {
		b.Fatalf("the model has %v errors:\n%s", n, out)
	}
	return searched{number(spinStates), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), number(spinMemory) * (1 << 20)}
}

func cpuTime(b *testing.B) float64 {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// search is the engine's exhaustive search of the scenario. All that it takes is its memory, the path included.
func search(b *testing.B, p *engine.Program, o explore.Options) searched {
	b.Helper()
	start := cpuTime(b)
	r, err := explore.Run(context.Background(), p, engine.Options{}, o)
	if err != nil || !r.Complete {
		b.Fatalf("explore: %v, %d states", err, r.States)
	}
	return searched{float64(r.States), cpuTime(b) - start, float64(r.Bytes)}
}

// BenchmarkSpin compares the exhaustive search of the engine with Spin's of a hand-written model of the same protocol, in
// interleaved pairs, by processor time: first both without partial order reduction, then each with its own.
func BenchmarkSpin(b *testing.B) {
	p := corpustest.Program(b, protocol)
	for _, v := range []struct {
		name  string
		flags []string
		opt   explore.Options
	}{
		{"whole", []string{"-DNOREDUCE"}, explore.Options{Limit: 1 << 24, NoReduction: true}},
		{"reduced", nil, explore.Options{Limit: 1 << 24}},
	} {
		b.Run(v.name, func(b *testing.B) {
			pan := spin(b, v.flags...)
			const pairs = 3
			var rates, bytes []float64
			var ours, theirs searched
			for range pairs {
				ours, theirs = search(b, p, v.opt), verify(b, pan)
				rates = append(rates, ours.rate()/theirs.rate())
				bytes = append(bytes, ours.perState()/theirs.perState())
			}
			slices.Sort(rates)
			slices.Sort(bytes)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.rate(), "states/s")
			b.ReportMetric(ours.perState(), "bytes/state")
			b.ReportMetric(rates[pairs/2], "spin-rate-ratio")
			b.ReportMetric(bytes[pairs/2], "spin-bytes-ratio")
			fmt.Fprintf(os.Stderr, "spin, %s: %.0f states at %.0f/s and %.1f bytes; the engine: %.0f states at %.0f/s and %.1f bytes\n", v.name,
				theirs.states, theirs.rate(), theirs.perState(), ours.states, ours.rate(), ours.perState())
		})
	}
}
