package vm

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Function is a function of a kernel that KCOV instruments.
type Function struct {
	Name   string
	Addr   uint64
	Blocks []uint64 // addresses behind the calls that record them, as KCOV reports them, ascending
}

// tracePC is what instrumented code calls in each block (kernel/kcov.c).
const tracePC = "__sanitizer_cov_trace_pc"

// Instrumented finds the blocks in a kernel's ELF file, by function. Parts of a function that the compiler put elsewhere count as
// its own. Blocks that KCOV has reported (seen, ascending) are some, also where their calls are of a kind that is not recognised.
func Instrumented(path string, seen []uint64) ([]Function, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("find instrumented code: %w", err)
	}
	defer file.Close()
	functions, err := instrumented(file, seen)
	if err != nil {
		return nil, fmt.Errorf("find instrumented code in %s: %w", path, err)
	}
	return functions, nil
}

func instrumented(r io.ReaderAt, seen []uint64) ([]Function, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	if f.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("calls of %v are not known", f.Machine)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == tracePC })
	if i < 0 {
		return nil, fmt.Errorf("it has no %s: it is built without KCOV", tracePC)
	}
	record := symbols[i].Value
	symbols = slices.DeleteFunc(symbols, func(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Size == 0 })
	slices.SortFunc(symbols, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	symbols = slices.CompactFunc(symbols, func(a, b elf.Symbol) bool { return a.Value == b.Value }) // other names of one function
	texts := map[elf.SectionIndex][]byte{}
	byName := map[string]*Function{}
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) {
			continue
		}
		section := f.Sections[s.Section]
		if section.Type != elf.SHT_PROGBITS || section.Flags&elf.SHF_EXECINSTR == 0 {
			continue
		}
		if texts[s.Section] == nil {
			if texts[s.Section], err = section.Data(); err != nil {
				return nil, err
			}
		}
		from := s.Value - section.Addr
		if from+s.Size > uint64(len(texts[s.Section])) || from+s.Size < from {
			continue
		}
		blocks := callsOf(texts[s.Section][from:from+s.Size], s.Value, record)
		lo, _ := slices.BinarySearch(seen, s.Value)
		hi, _ := slices.BinarySearch(seen, s.Value+s.Size+1) // a call may be the last instruction
		if blocks = append(blocks, seen[lo:max(lo, hi)]...); len(blocks) == 0 {
			continue
		}
		name, _, _ := strings.Cut(s.Name, ".")
		fn := byName[name]
		if fn == nil {
			fn = &Function{Name: name, Addr: s.Value}
			byName[name] = fn
		}
		if name == s.Name {
			fn.Addr = s.Value
		}
		fn.Blocks = append(fn.Blocks, blocks...)
	}
	if len(byName) == 0 {
		return nil, fmt.Errorf("no function calls %s", tracePC)
	}
	functions := make([]Function, 0, len(byName))
	for _, fn := range byName {
		slices.Sort(fn.Blocks)
		fn.Blocks = slices.Compact(fn.Blocks)
		functions = append(functions, *fn)
	}
	slices.SortFunc(functions, func(a, b Function) int { return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Addr, b.Addr)) })
	return functions, nil
}

// callsOf lists the return addresses of calls of a function in the x86 code of another one: direct ones, and those through a register
// that holds the address, which the large code model of User Mode Linux loads once, keeps, and copies. It looks at every byte and knows no
// instructions but these: something else that looks like a call by chance is rare.
func callsOf(text []byte, addr, function uint64) (returns []uint64) {
	const (
		callRel  = 0xe8 // rel32
		callReg  = 0xff // and 0xd0 with the register
		loadReg  = 0xb8 // with the register, behind a prefix: imm64
		prefixW  = 0x48
		prefixWB = 0x49 // registers 8 to 15
		prefixB  = 0x41
		store    = 0x89 // behind a prefix, of a register into one
		load     = 0x8b
	)
	var holds [16]bool
	for i := range text {
		rest := text[i:]
		switch {
		case rest[0] == callRel && len(rest) >= 5:
			next := addr + uint64(i) + 5
			if next+uint64(int64(int32(binary.LittleEndian.Uint32(rest[1:])))) == function {
				returns = append(returns, next)
			}
		case (rest[0] == prefixW || rest[0] == prefixWB) && len(rest) >= 10 && rest[1]&^7 == loadReg:
			holds[rest[1]&7|(rest[0]&1)<<3] = binary.LittleEndian.Uint64(rest[2:]) == function
		case rest[0]&^7 == prefixW && len(rest) >= 3 && (rest[1] == store || rest[1] == load) && rest[2]&0xc0 == 0xc0:
			reg, rm := rest[2]>>3&7|(rest[0]&4)<<1, rest[2]&7|(rest[0]&1)<<3
			if rest[1] == store {
				holds[rm] = holds[reg]
			} else {
				holds[reg] = holds[rm]
			}
		case rest[0] == callReg && len(rest) >= 2 && rest[1]&^7 == 0xd0:
			reg := rest[1] & 7
			if i > 0 && text[i-1] == prefixB {
				reg |= 8
			}
			if holds[reg] {
				returns = append(returns, addr+uint64(i)+2)
			}
		}
	}
	return returns
}
