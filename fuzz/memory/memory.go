// Package memory bounds what a fuzz target of a reader may allocate for one input. It is apart because targets of several packages
// need it. What it counts is the whole process's, so one target runs at a time, as fuzzers do.
package memory

import (
	"fmt"
	"runtime/metrics"
)

// Limit is what a reader may allocate for one input, and so what it can hold of it: 256 MiB.
const Limit = 256 << 20

var allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}

func allocations() uint64 {
	metrics.Read(allocated)
	return allocated[0].Value.Uint64()
}

// Bounded runs a target of a reader, and panics if that allocated more than Limit. What the garbage collector has
// freed meanwhile counts as well, so a reader that stays below holds less.
func Bounded(target string, read func([]byte) int, data []byte) int {
	before := allocations()
	result := read(data)
	if n := allocations() - before; n > Limit {
		panic(fmt.Sprintf("%s: %d MiB were allocated for %d bytes of input", target, n>>20, len(data)))
	}
	return result
}
