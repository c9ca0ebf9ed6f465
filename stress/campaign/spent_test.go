package campaign

import (
	"testing"
	"time"
)

// TestWithin: a turn has the runs that fit into the usual time of forty, of what a worker and an item have spent so far.
func TestWithin(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name         string
		worker, item spent
		want         int
	}{
		{"nothing known of the target", spent{}, spent{}, laterRuns},
		{"nothing known of the item", spent{100, 1000 * ms}, spent{}, laterRuns},
		{"as dear as others", spent{100, 1000 * ms}, spent{40, 400 * ms}, usualRuns},
		{"twice as dear", spent{100, 1000 * ms}, spent{40, 800 * ms}, usualRuns / 2},
		{"a hundred times as dear", spent{100, 1000 * ms}, spent{1, 1000 * ms}, leastRuns},
		{"half as dear", spent{100, 1000 * ms}, spent{40, 200 * ms}, 2 * usualRuns},
		{"cheap", spent{100, 1000 * ms}, spent{40, 40 * ms}, laterRuns},
		{"too cheap for the clock", spent{100, 1000 * ms}, spent{40, 0}, laterRuns},
	} {
		if got := c.item.within(c.worker.on(usualRuns)); got != c.want {
			t.Errorf("%s: %d runs, want %d", c.name, got, c.want)
		}
	}
}
