package fuzz_test

import (
	"testing"

	"tracehammer/fuzz"
)

func FuzzPtrace(f *testing.F) {
	addInputs(f, anyScenario)
	f.Fuzz(func(t *testing.T, data []byte) { fuzz.FuzzPtrace(data) })
}

func FuzzChecker(f *testing.F) {
	addInputs(f, anyScenario)
	f.Fuzz(func(t *testing.T, data []byte) { fuzz.FuzzChecker(data) })
}
