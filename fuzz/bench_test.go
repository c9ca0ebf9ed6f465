package fuzz_test

import (
	"math/rand/v2"
	"testing"

	"tracehammer/corpus"
	"tracehammer/fuzz"
	"tracehammer/fuzz/input"
)

// BenchmarkPtrace is FuzzPtrace of seeds of which a few bytes were changed, each in a goroutine of its own as package testing
// makes them.
func BenchmarkPtrace(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var inputs [][]byte
	for range 8 {
		for _, s := range corpus.Seeds() {
			data := input.Encode(input.Input{Scenario: s, Stream: []byte{1, 2, 0, 1, 1, 2, 1, 0, 0, 1}})
			for range rng.IntN(4) {
				data[rng.IntN(len(data))] = byte(rng.Uint32())
			}
			inputs = append(inputs, data)
		}
	}
	b.ReportAllocs()
	done := make(chan bool)
	for i := 0; b.Loop(); i++ {
		go func() {
			fuzz.FuzzPtrace(inputs[i%len(inputs)])
			done <- true
		}()
		<-done
	}
}
