package vm

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
	l, err := List()
	if err != nil {
		t.Fatal(err)
	}
	kernel := slices.ContainsFunc(l.Kernels, func(k Kernel) bool { return k.Arch == "amd64" })
	if !kernel || slices.ContainsFunc(l.Machines, func(m Machine) bool { return m.Target == "qemu:x86_64" && m.Missing != "" }) {
		t.Skip("SKIPPED, not passed: no qemu-system-x86_64, or no kernel in the cache (stressd vm fetch x86_64)")
	}
	program := filepath.Join(t.TempDir(), "vm.test")
	for _, c := range [][]string{{"go", "test", "-c", "-o", program, "."}, {program, "-test.run=^TestStatic", "-test.v"}} {
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", staticEnv+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c, err, out)
		}
		t.Logf("%s", out)
	}
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
	o := oracle.New(tg.Profile())
	for range 2 {
		run(t, tg, o, p)
		if tg.unsaved != nil {
			t.Fatalf("no snapshot: %v", tg.unsaved)
		}
		_, err := tg.Exec(t.Context(), &Program{Argv: []string{"/proc/self/exe"}, Env: []string{roleEnv + "=panics"}, Stdout: os.Stdout, Stderr: os.Stderr})
		var lost *LostError
		if !errors.As(err, &lost) || !lost.Machine || !lost.Died || lost.Killed || lost.Report == nil || lost.Report.Title != "panic: sysrq triggered crash" {
			t.Fatalf("a kernel that panicked: %v\n%+v", err, lost)
		}
		began := time.Now()
		run(t, tg, o, p)
		t.Logf("back after %v", time.Since(began))
		if tg.snapshot == nil {
			t.Error("it was booted, not restored")
		}
	}
	tg.link.cmd.Process.Kill() //nolint:errcheck // the loss shows it
	err = tg.Run(t.Context(), p, stress.Plan{Repeat: 1}, func(*history.History) bool { return true })
	var lost *LostError
	if !errors.As(err, &lost) || !lost.Killed || lost.Died || lost.Report != nil {
		t.Errorf("a machine that was killed: %v\n%+v", err, lost)
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
	run(t, tg, oracle.New(tg.Profile()), seed(t, "attach-detach"))
}
