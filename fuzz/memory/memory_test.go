package memory

import (
	"strings"
	"testing"
)

// TestBounded: a reader that allocates too much for its input is a violation, one that does not is left alone.
func TestBounded(t *testing.T) {
	hold := func(n int) func([]byte) int {
		return func([]byte) int { return len(make([]byte, n)) }
	}
	if n := Bounded("small", hold(1<<20), nil); n != 1<<20 {
		t.Errorf("returned %d", n)
	}
	defer func() {
		if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "large: 257 MiB were allocated") {
			t.Errorf("panic %q", s)
		}
	}()
	Bounded("large", hold(Limit+1<<20), nil)
	t.Error("257 MiB were let pass")
}
