package vm

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestAcceleration: an accelerator counts if a machine boots with it, and is asked once. One that hangs at the firmware, or cannot
// be opened, does not.
func TestAcceleration(t *testing.T) {
	null := acceleration{device: os.DevNull}
	boots := 0
	boot := func(role string) func() (carrier, error) {
		return func() (carrier, error) {
			boots++
			return as(t, role).start()
		}
	}
	for _, c := range []struct {
		role string
		want bool
	}{{"silent", true}, {"mute", false}} { // "silent" says hello, and then nothing; "mute" not even that
		null.dir = filepath.Join(t.TempDir(), "cache")
		for range 2 {
			if got := null.faster(t.Context(), "test", boot(c.role)); got != c.want {
				t.Errorf("%s: %v", c.role, got)
			}
		}
	}
	if boots != 2 {
		t.Errorf("%d boots for 2 questions", boots)
	}
	gone := acceleration{device: "/nonexistent", dir: t.TempDir()}
	if gone.faster(t.Context(), "test", boot("silent")) || boots != 2 {
		t.Error("a device that is not there")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	null.dir = t.TempDir()
	if null.faster(ended, "test", boot("silent")) {
		t.Error("an interrupted question has an answer")
	}
	if _, err := os.Stat(filepath.Join(null.dir, "kvm")); err == nil {
		t.Error("an interrupted question was remembered")
	}
}
