// Package fuzz has the fuzz targets that run scenarios on the engine: functions FuzzX(data []byte) int for native Go fuzzing, go-fuzz and
// libFuzzer alike.
// Each says in its comment what it asserts. A violation panics with a text that names what was broken and holds all that is
// needed to see it again. They return 1 for inputs worth keeping, 0 for others and -1 for those that say nothing.
//
// The package is a leaf: nothing imports it. It touches no kernel; the target that does is in package fuzz/host, and readers are fuzzed by
// package fuzz/readers. What it imports is paid for by every run of native fuzzing, which counts, clears and compares the edges of it all. The targets
// keep worlds, machines and oracles between calls, so they belong to one goroutine: a fuzzer's worker calls one after
// another.
package fuzz

// What a target returns, as go-fuzz wants it.
const (
	keep    = 1  // something happened: prefer it as an ancestor
	neutral = 0  // fine, and dull
	never   = -1 // not to be added to the corpus, whatever it covers
)
