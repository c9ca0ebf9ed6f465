package vm

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKernelPlaces: a kernel's version and modules are found wherever a package has its image, and of a file of a user's nothing is
// guessed.
func TestKernelPlaces(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	root := func(arch, release string) string {
		return filepath.Join(cache, "tracehammer", "kernels", arch, release)
	}
	for _, c := range []struct {
		image, modules, version string
	}{
		{root("amd64", "bookworm") + "/boot/vmlinuz-6.1.0-50-cloud-amd64", root("amd64", "bookworm") + "/lib/modules/6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"},
		{root("amd64", "trixie") + "/boot/vmlinux-6.12+deb13", root("amd64", "trixie") + "/usr/lib/modules/6.12+deb13", "6.12+deb13"},
		{root("riscv64", "sid") + "/usr/lib/modules/7.2+deb14/vmlinuz", root("riscv64", "sid") + "/usr/lib/modules/7.2+deb14", "7.2+deb14"},
		{filepath.Join(cache, "build", "Image"), "", ""},
	} {
		if err := os.MkdirAll(filepath.Dir(c.image), 0o755); err != nil {
			t.Fatal(err)
		}
		if c.modules != "" {
			if err := os.MkdirAll(filepath.Join(c.modules, "kernel"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(c.image, []byte("no kernel"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := versionOf(c.image); got != c.version {
			t.Errorf("%s: version %q, want %q", c.image, got, c.version)
		}
		if k, err := kernelAt(c.image); err != nil || k.modules != c.modules {
			t.Errorf("%s: %+v, %v, want the modules in %q", c.image, k, err, c.modules)
		}
	}
	list, err := Cached()
	if err != nil || len(list) != 3 {
		t.Fatalf("cached: %+v, %v", list, err)
	}
	for i, want := range []Kernel{
		{Arch: "amd64", Release: "bookworm", Version: "6.1.0-50-cloud-amd64"}, {Arch: "amd64", Release: "trixie", Version: "6.12+deb13"},
		{Arch: "riscv64", Release: "sid", Version: "7.2+deb14"},
	} {
		if want.Path = list[i].Path; list[i] != want {
			t.Errorf("cached: %+v, want %+v", list[i], want)
		}
	}
}
