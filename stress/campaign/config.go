package campaign

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tracehammer/crashers"
	"tracehammer/stress"
	"tracehammer/stress/host"
	"tracehammer/vm"
)

// maxConfig is the largest kernel configuration that is read; those of distributions have a third of a megabyte.
const maxConfig = 4 << 20

// configTime is how long a kernel that is a program may take to print its configuration.
const configTime = 10 * time.Second

// configOf finds the configuration of the kernel that showed a finding, if that kernel is still here; "" if it is not found. A finding
// is untrusted: nothing that it names is opened or started.
func configOf(m *crashers.Meta) string {
	release := strings.TrimPrefix(m.Kernel, "Linux ")
	kind, arg, err := stress.TargetName(m.Target)
	if err != nil {
		return ""
	}
	switch kind {
	case stress.KindHost:
		if here := host.Kernel(); here.Kernel == m.Kernel && here.Arch == m.Arch {
			if text := readConfig("/proc/config.gz"); text != "" {
				return text
			}
			return readConfig("/boot/config-" + here.Release)
		}
	case stress.KindUML:
		if text := umlConfig(); arg == "" && strings.Contains(text, " "+release+" ") {
			return text
		}
	case stress.KindQEMU:
		kernels, _ := vm.Cached() // without a cache there is none
		for _, k := range kernels {
			if k.Version == release && k.Arch == vm.KernelArch(m.Arch) {
				return readConfig(filepath.Join(filepath.Dir(k.Path), "config-"+k.Version))
			}
		}
	}
	return ""
}

// umlConfig asks the User Mode Linux that is installed for its configuration.
func umlConfig() string {
	ctx, cancel := context.WithTimeout(context.Background(), configTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "linux.uml", "--showconfig").Output()
	if err != nil || len(out) > maxConfig {
		return ""
	}
	return string(out)
}

// readConfig reads a configuration, compressed or not; "" if it cannot.
func readConfig(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := plainConfig(f)
	if err != nil {
		return ""
	}
	return text
}

// ReadConfig reads the configuration of a kernel from a file that a user names, compressed or not.
func ReadConfig(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := plainConfig(f)
	if err == nil && !strings.Contains(text, "CONFIG_") {
		err = errors.New("no line of it sets an option")
	}
	if err != nil {
		return "", fmt.Errorf("%s is no configuration of a kernel: %w", path, err)
	}
	return text, nil
}

func plainConfig(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && bytes.HasPrefix(b, []byte("\x1f\x8b")) {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			b, err = io.ReadAll(io.LimitReader(z, maxConfig+1))
		}
	}
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("it has more than %d bytes", maxConfig)
	}
	return string(b), err
}
