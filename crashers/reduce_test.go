package crashers

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestReduceProperties: for a monotone predicate (needs all of some elements) exactly these remain, in order, and each
// removal was confirmed by the predicate.
func TestReduceProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := make([]int, rapid.IntRange(0, 40).Draw(t, "len"))
		for i := range s {
			s[i] = i
		}
		var need []int
		for i := range s {
			if rapid.IntRange(0, 4).Draw(t, "need") == 0 {
				need = append(need, i)
			}
		}
		calls := 0
		got := reduce(s, func(c []int) (bool, bool) {
			calls++
			if !slices.IsSorted(c) || len(c) >= len(s) && len(s) > 0 {
				t.Fatalf("candidate %v of %v", c, s)
			}
			for _, n := range need {
				if !slices.Contains(c, n) {
					return false, false
				}
			}
			return true, false
		})
		if !slices.Equal(got, need) {
			t.Fatalf("got %v, want %v", got, need)
		}
		if limit := 4*len(s) + 2*len(s)*(len(need)+1) + 8; calls > limit {
			t.Fatalf("%d calls for %d elements, %d needed", calls, len(s), len(need))
		}
	})
}

// TestReduceOneMinimal: also for a predicate that is not monotone no single element can be left out of the result.
func TestReduceOneMinimal(t *testing.T) {
	pred := func(c []int) bool { return len(c)%2 == 0 && slices.Contains(c, 3) || len(c) == 7 }
	got := reduce([]int{1, 2, 3, 4, 5, 6, 7, 8}, func(c []int) (bool, bool) { return pred(c), false })
	if !pred(got) {
		t.Fatalf("%v does not satisfy the predicate", got)
	}
	for i := range got {
		if pred(slices.Delete(slices.Clone(got), i, i+1)) {
			t.Errorf("%v is not 1-minimal", got)
		}
	}
}

// TestReduceStops: the answer after an early stop is valid.
func TestReduceStops(t *testing.T) {
	for limit := range 20 {
		calls := 0
		got := reduce([]int{1, 2, 3, 4, 5, 6, 7, 8}, func(c []int) (bool, bool) {
			calls++
			return slices.Contains(c, 5), calls > limit
		})
		if !slices.Contains(got, 5) {
			t.Errorf("stopped after %d calls: %v lost the element", limit, got)
		}
		if calls > limit+1 {
			t.Errorf("%d calls after stop at %d", calls, limit)
		}
	}
}
