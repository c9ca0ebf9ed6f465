//go:build !agent

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// umlKernels names a directory with kernels that vm build-uml made: linux, and linux-NAME for patches of vm/testdata/patches and mutants.
const umlKernels = "TRACEHAMMER_UML_KERNELS"

// TestUMLKernels: two minutes on a kernel with a bug that was brought back find it, and on the kernel without them nothing.
func TestUMLKernels(t *testing.T) {
	dir := os.Getenv(umlKernels)
	if dir == "" {
		t.Skipf("SKIPPED, not passed: %s names no directory with kernels (docs/machines.md says how to make them)", umlKernels)
	}
	stressd := filepath.Join(t.TempDir(), "stressd")
	build := exec.Command("go", "build", "-o", stressd, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stressd: %v\n%s", err, out)
	}
	kernels, err := filepath.Glob(filepath.Join(dir, "linux*"))
	if err != nil || len(kernels) == 0 {
		t.Fatalf("no kernels in %s: %v", dir, err)
	}
	for _, kernel := range kernels {
		bug, patched := strings.CutPrefix(filepath.Base(kernel), "linux-")
		t.Run(filepath.Base(kernel), func(t *testing.T) {
			c := exec.Command(stressd, "run", "--for", "2m", "--target", "uml:"+kernel, "--state", t.TempDir(), "--json")
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			runErr := c.Run()
			var found []string
			runs := 0.0
			for line := range bytes.Lines(stdout.Bytes()) {
				var e struct {
					Event, Title string
					KnownBug     int
					Scenarios    float64
				}
				if err := json.Unmarshal(line, &e); err != nil {
					t.Fatalf("%v in %s", err, line)
				}
				switch e.Event {
				case "finding":
					if e.KnownBug != 0 { // every 6.1 has it; one that a patch brought back is what it looks like
						continue
					}
					found = append(found, e.Title)
				case "summary":
					runs = e.Scenarios
				}
			}
			t.Logf("%v runs, found: %q", runs, found)
			switch {
			case runs == 0:
				t.Errorf("no runs: %v\n%s", runErr, &stderr)
			case patched && len(found) == 0:
				t.Errorf("%s is not found", bug)
			case !patched && len(found) > 0:
				t.Errorf("findings that no known bug explains, on a kernel that has no other")
			}
		})
	}
}
