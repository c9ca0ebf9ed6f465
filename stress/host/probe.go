package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// Probe says whether actors can run and trace each other here, by doing it. The error is a *stress.EnvError where the
// environment forbids it.
func Probe() error {
	t, err := New()
	if err != nil {
		return err
	}
	return t.Close()
}

// canTrace holds that a probe of ptrace has succeeded; a failure is tried again, because limits can be lifted.
var canTrace struct {
	sync.Mutex
	yes bool
}

// probeTrace makes an actor attach to another, and be attached to by its own wish.
func (t *Target) probeTrace() error {
	canTrace.Lock()
	defer canTrace.Unlock()
	if canTrace.yes {
		return nil
	}
	const volunteer, victim = 1, 2
	call := func(c engine.Call, args ...engine.Arg) engine.Instr {
		in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar, Src: -1}
		copy(in.Args[:], args)
		return in
	}
	end := engine.Instr{Op: engine.OpEnd}
	fork := engine.Imm(engine.SIGCHLD)
	p := &engine.Program{Actors: []engine.Actor{
		{Name: "main", Code: []engine.Instr{
			call(engine.CallClone, fork, engine.Imm(volunteer)),
			call(engine.CallClone, fork, engine.Imm(victim)),
			call(engine.CallPtrace, engine.Imm(int64(ptrace.Attach)), engine.TidOf(victim)),
			end,
		}},
		{Name: "volunteer", Code: []engine.Instr{call(engine.CallPtrace, engine.Imm(int64(ptrace.Traceme))), end}},
		{Name: "victim", Victim: true, Code: []engine.Instr{end}},
	}}
	var got error
	err := t.Run(context.Background(), p, stress.Plan{Repeat: 1}, func(h *history.History) bool {
		main := h.Actors[0].Entries
		if h.Outcome != history.Complete || len(main) != 3 || len(h.Actors[volunteer].Entries) != 1 {
			got = fmt.Errorf("the probe's actors did not run: %+v", h.Actors)
			return false
		}
		for _, e := range []history.Entry{main[2], h.Actors[volunteer].Entries[0]} {
			if e.Res.Ret < 0 {
				got = &stress.EnvError{What: "ptrace is refused", Err: unix.Errno(-e.Res.Ret),
					Hint: "a seccomp filter (container?), or kernel.yama.ptrace_scope=3"}
			}
		}
		return true
	})
	if err = errors.Join(err, got); err == nil {
		canTrace.yes = true
	}
	return err
}

// supported says whether actors can run on this machine's processor.
func supported() error {
	if missing := actor.Missing(); missing != "" {
		return &stress.EnvError{What: "no actors on " + runtime.GOARCH, Err: errors.New(missing), Hint: "run on amd64, as 386 on a kernel of amd64, on arm64 from Armv8.1 on, on ppc64le from POWER9 on, on riscv64, or on s390x"}
	}
	return nil
}

// Info describes this host.
func Info() stress.Machine {
	log := openKernelLog()
	defer log.close()
	m := Kernel()
	m.Root, m.Proc = os.Geteuid() == 0, unix.Access("/proc/self", unix.F_OK) == nil
	m.UserNS, m.TaskLimit = readInt("/proc/sys/user/max_user_namespaces"), canLimitTasks()
	m.KernelLog, m.CoresPiped, m.Taint = log.fd >= 0, coreLimit() != 0, log.seen
	return m
}

// canLimitTasks tries what a worker does.
func canLimitTasks() bool {
	parent := pidsCgroup()
	return parent != "" && unix.Access(parent, unix.W_OK) == nil
}

func readInt(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return -1
	}
	return n
}

// release is uname -r.
func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kernelName is uname -sr.
func kernelName() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
