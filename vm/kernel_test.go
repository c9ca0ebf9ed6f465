package vm

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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
		arch, image, modules, version string
	}{
		{"amd64", root("amd64", "bookworm") + "/boot/vmlinuz-6.1.0-50-cloud-amd64", root("amd64", "bookworm") + "/lib/modules/6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"},
		{"amd64", root("amd64", "trixie") + "/boot/vmlinux-6.12+deb13", root("amd64", "trixie") + "/usr/lib/modules/6.12+deb13", "6.12+deb13"},
		{"riscv64", root("riscv64", "sid") + "/usr/lib/modules/7.2+deb14/vmlinuz", root("riscv64", "sid") + "/usr/lib/modules/7.2+deb14", "7.2+deb14"},
		{"arm64", filepath.Join(cache, "build", "Image"), "", ""},
	} {
		if err := os.MkdirAll(filepath.Dir(c.image), 0o755); err != nil {
			t.Fatal(err)
		}
		if c.modules != "" {
			if err := os.MkdirAll(filepath.Join(c.modules, "kernel"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(c.image, imageOf(c.arch), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := versionOf(c.image); got != c.version {
			t.Errorf("%s: version %q, want %q", c.image, got, c.version)
		}
		if k, err := kernelAt(c.image, c.arch); err != nil || k.modules != c.modules {
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

// imageOf is a file that passes for a kernel of an architecture, if it is looked at no more than before a boot.
func imageOf(arch string) []byte {
	k := forms[arch][0]
	b := make([]byte, k.at+int64(len(k.magic))+0x1000)
	copy(b[k.at:], k.magic)
	return b
}

// What is no kernel of the architecture is told before it is booted, and what it is.
func TestBootable(t *testing.T) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	long := imageOf("amd64")
	long[0x1f4+1] = 0x80 // 0x8000 paragraphs are 512 KiB
	var elf bytes.Buffer
	if _, err := io.CopyN(&elf, self, 1<<16); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, arch string
		file       []byte
		want       string // of the error
	}{
		{"bzImage", "amd64", imageOf("amd64"), ""},
		{"Image", "arm64", imageOf("arm64"), ""},
		{"gzip", "arm64", []byte("\x1f\x8b\x08"), ""},
		{"riscv", "riscv64", imageOf("riscv64"), ""},
		{"s390", "s390x", imageOf("s390x"), ""},
		{"short", "amd64", long, "it is a bzImage, but cut short: it says that it has 524800 bytes"},
		{"other", "s390x", imageOf("arm64"), "it is an Image for arm64; expected a bzImage or an ELF file for s390x"},
		{"text", "amd64", []byte("no kernel"), "it is no kernel: expected a bzImage or an ELF file for amd64"},
		{"text", "ppc64le", []byte("no kernel"), "it is no kernel: expected an ELF file for ppc64le"},
		{"text", "arm64", []byte("no kernel"), "it is no kernel: expected an Image, a compressed Image, a zboot image or an ELF file for arm64"},
		{"empty", "amd64", nil, "it is empty"},
	} {
		got := ""
		if err := bootable(bytes.NewReader(c.file), c.arch); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.name, c.arch, got, c.want)
		}
	}
	if runtime.GOARCH == "amd64" {
		if err := bootable(self, "amd64"); err != nil {
			t.Errorf("a program: %v", err)
		}
		if err := bootable(bytes.NewReader(elf.Bytes()), "amd64"); err == nil || !strings.Contains(err.Error(), "it is a damaged ELF file; ") {
			t.Errorf("the beginning of a program: %v", err)
		}
		if err := bootable(self, "s390x"); err == nil || err.Error() != "it is an ELF file for amd64; expected a bzImage or an ELF file for s390x" {
			t.Errorf("a program on s390x: %v", err)
		}
	}
}
