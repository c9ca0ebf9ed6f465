package vm

import (
	"bytes"
	"debug/elf"
)

// dynamic says whether an ELF file needs a dynamic linker.
func dynamic(file []byte) bool {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return false
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}
