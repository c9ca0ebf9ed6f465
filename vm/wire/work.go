package wire

import (
	"hash/crc32"
	"os"
	"time"
)

// Work is how long this machine takes for a fixed piece of work, computing and system calls: the best of several tries, so
// that others on the machine count little. The ratio of two machines' is how much slower one is, and all timeouts grow with it.
func Work() time.Duration {
	const tries, calls, rounds = 5, 400, 40
	var block [4096]byte
	best := time.Duration(1<<63 - 1)
	for range tries {
		start := time.Now()
		var sum uint32
		for range rounds {
			sum = crc32.Update(sum, castagnoli, block[:])
			block[0] = byte(sum)
		}
		for range calls {
			os.Getppid()
		}
		best = min(best, time.Since(start))
	}
	return max(best, time.Microsecond)
}
