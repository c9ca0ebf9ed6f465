package fuzz

import "runtime/metrics"

// maxMemory bounds what a reader may allocate for one input, and so what it can hold of it: 256 MiB.
const maxMemory = 256 << 20

var allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}

func allocations() uint64 {
	metrics.Read(allocated)
	return allocated[0].Value.Uint64()
}

// bounded runs a target of a reader, and asserts that it allocates no more than maxMemory. What the garbage collector has
// freed meanwhile counts as well, so a reader that stays below holds less.
func bounded(target string, read func([]byte) int, data []byte) int {
	before := allocations()
	result := read(data)
	if n := allocations() - before; n > maxMemory {
		violated(target, "%d MiB were allocated for %d bytes of input", n>>20, len(data))
	}
	return result
}
