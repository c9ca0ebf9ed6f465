package vm

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// starvation is how long a process was ready to run and others had the CPUs: run_delay of /proc/PID/schedstat(5), of all its threads and those of its
// descendants: a User Mode Linux and the programs in it are processes of the host that run one at a time. Where several run at once
// the sum may be more than what the kernel in the machine notices.
// A machine that is starved may be silent or slow although its kernel has nothing to do with that.
type starvation struct {
	pid    int
	looked time.Time
	delays map[string]time.Duration // by thread, at the last look; nil before the first one
}

// look is how long that was since the last look, at most all the time since then; 0 at the first one, and where the kernel does not tell.
func (s *starvation) look() (waited time.Duration) {
	before, looked := s.delays, s.looked
	s.delays, s.looked = map[string]time.Duration{}, time.Now()
	s.read(strconv.Itoa(s.pid))
	for thread, delay := range s.delays {
		if was, ok := before[thread]; ok {
			waited += delay - was
		}
	}
	return min(waited, s.looked.Sub(looked))
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
