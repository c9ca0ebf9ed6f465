package fuzz_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/input/inputtest"
	"tracehammer/stress/schedule"
)

// seeded off leaves a fuzzer to find everything by itself, to measure what the seeds are worth.
var seeded = flag.Bool("seeds", true, "begin with the seed scenarios")

// addInputs adds the seed scenarios that fit, without what was said of their outcomes, each under the fair schedule and
// under a drawn one.
func addInputs(f *testing.F, fits func(*corpus.Scenario) bool) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range corpus.Seeds() {
		if !*seeded || !fits(s) {
			continue
		}
		s = s.Clone()
		s.Strip()
		s.Rules, s.On, s.KnownBugs = nil, nil, nil
		inputtest.Add(f, input.Encode(input.Input{Scenario: s}))
		stream := make(schedule.Stream, 8+rng.IntN(32))
		for i := range stream {
			stream[i] = byte(rng.IntN(4))
		}
		inputtest.Add(f, input.Encode(input.Input{Scenario: s, Stream: stream}))
	}
}

func anyScenario(*corpus.Scenario) bool { return true }
