package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/vm/agent"
)

// defaultUML is what Debian's package user-mode-linux installs.
const defaultUML = "linux.uml"

// umlBoot is how long a User Mode Linux may take until its init runs, on a machine that has other things to do.
const umlBoot = 2 * time.Minute

// UML returns the target that is a User Mode Linux: a kernel that is a process. path is the kernel; "" is the installed one.
func UML(ctx context.Context, name, path string) (*Target, error) {
	if path == "" {
		path = defaultUML
	}
	kernel, err := exec.LookPath(path)
	if err != nil {
		return nil, &stress.EnvError{What: "no kernel " + path, Err: err, Hint: "apt-get install user-mode-linux, or name a kernel built with ARCH=um: uml:PATH"}
	}
	if runtime.GOARCH != "amd64" {
		return nil, &stress.EnvError{What: "User Mode Linux is for amd64, this is " + runtime.GOARCH}
	}
	return open(ctx, &Target{name: name, boot: umlBoot, hint: "is it a kernel built with ARCH=um, with an initial file system and /proc?", start: func() (carrier, error) {
		image, err := initrd()
		if err != nil {
			return carrier{}, err
		}
		c := exec.Command(kernel, "mem=256M", fmt.Sprintf("initrd=/proc/self/fd/%d", linkFD+1),
			"con=null", "con0=null,fd:1", "console=tty0", // the console goes to standard output, and the messages
			fmt.Sprintf("ssl0=fd:%d,fd:%d", linkFD, linkFD), agent.LinkParam+"=/dev/ttyS0", // to a serial line of their own
			"uml_dir=/dev/null/", // nowhere: it would leave a directory with a control socket that nobody uses
			"panic=-1")
		c.SysProcAttr = alone()
		return carrier{cmd: c, separate: true, files: []*os.File{image}}, nil
	}})
}

// alone puts a command into a PID namespace of its own, as its init: it has children that nothing else would end with it, each
// guest process is one of the host's.
func alone() *syscall.SysProcAttr {
	s := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		s.Cloneflags |= unix.CLONE_NEWUSER
		s.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		s.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return s
}

// initrd returns a file in memory with an initial file system whose /init is this program.
func initrd() (*os.File, error) {
	image, err := ownImage()
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("tracehammer-initrd", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an initial file system: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "initrd")
	if _, err := f.Write(image); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return nil, fmt.Errorf("make an initial file system: %w", err)
	}
	return f, nil
}

// ownImage is the initial file system with this program. It is the same for every machine, and a machine may have to be
// started when the program's file has been replaced.
var ownImage = sync.OnceValues(func() ([]byte, error) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("make an initial file system: %w", err)
	}
	if dynamic(self) {
		return nil, &stress.EnvError{What: "this stressd is linked dynamically, and a machine has no libraries", Hint: "build it with CGO_ENABLED=0, as make does"}
	}
	var b bytes.Buffer
	err = WriteCpio(&b, Files{
		"/init":        {Mode: 0o755, Data: self},
		"/dev/console": {Mode: 0o600 | os.ModeDevice | os.ModeCharDevice, Dev: [2]uint32{5, 1}},
	})
	if err != nil {
		return nil, fmt.Errorf("make an initial file system: %w", err)
	}
	return b.Bytes(), nil
})
