package vm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tracehammer/stress"
)

// kernel is a kernel that QEMU boots: a file, and where its modules are, if it has any.
type kernel struct {
	image   string
	modules string // directory; "" if there is none
}

// kernelAt is the kernel of an architecture in a file. Its modules are where its package or its build puts them: with the image, in lib/modules beside
// the directory of the image, or this machine's.
func kernelAt(image, goarch string) (*kernel, error) {
	f, err := os.Open(image)
	if err != nil {
		return nil, &stress.EnvError{What: "no kernel " + image, Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if err := bootable(f, goarch); err != nil {
		return nil, &stress.EnvError{What: "cannot boot " + image, Err: err}
	}
	k := &kernel{image: image}
	if k.image, err = filepath.Abs(image); err != nil {
		return nil, err
	}
	release := releaseOf(f)
	if release == "" {
		release = versionOf(k.image)
	}
	if release == "" {
		return k, nil
	}
	root := filepath.Dir(filepath.Dir(k.image))
	for _, dir := range []string{root, filepath.Join(root, "lib/modules"), filepath.Join(root, "usr/lib/modules"), "/lib/modules"} {
		if info, err := os.Stat(filepath.Join(dir, release, "kernel")); err == nil && info.IsDir() {
			k.modules = filepath.Join(dir, release)
			break
		}
	}
	return k, nil
}

// releaseOf is the release that the header of an x86 kernel names (Documentation/x86/boot.rst), "" if the file is none.
func releaseOf(f io.ReaderAt) string {
	var b [0x210]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || string(b[0x202:0x206]) != "HdrS" {
		return ""
	}
	at := int64(binary.LittleEndian.Uint16(b[0x20e:])) + 0x200
	text := make([]byte, 128)
	n, _ := f.ReadAt(text, at)
	text, _, _ = bytes.Cut(text[:n], []byte{0})
	release, _, _ := strings.Cut(string(text), " ")
	return release
}

// load adds modules, as far as the kernel has them as modules, and what they depend on, to the files of an initial file system:
// /modules has them in the order in which they are to be loaded.
func (k *kernel) load(files Files, names []string) error {
	if k.modules == "" {
		return nil
	}
	l := loading{files: files, found: map[string]string{}, done: map[string]bool{}}
	err := filepath.WalkDir(k.modules, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, suffix, ok := strings.Cut(d.Name(), ".ko"); ok && len(suffix) <= len(".zst") {
			l.found[moduleName(name)] = path
		}
		return nil
	})
	for _, name := range names {
		if err == nil {
			err = l.add(name)
		}
	}
	if err != nil {
		return fmt.Errorf("modules of %s: %w", k.image, err)
	}
	return nil
}

// moduleName is a module's name as the kernel has it: in files, either character may stand.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

type loading struct {
	files Files
	found map[string]string // paths by name
	done  map[string]bool
}

func (l *loading) add(name string) error {
	path := l.found[name]
	if path == "" || l.done[name] {
		return nil
	}
	l.done[name] = true
	data, err := unpacked(path)
	if err != nil {
		return err
	}
	needs, err := dependencies(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, n := range needs {
		if err := l.add(n); err != nil {
			return err
		}
	}
	l.files[fmt.Sprintf("/modules/%03d-%s.ko", len(l.files), name)] = File{Mode: 0o644, Data: data}
	return nil
}

// dependencies are the modules that a module says it needs: modinfo's "depends".
func dependencies(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, errors.New("it has no section .modinfo")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(moduleName(string(list)), ","), nil
		}
	}
	return nil, nil
}

// unpacked reads a module, which may be compressed: not every kernel can unpack one itself.
func unpacked(path string) ([]byte, error) {
	var c *exec.Cmd
	switch filepath.Ext(path) {
	case ".xz":
		c = exec.Command("xz", "-dc", path)
	case ".zst":
		c = exec.Command("zstd", "-dc", path)
	case ".gz":
		c = exec.Command("gzip", "-dc", path)
	default:
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a module: %w", err)
		}
		return data, nil
	}
	data, err := c.Output()
	if err != nil {
		return nil, &stress.EnvError{What: "cannot unpack " + path, Err: err, Hint: "is " + c.Args[0] + " installed?"}
	}
	return data, nil
}
