package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/vm/wire"
)

// LinkParam is the kernel parameter that names the device on which the agent of a machine reaches stressd.
const LinkParam = "tracehammer.link"

// IsInit says whether this process is the /init of a machine that was booted for its agent.
func IsInit() bool { return os.Getpid() == 1 && os.Args[0] == "/init" }

// mounts are what actors and probes look at. What a kernel lacks it lacks.
var mounts = []struct{ kind, dir string }{
	{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"debugfs", "/sys/kernel/debug"}, {"cgroup2", "/sys/fs/cgroup"},
}

// Init is the life of /init: it prepares the machine, starts the agent as its child, reaps whatever has lost its parent, and
// powers the machine off when the agent has ended. It never returns.
func Init() {
	code := 1
	defer powerOff()
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintln(os.Stderr, "init:", r)
		}
	}()
	for _, m := range mounts {
		os.MkdirAll(m.dir, 0o755) //nolint:errcheck // mounting says it
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			fmt.Fprintf(os.Stderr, "init: no %s on %s: %v\n", m.kind, m.dir, err)
		}
	}
	loadModules()
	os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin") //nolint:errcheck // a valid name
	os.Setenv("HOME", "/tmp")                          //nolint:errcheck // likewise
	agent := exec.Command("/proc/self/exe", "agent")
	link, err := openLink()
	if err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return
	}
	agent.Stdin, agent.Stdout, agent.Stderr = link, link, os.Stderr
	agent.Env = append(os.Environ(), initEnv+"=1")
	if err := agent.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return
	}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if pid == agent.Process.Pid {
			if code = ws.ExitStatus(); code != 0 {
				fmt.Fprintf(os.Stderr, "init: the agent ended with %d, signal %d\n", code, int(ws.Signal()))
			}
			return
		}
	}
}

// loadModules loads what is in /modules, in the order of the names. What a kernel has got built in it refuses.
func loadModules() {
	entries, _ := os.ReadDir("/modules") // in order
	for _, e := range entries {
		f, err := os.Open(filepath.Join("/modules", e.Name()))
		if err == nil {
			err = unix.FinitModule(int(f.Fd()), "", 0)
			f.Close() //nolint:errcheck // only read
		}
		if err != nil && !errors.Is(err, unix.EEXIST) {
			fmt.Fprintf(os.Stderr, "init: no module %s: %v\n", e.Name(), err)
		}
	}
}

// initEnv tells an agent that it was started by Init.
const initEnv = "TRACEHAMMER_INIT"

// UnderInit says whether this agent is the child of Init.
func UnderInit() bool { return os.Getenv(initEnv) != "" && os.Getppid() == 1 }

// Window is what the standard input of an agent can hold, 0 if whoever fills it waits.
func Window() int64 {
	if _, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS); err != nil {
		return 0
	}
	return wire.TerminalWindow
}

// openLink opens the device that the kernel's command line names, and makes it carry bytes as they are.
func openLink() (*os.File, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, fmt.Errorf("find the link: %w", err)
	}
	var dev string
	for word := range strings.FieldsSeq(string(line)) {
		if v, ok := strings.CutPrefix(word, LinkParam+"="); ok {
			dev = v
		}
	}
	if dev == "" {
		return nil, fmt.Errorf("find the link: the kernel's command line has no %s", LinkParam)
	}
	f, err := openSoon(dev)
	if err != nil {
		return nil, fmt.Errorf("open the link: %w", err)
	}
	if t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil { // cfmakeraw(3)
		t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		t.Cflag &^= unix.CSIZE | unix.PARENB
		t.Cflag |= unix.CS8 | unix.CLOCAL
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t); err != nil {
			return nil, fmt.Errorf("make the link %s raw: %w", dev, err)
		}
	}
	return f, nil
}

// openSoon opens a device that the kernel may still be about to find.
func openSoon(dev string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		f, err := os.OpenFile(dev, os.O_RDWR|unix.O_NOCTTY, 0)
		if err == nil || !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENXIO) && !errors.Is(err, unix.ENODEV) || ctx.Err() != nil {
			return f, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// powerOff ends the machine, by whatever way it has.
func powerOff() {
	unix.Sync()
	for _, how := range []uint32{unix.LINUX_REBOOT_CMD_POWER_OFF, unix.LINUX_REBOOT_CMD_RESTART, unix.LINUX_REBOOT_CMD_HALT} {
		unix.Reboot(int(how)) //nolint:errcheck // the next one then
	}
	for {
		unix.Pause() //nolint:errcheck // an init must not return
	}
}
