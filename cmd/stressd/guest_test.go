//go:build !agent

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tracehammer/vm"
)

// What cannot be shown on the machine that tests run on is shown in one that QEMU emulates. guestKernel names a kernel for it; else
// it is the one in the cache.
const (
	guestKernel = "TRACEHAMMER_GUEST_KERNEL"
	guestTime   = 5 * time.Minute
	qemu        = "qemu-system-x86_64"
)

// kernelForGuest is the kernel's file, "" if there is none or no QEMU.
func kernelForGuest() string {
	if _, err := exec.LookPath(qemu); err != nil {
		return ""
	}
	if k := os.Getenv(guestKernel); k != "" {
		return k
	}
	kernels, _ := vm.Cached() // without a cache there is none
	for _, k := range kernels {
		if k.Arch == "amd64" {
			return k.Path
		}
	}
	return ""
}

// guest PARAMETER ARGS: boots a machine with one more kernel parameter that runs stressd with these arguments. Its console is
// then what stdout means.
func cmdGuest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: guest kernel-parameter args...")
	}
	initrd := ts.MkAbs("initrd")
	if _, err := os.Stat(initrd); err != nil {
		ts.Check(guestImage(initrd))
	}
	ctx, cancel := context.WithTimeout(context.Background(), guestTime)
	defer cancel()
	console, err := exec.CommandContext(ctx, qemu, "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-smp", "2", "-nographic", "-nodefaults",
		"-serial", "stdio", "-no-reboot", "-kernel", kernelForGuest(), "-initrd", initrd,
		"-append", "console=ttyS0 panic=-1 quiet "+args[0]+" -- "+strings.Join(args[1:], " ")).CombinedOutput()
	ts.Check(os.WriteFile(ts.MkAbs("console"), bytes.ReplaceAll(console, []byte("\r"), nil), 0o644))
	ts.Check(err)
}

// guestImage writes an initramfs: stressd, and an init that runs it.
func guestImage(path string) error {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	archive, err := os.Create(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	z := gzip.NewWriter(archive)
	for name, source := range map[string]string{"stressd": ".", "init": "./testdata/guest/init.go"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // nothing to link with in there
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := cpio(z, name, 0o100755, content); err != nil {
			return err
		}
	}
	if err := cpio(z, "TRAILER!!!", 0, nil); err != nil {
		return err
	}
	return z.Close()
}

// cpio writes one member of an archive in the format that the kernel unpacks (newc).
func cpio(w *gzip.Writer, name string, mode int, content []byte) error {
	const header = 110
	pad := func(n int) string { return strings.Repeat("\x00", -n&3) }
	fields := []int{0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0}
	head := "070701"
	for _, f := range fields {
		head += fmt.Sprintf("%08x", f)
	}
	_, err := fmt.Fprintf(w, "%s%s\x00%s%s%s", head, name, pad(header+len(name)+1), content, pad(len(content)))
	return err
}
