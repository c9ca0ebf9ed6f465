package wire

import (
	"hash/crc32"
	"os"
	"time"
)

// Work is how long this machine takes for a fixed piece of work, computing and system calls: the best of several tries, so
// that others on the machine count little, and of two where that takes long. The ratio of two machines' is how much slower one is, and all timeouts grow with it.
func Work() time.Duration {
	const tries, calls, rounds, long = 5, 400, 40, 20 * time.Millisecond
	var block [4096]byte
	best := time.Duration(1<<63 - 1)
	begun := time.Now()
	for i := range tries {
		start := time.Now()
		if i >= 2 && start.Sub(begun) > long {
			break
		}
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
