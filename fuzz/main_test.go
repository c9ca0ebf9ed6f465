package fuzz_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain bounds what native fuzzing spends on making each input that covers something new smaller, unless the command line
// says how much: by default it tries for a minute, in which nothing else runs and the rate is 0/s. What fails is better
// made small by stressd.
func TestMain(m *testing.M) {
	const minimise = "test.fuzzminimizetime"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == minimise })
	if !given {
		if err := flag.Set(minimise, "10x"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
