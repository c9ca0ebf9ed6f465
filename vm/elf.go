package vm

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// machines are the architectures of ELF files by Go's names.
var machines = map[string]elf.Machine{"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390}

// fits says why an ELF file cannot run in a machine of an architecture that has nothing else: nil if it can.
func fits(file []byte, goarch string) error {
	f, err := elf.NewFile(bytes.NewReader(file))
	switch {
	case err != nil:
		return err
	case f.Machine != machines[goarch]:
		return fmt.Errorf("it is for %v", f.Machine)
	case dynamic(file):
		return errors.New("it is linked dynamically")
	}
	return nil
}

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
