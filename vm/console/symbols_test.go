package console

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSymbolise takes a Go program for a vmlinux: what counts are the symbol table and the line table.
func TestSymbolise(t *testing.T) {
	dir := t.TempDir()
	source := "package main\n\nfunc main() {\n\tleaf()\n\tprintln()\n}\n\n//go:noinline\nfunc leaf() {\n\tprint(1)\n}\n"
	for name, text := range map[string]string{"go.mod": "module vmlinux\n\ngo 1.26\n", "main.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-o", "vmlinux", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	elf, err := os.ReadFile(filepath.Join(dir, "vmlinux"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ReadVmlinux(bytes.NewReader(elf))
	if err != nil {
		t.Fatal(err)
	}
	r := Report{Trace: []Frame{{Func: "main.leaf"}, {Func: "main.main", Offset: 1, Return: true}, {Func: "main.main", Module: "m"}, {Func: "nobody"}}}
	r.Symbolise(v)
	for i, line := range []string{"main.go:9", "main.go:3", "", ""} {
		if got := r.Trace[i].Place; !strings.HasSuffix(got, line) || line == "" && got != "" {
			t.Errorf("frame %d is at %q, want %q", i, got, line)
		}
	}
	for _, bad := range [][]byte{nil, []byte("\x7fELF"), elf[:len(elf)/2]} {
		if _, err := ReadVmlinux(bytes.NewReader(bad)); err == nil {
			t.Errorf("%d bytes are a vmlinux", len(bad))
		}
	}
}
