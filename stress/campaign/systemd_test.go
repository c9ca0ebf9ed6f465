package campaign

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A service manager learns that a campaign runs, and the watchdog is only told while runs come.
func TestSystemd(t *testing.T) {
	if s, err := NewSystemd(); s != nil || err != nil {
		t.Fatalf("nobody wants to know: %v, %v", s, err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heard := func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "4") // told at every chance
	s, err := NewSystemd()
	if err != nil || s == nil {
		t.Fatalf("%v, %v", s, err)
	}
	if os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("WATCHDOG_USEC") != "" {
		t.Error("children would answer")
	}
	for _, step := range []struct {
		e      Event
		says   string
		silent string
	}{
		{Start{}, "READY=1", "WATCHDOG"},
		{Progress{Targets: []Count{{Target: "host", Verdicts: Verdicts{Runs: 10}}}}, "\nWATCHDOG=1", "READY"},
		{Progress{Targets: []Count{{Target: "host", Verdicts: Verdicts{Runs: 10}}}}, "STATUS=[", "WATCHDOG"},
		{Progress{Targets: []Count{{Target: "host", Verdicts: Verdicts{Runs: 11}}}}, "\nWATCHDOG=1", "READY"},
		{Summary{Findings: 3, NewFindings: 1}, "STOPPING=1\nSTATUS=3 findings, 1 of them new", "WATCHDOG"},
	} {
		time.Sleep(time.Microsecond) // the clock gets on
		if err := s.Report(step.e); err != nil {
			t.Fatal(err)
		}
		if text := heard(); !strings.Contains(text, step.says) || strings.Contains(text, step.silent) {
			t.Errorf("%T: %q", step.e, text)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if s, err := NewSystemd(); err == nil {
		t.Errorf("nobody listens: %v", s)
	}
}
