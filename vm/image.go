package vm

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// form is a kind of file that QEMU boots as a kernel of an architecture, told by bytes at a fixed place.
type form struct {
	name  string
	at    int64
	magic string
}

// forms are those of each architecture, besides ELF files. QEMU takes any other file too, as raw code, which then runs for ever or not
// at all; nobody means that.
var forms = map[string][]form{
	// Documentation/arch/x86/boot.rst
	"amd64": {{"a bzImage", 0x202, "HdrS"}},
	// Documentation/arch/arm64/booting.rst; drivers/firmware/efi/libstub/zboot-header.S, which QEMU unpacks since 8.0
	"arm64": {{"an Image", 0x38, "ARM\x64"}, {"a compressed Image", 0, "\x1f\x8b"}, {"a zboot image", 4, "zimg"}},
	// Documentation/arch/riscv/boot-image-header.rst
	"riscv64": {{"an Image", 0x38, "RSC\x05"}},
	// arch/s390/boot/head.S; QEMU looks for it as well, to find where the command line goes
	"s390x": {{"a bzImage", 0x10008, "S390EP"}},
}

const elfFile = "an ELF file"

// known says what a file is, as far as it is a kernel of some architecture: Go's name of that, and the form. arch is "" for what is none.
func known(f io.ReaderAt) (arch, form string) {
	if e, err := elf.NewFile(f); err == nil {
		for goarch, m := range machines {
			if e.Machine == m && (e.Type == elf.ET_EXEC || e.Type == elf.ET_DYN) {
				return goarch, elfFile
			}
		}
		return "", elfFile + " for " + e.Machine.String()
	}
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err == nil && string(magic[:]) == elf.ELFMAG {
		return "", "a damaged ELF file"
	}
	for goarch, fs := range forms {
		for _, k := range fs {
			b := make([]byte, len(k.magic))
			if _, err := f.ReadAt(b, k.at); err == nil && string(b) == k.magic {
				return goarch, k.name
			}
		}
	}
	return "", ""
}

// bootable says why a file is no kernel that boots on an architecture: nil if it may be one.
func bootable(f io.ReaderAt, goarch string) error {
	var expected []string
	for _, k := range forms[goarch] {
		expected = append(expected, k.name)
	}
	want := "expected " + join(append(slices.Clip(expected), elfFile))
	var b [1]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is empty")
		}
		return err
	}
	switch is, form := known(f); {
	case is == goarch:
		if _, err := f.ReadAt(b[:], extent(f)-1); errors.Is(err, io.EOF) {
			return fmt.Errorf("it is %s, but cut short: it says that it has %d bytes", form, extent(f))
		}
		return nil
	case is != "":
		return fmt.Errorf("it is %s for %s; %s for %s", form, is, want, goarch)
	case form != "":
		return fmt.Errorf("it is %s; %s", form, want)
	}
	return fmt.Errorf("it is no kernel: %s for %s", want, goarch)
}

// extent is how long the file of a kernel has to be, as far as it says so; at least 1.
func extent(f io.ReaderAt) int64 {
	n := int64(1)
	if e, err := elf.NewFile(f); err == nil {
		for _, p := range e.Progs {
			if p.Type == elf.PT_LOAD && p.Filesz > 0 {
				n = max(n, int64(p.Off+p.Filesz))
			}
		}
		return n
	}
	var b [0x210]byte
	if _, err := f.ReadAt(b[:], 0); err == nil && string(b[0x202:0x206]) == "HdrS" { // setup_sects, and syssize in paragraphs
		n = (int64(b[0x1f1])+1)*512 + int64(binary.LittleEndian.Uint32(b[0x1f4:]))*16
	}
	return n
}

// join lists alternatives.
func join(words []string) string {
	s := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			s += " or " + w
		} else {
			s += ", " + w
		}
	}
	return s
}
