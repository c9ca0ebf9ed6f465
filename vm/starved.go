package vm

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// starvation is how long a process was ready to run and others had the CPUs: run_delay of /proc/PID/schedstat(5), of that thread of it that waited longest.
// A machine that is starved may be silent although its kernel has nothing to do with that.
type starvation struct {
	pid    int
	delays map[string]time.Duration // by thread, at the last look; nil before the first one
}

// look is how long that was since the last look; 0 at the first one, and where the kernel does not tell.
func (s *starvation) look() time.Duration {
	before := s.delays
	s.delays = map[string]time.Duration{}
	tasks := fmt.Sprintf("/proc/%d/task", s.pid)
	threads, _ := os.ReadDir(tasks) // gone: nothing waits
	var most time.Duration
	for _, t := range threads {
		text, _ := os.ReadFile(tasks + "/" + t.Name() + "/schedstat")
		f := strings.Fields(string(text)) // time on CPUs, and waiting for them, in ns; slices
		if len(f) < 2 {
			continue
		}
		ns, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		s.delays[t.Name()] = time.Duration(ns)
		if was, ok := before[t.Name()]; ok {
			most = max(most, time.Duration(ns)-was)
		}
	}
	return most
}
