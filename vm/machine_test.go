package vm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tracehammer/engine"
	"tracehammer/stress"
	"tracehammer/stress/history"
	"tracehammer/stress/oracle"
)

// Machines boot the program that starts them, and it must need no libraries: these tests run in another build of this test.
const staticEnv = "TRACEHAMMER_TEST_STATIC"

func TestMachines(t *testing.T) {
	if os.Getenv(staticEnv) != "" {
		t.Skip("this is the other build")
	}
	needMachine(t, "amd64", "qemu:x86_64")
	elsewhere(t, "-test.run=^TestStatic", "-test.v", fmt.Sprintf("-test.short=%v", testing.Short()))
}

// elsewhere runs the other build of this test, with those for other architectures beside it of which there are machines. A benchmark has what
// make builds for machines instead.
func elsewhere(t testing.TB, args ...string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "vm.test")
	type build struct {
		goarch  string
		command []string
	}
	builds := []build{{runtime.GOARCH, []string{"go", "test", "-c", "-o", program, "."}}}
	_, measured := t.(*testing.B)
	inside := func(goarch string) build {
		command := []string{"go", "test", "-c", "-o", filepath.Join(dir, "stressd-"+goarch), "."}
		if measured {
			command = []string{"go", "build", "-buildvcs=false", "-tags", "agent", "-ldflags=-s -w", "-o", command[4], "../cmd/stressd"} // as tests, it is of no commit
		}
		return build{goarch, command}
	}
	if measured {
		builds = append(builds, inside(runtime.GOARCH))
	}
	for goarch := range others {
		if missing(t, goarch, "qemu:"+goarch) == "" {
			builds = append(builds, inside(goarch))
		}
	}
	for _, c := range append(builds, build{runtime.GOARCH, append([]string{program}, args...)}) {
		cmd := exec.Command(c.command[0], c.command[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+c.goarch, staticEnv+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.command, err, out)
		}
		if measured { // its logs are cut after ten lines
			os.Stdout.Write(out) //nolint:errcheck // it is for people
			continue
		}
		t.Logf("%s", out)
	}
}

// needMachine skips a test where a machine cannot be booted with a kernel of the cache.
func needMachine(t *testing.T, goarch, target string) {
	t.Helper()
	if what := missing(t, goarch, target); what != "" {
		t.Skipf("SKIPPED, not passed: %s", what)
	}
}

// missing is what there is not that a machine needs.
func missing(t testing.TB, goarch, target string) string {
	t.Helper()
	l, err := List()
	if err != nil {
		t.Fatal(err)
	}
	kernel := slices.ContainsFunc(l.Kernels, func(k Kernel) bool { return k.Arch == KernelArch(goarch) })
	if kernel && !slices.ContainsFunc(l.Machines, func(m Machine) bool { return m.Target == target && m.Missing != "" }) {
		return ""
	}
	return fmt.Sprintf("no QEMU for %s, or no kernel in the cache (stressd vm fetch %s)", target, goarch)
}

// others are the other architectures with actors, and seeds that show something of each.
var others = map[string][]string{
	"arm64":   {"attach-detach", "singlestep", "sysemu-argument"},
	"riscv64": {"attach-detach", "no-singlestep-riscv64", "registers-riscv64"},
	"s390x":   {"attach-detach", "registers-s390x", "poke-result-s390x"},
	"ppc64le": {"attach-detach", "registers-ppc64le", "poke-sign-ppc64le"},
	"386":     {"attach-detach", "registers-386", "poke-sign-386", "exec-handlers", "peeksiginfo", "seccomp-trace", "waitid-event"},
}

// TestStaticOther: a machine of another architecture runs the same program, built for it.
func TestStaticOther(t *testing.T) {
	if os.Getenv(staticEnv) == "" {
		t.Skip("run by TestMachines")
	}
	for goarch, seeds := range others {
		t.Run(goarch, func(t *testing.T) {
			if goarch == "ppc64le" && testing.Short() {
				t.Skip("its firmware takes long to start")
			}
			needMachine(t, goarch, "qemu:"+goarch)
			tg, err := Open(t.Context(), "qemu:"+goarch, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tg.Close()
			if m := tg.Machine(); m.Arch != goarch {
				t.Errorf("a machine of %s", m.Arch)
			}
			for _, name := range seeds {
				run(t, tg, judge(tg), seed(t, name))
			}
			crash(t, tg, judge(tg), seed(t, "attach-detach"))
		})
	}
}

// TestProgramBeside: a stressd of another architecture that is missing, or is for another one, is named with what makes it.
func TestProgramBeside(t *testing.T) {
	dir := t.TempDir()
	want := func(what string) {
		t.Helper()
		_, err := programBeside(dir, "arm64")
		var env *stress.EnvError
		if !errors.As(err, &env) || !strings.Contains(err.Error(), what) || !strings.Contains(env.Hint, "make bin/stressd-arm64") {
			t.Errorf("error %v, want %q", err, what)
		}
	}
	want("no such file")
	path := filepath.Join(dir, "stressd-arm64")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec /nowhere/stressd\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	want("bad magic number")
	var b bytes.Buffer
	head := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_S390), Version: uint32(elf.EV_CURRENT), Ehsize: uint16(binary.Size(elf.Header64{}))}
	copy(head.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	if err := binary.Write(&b, binary.LittleEndian, head); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	want("it is for EM_S390")
}

