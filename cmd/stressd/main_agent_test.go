//go:build !agent

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What machines run says in one line what it is not, and leaves empty and garbled streams alone.
func TestAgentAlone(t *testing.T) {
	program := filepath.Join(t.TempDir(), "stressd")
	if out, err := exec.Command("go", "build", "-tags", "agent", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, x := range []struct {
		args, in string
		code     int
		lines    int // on stderr
		says     string
	}{
		{"", "", 1, 1, "built for machines"},
		{"run --for 1s", "", 1, 1, "built for machines"},
		{"--version", "", 0, 0, ""},
		{"agent", "", 0, 1, "agent: started"},
		{"agent", strings.Repeat("\x00\xffgarbage", 1000), 0, 1, "agent: started"},
	} {
		cmd := exec.Command(program, strings.Fields(x.args)...)
		var stderr bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader(x.in), &stderr
		cmd.Run() //nolint:errcheck // its exit code is looked at
		if got := cmd.ProcessState.ExitCode(); got != x.code || strings.Count(stderr.String(), "\n") != x.lines || !strings.Contains(stderr.String(), x.says) {
			t.Errorf("%q: exit code %d, expected %d; says %q", x.args, got, x.code, stderr.String())
		}
	}
}
