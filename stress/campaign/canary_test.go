package campaign

import (
	"context"
	"strings"
	"testing"
)

// TestCanaries: each canary is seen within a few rounds of the seeds, whichever a campaign draws, and one that is not is told of.
func TestCanaries(t *testing.T) {
	drawn := map[string]bool{}
	for seed := range uint64(len(canaries)) {
		bug := drawCanary(seed)
		drawn[bug] = true
		c, err := huntCanary(t.Context(), bug, seed)
		if err != nil || !c.Found || c.Title == "" {
			t.Errorf("%s: %+v, %v", bug, c, err)
		}
		t.Log(c.String())
	}
	if len(drawn) != len(canaries) {
		t.Errorf("drawn %v of %v", drawn, canaries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := huntCanary(ctx, canaries[0], 1); err != nil || c.Found || !strings.Contains(c.String(), "too few to say") {
		t.Errorf("%v, %v", c.String(), err)
	}
	if s := (&Canary{Bug: "x", Runs: 5, Seconds: 200}).String(); !strings.HasPrefix(s, "CANARY NOT SEEN") {
		t.Error(s)
	}
}
