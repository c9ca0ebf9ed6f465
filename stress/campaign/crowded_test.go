package campaign

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

// TestCrowded: an engine alone has all CPUs, and so it has beside kernels that have two each.
func TestCrowded(t *testing.T) {
	for _, tc := range []struct {
		workers int
		teams   []*team
		want    bool
	}{
		{runtime.NumCPU(), []*team{{name: "engine"}}, false},
		{1, []*team{{name: "engine"}, {name: "host"}}, runtime.NumCPU() < 2},
		{runtime.NumCPU(), []*team{{name: "engine"}, {name: "host"}}, true},
		{runtime.NumCPU()/4 + 1, []*team{{name: "host"}, {name: "qemu:arm64"}}, true},
	} {
		c := &campaign{Config: Config{Workers: tc.workers}, teams: tc.teams}
		if got := c.crowded(); got != tc.want {
			t.Errorf("%d CPUs, %d workers for each of %d targets: %v, want %v", runtime.NumCPU(), tc.workers, len(tc.teams), got, tc.want)
		}
	}
}

// TestPacedStops: who is told to stop does not sleep, and says what the work said.
func TestPacedStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	want := errors.New("test")
	if err := paced(ctx, 1<<40, func() error { cancel(); return want }); err != want {
		t.Errorf("got %v, want %v", err, want)
	}
}
