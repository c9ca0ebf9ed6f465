package engine

import (
	"math/bits"
	"slices"
	"unsafe"
)

// Snapshot appends the state to dst, densely: what CopyFrom copies, some two thousand bytes where a World has fourteen. A
// search that keeps many states keeps these.
func (w *World) Snapshot(dst []uint64) []uint64 {
	p := w.m.prog
	dst = append(dst, w.counts(), w.sets())
	dst = put(dst, w.at[:])
	if w.m.pidfds {
		dst = put(dst, w.files[:])
	}
	dst = put(dst, w.barriers[:len(p.Barriers)])
	dst = put(dst, w.vars[:p.Vars])
	dst = put(dst, w.filters[:w.filterN])
	several := len(w.m.ops) > 1
	for s := w.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		t := &w.tasks[i]
		dst = append(dst, uint64(t.nhand))
		dst = put(dst, t.words())
		if several {
			dst = put(dst, w.more[i][:])
		}
	}
	if several {
		dst = put(dst, w.clients[:len(w.m.ops)])
	}
	for s := w.groups; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		dst = put(dst, words(&w.procs[i]))
		dst = put(dst, words(&w.sighands[i]))
		dst = put(dst, words(&w.mms[i]))
	}
	return dst
}

// Restore puts w, which was a state of this machine, into the state that Snapshot appended.
func (w *World) Restore(src []uint64) {
	p := w.m.prog
	w.event, w.cur, w.alt = Event{}, 0, 0
	counts, sets := src[0], src[1]
	w.used, w.groups, w.filterN, w.seq = uint16(counts>>32), uint16(counts>>16), uint8(counts>>8), uint8(counts)
	w.linking, w.told, w.inExec = uint16(sets>>32), uint16(sets>>16), uint16(sets)
	src = take(src[2:], w.at[:])
	if w.m.pidfds {
		src = take(src, w.files[:])
	}
	src = take(src, w.barriers[:len(p.Barriers)])
	src = take(src, w.vars[:p.Vars])
	src = take(src, w.filters[:w.filterN])
	several := len(w.m.ops) > 1
	for s := w.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		t := &w.tasks[i]
		t.nhand = uint8(src[0])
		src = take(src[1:], t.words())
		if several {
			src = take(src, w.more[i][:])
		}
	}
	if several {
		src = take(src, w.clients[:len(w.m.ops)])
	}
	for s := w.groups; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		src = take(src, words(&w.procs[i]))
		src = take(src, words(&w.sighands[i]))
		src = take(src, words(&w.mms[i]))
	}
}

// put appends the bytes of part, filled up to whole words.
func put[T any](dst []uint64, part []T) []uint64 {
	if len(part) == 0 {
		return dst
	}
	at, n := len(dst), (len(part)*int(unsafe.Sizeof(part[0]))+7)/8
	dst = slices.Grow(dst, n)[:at+n]
	dst[at+n-1] = 0
	copy(unsafe.Slice((*T)(unsafe.Pointer(&dst[at])), len(part)), part)
	return dst
}

// take is the inverse of put, and returns what follows.
func take[T any](src []uint64, part []T) []uint64 {
	if len(part) == 0 {
		return src
	}
	copy(part, unsafe.Slice((*T)(unsafe.Pointer(&src[0])), len(part)))
	return src[(len(part)*int(unsafe.Sizeof(part[0]))+7)/8:]
}
