//go:build !agent

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// umlKernels names a directory with kernels that vm build-uml made: linux, and linux-NAME for patches of vm/testdata/patches and mutants.
const umlKernels = "TRACEHAMMER_UML_KERNELS"

// patchRow is the row of the list of known bugs that a patch says it brings back.
var patchRow = regexp.MustCompile(`^Row (\d+) of known-bugs\.md is back`)

// rowOfPatch is that row for a patch of vm/testdata/patches, 0 if there is no such patch.
func rowOfPatch(name string) int {
	text, err := os.ReadFile(filepath.Join("../../vm/testdata/patches", name+".patch"))
	if m := patchRow.FindSubmatch(text); err == nil && m != nil {
		row, _ := strconv.Atoi(string(m[1]))
		return row
	}
	return 0
}

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
					// Every 6.1 has a known bug, but for the one that the patch brought back: the engine with that bug planted explains it.
					if e.KnownBug != 0 && (!patched || e.KnownBug != rowOfPatch(bug)) {
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
