package fuzz

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
)

var inputs = flag.String("inputs", "", "BenchmarkPtrace: run the inputs of this directory")

// BenchmarkPtrace is FuzzPtrace of seeds of which a few bytes were changed, or of what a fuzzer has collected (-inputs),
// each in a goroutine of its own as package testing makes them. It reports the median length of a run, in steps.
func BenchmarkPtrace(b *testing.B) {
	var all [][]byte
	if *inputs != "" {
		for f, err := range input.Walk(*inputs) {
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, f.Data)
		}
	} else {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 8 {
			for _, s := range corpus.Seeds() {
				data := input.Encode(input.Input{Scenario: s, Stream: []byte{1, 2, 0, 1, 1, 2, 1, 0, 0, 1}})
				for range rng.IntN(4) {
					data[rng.IntN(len(data))] = byte(rng.Uint32())
				}
				all = append(all, data)
			}
		}
	}
	if len(all) == 0 {
		b.Fatal("no inputs")
	}
	var steps []int
	for _, data := range all {
		FuzzPtrace(data)
		steps = append(steps, ptraceRunner.driver.Steps)
	}
	b.ReportAllocs()
	done := make(chan bool)
	for i := 0; b.Loop(); i++ {
		go func() {
			FuzzPtrace(all[i%len(all)])
			done <- true
		}()
		<-done
	}
	slices.Sort(steps)
	b.ReportMetric(float64(steps[len(steps)/2]), "steps/run")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
