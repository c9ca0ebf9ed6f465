package host

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/stress/actor"
)

// pin puts init where actor 0 is to run, since children inherit that, and returns the sets of CPUs that the other actors
// must take to by themselves, nil if none must. Where a tracer would see them do so and they are not all to be on one CPU,
// the kernel chooses: which CPU a task was on is not part of any history.
func (w *worker) pin(code *actor.Code, plan []int) ([]uint64, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	n := len(code.Program().Actors)
	want := func(a int) int {
		if a < len(plan) {
			return plan[a]
		}
		return -1
	}
	together := true
	for a := range n {
		if c := want(a); c >= 64 || c >= 0 && !all.IsSet(c) {
			return nil, fmt.Errorf("plan puts actor %s on CPU %d, which this process may not use", code.Program().Actors[a].Name, c)
		}
		together = together && want(a) == want(0)
	}
	first := all
	if want(0) >= 0 && (together || code.CanPin) {
		first.Zero()
		first.Set(want(0))
	}
	if first != w.cpus {
		if err := unix.SchedSetaffinity(w.init.Pid, &first); err != nil {
			return nil, fmt.Errorf("sched_setaffinity of init: %w", err)
		}
		w.cpus = first
	}
	if together || !code.CanPin {
		return nil, nil
	}
	cpus := make([]uint64, engine.MaxActors)
	for a := range n {
		if c := want(a); c >= 0 {
			cpus[a] = 1 << c
		} else {
			cpus[a] = uint64(all[0])
		}
	}
	return cpus, nil
}

// allowedCPUs lists the CPUs that this process may use.
func allowedCPUs() (cpus []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	for c := range 1024 {
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	return cpus
}

// ticks measures the cycle counter against the clock: ticks in a nanosecond. Ten milliseconds give three digits.
var ticks = sync.OnceValue(func() float64 {
	start, from := time.Now(), actor.Cycles()
	time.Sleep(10 * time.Millisecond)
	return float64(actor.Cycles()-from) / float64(time.Since(start))
})
