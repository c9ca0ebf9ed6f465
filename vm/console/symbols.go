package console

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"io"
	"strings"
)

// Symbols knows where in a kernel's source its instructions come from.
type Symbols interface {
	// Place returns "FILE:LINE" of the instruction at an offset, in bytes, into a function; "" if it does not know.
	Place(fn string, offset uint64) string
}

// Symbolise adds the places in the source to the frames of a report. Functions of modules stay without.
func (r *Report) Symbolise(s Symbols) {
	for i := range r.Trace {
		f := &r.Trace[i]
		if f.Module != "" {
			continue
		}
		at := f.Offset
		if f.Return && at > 0 {
			at-- // the call is in front of where it returns to
		}
		f.Place = s.Place(f.Func, at)
	}
}

// Vmlinux are the symbols of a kernel's ELF file with debugging information. It may be used by several goroutines.
type Vmlinux struct {
	start map[string]uint64 // of the functions whose names are unique
	lines *dwarf.Data
}

// ReadVmlinux reads the symbol table of a kernel, and what line of the source is where when it is asked for.
func ReadVmlinux(r io.ReaderAt) (*Vmlinux, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("reading vmlinux: %w", err)
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("reading vmlinux's symbols: %w", err)
	}
	v := &Vmlinux{start: map[string]uint64{}}
	if v.lines, err = f.DWARF(); err != nil {
		return nil, fmt.Errorf("reading vmlinux's debugging information: %w", err)
	}
	twice := map[string]bool{}
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		if old, ok := v.start[s.Name]; ok && old != s.Value {
			twice[s.Name] = true // static functions of one name: a trace does not say which
		}
		v.start[s.Name] = s.Value
	}
	for name := range twice {
		delete(v.start, name)
	}
	return v, nil
}

// Place implements Symbols.
func (v *Vmlinux) Place(fn string, offset uint64) string {
	start, ok := v.start[fn]
	if !ok {
		return ""
	}
	unit, err := v.lines.Reader().SeekPC(start + offset)
	if err != nil {
		return ""
	}
	lines, err := v.lines.LineReader(unit)
	if err != nil || lines == nil {
		return ""
	}
	var e dwarf.LineEntry
	if err := lines.SeekPC(start+offset, &e); err != nil || e.File == nil {
		return ""
	}
	file := e.File.Name
	if dir, ok := unit.Val(dwarf.AttrCompDir).(string); ok {
		file = strings.TrimPrefix(file, dir+"/")
	}
	return fmt.Sprintf("%s:%d", clean([]byte(file)), e.Line)
}
