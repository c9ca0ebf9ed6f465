package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Acceleration. That /dev/kvm can be opened says little: inside another machine a stock kernel may hang at the firmware with the
// processor in the kernel, for ever. So a machine is booted with it once, against the clock, and the answer is remembered until
// this machine is booted again.

// kvmBoot is how long a machine with KVM may take until its init runs. It takes a second or two.
const kvmBoot = 40 * time.Second

// acceleration is what a machine for this machine's own architecture should be booted with.
type acceleration struct {
	device string // of KVM
	dir    string // where the answer is remembered
}

// faster says whether KVM boots; boot makes a machine with it.
func (a *acceleration) faster(ctx context.Context, name string, boot func() (carrier, error)) bool {
	f, err := os.OpenFile(a.device, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close() //nolint:errcheck // only opened
	file := filepath.Join(a.dir, "kvm")
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		id = []byte("unknown")
	}
	answers := map[bool]string{false: "hangs", true: "boots"}
	text := func(is bool) string { return fmt.Sprintf("%s %s\n", strings.TrimSpace(string(id)), answers[is]) }
	if said, err := os.ReadFile(file); err == nil {
		switch string(said) {
		case text(true):
			return true
		case text(false):
			return false
		}
	}
	c, err := boot()
	if err != nil {
		return false
	}
	l, err := start(ctx, name, c, kvmBoot)
	if ctx.Err() != nil {
		return false
	}
	is := err == nil
	if is {
		l.Close() //nolint:errcheck // it has said what it was asked
	}
	if os.MkdirAll(a.dir, 0o755) == nil {
		os.WriteFile(file, []byte(text(is)), 0o644) //nolint:errcheck // it is asked again
	}
	return is
}
