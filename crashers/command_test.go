package crashers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCommand: a shell takes each part of a command for one word.
func TestCommand(t *testing.T) {
	for _, word := range []string{"bin/stressd", "/var/tmp/my state", "it's", "$(false)", "", "*"} {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q became %q: %v", word, out, err)
		}
	}
	if got, want := Command("bin/stressd", "a b", "12ab"), "bin/stressd repro --state 'a b' 12ab"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestProgram: the short name only where it means this program.
func TestProgram(t *testing.T) {
	args := os.Args
	defer func() { os.Args = args }()
	dir := t.TempDir()
	own, other := filepath.Join(dir, "own", "stressd-of-test"), filepath.Join(dir, "other", "stressd-of-test")
	for _, f := range []string{own, other} {
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ arg, path, want string }{
		{own, "/nowhere", own},
		{own, filepath.Dir(other), own},
		{own, filepath.Dir(own), "stressd-of-test"},
		{"stressd-of-test", filepath.Dir(own), "stressd-of-test"},
	} {
		os.Args = []string{c.arg}
		t.Setenv("PATH", c.path)
		if got := Program(); got != c.want {
			t.Errorf("invoked as %s with PATH %s: %s, want %s", c.arg, c.path, got, c.want)
		}
	}
}
