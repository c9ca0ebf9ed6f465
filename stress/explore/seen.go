package explore

import (
	"math/bits"
	"unsafe"

	"tracehammer/engine"
)

// seen is a set of fingerprints: open addressing with linear probing. 16 bytes an entry, of which at least two thirds are
// used, make 20 to 24 bytes a state once there are some ten thousand.
//
// Memory is taken in small chunks and never given back before the end. The shards grow one at a time, through one scratch
// buffer, so growing leaves no garbage and never needs much more than what it makes.
type seen struct {
	shards  [1 << shardBits]shard
	scratch []engine.Fingerprint
	n       int // entries
	chunks  int
}

type shard struct {
	chunks []*chunk
	limit  int // entries before the next growth
	n      int
}

// chunk is a run of slots. The zero fingerprint is a free slot.
type chunk [1 << chunkBits]engine.Fingerprint

const (
	shardBits = 6
	chunkBits = 8
	chunkMask = 1<<chunkBits - 1
)

// add puts f into the set and says whether it is new.
func (s *seen) add(f engine.Fingerprint) (fresh bool) {
	if f == (engine.Fingerprint{}) {
		f.Lo = 1
	}
	sh := &s.shards[f.Hi>>(64-shardBits)]
	if sh.n >= sh.limit {
		s.grow(sh)
	}
	if !sh.put(f) {
		return false
	}
	s.n++
	return true
}

// has says whether f is in the set.
func (s *seen) has(f engine.Fingerprint) bool {
	if f == (engine.Fingerprint{}) {
		f.Lo = 1
	}
	sh := &s.shards[f.Hi>>(64-shardBits)]
	end := uint64(len(sh.chunks)) << chunkBits
	if end == 0 {
		return false
	}
	for i, _ := bits.Mul64(f.Lo, end); ; {
		switch sh.chunks[i>>chunkBits][i&chunkMask] {
		case f:
			return true
		case engine.Fingerprint{}:
			return false
		}
		if i++; i == end {
			i = 0
		}
	}
}

// put inserts f; false if it is there already.
func (sh *shard) put(f engine.Fingerprint) bool {
	end := uint64(len(sh.chunks)) << chunkBits
	for i, _ := bits.Mul64(f.Lo, end); ; {
		switch at := &sh.chunks[i>>chunkBits][i&chunkMask]; *at {
		case f:
			return false
		case engine.Fingerprint{}:
			*at = f
			sh.n++
			return true
		}
		if i++; i == end {
			i = 0
		}
	}
}

// grow makes a shard a fifth bigger, and lets it fill up to four fifths.
func (s *seen) grow(sh *shard) {
	s.scratch = s.scratch[:0]
	for _, c := range sh.chunks {
		for i, f := range c {
			if f != (engine.Fingerprint{}) {
				s.scratch = append(s.scratch, f)
				c[i] = engine.Fingerprint{}
			}
		}
	}
	for range max(1, len(sh.chunks)/5) {
		sh.chunks = append(sh.chunks, new(chunk))
		s.chunks++
	}
	sh.n, sh.limit = 0, len(sh.chunks)<<chunkBits*4/5
	for _, f := range s.scratch {
		sh.put(f)
	}
}

// bytes is the memory that the set has taken.
func (s *seen) bytes() int {
	n := int(unsafe.Sizeof(*s)) + cap(s.scratch)*int(unsafe.Sizeof(engine.Fingerprint{})) + s.chunks*int(unsafe.Sizeof(chunk{}))
	for i := range s.shards {
		n += cap(s.shards[i].chunks) * int(unsafe.Sizeof(uintptr(0)))
	}
	return n
}
