package gen

import (
	"math/rand/v2"

	"tracehammer/corpus"
)

// Grower makes scenarios of bytes: the zero Grower is ready, and belongs to one goroutine.
type Grower struct {
	g    Gen
	from entropy
}

// Grow returns the scenario that bytes make: one of nothing, like those of Free, whose decisions are the bytes in turn. The first of them is
// for the kinds of operations that it is made of; each other one decides what comes behind what those before it decided, so a fuzzer that
// changes a byte leaves the beginning alone, and each byte that it tries is something that does something. Behind the end, decisions are
// drawn by a hash of all bytes: a few bytes are a whole scenario. The same bytes make the same scenario, as long as this package is the same.
func (g *Grower) Grow(data []byte) *corpus.Scenario {
	kinds := byte(0)
	if len(data) > 0 {
		kinds, data = data[0], data[1:]
	}
	if g.g.rng == nil {
		g.g.rng, g.g.utrace, g.g.alone = rand.New(&g.from), true, true
	}
	g.from.begin(nil, uint64(kinds))
	verbs := g.g.swarm(g.g.all())
	g.from.begin(data, uint64(kinds))
	s := g.g.grow(verbs)
	s.Name = "x" // as corpus.Decode calls it: the byte form has no name
	return s
}

// entropy is a source of random numbers: bytes, and behind them what a hash of them makes.
type entropy struct {
	left []byte
	x    uint64
}

func (e *entropy) begin(data []byte, seed uint64) {
	e.left, e.x = data, 0xcbf29ce484222325^seed
	for _, b := range data {
		e.x = (e.x ^ uint64(b)) * 0x100000001b3 // FNV-1a
	}
}

// Uint64 implements rand.Source. IntN of a power of two takes the lowest bits of it, of another number below 2^32 the highest of its low
// half, and of a larger one the highest: a byte stands in all three places.
func (e *entropy) Uint64() uint64 {
	if len(e.left) > 0 {
		b := uint64(e.left[0])
		e.left = e.left[1:]
		return b<<56 | b<<24 | b
	}
	e.x += 0x9e3779b97f4a7c15 // splitmix64
	z := (e.x ^ e.x>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
