package fuzz_test

import (
	"testing"

	"tracehammer/corpus"
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

func FuzzUtrace(f *testing.F) {
	addInputs(f, anyScenario)
	f.Fuzz(func(t *testing.T, data []byte) { fuzz.FuzzUtrace(data) })
}

func FuzzPassive(f *testing.F) {
	addInputs(f, func(s *corpus.Scenario) bool { return !s.EngineOnly() })
	f.Fuzz(func(t *testing.T, data []byte) { fuzz.FuzzPassive(data) })
}

func FuzzReplay(f *testing.F) {
	addInputs(f, anyScenario)
	f.Fuzz(func(t *testing.T, data []byte) { fuzz.FuzzReplay(data) })
}
