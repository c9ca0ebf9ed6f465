//go:build !agent

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/fuzz/input"
	"tracehammer/stress/campaign"
	"tracehammer/stress/schedule"
)

// The scripts run this test binary as stressd, and as the programs that take something away from it first.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"stressd":    main,
		"no-ptrace":  func() { deprived(denyPtrace) },
		"no-userns":  func() { deprived(denyUserNamespaces) },
		"no-proc":    func() { deprived(hideProc) },
		"full-disk":  func() { deprived(fillDisk) },
		"plain-user": func() { deprived(becomeNobody) },
		"untouched":  untouched,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "xdg"))
			e.Setenv("TERM", "dumb")
			if cache, err := os.UserCacheDir(); err == nil { // kernels are in it
				e.Setenv("XDG_CACHE_HOME", cache)
				e.Setenv("GOCACHE", filepath.Join(cache, "go-build"))
			}
			return os.Chmod(e.WorkDir, 0o755) // for scripts that become another user
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     cmdExits,
			"signalled": cmdSignalled,
			"oneline":   cmdOneLine,
			"await":     cmdAwait,
			"guest":     cmdGuest,
			"fuzzed":    cmdFuzzed,
			"served":    cmdServed,
			"static":    cmdStatic,
			"orphans":   cmdOrphans,
			"nats":      cmdNats,
			"unseen":    cmdUnseen,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "guest":
				return kernelForGuest() != "", nil
			case "uml":
				_, err := exec.LookPath("linux.uml")
				return err == nil, nil
			case "qemu":
				return os.Getenv(guestKernel) == "" && kernelForGuest() != "", nil
			case "root":
				return os.Geteuid() == 0, nil
			case "host":
				t, err := campaign.Open(context.Background(), "host")
				if err != nil {
					return false, nil
				}
				return true, t.Close()
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// static: builds stressd as it must be for machines, which have no libraries; $STATIC is the file.
func cmdStatic(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: static")
	}
	file := ts.MkAbs("stressd")
	build := exec.Command("go", "build", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("build stressd: %v\n%s", err, out)
	}
	ts.Setenv("STATIC", file)
}

// orphans PROGRAM ARGS: kills the program with SIGKILL as soon as it has a child, which must end then.
func cmdOrphans(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: orphans program args...")
	}
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Env = ts.Getenv("WORK"), append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"))
	ts.Check(c.Start())
	var child int
	for deadline := time.Now().Add(time.Minute); child == 0; time.Sleep(5 * time.Millisecond) {
		eachProcess(func(p int, stat []string) {
			if len(stat) > 1 && stat[1] == strconv.Itoa(c.Process.Pid) {
				child = p
			}
		})
		if time.Now().After(deadline) {
			ts.Fatalf("%v has no child", args)
		}
	}
	ts.Check(c.Process.Kill())
	c.Wait() //nolint:errcheck // it was killed
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		state := ""
		eachProcess(func(p int, stat []string) {
			if p == child {
				state = stat[0]
			}
		})
		if state == "" || state == "Z" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the child is in state %s", state)
		}
	}
}

// exits CODE PROGRAM ARGS: the program must exit with this code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	checkCode(ts, ts.Exec(args[1], args[2:]...), want)
}

func checkCode(ts *testscript.TestScript, err error, want int) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
		if s := exit.Sys().(syscall.WaitStatus); s.Signaled() {
			got = exitSignal + int(s.Signal())
		}
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, expected %d", got, want)
	}
}

// oneline FILE: the file is one line of what stressd says to people, and neither a panic nor a stack.
func cmdOneLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline file")
	}
	text := ts.ReadFile(args[0])
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "stressd: ") || strings.Contains(text, "goroutine") {
		ts.Fatalf("expected one line that begins with \"stressd: \", got:\n%s", text)
	}
}

// fuzzed FORMAT DIR SCENARIO [STREAM]: writes what a fuzzer would have for an input that means the scenario with that schedule,
// and $INPUT is the file.
func cmdFuzzed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: fuzzed format dir scenario [stream]")
	}
	format, err := input.ParseFormat(args[0])
	ts.Check(err)
	var in input.Input
	in.Scenario, err = corpus.Parse(args[2], []byte(ts.ReadFile(args[2])))
	ts.Check(err)
	if len(args) == 4 {
		in.Stream, err = schedule.ParseStream(args[3])
		ts.Check(err)
	}
	path, err := input.Write(ts.MkAbs(args[1]), format, input.Encode(in))
	ts.Check(err)
	ts.Setenv("INPUT", path)
}

// await FILE: waits until a program in the background has made the file.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await file")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear", args[0])
		}
	}
}

// signalled CODE SIGNAL WHEN PROGRAM ARGS: runs the program, sends it the signal when its output matches WHEN, and expects
// the exit code. Afterwards nothing that it started in a PID namespace may be there any more.
func cmdSignalled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: signalled code signal regexp program args...")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	sig := unix.SignalNum(args[1])
	when := regexp.MustCompile(args[2])
	path, err := exec.LookPath(args[3])
	ts.Check(err)
	c := exec.Command(path, args[4:]...)
	c.Dir, c.Env = ts.Getenv("WORK"), append(os.Environ(), "XDG_STATE_HOME="+ts.Getenv("XDG_STATE_HOME"))
	var out bytes.Buffer
	pipe, w, err := os.Pipe()
	ts.Check(err)
	c.Stdout, c.Stderr = w, w
	ts.Check(c.Start())
	w.Close()
	var namespaces map[string]bool
	buf, sent := make([]byte, 4096), false
	for {
		n, err := pipe.Read(buf)
		out.Write(buf[:n])
		if !sent && when.Match(out.Bytes()) {
			namespaces, sent = childNamespaces(c.Process.Pid), true
			ts.Check(c.Process.Signal(sig))
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				ts.Fatalf("read output: %v", err)
			}
			break
		}
	}
	err = c.Wait()
	ts.Logf("%s", out.String())
	if !sent {
		ts.Fatalf("the output never matched %v", when)
	}
	checkCode(ts, err, code)
	ts.Check(os.WriteFile(ts.MkAbs("signalled.out"), out.Bytes(), 0o644))
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := inNamespaces(namespaces)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("left behind: %v", left)
		}
	}
}

// childNamespaces lists the PID namespaces of the children of a process that are not its own.
func childNamespaces(pid int) map[string]bool {
	own, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	found := map[string]bool{}
	eachProcess(func(p int, stat []string) {
		if len(stat) > 1 && stat[1] == strconv.Itoa(pid) {
			if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p)); err == nil && ns != own {
				found[ns] = true
			}
		}
	})
	return found
}

// inNamespaces lists the processes that are in one of these PID namespaces.
func inNamespaces(namespaces map[string]bool) (pids []int) {
	eachProcess(func(p int, _ []string) {
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p)); err == nil && namespaces[ns] {
			pids = append(pids, p)
		}
	})
	return pids
}

// eachProcess visits all processes with the fields of their stat from the state on.
func eachProcess(visit func(pid int, stat []string)) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if i := bytes.LastIndexByte(text, ')'); i >= 0 {
			visit(pid, strings.Fields(string(text[i+1:])))
		}
	}
}
