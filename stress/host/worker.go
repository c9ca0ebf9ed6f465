package host

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/stress/actor"
)

// A worker is one PID namespace with its init, and the memory that it shares with the actors.
type worker struct {
	arena *actor.Arena
	kcov  *kcov // nil if there is none
	init  *os.Process
	proc  *os.File // the namespace's own /proc
	tasks procfs   // of proc
	group *cgroup
	cpus  unix.CPUSet   // where init runs
	gone  chan struct{} // closed when init was reaped, and with it everything in the namespace
}

// gateTime bounds init's start: namespaces, one execve, a dozen system calls.
const gateTime = 10 * time.Second

// newWorker starts a namespace. k may be nil.
func newWorker(k *kcov) (_ *worker, err error) {
	w := &worker{kcov: k, gone: make(chan struct{})}
	if w.arena, err = actor.NewArena(coreLimit(), k != nil); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	image, err := actor.ImageFile()
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if err := w.start(image); err != nil {
		return nil, err
	}
	return w, nil
}

// start makes init and lets it through its gate when everything is set up around it.
func (w *worker) start(image *os.File) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	defer null.Close()
	gateRead, gateWrite, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pipe of init's gate: %w", err)
	}
	defer gateWrite.Close()
	attr := &os.ProcAttr{
		Files: []*os.File{null, null, null, actor.ImageFD: image, actor.ArenaFD: w.arena.File(), actor.GateFD: gateRead},
		Env:   []string{},
		Sys:   namespaces(),
	}
	if w.kcov != nil {
		attr.Files = append(attr.Files, w.kcov.files[:]...)
	}
	started := make(chan error)
	go func() {
		// Init's parent death signal means the death of the thread that forked, so that thread lives as long as the namespace.
		runtime.LockOSThread()
		defer close(w.gone)
		var err error
		w.init, err = os.StartProcess("/proc/self/fd/"+strconv.Itoa(actor.ImageFD), []string{actor.InitArgv0()}, attr)
		gateRead.Close()
		started <- err
		if err == nil {
			w.init.Wait() //nolint:errcheck // how init ended is of no interest
		}
	}()
	if err := <-started; err != nil {
		w.init = nil
		return startError(err)
	}
	w.group = newCgroup(w.init.Pid)
	if _, err := gateWrite.Write([]byte{1}); err != nil {
		return fmt.Errorf("open init's gate: %w", err)
	}
	return w.awaitBoot(gateWrite)
}

// awaitBoot waits until init has closed its gate, which it does at the end of its start.
func (w *worker) awaitBoot(gate *os.File) error {
	fds := []unix.PollFd{{Fd: int32(gate.Fd())}}
	deadline := time.Now().Add(gateTime)
	for {
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for init's start: %w", err)
		}
		if n == 0 {
			return errors.New("init of the new PID namespace did not start")
		}
		break
	}
	if err := w.arena.BootError(); err != nil {
		return &stress.EnvError{What: "cannot set up a PID namespace", Hint: "run as root, or where mounting /proc in a user namespace is allowed", Err: err}
	}
	path := "/proc/" + strconv.Itoa(w.init.Pid) + "/root/proc"
	var err error
	if w.proc, err = os.Open(path); err != nil {
		return &stress.EnvError{What: "cannot see into the PID namespace", Hint: "is /proc mounted?", Err: err}
	}
	w.tasks.dir = int(w.proc.Fd())
	return nil
}

// namespaces says what init gets for itself: processes, mounts (for its own /proc), a session; and users, unless we are root.
func namespaces() *syscall.SysProcAttr {
	s := &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS, // by unshare, because Go then makes the mounts private before anything is mounted
		Setsid:       true,
	}
	if os.Geteuid() != 0 {
		s.Cloneflags |= unix.CLONE_NEWUSER
		s.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		s.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return s
}

// startError turns a failed start into an EnvError where the environment forbids it.
func startError(err error) error {
	what, hint := "cannot create a PID namespace", "run as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces; AppArmor; container options)"
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return &stress.EnvError{What: what, Hint: hint, Err: err}
	case errors.Is(err, unix.ENOENT):
		return &stress.EnvError{What: what, Hint: "mount /proc", Err: err}
	}
	return fmt.Errorf("start init of a PID namespace: %w", err)
}

// coreLimit is the RLIMIT_CORE that makes no core dumps: 0, or 1 where they go to a program, which gets them whatever the
// limit is but for this one.
func coreLimit() uint64 {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err == nil && strings.HasPrefix(string(pattern), "|") || strings.HasPrefix(string(pattern), "@") {
		return 1
	}
	return 0
}

// initStopped says whether an actor has stopped init, which nothing outside can undo but its end.
func (w *worker) initStopped() bool {
	f := w.tasks.status(1)
	return f.State == 'T' || f.State == 't'
}

// ends waits until init has ended, for drainTime in steps: one in which this process was stopped counts as one, however long it took.
func (w *worker) ends() bool {
	const step = drainTime / 10
	for range drainTime / step {
		select {
		case <-w.gone:
			return true
		case <-time.After(step):
		}
	}
	return false
}

// close kills the namespace and waits until it is gone. It reports tasks that do not die.
func (w *worker) close() error {
	var errs []error
	if w.init != nil {
		w.init.Kill() //nolint:errcheck // it may be dead already
		if !w.ends() {
			errs = append(errs, &UnkillableError{What: "the PID namespace's init"})
		}
	}
	if w.proc != nil {
		errs = append(errs, w.proc.Close())
	}
	w.group.close()
	return errors.Join(append(errs, w.arena.Close())...)
}
