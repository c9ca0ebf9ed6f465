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
// its own.
func Instrumented(path string) ([]Function, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("find instrumented code: %w", err)
	}
	defer file.Close()
	functions, err := instrumented(file)
	if err != nil {
		return nil, fmt.Errorf("find instrumented code in %s: %w", path, err)
	}
	return functions, nil
}

func instrumented(r io.ReaderAt) ([]Function, error) {
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
	byName := map[string]*Function{}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR == 0 || s.Type != elf.SHT_PROGBITS {
			continue
		}
		text, err := s.Data()
		if err != nil {
			return nil, err
		}
		for _, at := range callsOf(text, s.Addr, record) {
			n, _ := slices.BinarySearchFunc(symbols, at, func(s elf.Symbol, at uint64) int { return cmp.Compare(s.Value, at) })
			if n == 0 || at > symbols[n-1].Value+symbols[n-1].Size {
				continue
			}
			name, _, _ := strings.Cut(symbols[n-1].Name, ".")
			fn := byName[name]
			if fn == nil {
				fn = &Function{Name: name, Addr: symbols[n-1].Value}
				byName[name] = fn
			}
			if name == symbols[n-1].Name {
				fn.Addr = symbols[n-1].Value
			}
			fn.Blocks = append(fn.Blocks, at)
		}
	}
	functions := make([]Function, 0, len(byName))
	for _, fn := range byName {
		slices.Sort(fn.Blocks)
		functions = append(functions, *fn)
	}
	slices.SortFunc(functions, func(a, b Function) int { return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Addr, b.Addr)) })
	return functions, nil
}

// callsOf lists the return addresses of calls of a function in x86 code at an address. It looks at every byte: that four others are
// by chance the distance to that function is one in 2^32.
func callsOf(text []byte, addr, function uint64) (returns []uint64) {
	const call, size = 0xe8, 5
	for i := 0; i+size <= len(text); i++ {
		if text[i] != call {
			continue
		}
		next := addr + uint64(i) + size
		if next+uint64(int64(int32(binary.LittleEndian.Uint32(text[i+1:])))) == function {
			returns = append(returns, next)
		}
	}
	return returns
}
