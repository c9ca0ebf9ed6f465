package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/history/jsonl"
	"tracehammer/stress/host"
	"tracehammer/stress/oracle"
	"tracehammer/vm/agent"
	"tracehammer/vm/console"
	"tracehammer/vm/wire"
)

// The test binary is its own agent, and agents that misbehave.
const roleEnv = "TRACEHAMMER_TEST_ROLE"

func TestMain(m *testing.M) {
	if agent.IsInit() {
		agent.Init()
	}
	role := os.Getenv(roleEnv)
	if agent.UnderInit() && role == "" {
		role = "agent"
	}
	switch role {
	case "":
		os.Exit(m.Run())
	case "panics":
		os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0) //nolint:errcheck // the machine is gone, or the test finds that it is not
	case "agent":
		if err := agent.Serve(context.Background(), os.Stdin, os.Stdout, agent.Options{Build: "test", Init: agent.UnderInit(), Window: agent.Window()}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "dies": // in the middle of a plan, like an agent in a kernel that panics
		hello()
		wire.NewReader(os.Stdin).Next() //nolint:errcheck // whatever comes
		fmt.Println("Kernel panic - not syncing: \x1b[31mtest")
	case "oopses": // on a console that floods
		fmt.Fprintln(os.Stderr, "Kernel panic - not syncing: at its boot")
		hello()
		wire.NewReader(os.Stdin).Next() //nolint:errcheck // whatever comes
		noise := strings.Repeat("noise\n", 10_000)
		for range 200 {
			fmt.Fprint(os.Stderr, noise)
		}
		fmt.Fprintln(os.Stderr, "Kernel panic - not syncing: test\nCPU: 0 PID: 1 Comm: x\n---[ end Kernel panic - not syncing: test ]---")
		os.Exit(1)
	case "hangs": // in its panic
		hello()
		wire.NewReader(os.Stdin).Next() //nolint:errcheck // whatever comes
		fmt.Fprintln(os.Stderr, "Kernel panic - not syncing: test")
		time.Sleep(time.Hour)
	case "silent":
		hello()
		time.Sleep(time.Hour)
	case "busy": // lives, but its plan never ends
		hello()
		r, w := wire.NewReader(os.Stdin), wire.NewWriter(os.Stdout)
		m, _ := r.Next()
		id := m.(*wire.Run).ID
		var b bytes.Buffer
		h := history.History{Arch: "amd64", Actors: make([]history.Actor, len(m.(*wire.Run).Program.Actors))}
		jsonl.Write(&b, &h)                               //nolint:errcheck // memory takes everything
		w.Write(&wire.Result{ID: id, History: b.Bytes()}) //nolint:errcheck // stressd sees that
		for w.Write(&wire.Pulse{}) == nil {
			time.Sleep(100 * time.Millisecond)
		}
	case "liar":
		hello()
		m, _ := wire.NewReader(os.Stdin).Next()
		wire.NewWriter(os.Stdout).Write(&wire.Result{ID: m.(*wire.Run).ID, History: []byte("}{")}) //nolint:errcheck // likewise
		time.Sleep(time.Hour)
	case "mute":
	default:
		if err := hostile(role); err != nil {
			fmt.Fprintln(os.Stderr, role, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

func hello() {
	fmt.Fprintln(os.Stderr, wire.Started)
	wire.NewWriter(os.Stdout).Write(&wire.Hello{Machine: host.Kernel(), Work: wire.Work()}) //nolint:errcheck // stressd sees that
}

// as returns a target whose agent has a role.
func as(t *testing.T, role string) *Target {
	t.Helper()
	tg := &Target{name: "exec:" + role, start: func() (carrier, error) {
		c := exec.Command("/proc/self/exe")
		c.Env = append(os.Environ(), roleEnv+"="+role)
		return carrier{cmd: c}, nil
	}}
	t.Cleanup(func() {
		if err := tg.Close(); err != nil {
			t.Error(err)
		}
	})
	return tg
}

func seed(t testing.TB, name string) *engine.Program {
	t.Helper()
	p, err := corpus.Lower(corpustest.Seed(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func needsHost(t *testing.T) {
	t.Helper()
	if err := host.Probe(); stress.IsEnv(err) {
		t.Logf("SKIPPED, not passed: %v", err)
		t.SkipNow()
	}
}

// judge returns the oracle of a target's kernel.
func judge(tg *Target) *oracle.Oracle {
	o := oracle.New(tg.Profile())
	o.Log = console.Complaint
	return o
}

// TestRun: what an agent's kernel shows is admitted, run after run, and plans follow each other on one agent.
func TestRun(t *testing.T) {
	needsHost(t)
	tg := as(t, "agent")
	if err := tg.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := judge(tg)
	for _, name := range []string{"attach-detach", "race-attach-kill", "exec-thread"} {
		p := seed(t, name)
		runs := 0
		err := tg.Run(t.Context(), p, stress.Plan{Seed: 1, Repeat: 30}, func(h *history.History) bool {
			runs++
			if v := o.Judge(p, h); v.Kind != oracle.Admitted {
				t.Errorf("%s: %v: %s\n%s", name, v.Kind, v.Title, v.Explanation)
			}
			return true
		})
		if err != nil || runs != 30 {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
	}
	p, runs := seed(t, "attach-detach"), 0
	err := tg.Run(t.Context(), p, stress.Plan{Seed: 1, Repeat: 1_000_000}, func(*history.History) bool { runs++; return runs < 3 })
	if err != nil || runs != 3 {
		t.Errorf("stopped after 3 runs: %d runs, %v", runs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = tg.Run(ctx, p, stress.Plan{Seed: 1, Repeat: 1_000_000}, func(*history.History) bool { cancel(); return true })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := tg.Run(t.Context(), p, stress.Plan{Seed: 1, Repeat: 1}, func(*history.History) bool { return true }); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestLost: each way to lose an agent is named, its last words are printable, and nothing is left behind.
func TestLost(t *testing.T) {
	p := seed(t, "attach-detach")
	for role, want := range map[string]string{
		"oopses": "its stream ended, exit status 1; it said last: ",
		"dies":   "its stream ended; it said last: stressd agent: started | Kernel panic - not syncing: ",
		"hangs":  "it was silent after its kernel's panic; it said last: ",
		"silent": "it was silent for",
		"liar":   "it sent a malformed history",
		"busy":   "it lives, but does not end a plan that it was told to end",
	} {
		t.Run(role, func(t *testing.T) {
			tg := as(t, role)
			if role == "silent" || role == "busy" {
				tg.patience, tg.stopping = 2*time.Second, time.Second // twice the beat of an agent
			}
			err := tg.Run(t.Context(), p, stress.Plan{Repeat: 1}, func(*history.History) bool { return false })
			var lost *LostError
			if !errors.As(err, &lost) || !strings.Contains(err.Error(), want) || strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("got %v, expected %q", err, want)
			}
			if tg.link != nil {
				t.Error("the link is still there")
			}
			if lost != nil && (lost.Report != nil) != (role == "oopses" || role == "dies" || role == "hangs") {
				t.Errorf("report: %+v", lost.Report)
			}
			if lost != nil && role == "oopses" && (lost.Report.Title != "panic: test" || len(lost.Console) < 10 || len(lost.Console) > transcriptSize/6+1) {
				t.Errorf("report: %+v among %d lines", lost.Report, len(lost.Console))
			}
		})
	}
	if _, err := open(t.Context(), as(t, "mute")); !stress.IsEnv(err) {
		t.Errorf("an agent that is none: %v", err)
	}
	if _, err := Open(t.Context(), "exec:exec /nonexistent 2>&1", Options{}); !stress.IsEnv(err) {
		t.Errorf("a command that is none: %v", err)
	}
}

// TestStarted: what a machine said before its agent started is forgotten, though it comes after the agent's hello and in pieces.
func TestStarted(t *testing.T) {
	text := "Kernel panic - not syncing: at its boot\r\n" + wire.Started + "\r\nKernel panic - not syncing: test\r\n"
	for at := range len(text) + 1 {
		var said transcript
		said.init()
		said.begin()                  // the hello
		said.Write([]byte(text[:at])) //nolint:errcheck // never fails
		said.Write([]byte(text[at:])) //nolint:errcheck // never fails
		if r := said.report(); r == nil || r.Title != "panic: test" {
			t.Errorf("in pieces of %d and %d bytes: %+v", at, len(text)-at, r)
		}
	}
}

// TestNoOrphans: what an agent's command started ends with it.
func TestNoOrphans(t *testing.T) {
	tg := &Target{name: "exec:sleeper", start: func() (carrier, error) {
		c := exec.Command("/bin/sh", "-c", `sleep 1000 & "$0"`, fmt.Sprintf("/proc/%d/exe", os.Getpid()))
		c.Env = append(os.Environ(), roleEnv+"=silent")
		return carrier{cmd: c}, nil
	}}
	if err := tg.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	group := tg.link.cmd.Process.Pid
	if err := syscall.Kill(-group, 0); err != nil {
		t.Fatalf("the command's process group: %v", err)
	}
	if sid, err := unix.Getsid(group); err != nil || sid != group {
		t.Errorf("the command is in session %d, %v, not in one of its own", sid, err)
	}
	tg.link.Kill()
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(-group, 0) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the command's process group is still there")
		}
		time.Sleep(time.Millisecond)
	}
}
