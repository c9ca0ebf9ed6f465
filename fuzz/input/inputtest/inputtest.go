// Package inputtest is for the tests of packages with fuzz targets: it gives the targets their seeds, and writes these as files for
// fuzzers other than the native one. Each test binary that imports it has the flag -write-seeds.
package inputtest

import (
	"flag"
	"testing"

	"tracehammer/fuzz/input"
)

var writeSeeds = flag.String("write-seeds", "", "write the seeds of the targets that run into this directory, for other fuzzers")

// Add adds a seed.
func Add(f *testing.F, data []byte) {
	f.Helper()
	f.Add(data)
	if *writeSeeds != "" {
		if _, err := input.Write(*writeSeeds, input.Raw, data); err != nil {
			f.Fatal(err)
		}
	}
}

// Main keeps native fuzzing from making inputs that cover something new smaller, unless the command line says how long it may:
// by default it tries for a minute each, in which nothing else runs and the rate is 0/s. Bounded to a few executions it keeps
// fewer inputs and takes longer: each try goes to the worker and back with the whole coverage. What fails is better made
// small by stressd. A package's TestMain calls it first.
func Main() {
	const minimise = "test.fuzzminimizetime"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == minimise })
	if !given {
		if err := flag.Set(minimise, "0s"); err != nil {
			panic(err)
		}
	}
}
