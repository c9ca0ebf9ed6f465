package vm

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// starvation is how long a process was ready to run and others had the CPUs: run_delay of /proc/PID/schedstat(5), of that thread that waited longest. Threads
// of its descendants count as well: programs in User Mode Linux are processes of the host, which the kernel there waits for.
// A machine that is starved may be silent although its kernel has nothing to do with that.
type starvation struct {
	pid    int
	delays map[string]time.Duration // by thread, at the last look; nil before the first one
}

// look is how long that was since the last look; 0 at the first one, and where the kernel does not tell.
func (s *starvation) look() time.Duration {
	before := s.delays
	s.delays = map[string]time.Duration{}
	s.read(strconv.Itoa(s.pid))
	var most time.Duration
	for thread, delay := range s.delays {
		if was, ok := before[thread]; ok {
			most = max(most, delay-was)
		}
	}
	return most
}

// read adds the threads of a process and of its descendants to delays.
func (s *starvation) read(pid string) {
	tasks := "/proc/" + pid + "/task"
	threads, _ := os.ReadDir(tasks) // gone: nothing waits
	for _, t := range threads {
		if _, ok := s.delays[t.Name()]; ok { // its number was given anew as this went on
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("%s/%s/schedstat", tasks, t.Name()))
		f := strings.Fields(string(text)) // time on CPUs, and waiting for them, in ns; slices
		if len(f) < 2 {
			continue
		}
		ns, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			continue
		}
		s.delays[t.Name()] = time.Duration(ns)
		children, _ := os.ReadFile(fmt.Sprintf("%s/%s/children", tasks, t.Name())) // without CONFIG_PROC_CHILDREN there are none to see
		for _, child := range strings.Fields(string(children)) {
			s.read(child)
		}
	}
}
