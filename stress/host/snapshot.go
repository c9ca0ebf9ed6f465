package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tracehammer/engine"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// A snapshot is taken by a process of its own, this executable started again with snapshotEnv: /proc/PID/syscall and
// /proc/PID/stack can block on the very lock that the actors hang on (exec_update_lock), and so would the reader.
const (
	snapshotEnv  = "TRACEHAMMER_SNAPSHOT" // the tids
	snapshotFD   = 3                      // the namespace's /proc
	snapshotTime = 400 * time.Millisecond
)

func init() {
	if tids := os.Getenv(snapshotEnv); tids != "" {
		snapshotMain(strings.Fields(tids))
		os.Exit(0)
	}
}

// snapshotMain prints a line for every file that can be read: tid, file, quoted content. Each task has a goroutine, so that
// one that blocks does not hide the others; whoever blocks is killed with the process.
func snapshotMain(tids []string) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, tid := range tids {
		wg.Go(func() {
			n, _ := strconv.Atoi(tid)
			p := procfs{dir: snapshotFD}
			for _, name := range []string{"status", "wchan", "syscall", "stack"} {
				if text := p.shown(int32(n), name); text != nil {
					mu.Lock()
					fmt.Printf("%s %s %q\n", tid, name, text)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

// snapshot looks at every actor that exists.
func (w *worker) snapshot(ctx context.Context, r *actor.Run) *history.Snapshot {
	s, now := w.tasks.threads(r)
	at := map[string]int{} // tid -> place in s.Threads
	var tids []string
	for i := range s.Threads {
		if s.Threads[i].State != 0 {
			tid := strconv.Itoa(int(now[i]))
			at[tid] = i
			tids = append(tids, tid)
		}
	}
	if len(tids) == 0 {
		return s
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), snapshotEnv+"="+strings.Join(tids, " "), "GOCOVERDIR=")
	cmd.ExtraFiles = []*os.File{w.proc}
	cmd.WaitDelay = snapshotTime
	out, _ := cmd.Output() // what a killed reader printed is good
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		f := strings.SplitN(sc.Text(), " ", 3)
		if len(f) != 3 {
			continue
		}
		i, ok := at[f[0]]
		text, err := strconv.Unquote(f[2])
		if ok && err == nil {
			fill(&s.Threads[i], f[1], text)
		}
	}
	return s
}

// threads looks at the status of every actor that exists; now are the tids under which they are found.
func (p *procfs) threads(r *actor.Run) (s *history.Snapshot, now []int32) {
	s = &history.Snapshot{}
	for i := range r.Program().Actors {
		a := engine.ActorID(i)
		if r.Tid(a) == 0 {
			continue
		}
		tid, f := p.actor(r, a)
		s.Threads = append(s.Threads, history.Thread{Actor: a, Tid: r.Tid(a), State: f.State, TracerPid: f.TracerPid})
		now = append(now, tid)
	}
	return s, now
}

// moving says that a thread got a CPU between the first look at it and the last: what was seen of it in between fits nothing.
func moving(s *history.Snapshot) bool {
	const onCPU = "running" // what /proc/PID/syscall says of a task that does not sleep
	return slices.ContainsFunc(s.Threads, func(t history.Thread) bool { return t.Syscall == onCPU && t.State != 'R' })
}

func fill(t *history.Thread, file, text string) {
	switch file {
	case "wchan":
		if text != "0" {
			t.Wchan = text
		}
	case "syscall":
		t.Syscall = strings.TrimSpace(text)
	case "stack": // lines like [<0>] futex_wait_queue+0x60/0x90
		for line := range strings.Lines(text) {
			_, fn, _ := strings.Cut(strings.TrimSpace(line), "] ")
			fn, _, _ = strings.Cut(fn, "+")
			if fn != "" {
				t.Stack = append(t.Stack, fn)
			}
		}
	}
}
