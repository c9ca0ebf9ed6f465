package engine

import (
	"math/bits"
	"unsafe"
)

// Fingerprint identifies a state for an exhaustive search: 128 bits, so that of n different states two share one with a
// probability of about n²/2^129 (ten million states: 1.5e-25). It covers what Hash covers.
//
// It is a sum over the nonzero words of the state, each mixed with its place, so what a step did not change need not be
// hashed again: see After.
type Fingerprint struct{ Lo, Hi uint64 }

// Places of the parts of a World in a fingerprint: a part's words follow each other, the parts lie apart.
const (
	placeCounts = iota << 12
	placeFiles
	placeBarriers
	placeVars
	placeFilters
	placeTasks
	placeProcs
	placeSighands
	placeMMs
	placeMore
	placeClients
	placeUser // first place for what a search adds by Put

	placeStride = 1 << 8 // between parts of a kind: more words than any has
)

// Put adds a word that a search keeps beside the World: what the actors have seen, for example. Places below 1<<20 are free.
func (f *Fingerprint) Put(place int, v uint64) { f.add(uint64(placeUser+place), v) }

// Take takes away what Put added.
func (f *Fingerprint) Take(place int, v uint64) { f.remove(uint64(placeUser+place), v) }

func term(place, v uint64) (lo, hi uint64) {
	a := mix(v^k0, place*k2+k1)
	return mix(a, v+k3), mix(bits.RotateLeft64(a, 31)^place, v^k4)
}

func (f *Fingerprint) add(place, v uint64) {
	if v == 0 {
		return
	}
	lo, hi := term(place, v)
	f.Lo += lo
	f.Hi += hi
}

func (f *Fingerprint) remove(place, v uint64) {
	if v == 0 {
		return
	}
	lo, hi := term(place, v)
	f.Lo -= lo
	f.Hi -= hi
}

func (f *Fingerprint) change(place, from, to uint64) {
	if from != to {
		f.remove(place, from)
		f.add(place, to)
	}
}

// changeWords replaces the words of a part; nil stands for a part that is not in use.
func (f *Fingerprint) changeWords(place uint64, from, to []uint64) {
	switch {
	case from == nil:
		for i, v := range to {
			f.add(place+uint64(i), v)
		}
	case to == nil:
		for i, v := range from {
			f.remove(place+uint64(i), v)
		}
	case len(from) != len(to) || !sameWords(from, to):
		n := min(len(from), len(to))
		for i, v := range from[:n] {
			if v != to[i] {
				f.remove(place+uint64(i), v)
				f.add(place+uint64(i), to[i])
			}
		}
		for i := n; i < len(from); i++ {
			f.remove(place+uint64(i), from[i])
		}
		for i := n; i < len(to); i++ {
			f.add(place+uint64(i), to[i])
		}
	}
}

// changeParts replaces parts of a kind, of which those in the sets are in use. Most steps change none: one look tells.
func changeParts[T any](f *Fingerprint, place uint64, was, is uint16, from, to *[maxTasks]T) {
	all := was | is
	if n := bits.Len16(all); was == is && sameWords(allWords(from[:n]), allWords(to[:n])) {
		return
	}
	for ; all != 0; all &= all - 1 {
		i := bits.TrailingZeros16(all)
		f.changeWords(place+uint64(i)*placeStride, wordsIf(was&(1<<i) != 0, &from[i]), wordsIf(is&(1<<i) != 0, &to[i]))
	}
}

func sameWords(a, b []uint64) bool {
	n := len(a) * 8
	return unsafe.String((*byte)(unsafe.Pointer(&a[0])), n) == unsafe.String((*byte)(unsafe.Pointer(&b[0])), n)
}

func words[T any](v *T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(v)), unsafe.Sizeof(*v)/8)
}

func allWords[T any](v []T) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&v[0])), uintptr(len(v))*unsafe.Sizeof(v[0])/8)
}

// wordsIf are the words of a part if it is in use.
func wordsIf[T any](used bool, v *T) []uint64 {
	if !used {
		return nil
	}
	return words(v)
}

// Fingerprint is that of the whole state.
func (w *World) Fingerprint() Fingerprint {
	var none World
	none.m = w.m
	return w.After(&none, Fingerprint{})
}

// After is the fingerprint of w, made by a step from the state before, whose fingerprint is f: only what differs is hashed.
func (w *World) After(before *World, f Fingerprint) Fingerprint {
	f.change(placeCounts, before.counts(), w.counts())
	f.change(placeCounts+1, before.sets(), w.sets())
	for i := range w.m.prog.Barriers {
		f.change(placeBarriers+uint64(i), uint64(before.barriers[i]), uint64(w.barriers[i]))
	}
	for i := range w.m.prog.Vars {
		f.change(placeVars+uint64(i), uint64(before.vars[i]), uint64(w.vars[i]))
	}
	for i := range uint64(max(before.filterN, w.filterN)) {
		f.change(placeFilters+i, before.filterWord(i), w.filterWord(i))
	}
	if w.m.pidfds {
		for i := range w.files {
			f.changeWords(placeFiles+uint64(i)*placeStride, words(&before.files[i]), words(&w.files[i]))
		}
	}
	several := len(w.m.ops) > 1
	for s := before.used | w.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		var from, to []uint64
		if before.used&(1<<i) != 0 {
			from = before.tasks[i].words()
		}
		if w.used&(1<<i) != 0 {
			to = w.tasks[i].words()
		}
		f.changeWords(placeTasks+uint64(i)*placeStride, from, to)
		if several {
			f.changeWords(placeMore+uint64(i)*placeStride, wordsIf(from != nil, &before.more[i]), wordsIf(to != nil, &w.more[i]))
		}
	}
	for i := range w.m.ops {
		if several {
			f.changeWords(placeClients+uint64(i)*placeStride, words(&before.clients[i]), words(&w.clients[i]))
		}
	}
	changeParts(&f, placeProcs, before.groups, w.groups, &before.procs, &w.procs)
	changeParts(&f, placeSighands, before.groups, w.groups, &before.sighands, &w.sighands)
	changeParts(&f, placeMMs, before.groups, w.groups, &before.mms, &w.mms)
	return f
}

func (w *World) counts() uint64 {
	return uint64(w.used)<<32 | uint64(w.groups)<<16 | uint64(w.filterN)<<8 | uint64(w.seq)
}

func (w *World) sets() uint64 { return uint64(w.linking)<<32 | uint64(w.told)<<16 | uint64(w.inExec) }

func (w *World) filterWord(i uint64) uint64 {
	if i >= uint64(w.filterN) {
		return 0
	}
	f := &w.filters[i]
	return 1<<63 | uint64(f.prev) | uint64(f.call)<<8 | uint64(f.action)<<16 | uint64(f.data)<<32
}

const (
	k2 = 0x8ebc6af09c88c6e3
	k3 = 0x589965cc75374cc3
	k4 = 0x1d8e4e27c47d124f
)
