package vm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/vm/agent"
)

// defaultUML is what Debian's package user-mode-linux installs.
const defaultUML = "linux.uml"

// umlBoot is how long a User Mode Linux may take until its init runs, on a machine that has other things to do.
const umlBoot = 5 * time.Minute

// uml makes a target a User Mode Linux: a kernel that is a process. path is the kernel; "" is the installed one.
func uml(t *Target, path string) error {
	if path == "" {
		path = defaultUML
	}
	kernel, err := exec.LookPath(path)
	if err != nil {
		return &stress.EnvError{What: "no kernel " + path, Err: err, Hint: "apt-get install user-mode-linux, or name a kernel built with ARCH=um: uml:PATH"}
	}
	if runtime.GOARCH != "amd64" {
		return &stress.EnvError{What: "User Mode Linux is for amd64, this is " + runtime.GOARCH}
	}
	if err := program(kernel); err != nil {
		return &stress.EnvError{What: "cannot boot " + path, Err: err}
	}
	init, err := programFor(runtime.GOARCH)
	if err != nil {
		return err
	}
	t.symbols = kernel
	t.boot, t.hint = umlBoot, "is it a kernel built with ARCH=um, with an initial file system and /proc?"
	t.start = func() (carrier, error) {
		image, err := initrd(init, nil)
		if err != nil {
			return carrier{}, err
		}
		c := exec.Command(kernel, "mem=256M", fmt.Sprintf("initrd=/proc/self/fd/%d", initrdFD),
			"con=null", "con0=null,fd:1", "console=tty0", // the console goes to standard output, and the messages
			fmt.Sprintf("ssl0=fd:%d,fd:%d", linkFD, linkFD), agent.LinkParam+"=/dev/ttyS0", // to a serial line of their own
			"pty.legacy_count=0", // Debian's makes 256 pairs, and tries to run /sbin/hotplug for each: half of its boot
			"lpj=20000000",       // how far a delay counts in a tick: to measure it takes four of them, and there is no hardware to wait for
			"uml_dir=/dev/null/", // nowhere: it would leave a directory with a control socket that nobody uses
			"panic=-1")
		// Its memory is a file, which it makes in memory unless the environment names another place: a disk would be written to
		// all the time.
		c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "TMPDIR=") || strings.HasPrefix(v, "TMP=") || strings.HasPrefix(v, "TEMP=")
		})
		c.SysProcAttr = alone()
		return carrier{cmd: c, separate: true, files: []*os.File{image}}, nil
	}
	return nil
}

// program says why a file is no program that may be a User Mode Linux: nil if it may.
func program(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	arch, form := known(f)
	switch {
	case arch == "amd64" && form == elfFile:
		return nil
	case form == "":
		return errors.New("it is no program: expected one, built with ARCH=um")
	case arch != "":
		form += " for " + arch
	}
	return fmt.Errorf("it is %s; expected a program, built with ARCH=um", form)
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
