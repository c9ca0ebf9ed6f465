package vm

import (
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const instrumentedProgram = `
#include <stdio.h>
#include <stdlib.h>
__attribute__((no_sanitize_coverage, noinline)) void __sanitizer_cov_trace_pc(void)
{
	printf("%p\n", __builtin_return_address(0));
}
__attribute__((noinline)) int seldom(int n)
{
	return n > 100 ? abs(n) : 1;
}
int main(int argc, char **argv)
{
	return argc > 7 ? seldom(argc) : 0;
}
`

// TestInstrumented: what instrumented code records is among the blocks that its file is said to have, and what is not run is, too.
func TestInstrumented(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("calls are known on amd64")
	}
	program := filepath.Join(t.TempDir(), "program")
	c := exec.Command("gcc", "-O1", "-no-pie", "-fsanitize-coverage=trace-pc", "-o", program, "-xc", "-")
	c.Stdin = strings.NewReader(instrumentedProgram)
	if out, err := c.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, not passed: gcc: %v\n%s", err, out)
	}
	functions, err := Instrumented(program, nil)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Function{}
	for _, f := range functions {
		byName[f.Name] = f
	}
	if len(byName["seldom"].Blocks) < 2 || len(functions) != 2 {
		t.Errorf("functions %+v", functions)
	}
	out, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		t.Error("the program recorded nothing")
	}
	for _, l := range lines {
		pc, err := strconv.ParseUint(l, 0, 64)
		if err != nil || !slices.Contains(byName["main"].Blocks, pc) {
			t.Errorf("%s is no block of main: %#x, %v", l, byName["main"].Blocks, err)
		}
	}
	if _, err := Instrumented("/bin/true", nil); err == nil {
		t.Error("a program without KCOV has blocks")
	}
}

// TestCallsThroughRegisters: of two registers that hold the address, one of which gets another one.
func TestCallsThroughRegisters(t *testing.T) {
	text := []byte{
		0x48, 0xbb, 0, 0x20, 0, 0, 0, 0, 0, 0, // movabs $0x2000,%rbx
		0xff, 0xd3, // call *%rbx
		0x49, 0xbc, 0, 0x20, 0, 0, 0, 0, 0, 0, // movabs $0x2000,%r12
		0x41, 0xff, 0xd4, // call *%r12
		0x48, 0xb8, 0, 0x30, 0, 0, 0, 0, 0, 0, // movabs $0x3000,%rax
		0xff, 0xd0, // call *%rax
		0x4c, 0x89, 0xe5, // mov %r12,%rbp
		0xff, 0xd5, // call *%rbp
		0x48, 0xbb, 0, 0x30, 0, 0, 0, 0, 0, 0, // movabs $0x3000,%rbx
		0xff, 0xd3, // call *%rbx
		0x4c, 0x8b, 0xe3, // mov %rbx,%r12
		0x41, 0xff, 0xd4, // call *%r12
	}
	if got := callsOf(text, 0x1000, 0x2000); !slices.Equal(got, []uint64{0x100c, 0x1019, 0x102a}) {
		t.Errorf("%#x", got)
	}
}

// TestCallsOf: forwards, backwards, at the end of the text, and what is none.
func TestCallsOf(t *testing.T) {
	const addr = 0x1000
	text := []byte{0xe8, 0, 0, 0, 0, 0x90, 0xe8, 0, 0, 0, 0, 0xe8, 1, 0, 0, 0, 0xe8, 0}
	binary.LittleEndian.PutUint32(text[1:], 0x2000-(addr+5))
	binary.LittleEndian.PutUint32(text[7:], 0x2000-(addr+11))
	if got := callsOf(text, addr, 0x2000); !slices.Equal(got, []uint64{addr + 5, addr + 11}) {
		t.Errorf("%#x", got)
	}
	back := int32(-0x800 - 5)
	binary.LittleEndian.PutUint32(text[1:], uint32(back))
	if got := callsOf(text, addr, addr-0x800); !slices.Equal(got, []uint64{addr + 5}) {
		t.Errorf("%#x", got)
	}
}
