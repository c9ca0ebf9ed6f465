package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"tracehammer/stress"
	"tracehammer/vm/agent"
)

// defaultUML is what Debian's package user-mode-linux installs.
const defaultUML = "linux.uml"

// umlBoot is how long a User Mode Linux may take until its init runs, by a machine that has other things to do.
const umlBoot = time.Minute

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
	dir, err := initrd()
	if err != nil {
		return nil, err
	}
	t := &Target{name: name, boot: umlBoot, cleanup: func() error { return os.RemoveAll(dir) }, start: func() *exec.Cmd {
		// The console goes to standard output and the messages to a serial line of their own: kernel text and messages never
		// mix. A User Mode Linux keeps its memory in a file in TMPDIR, which is unlinked at once.
		c := exec.Command(kernel, "mem=256M", "initrd="+filepath.Join(dir, "initrd"), "con=null", "con0=null,fd:1", "console=tty0",
			fmt.Sprintf("ssl0=fd:%d,fd:%d", linkIn, linkOut), "panic=-1", "umid="+filepath.Base(dir), "uml_dir="+dir, agent.LinkParam+"=/dev/ttyS0")
		c.Env = append(os.Environ(), "TMPDIR="+dir)
		return c
	}, separate: true}
	if _, err := open(ctx, t); err != nil {
		return nil, err
	}
	return t, nil
}

// initrd makes a private directory with an initial file system whose /init is this program.
func initrd() (dir string, err error) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("make an initial file system: %w", err)
	}
	if dynamic(self) {
		return "", &stress.EnvError{What: "this stressd is linked dynamically, and a machine has no libraries", Hint: "build it with CGO_ENABLED=0, as make does"}
	}
	if dir, err = os.MkdirTemp("", "tracehammer-"); err != nil {
		return "", fmt.Errorf("make an initial file system: %w", err)
	}
	var b bytes.Buffer
	err = WriteCpio(&b, Files{
		"/init":        {Mode: 0o755, Data: self},
		"/dev/console": {Mode: 0o600 | os.ModeDevice | os.ModeCharDevice, Dev: [2]uint32{5, 1}},
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "initrd"), b.Bytes(), 0o600)
	}
	if err != nil {
		os.RemoveAll(dir) //nolint:errcheck // the first error counts
		return "", fmt.Errorf("make an initial file system: %w", err)
	}
	return dir, nil
}
