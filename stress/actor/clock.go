package actor

import (
	"runtime"
	"sync"
	"time"
)

// cyclesPerNs is the rate of the cycle counter, measured once against the monotonic clock. A constant-rate counter is
// assumed, as every CPU of the last decade has one.
var cyclesPerNs = sync.OnceValue(func() float64 {
	const window = 2 * time.Millisecond
	t0, c0 := time.Now(), Cycles()
	for time.Since(t0) < window {
		runtime.Gosched()
	}
	c1, d := Cycles(), time.Since(t0)
	return float64(c1-c0) / float64(d)
})

func nsToCycles(ns int64) int64 { return int64(float64(ns) * cyclesPerNs()) }
func cyclesToNs(c uint64) int64 { return int64(float64(c) / cyclesPerNs()) }

// alignTime bounds the spin in which the parties of an aligned barrier wait for each other to be awake: longer than a
// wake-up takes, shorter than anybody would notice when one of them is dead.
const alignTime = 50 * time.Microsecond

func alignCycles() int64 { return nsToCycles(int64(alignTime)) }
