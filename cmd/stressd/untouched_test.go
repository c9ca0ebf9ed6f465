//go:build !agent

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// untouched runs the program in its arguments as the only one in a PID namespace and compares what is there before and
// after. It exits as the program did, or with 98 if that left a trace. Other programs on the machine come and go; here they
// do not show, and whoever loses its parent becomes a child of this process.
func untouched() {
	const left = 98
	if os.Getpid() != 1 {
		c := exec.Command("/proc/self/exe")
		c.Args = os.Args
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Unshareflags: unix.CLONE_NEWNS}
		os.Exit(codeOf(c.Run()))
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Fprintln(os.Stderr, "untouched: mount /proc:", err)
		os.Exit(left)
	}
	before := lookAround()
	c := exec.Command(os.Args[1], os.Args[2:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	code := codeOf(c.Run())
	after := lookAround()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, ok := before[name]; !ok || was != after[name] {
			fmt.Fprintf(os.Stderr, "untouched: %s is now %q, was %q\n", name, after[name], was)
			code = left
		}
		delete(before, name)
	}
	for name, was := range before {
		fmt.Fprintf(os.Stderr, "untouched: %s is gone, was %q\n", name, was)
		code = left
	}
	os.Exit(code)
}

func codeOf(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "untouched:", err)
		return 99
	}
	return 0
}

// lookAround lists processes with their start times, mounts, and settings of the kernel.
func lookAround() map[string]string {
	const startTime = 19 // from the state on
	seen := map[string]string{}
	eachProcess(func(pid int, stat []string) {
		state := "alive"
		if stat[0] == "Z" {
			state = "zombie"
		}
		seen[fmt.Sprintf("process %d started at %s", pid, stat[startTime])] = state
	})
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		seen["mount "+strings.TrimSpace(line)] = ""
	}
	for _, dir := range []string{"/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/user"} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { //nolint:errcheck // what cannot be read cannot be compared
			if err != nil || d.IsDir() || slices.ContainsFunc(restless, func(s string) bool { return strings.HasPrefix(path, s) }) {
				return nil
			}
			if text, err := os.ReadFile(path); err == nil {
				seen[path] = string(text)
			}
			return nil
		})
	}
	return seen
}

// restless are settings that change by themselves, or by being read.
var restless = []string{"/proc/sys/kernel/random/", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/pty/nr", "/proc/sys/kernel/perf_event_max_sample_rate",
	"/proc/sys/kernel/hung_task_detect_count", "/proc/sys/vm/stat_refresh"}
