package host

import (
	"os"
	"testing"

	"tracehammer/corpus"
	"tracehammer/corpus/corpustest"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// TestKcov: runs show code of the kernel, a request that was not made yet shows more, and what was shown is not shown again.
func TestKcov(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/debug/kcov"); err != nil {
		t.Skipf("SKIPPED, not passed: %v", err)
	}
	tg, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer tg.Close()
	seen := map[uint64]bool{}
	blocks := func(name string) int {
		t.Helper()
		p, err := corpus.Lower(corpustest.Seed(t, name))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = tg.Run(t.Context(), p, stress.Plan{Seed: 1, Repeat: 20}, func(h *history.History) bool {
			for _, b := range h.Blocks {
				if n++; seen[b] {
					t.Errorf("%#x again", b)
				}
				seen[b] = true
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := blocks("attach-detach"); n < 50 {
		t.Errorf("attach-detach goes through %d blocks", n)
	}
	if n := blocks("listen-errors"); n == 0 {
		t.Error("LISTEN is no new code")
	}
	if again := blocks("attach-detach"); again > 20 {
		t.Errorf("attach-detach goes through %d blocks more the second time", again)
	}
}