// TestStaticCrash: a machine whose kernel panics is lost with the kernel's report, and the next run finds it as it was after its
// boot.
func TestStaticCrash(t *testing.T) {
	if os.Getenv(staticEnv) == "" {
		t.Skip("run by TestMachines")
	}
	tg, err := Open(t.Context(), "qemu:x86_64", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tg.Close()
	p := seed(t, "attach-detach")
	o := judge(tg)
	for range 2 {
		crash(t, tg, o, p)
	}
	tg.link.cmd.Process.Kill() //nolint:errcheck // the loss shows it
	err = tg.Run(t.Context(), p, stress.Plan{Repeat: 1}, func(*history.History) bool { return true })
	var lost *LostError
	if !errors.As(err, &lost) || !lost.Killed || lost.Died || lost.Report != nil {
		t.Errorf("a machine that was killed: %v\n%+v", err, lost)
	}
}

// crash has the kernel of a machine panic between runs.
func crash(t *testing.T, tg *Target, o *oracle.Oracle, p *engine.Program) {
	t.Helper()
	run(t, tg, o, p)
	if tg.link == nil || tg.unsaved != nil {
		t.Fatalf("no machine, or no snapshot: %v", tg.unsaved)
	}
	_, err := tg.Exec(t.Context(), &Program{Argv: []string{"/proc/self/exe"}, Env: []string{roleEnv + "=panics"}, Stdout: os.Stdout, Stderr: os.Stderr})
	var lost *LostError
	if !errors.As(err, &lost) || !lost.Machine || !lost.Died || lost.Killed || lost.Report == nil || lost.Report.Title != "panic: sysrq triggered crash" {
		t.Fatalf("a kernel that panicked: %v\n%+v", err, lost)
	}
	began := time.Now()
	run(t, tg, o, p)
	t.Logf("back after %v", time.Since(began))
	if (tg.snapshot == nil) != (tg.resume == nil) {
		t.Error("it was booted where it should have been restored, or restored where it should have been booted")
	}
}

func run(t *testing.T, tg *Target, o *oracle.Oracle, p *engine.Program) {
	t.Helper()
	runs := 0
	err := tg.Run(t.Context(), p, stress.Plan{Seed: 1, Repeat: 10}, func(h *history.History) bool {
		runs++
		if v := o.Judge(p, h); v.Kind != oracle.Admitted {
			t.Errorf("%v: %s\n%s", v.Kind, v.Title, v.Explanation)
		}
		return true
	})
	if err != nil || runs != 10 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// TestParseQEMU: architectures go by several names, and a kernel needs one.
func TestParseQEMU(t *testing.T) {
	for arg, want := range map[string]string{"x86_64": "amd64 ", "amd64@./k": "amd64 ./k", "aarch64@sid": "arm64 sid", "arm64@a@b": "arm64 a@b", "x86_64@": "", "vax": ""} {
		arch, kernel, err := ParseQEMU(arg)
		if got := arch + " " + kernel; (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s: %q, %v", arg, strings.TrimSpace(got), err)
		}
	}
}

// TestStaticSerial: of a kernel without modules nobody knows whether it has virtio; its agent talks over a serial line.
func TestStaticSerial(t *testing.T) {
	if os.Getenv(staticEnv) == "" {
		t.Skip("run by TestMachines")
	}
	k, err := Fetch(t.Context(), "amd64", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(k.Path)
	alone := filepath.Join(t.TempDir(), "bzImage")
	if err == nil {
		err = os.WriteFile(alone, image, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	tg, err := Open(t.Context(), "qemu:x86_64@"+alone, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tg.Close()
	if tg.Hello().Window == 0 {
		t.Error("the agent asks for no window")
	}
	run(t, tg, judge(tg), seed(t, "attach-detach"))
}
