package host

import "testing"

// Only what the kernel itself says, and only what may be a finding, is kept.
func TestKernelLine(t *testing.T) {
	for _, c := range []struct {
		record, text string
		kept         bool
	}{
		{"4,1234,99,-;BUG: workqueue lockup\n SUBSYSTEM=x\n", "BUG: workqueue lockup", true},
		{"12,1234,99,-;systemd[1]: BUG: of a user\n", "systemd[1]: BUG: of a user", false},
		{"6,1234,99,-;coredump: 10(a): |/bin/false pipe failed, aborting core\n", "coredump: 10(a): |/bin/false pipe failed, aborting core", false},
		{"6,1234,99,-;a[10]: segfault at 0 ip 0 sp 0 error 4\n", "a[10]: segfault at 0 ip 0 sp 0 error 4", false},
		{"no record", "", false},
	} {
		if text, kept := KernelLine(c.record); text != c.text || kept != c.kept {
			t.Errorf("%q: got %q, %v, want %q, %v", c.record, text, kept, c.text, c.kept)
		}
	}
}
