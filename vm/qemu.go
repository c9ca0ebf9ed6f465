package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tracehammer/stress"
	"tracehammer/vm/agent"
)

// emulatorNice is the nice value of an emulator's share of CPUs (autogroup). An emulator takes about ten times as long for a run as kernels that run at
// full speed, and always has something to do. Left alone it would have what these need, a CPU at once for each call that another one waits for.
const emulatorNice = 5

// qemuBoot is how long an emulated machine may take until its init runs, on a machine that has other things to do: alone, it is
// 10 s for most.
const qemuBoot = 5 * time.Minute

// File descriptors of QEMU, beside linkFD.
const (
	initrdFD = linkFD + 1 + iota
	monitorFD
	snapshotFD
)

// ParseQEMU splits the argument of a target qemu:ARCH[@KERNEL]. arch is Go's name.
func ParseQEMU(arg string) (arch, kernel string, err error) {
	name, kernel, at := strings.Cut(arg, "@")
	arch, ok := archNames[name]
	switch {
	case !ok:
		var known []string
		for n := range archNames {
			known = append(known, n)
		}
		slices.Sort(known)
		return "", "", fmt.Errorf("unknown architecture %q: known are %s", name, strings.Join(known, ", "))
	case at && kernel == "":
		return "", "", fmt.Errorf("%q names no kernel after the @", arg)
	}
	return arch, kernel, nil
}

// qemu makes a target an emulated machine; arg is as ParseQEMU takes it.
func qemu(ctx context.Context, t *Target, arg string, say func(string)) error {
	goarch, kernelName, err := ParseQEMU(arg)
	if err != nil {
		return err
	}
	a := arches[goarch]
	program, err := exec.LookPath(a.qemu)
	if err != nil {
		return &stress.EnvError{What: "no " + a.qemu, Err: err, Hint: "apt-get install qemu-system-x86 or -arm, -misc, -ppc"}
	}
	init, err := programFor(goarch)
	if err != nil {
		return err
	}
	if !strings.Contains(kernelName, "/") {
		fetched, err := Fetch(ctx, goarch, kernelName, say)
		if err != nil {
			return err
		}
		kernelName = fetched.Path
	}
	k, err := kernelAt(kernelName, KernelArch(goarch))
	if err != nil {
		return err
	}
	files := Files{}
	if err := k.load(files, a.modules); err != nil {
		return err
	}
	needs := ", with an initial file system, /proc, "
	if a.kernel != "" {
		needs += "CONFIG_IA32_EMULATION, "
	}
	t.boot, t.hint = qemuBoot, "is it a kernel for "+a.qemu+needs+"and virtio-serial or modules for it?"
	accel, cpu := a.accel, a.cpu
	if cache, err := CacheDir(); err == nil && goarch == runtime.GOARCH {
		kvm := acceleration{device: "/dev/kvm", dir: filepath.Dir(cache)}
		if kvm.faster(ctx, t.name, func() (carrier, error) { return machine(program, init, a, "kvm", "host", k, files, nil) }) {
			accel, cpu = "kvm", "host"
		}
	}
	t.start = func() (carrier, error) { return machine(program, init, a, accel, cpu, k, files, nil) }
	if !a.reboots {
		t.resume = func(s *snapshot) (carrier, error) { return machine(program, init, a, accel, cpu, k, files, s) }
	}
	return nil
}

// machine is the command that boots one, or has one go on. init is the program that it runs.
func machine(program string, init []byte, a *arch, accel, cpu string, k *kernel, files Files, from *snapshot) (carrier, error) {
	image, err := initrd(init, files)
	if err != nil {
		return carrier{}, err
	}
	monitor, theirs, err := socketpair("monitor")
	if err != nil {
		image.Close() //nolint:errcheck // the first error counts
		return carrier{}, err
	}
	// A kernel without modules may have virtio built in, or not at all: a serial line is slow, but every kernel that has a console has it.
	link, device := a.link, []string{"-device", a.serial, "-device", "virtserialport,chardev=link,nr=1,name=" + agent.LinkParam}
	if k.modules == "" && a.second != "" {
		link, device = a.second, []string{"-serial", "chardev:link"}
	}
	args := slices.Concat(a.machine, []string{
		"-nodefaults", "-no-user-config", "-display", "none",
		"-accel", accel, "-cpu", cpu, "-m", strconv.Itoa(a.memory), "-smp", strconv.Itoa(min(max(runtime.NumCPU(), 1), 4)),
		"-no-reboot", // a panic ends it
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=link,fd=%d", linkFD),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
		"-kernel", k.image, "-initrd", fmt.Sprintf("/proc/self/fd/%d", initrdFD),
		"-append", fmt.Sprintf("console=%s panic=-1 %s=%s", a.console, agent.LinkParam, link),
	}, device)
	c := carrier{separate: true, files: []*os.File{image, theirs}, monitor: newQMP(monitor)}
	if accel == a.accel {
		c.nice = emulatorNice
	}
	if from != nil {
		state, err := from.file()
		if err != nil {
			return carrier{}, errors.Join(fmt.Errorf("open a snapshot: %w", err), image.Close(), theirs.Close(), monitor.Close())
		}
		c.files, args = append(c.files, state), append(args, "-incoming", fmt.Sprintf("fd:%d", snapshotFD))
	}
	c.cmd = exec.Command(program, args...)
	return c, nil
}

// socketpair makes a connection: our end, and a file for a command.
func socketpair(what string) (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours := os.NewFile(uintptr(fds[0]), what)
	defer ours.Close()
	theirs := os.NewFile(uintptr(fds[1]), what+" of a command")
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close() //nolint:errcheck // the first error counts
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}
