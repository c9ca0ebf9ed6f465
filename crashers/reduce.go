package crashers

// reduce returns a small subsequence of s for which pred still holds, given that it holds for s. It removes chunks from
// the end towards the beginning, first halves, then quarters, down to single elements, and repeats the single pass until
// nothing more goes: the result is 1-minimal if pred is deterministic. pred sees a fresh slice each time.
//
// It stops early when pred says stop; the best so far is then returned, and pred held for it.
func reduce[T any](s []T, pred func([]T) (ok, stop bool)) []T {
	for size := (len(s) + 1) / 2; size >= 1; {
		size = min(size, len(s))
		removed := false
		for hi := len(s); hi > 0; {
			lo := max(0, hi-size)
			candidate := append(append(make([]T, 0, len(s)), s[:lo]...), s[hi:]...)
			ok, stop := pred(candidate)
			if ok {
				s, removed = candidate, true
			}
			if stop {
				return s
			}
			hi = lo
		}
		switch {
		case size > 1:
			size /= 2
		case !removed:
			return s
		}
		if len(s) == 0 {
			return s
		}
	}
	return s
}
