package campaign

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
)

// engineNice keeps the engine from taking CPUs away from races on a kernel, which need two at once.
const engineNice = 15

// engineShare is what an engine's worker takes of a CPU where there are not two for each worker that races a kernel: one part in so many. Its
// priority does not see to that: stressd is one group to the scheduler (sched_autogroup(7)), with a share that the engine would use up, and who
// waits for actors of a kernel is in the same group.
const engineShare = 8

// crowded says that there are not two CPUs for each worker that races a kernel.
func (c *campaign) crowded() bool {
	kernels := 0
	for _, tm := range c.teams {
		if !stress.Simulated(tm.name) {
			kernels += c.workers(tm)
		}
	}
	return runtime.NumCPU() < 2*kernels
}

// paced does some work of the calling goroutine, which has a thread of its own, and then sleeps until that has been one part in n of a CPU.
func paced(ctx context.Context, n int, work func() error) error {
	start, before := time.Now(), threadTime()
	err := work()
	select {
	case <-time.After(time.Duration(n)*(threadTime()-before) - time.Since(start)):
	case <-ctx.Done():
	}
	return err
}

// threadTime is the CPU time that the calling thread has had.
func threadTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
