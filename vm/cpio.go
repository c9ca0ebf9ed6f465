package vm

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An initial file system is a cpio archive of the kind that kernels unpack, "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst). The same files make the same bytes: no time, no owner, no
// order but that of their names.

// Files are the files of an archive by absolute path. Directories come by themselves.
type Files map[string]File

// File is one of them.
type File struct {
	Mode fs.FileMode // permissions, and fs.ModeDevice|fs.ModeCharDevice for a device
	Data []byte
	Dev  [2]uint32 // major and minor number of a device
}

// Types of files in st_mode.
const (
	modeDir  = 0o040000
	modeChar = 0o020000
	modeFile = 0o100000
)

// WriteCpio writes an archive.
func WriteCpio(w io.Writer, files Files) error {
	names := make(map[string]bool, len(files))
	for name, f := range files {
		clean := path.Clean(name)
		if !strings.HasPrefix(name, "/") || clean != name || name == "/" {
			return fmt.Errorf("archive: %q is no clean absolute path", name)
		}
		if f.Mode&^(fs.ModePerm|fs.ModeDevice|fs.ModeCharDevice) != 0 {
			return fmt.Errorf("archive: %s has mode %v", name, f.Mode)
		}
		for dir := name; dir != "/"; dir = path.Dir(dir) {
			names[dir] = true
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted) // a directory comes before what is in it
	c := cpio{w: w}
	for _, name := range sorted {
		f, is := files[name]
		switch {
		case !is:
			c.entry(name[1:], modeDir|0o755, nil, f.Dev)
		case f.Mode&fs.ModeDevice != 0:
			c.entry(name[1:], modeChar|uint32(f.Mode.Perm()), nil, f.Dev)
		default:
			c.entry(name[1:], modeFile|uint32(f.Mode.Perm()), f.Data, [2]uint32{})
		}
	}
	c.entry("TRAILER!!!", 0, nil, [2]uint32{})
	if c.err != nil {
		return fmt.Errorf("archive: %w", c.err)
	}
	return nil
}

type cpio struct {
	w   io.Writer
	ino uint32
	err error
}

// entry writes a header of 110 characters, the name, the content; name and content are padded to four bytes.
func (c *cpio) entry(name string, mode uint32, data []byte, dev [2]uint32) {
	if c.err != nil {
		return
	}
	c.ino++
	links := 1
	if mode&modeDir != 0 {
		links = 2
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", c.ino, mode, 0, 0, links, 0, len(data), 0, 0,
		dev[0], dev[1], len(name)+1, 0, name)
	pad(&b)
	b.Write(data)
	pad(&b)
	_, c.err = c.w.Write(b.Bytes())
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
