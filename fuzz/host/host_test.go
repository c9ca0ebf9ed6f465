package host_test

import (
	"fmt"
	"os"
	"testing"

	"tracehammer/corpus"
	"tracehammer/fuzz/host"
	"tracehammer/fuzz/input"
	"tracehammer/fuzz/input/inputtest"
)

func TestMain(m *testing.M) {
	inputtest.Main()
	code := m.Run()
	if err := host.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func FuzzHost(f *testing.F) {
	if err := host.Unusable(); err != nil {
		f.Skip(err)
	}
	for _, s := range corpus.Seeds() {
		if host.Fits(s) && len(s.KnownBugs) == 0 {
			inputtest.Add(f, input.Encode(input.Input{Scenario: s}))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { host.FuzzHost(data) })
}

func FuzzKernelLog(f *testing.F) {
	inputtest.Add(f, []byte("6,1234,5678901,-;usb 1-1: new device\n SUBSYSTEM=usb\n"))
	inputtest.Add(f, []byte("4,7,8,c;WARNING: CPU: 0 PID: 1 at kernel/ptrace.c:12"))
	inputtest.Add(f, []byte("12,7,8,-;systemd[1]: started"))
	inputtest.Add(f, []byte("6,7,8,-;Process 3 is aborting core dump"))
	f.Fuzz(func(t *testing.T, data []byte) { host.FuzzKernelLog(data) })
}
