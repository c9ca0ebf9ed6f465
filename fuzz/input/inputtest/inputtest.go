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
