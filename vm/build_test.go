package vm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tracehammer/stress"
)

// fakeSource is a source tree whose make does what BuildUML asks for, with the text of kernel/ptrace.c for a kernel.
func fakeSource(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("User Mode Linux is for amd64")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	bin := t.TempDir() // the fake needs no other compilers, but the real thing does
	for _, n := range []string{"gcc", "ld", "flex", "bison", "bc"} {
		write(t, filepath.Join(bin, n), "#!/bin/sh\necho /crt1.o\n", 0o755)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Makefile"), `
allnoconfig:
	sed 's/ #.*//' $(KCONFIG_ALLCONFIG) >$(O)/.config
linux: $(O)/linux
$(O)/linux: kernel/ptrace.c
	@echo "  CC      kernel/ptrace.o"
	@! grep -n BROKEN $< | sed 's/:.*/:1: error: it is broken/;s/^/kernel.ptrace.c:/' | grep .
	mkdir -p $(O)/include/config; echo 6.1-fake >$(O)/include/config/kernel.release; echo >>$(O)/count
	cp $< $@
`, 0o644)
	write(t, filepath.Join(dir, "Kbuild"), "", 0o644)
	write(t, filepath.Join(dir, "arch/um/Makefile"), "", 0o644)
	write(t, filepath.Join(dir, "kernel/ptrace.c"), "one\ntwo\nthree\n", 0o644)
	write(t, filepath.Join(dir, "kernel/exit.c"), "alpha\n", 0o644)
	return dir
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// building builds, and returns the kernel's text and how often make has made one so far.
func building(t *testing.T, b UMLBuild) (string, int) {
	t.Helper()
	built, err := BuildUML(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile(built.Path)
	if err != nil {
		t.Fatal(err)
	}
	count, err := os.ReadFile(filepath.Join(filepath.Dir(built.Log), "obj/count"))
	if err != nil || built.Version != "6.1-fake" {
		t.Fatalf("version %q, %v", built.Version, err)
	}
	return string(kernel), len(count)
}

const swap = "--- a/kernel/ptrace.c\n+++ b/kernel/ptrace.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"

// TestBuildUML: what is built has the source's text, with the patches of this build only, is made again when that changed and not
// otherwise; the source stays as it is.
func TestBuildUML(t *testing.T) {
	dir := fakeSource(t)
	patch, more := filepath.Join(t.TempDir(), "swap.patch"), filepath.Join(t.TempDir(), "more.patch")
	write(t, patch, "What it is about.\n\n"+swap, 0o644)
	write(t, more, "--- a/kernel/ptrace.c\n+++ b/kernel/ptrace.c\n@@ -3,1 +3,2 @@\n three\n+four\n--- /dev/null\n+++ b/kernel/new.c\n@@ -0,0 +1 @@\n+new\n", 0o644)
	before := snapshotOf(t, dir)
	for i, step := range []struct {
		patches []string
		want    string
		made    int
	}{
		{nil, "one\ntwo\nthree\n", 1},
		{nil, "one\ntwo\nthree\n", 1},
		{[]string{patch}, "one\n2\nthree\n", 2},
		{[]string{patch}, "one\n2\nthree\n", 2},
		{[]string{patch, more}, "one\n2\nthree\nfour\n", 3},
		{nil, "one\ntwo\nthree\n", 4}, // the file of the source is older than what was made last
		{nil, "one\ntwo\nthree\n", 4},
	} {
		out := filepath.Join(t.TempDir(), "linux")
		if got, made := building(t, UMLBuild{Source: dir, Patches: step.patches, Out: out}); got != step.want || made != step.made {
			t.Errorf("step %d: built %d times %q, expected %d and %q", i, made, got, step.made, step.want)
		}
	}
	if after := snapshotOf(t, dir); !slices.Equal(before, after) {
		t.Errorf("the source changed:\n%q\n%q", before, after)
	}
	write(t, filepath.Join(dir, "kernel/ptrace.c"), "edited\n", 0o644)
	if got, made := building(t, UMLBuild{Source: dir}); got != "edited\n" || made != 5 {
		t.Errorf("after an edit: built %d times %q", made, got)
	}
	if err := os.Remove(filepath.Join(dir, "kernel/exit.c")); err != nil {
		t.Fatal(err)
	}
	building(t, UMLBuild{Source: dir})
	if trees, _ := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/tracehammer/builds/*/tree/kernel/*"); len(trees) != 1 {
		t.Errorf("the tree has %v, expected ptrace.c only", trees)
	}
}

// TestBuildUMLGit: in a git checkout objects of other builds are none of the source, and new files are.
func TestBuildUMLGit(t *testing.T) {
	dir := fakeSource(t)
	write(t, filepath.Join(dir, ".gitignore"), "*.o\n.config\n", 0o644)
	git := func(args ...string) {
		t.Helper()
		c := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "source")
	write(t, filepath.Join(dir, ".config"), "", 0o644)
	write(t, filepath.Join(dir, "kernel/ptrace.o"), "", 0o644)
	write(t, filepath.Join(dir, "kernel/signal.c"), "new\n", 0o644)
	if err := os.Remove(filepath.Join(dir, "kernel/exit.c")); err != nil {
		t.Fatal(err)
	}
	building(t, UMLBuild{Source: dir})
	files, _ := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/tracehammer/builds/*/tree/kernel/*")
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if want := []string{"ptrace.c", "signal.c"}; !slices.Equal(files, want) {
		t.Errorf("the tree has %q, expected %q", files, want)
	}
}

// TestBuildUMLArchive: an archive is unpacked once.
func TestBuildUMLArchive(t *testing.T) {
	dir := fakeSource(t)
	archive := filepath.Join(t.TempDir(), "source.tar")
	if out, err := exec.Command("tar", "-cf", archive, "-C", filepath.Dir(dir), filepath.Base(dir)).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 2 {
		if got, made := building(t, UMLBuild{Source: archive}); got != "one\ntwo\nthree\n" || made != 1 {
			t.Errorf("built %d times %q", made, got)
		}
	}
}

// snapshotOf lists what is in a directory: names, types, texts.
func snapshotOf(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		list = append(list, fmt.Sprint(path, d.Type(), string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBuildUMLFails: what is wrong is said.
func TestBuildUMLFails(t *testing.T) {
	dir := fakeSource(t)
	patch := filepath.Join(t.TempDir(), "late.patch")
	write(t, patch, strings.Replace(swap, "-two", "-deux", 1), 0o644)
	fails := func(b UMLBuild, want string, env bool) {
		t.Helper()
		_, err := BuildUML(t.Context(), b)
		if err == nil || !strings.Contains(err.Error(), want) || stress.IsEnv(err) != env {
			t.Errorf("error %v, expected %q; of the environment: %v", err, want, env)
		}
	}
	fails(UMLBuild{Source: t.TempDir()}, "is no source of Linux", false)
	fails(UMLBuild{Source: dir + "/none"}, "no such file", false)
	fails(UMLBuild{Source: dir, Patches: []string{patch}}, "late.patch does not apply to "+dir, false)
	fails(UMLBuild{Source: dir, Patches: []string{dir + "/Kbuild"}}, "changes no file", false)
	write(t, filepath.Join(dir, ".config"), "", 0o644)
	fails(UMLBuild{Source: dir}, "a kernel was built in "+dir, true)
	if err := os.Remove(filepath.Join(dir, ".config")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "kernel/ptrace.c"), "BROKEN\n", 0o644)
	fails(UMLBuild{Source: dir}, "kernel.ptrace.c:1:1: error: it is broken", false)
	write(t, filepath.Join(dir, "Makefile"), "allnoconfig:\n\tgrep -v SECCOMP $(KCONFIG_ALLCONFIG) >$(O)/.config\n", 0o644)
	fails(UMLBuild{Source: dir}, "does not have CONFIG_SECCOMP, CONFIG_SECCOMP_FILTER:", false)

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := BuildUML(ctx, UMLBuild{Source: dir}); err == nil || err.Error() != "enough" {
		t.Errorf("cancelled: %v", err)
	}
	t.Setenv("PATH", "/nonexistent")
	fails(UMLBuild{Source: dir, Patches: []string{patch}}, "there is no make, no gcc, no ld, no flex, no bison, no bc, no patch (apt-get install make gcc binutils flex bison bc patch)", true)
}

// TestPatched: the names of files that patches change.
func TestPatched(t *testing.T) {
	got := patched([]byte("--- a/kernel/x.c\t2020-01-01\n+++ b/kernel/x.c\n@@ -1 +1 @@\n--- old\n+++ b/../etc/passwd\n--- /dev/null\n+++ b/new.c\r\n"))
	if want := []string{"kernel/x.c", "kernel/x.c", "new.c"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}
