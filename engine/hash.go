package engine

import (
	"math/bits"
	"unsafe"
)

// Hash identifies the state: equal states have equal hashes, and different ones practically never. It covers everything
// that decides what can happen, user positions included; marks and options are left out.
//
// The bytes of the structures are hashed as they lie in memory; a test makes sure that they hold no implicit padding.
func (w *World) Hash() uint64 {
	h := mix(w.counts(), w.sets())
	p := w.m.prog
	if w.m.pidfds {
		h = hashWords(h, unsafe.Slice((*uint64)(unsafe.Pointer(&w.files)), unsafe.Sizeof(w.files)/8))
	}
	for i := range p.Barriers {
		h = mix(h, uint64(w.barriers[i]))
	}
	for i := range p.Vars {
		h = mix(h, uint64(w.vars[i]))
	}
	for i := range w.filterN {
		f := &w.filters[i]
		h = mix(h, uint64(f.prev)|uint64(f.call)<<8|uint64(f.action)<<16|uint64(f.data)<<32)
	}
	several := len(w.m.ops) > 1
	for s := w.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		h = hashWords(h+uint64(i), w.tasks[i].words())
		if several {
			h = hashWords(h, unsafe.Slice((*uint64)(unsafe.Pointer(&w.more[i])), unsafe.Sizeof(w.more[i])/8))
		}
	}
	if several {
		h = hashWords(h, unsafe.Slice((*uint64)(unsafe.Pointer(&w.clients)), uintptr(len(w.m.ops))*unsafe.Sizeof(w.clients[0])/8))
	}
	for s := w.groups; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		h = hashWords(h+uint64(i), unsafe.Slice((*uint64)(unsafe.Pointer(&w.procs[i])), unsafe.Sizeof(w.procs[i])/8))
		h = hashWords(h, unsafe.Slice((*uint64)(unsafe.Pointer(&w.sighands[i])), unsafe.Sizeof(w.sighands[i])/8))
		h = hashWords(h, unsafe.Slice((*uint64)(unsafe.Pointer(&w.mms[i])), unsafe.Sizeof(w.mms[i])/8))
	}
	return h
}

// words are the bytes of a task that mean something: unused places at its end, of signal handlers, hold what they like.
func (t *task) words() []uint64 {
	n := unsafe.Offsetof(t.hand) + uintptr(t.nhand)*unsafe.Sizeof(t.hand[0])
	return unsafe.Slice((*uint64)(unsafe.Pointer(t)), n/8)
}

const (
	k0 = 0xa0761d6478bd642f
	k1 = 0xe7037ed1a0b428db
)

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k0, b^k1)
	return hi ^ lo
}

// hashWords hashes in four chains, which the processor works on at once.
func hashWords(h uint64, p []uint64) uint64 {
	a, b, c, d := h, h, h, h
	for len(p) >= 8 {
		q := (*[8]uint64)(p)
		a = mix(q[0]^a, q[1])
		b = mix(q[2], q[3]^b)
		c = mix(q[4]^c, q[5])
		d = mix(q[6], q[7]^d)
		p = p[8:]
	}
	if len(p) >= 4 {
		a = mix(p[0]^a, p[1])
		b = mix(p[2], p[3]^b)
		p = p[4:]
	}
	if len(p) >= 2 {
		c = mix(p[0]^c, p[1])
		p = p[2:]
	}
	if len(p) > 0 {
		d = mix(p[0], d)
	}
	return mix(a^bits.RotateLeft64(b, 23), c^bits.RotateLeft64(d, 29))
}
