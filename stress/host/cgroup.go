package host

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MaxTasks bounds the tasks of a namespace. Programs create at most a dozen; the limit is for a harness gone wrong.
const MaxTasks = 64

// cgroup limits the tasks of one namespace. RLIMIT_NPROC would not bind root.
type cgroup struct{ dir string }

var cgroups atomic.Int32

// newCgroup makes a cgroup for init, or returns nil where this process may not: programs bound themselves, so the limit is
// a second line of defence and its absence no error.
func newCgroup(pid int) *cgroup {
	parent := pidsCgroup()
	if parent == "" {
		return nil
	}
	sweepCgroups(parent)
	g := &cgroup{filepath.Join(parent, fmt.Sprintf("tracehammer-%d-%d", os.Getpid(), cgroups.Add(1)))}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil
	}
	for _, f := range [][2]string{{"pids.max", strconv.Itoa(MaxTasks)}, {"cgroup.procs", strconv.Itoa(pid)}} {
		if err := os.WriteFile(filepath.Join(g.dir, f[0]), []byte(f[1]), 0o644); err != nil {
			g.close()
			return nil
		}
	}
	return g
}

// close removes the cgroup; it is empty once the namespace is gone.
func (g *cgroup) close() {
	if g != nil {
		os.Remove(g.dir) //nolint:errcheck // what remains is swept by the next start
	}
}

// sweepCgroups removes what killed processes left behind. A cgroup with tasks in it cannot be removed.
func sweepCgroups(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, "tracehammer-*-*"))
	for _, d := range dirs {
		pid, err := strconv.Atoi(strings.Split(filepath.Base(d), "-")[1])
		if err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			os.Remove(d) //nolint:errcheck // not empty: not ours to care for
		}
	}
}

// pidsCgroup is the directory of this process's own cgroup in the hierarchy that can limit tasks, "" if there is none.
func pidsCgroup() string {
	own := map[string]string{} // controllers -> path; "" is version 2
	eachLine("/proc/self/cgroup", func(line string) {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 {
			for _, c := range strings.Split(f[1], ",") {
				own[c] = f[2]
			}
		}
	})
	dir := ""
	eachLine("/proc/self/mountinfo", func(line string) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			return
		}
		var path string
		var found bool
		switch {
		case r[0] == "cgroup" && hasWord(r[2], ",", "pids"):
			path, found = own["pids"]
		case r[0] == "cgroup2" && dir == "":
			path, found = own[""]
		}
		if !found {
			return
		}
		d := filepath.Join(l[4], strings.TrimPrefix(path, strings.TrimSuffix(l[3], "/")))
		if r[0] == "cgroup2" {
			controllers, _ := os.ReadFile(filepath.Join(d, "cgroup.subtree_control"))
			if !hasWord(strings.TrimSpace(string(controllers)), " ", "pids") {
				return
			}
		}
		dir = d
	})
	return dir
}

func hasWord(list, sep, word string) bool {
	for _, w := range strings.Split(list, sep) {
		if w == word {
			return true
		}
	}
	return false
}

// eachLine calls f for the lines of a file; an unreadable one has none.
func eachLine(path string, f func(string)) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		f(s.Text())
	}
}
