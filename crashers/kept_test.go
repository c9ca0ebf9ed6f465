package crashers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Targets have folders of their own inside the state directory, whatever they are called.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	folders := map[string]bool{}
	targets := []string{"engine", "engine:linux-6.18/arm64", "exec:ssh -T board ../stressd agent", "exec:" + strings.Repeat("x", 300), "exec:" + strings.Repeat("x", 301)}
	for _, target := range targets {
		for range 2 { // it may be there
			path, err := s.Keep(target, "kept-1", []byte("scenario kept-1\n"))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "scenario kept-1\n" {
				t.Errorf("%s: %q, %v", target, b, err)
			}
			folder := filepath.Dir(path)
			if folder != s.KeptDir(target) || filepath.Dir(folder) != filepath.Join(dir, "corpus") {
				t.Errorf("%s is kept in %s", target, path)
			}
			folders[folder] = true
		}
	}
	if len(folders) != len(targets) {
		t.Errorf("%d folders of %d targets", len(folders), len(targets))
	}
	if left, err := filepath.Glob(filepath.Join(dir, "corpus", "*", ".tmp-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
