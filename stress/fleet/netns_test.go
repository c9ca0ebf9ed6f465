package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isolatedDir is set in the process that isolated starts: a directory that both know.
const isolatedDir = "TRACEHAMMER_TEST_ISOLATED"

// isolated runs the test once more, in a process with a network, mounts and processes of its own, and passes on how that ended; there it
// returns true and a directory that prepare had filled here. All that is made there goes with that process, however it ends: the kernel
// kills a PID namespace with its init, and links go with their namespaces.
func isolated(t *testing.T, prepare func(dir string)) (dir string, here bool) {
	t.Helper()
	if dir := os.Getenv(isolatedDir); dir != "" {
		why := os.NewFile(3, "why")
		defer why.Close()
		if err := enter(); err != nil {
			fmt.Fprint(why, err) //nolint:errcheck // then it is no skip
			t.Fatal(err)
		}
		return dir, true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("SKIPPED, not passed: %v: iproute2 makes the network namespaces", err)
	}
	dir = t.TempDir()
	prepare(dir)
	why, its, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer why.Close()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), isolatedDir+"="+dir)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.ExtraFiles = []*os.File{its}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	if uid := os.Getuid(); uid != 0 { // root in a user namespace may do all of it, where one may be had
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Start()
	its.Close()
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL):
		t.Skipf("SKIPPED, not passed: network namespaces are not permitted here: %v (root may, or anybody where user namespaces are on)", err)
	case err != nil:
		t.Fatal(err)
	}
	reason, rerr := io.ReadAll(why)
	err = cmd.Wait()
	switch {
	case len(reason) > 0:
		t.Skipf("SKIPPED, not passed: no network namespaces here: %s", reason)
	case err != nil || rerr != nil:
		t.Fatalf("in its own namespaces: %v, %v", err, rerr)
	}
	return "", false
}

// enter prepares the namespaces that this process is in: its own /proc and /run, and a bridge, which is the wire between machines.
func enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil { // where ip keeps names of namespaces
		return fmt.Errorf("mount /run: %w", err)
	}
	for _, c := range []string{"link set lo up", "link add wire type bridge", "addr add 10.77.0.1/24 dev wire", "link set wire up"} {
		if err := ip(c); err != nil {
			return err
		}
	}
	return nil
}

func ip(command string) error {
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, bytes.TrimSpace(out))
	}
	return nil
}

// machine is a network namespace with one link to the wire, whose other end, in this process's namespace, is called as the machine.
type machine struct {
	name, addr string
}

// newMachine makes the nth machine.
func newMachine(t *testing.T, name string, n int) *machine {
	t.Helper()
	m := &machine{name, fmt.Sprint("10.77.0.", n)}
	for _, c := range []string{
		"netns add " + name,
		"link add " + name + " type veth peer name eth0 netns " + name,
		"link set " + name + " master wire up",
		"-n " + name + " addr add " + m.addr + "/24 dev eth0",
		"-n " + name + " link set eth0 up",
		"-n " + name + " link set lo up",
	} {
		if err := ip(c); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// cut takes the machine off the wire, join puts it back. Nobody is told: what is sent gets lost.
func (m *machine) cut(t *testing.T) {
	t.Helper()
	m.link(t, "down")
}

func (m *machine) join(t *testing.T) {
	t.Helper()
	m.link(t, "up")
}

func (m *machine) link(t *testing.T, state string) {
	t.Helper()
	t.Logf("link of %s: %s", m.name, state)
	if err := ip("link set " + m.name + " " + state); err != nil {
		t.Fatal(err)
	}
}

// process is a program that runs on a machine, with what it says.
type process struct {
	*exec.Cmd
	on       *machine
	out, err bytes.Buffer
}

// start starts a program on the machine.
func (m *machine) start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(program, args...), on: m}
	p.Stdout, p.Stderr = &p.out, &p.err
	runtime.LockOSThread() // a child is in the namespace of the thread that starts it
	old, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	its, err := os.Open("/run/netns/" + m.name)
	if err != nil {
		t.Fatal(err)
	}
	defer its.Close()
	if err := unix.Setns(int(its.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	err = p.Start()
	if back := unix.Setns(int(old.Fd()), unix.CLONE_NEWNET); back != nil {
		t.Fatal(back) // the thread stays locked, and ends with this goroutine
	}
	runtime.UnlockOSThread()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.Process.Kill() == nil {
			p.Wait() //nolint:errcheck // it was killed
		}
		if t.Failed() {
			t.Logf("%s, pid %d: %v: %s", m.name, p.Process.Pid, p.ProcessState, p.err.String())
		}
	})
	t.Logf("%s: %s %s, pid %d", m.name, filepath.Base(program), strings.Join(args, " "), p.Process.Pid)
	return p
}

// kill is kill -9.
func (p *process) kill(t *testing.T) {
	t.Helper()
	t.Logf("%s: kill -9 %d", p.on.name, p.Process.Pid)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait() //nolint:errcheck // it was killed
}
