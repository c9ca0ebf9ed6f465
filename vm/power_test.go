package vm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tracehammer/stress"
	"tracehammer/stress/history"
)

// umlKernels names a directory with kernels that BuildUML made: linux is the unmodified one.
const umlKernels = "TRACEHAMMER_UML_KERNELS"

// BenchmarkPowerOn is the time from power-on to the first result of a scenario, of every machine that can be booted here. Compare
// them in one run: the installed User Mode Linux is the baseline.
func BenchmarkPowerOn(b *testing.B) {
	if os.Getenv(staticEnv) == "" {
		elsewhere(b, "-test.run=^$", "-test.bench=^BenchmarkPowerOn$", "-test.benchtime=3x")
		return
	}
	for _, name := range powered(b) {
		b.Run(strings.ReplaceAll(name, "/", "_"), func(b *testing.B) {
			p := seed(b, "attach-detach")
			for range b.N {
				tg, err := Open(b.Context(), name, Options{})
				if err != nil {
					b.Fatal(err)
				}
				tg.resume = nil // no snapshot: it is for later boots
				err = tg.Run(b.Context(), p, stress.Plan{Seed: 1, Repeat: 1}, func(*history.History) bool { b.StopTimer(); return true })
				if err != nil {
					b.Fatal(err)
				}
				if err := tg.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// powered are the machines that can be booted here without fetching anything.
func powered(b *testing.B) (names []string) {
	b.Helper()
	l, err := List()
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range l.Machines {
		arch, is := strings.CutPrefix(m.Target, "qemu:")
		kernel := slices.ContainsFunc(l.Kernels, func(k Kernel) bool { return k.Arch == KernelArch(archNames[arch]) })
		if m.Missing == "" && (!is || kernel) {
			names = append(names, m.Target)
		}
	}
	if own := filepath.Join(os.Getenv(umlKernels), "linux"); os.Getenv(umlKernels) != "" {
		names = append(names, "uml:"+own)
	}
	return names
}

// BenchmarkRuns is how many runs of a scenario of two actors a machine makes in a second, after its start, as campaigns run them. Compare
// them in one run: the installed User Mode Linux is the baseline.
func BenchmarkRuns(b *testing.B) {
	if os.Getenv(staticEnv) == "" {
		elsewhere(b, "-test.run=^$", "-test.bench=^BenchmarkRuns$", "-test.benchtime=3s")
		return
	}
	for _, name := range powered(b) {
		b.Run(strings.ReplaceAll(name, "/", "_"), func(b *testing.B) {
			p := seed(b, "attach-detach")
			tg, err := Open(b.Context(), name, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer tg.Close() //nolint:errcheck // it is over
			tg.resume = nil  // no snapshot: it is for later boots
			b.ResetTimer()
			if err := tg.Run(b.Context(), p, stress.Plan{Seed: 1, Repeat: b.N, Final: 16}, func(*history.History) bool { return true }); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}
