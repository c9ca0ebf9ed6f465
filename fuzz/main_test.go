package fuzz_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain keeps native fuzzing from making inputs that cover something new smaller, unless the command line says how long it may:
// by default it tries for a minute each, in which nothing else runs and the rate is 0/s. Bounded to a few executions it keeps
// fewer inputs and takes longer: each try goes to the worker and back with the whole coverage. What fails is better made
// small by stressd.
func TestMain(m *testing.M) {
	const minimise = "test.fuzzminimizetime"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == minimise })
	if !given {
		if err := flag.Set(minimise, "0s"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
