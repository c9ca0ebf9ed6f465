package actor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Marks in the interpreter's bytes: what follows the first is where a new image goes on once it has the shared memory; the
// second, the signal handler; the third ends it all. The linker promises no order of symbols, so the function carries its
// own end.
const (
	enterMark   = 0x1f746e6572616268
	handlerMark = 0x1f74686d65726168
	endMark     = 0x1f6e64656d65726b
	markSize    = 8
)

// A text is a copy of the interpreter, with the offsets of its entries.
type text struct {
	code           []byte
	enter, handler uintptr
}

var interpreter = sync.OnceValue(func() (t text) {
	const limit = 1 << 12 // its place in the shared memory
	for n := markSize; n < limit; n++ {
		code := unsafe.Slice(interpreterText(), n)
		switch binary.NativeEndian.Uint64(code[n-markSize:]) {
		case enterMark:
			t.enter = uintptr(n)
		case handlerMark:
			t.handler = uintptr(n)
		case endMark:
			t.code = bytes.Clone(code[:n-markSize])
			if t.enter == 0 || t.handler == 0 {
				panic("actor: interpreter without its entries")
			}
			return t
		}
	}
	panic("actor: interpreter without an end")
})

// entryOffset is where the text starts in the file and in memory, behind the headers.
const entryOffset = 0x100

// handlerAddr is the address of the signal handler in every actor.
func handlerAddr() uintptr { return arenaBase + textAt + interpreter().handler }

// Image returns the actors' executable: a static ELF file of the interpreter's bytes and one private page.
func Image() []byte {
	code := interpreter().code
	size := uint64(entryOffset + len(code))
	const align = 1 << 16 // the largest page of any architecture
	progs := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: textBase, Filesz: size, Memsz: size, Align: align},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Vaddr: scratchBase, Memsz: scratchSize, Align: align},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	}
	parts := headers(progs)
	if wordSize == 4 {
		parts = headers32(progs)
	}
	var b bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&b, byteOrder, part); err != nil {
			panic(fmt.Sprintf("actor: image: %v", err))
		}
	}
	if b.Len() > entryOffset {
		panic("actor: image headers overlap the text")
	}
	b.Write(make([]byte, entryOffset-b.Len()))
	b.Write(code)
	return b.Bytes()
}

// headers are what an ELF file of 64 bits begins with.
func headers(progs []elf.Prog64) []any {
	head := elf.Header64{
		Ident: ident(elf.ELFCLASS64), Type: uint16(elf.ET_EXEC), Machine: uint16(elfMachine), Version: uint32(elf.EV_CURRENT), Entry: textBase + entryOffset,
		Phoff: uint64(binary.Size(elf.Header64{})), Ehsize: uint16(binary.Size(elf.Header64{})),
		Phentsize: uint16(binary.Size(elf.Prog64{})), Phnum: uint16(len(progs)),
	}
	if elfMachine == elf.EM_PPC64 {
		head.Flags = 2 // ELFv2: an entry is an address, and not that of a descriptor
	}
	return []any{head, progs}
}

// headers32 are those of a file of 32 bits.
func headers32(progs []elf.Prog64) []any {
	head := elf.Header32{
		Ident: ident(elf.ELFCLASS32), Type: uint16(elf.ET_EXEC), Machine: uint16(elfMachine), Version: uint32(elf.EV_CURRENT), Entry: textBase + entryOffset,
		Phoff: uint32(binary.Size(elf.Header32{})), Ehsize: uint16(binary.Size(elf.Header32{})),
		Phentsize: uint16(binary.Size(elf.Prog32{})), Phnum: uint16(len(progs)),
	}
	parts := []any{head}
	for _, p := range progs {
		parts = append(parts, elf.Prog32{Type: p.Type, Flags: p.Flags, Vaddr: uint32(p.Vaddr), Filesz: uint32(p.Filesz), Memsz: uint32(p.Memsz), Align: uint32(p.Align)})
	}
	return parts
}

func ident(class elf.Class) (id [elf.EI_NIDENT]byte) {
	copy(id[:], elf.ELFMAG)
	id[elf.EI_CLASS], id[elf.EI_DATA], id[elf.EI_VERSION] = byte(class), byte(elfData), byte(elf.EV_CURRENT)
	return id
}

// ImageFile puts the image into a memory file that may be executed.
func ImageFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("tracehammer", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3 there is no such flag, and all may be executed
		fd, err = unix.MemfdCreate("tracehammer", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create of the actors' image: %w", err)
	}
	f := os.NewFile(uintptr(fd), "actor image")
	if _, err := f.Write(Image()); err != nil {
		f.Close()
		return nil, fmt.Errorf("write the actors' image: %w", err)
	}
	return f, nil
}
