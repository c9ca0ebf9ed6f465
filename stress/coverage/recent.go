package coverage

// Recent remembers pairs of numbers, the latest of them, in as much memory as it takes from the beginning: a campaign sees more outcomes in
// a night than are worth their memory, and its memory is not to grow with them. What comes again is remembered again, so it is what has not
// been seen for long that is forgotten.
type Recent struct {
	sets [][recentWays]uint64 // hashes, in each set the latest first; 0: none
}

// recentWays is how many hashes share one place. Fewer, and two that are common may push each other out.
const recentWays = 8

// NewRecent returns a Recent of about n pairs, 8 bytes each, none remembered. n is a power of two, 8 at least.
func NewRecent(n int) *Recent {
	if n < recentWays || n&(n-1) != 0 {
		panic("coverage.NewRecent: not a power of two from 8 on")
	}
	return &Recent{make([][recentWays]uint64, n/recentWays)}
}

// Add remembers a pair as the latest, and says whether it is new: not seen before, or forgotten. Two pairs are one with a probability of
// 2^-64 for each of those remembered at the same place.
func (r *Recent) Add(a, b uint64) (added bool) {
	k := max(mix(mix(a)^b), 1)
	set := &r.sets[k&uint64(len(r.sets)-1)]
	i := 0
	for i < recentWays-1 && set[i] != k {
		i++
	}
	added = set[i] != k
	copy(set[1:i+1], set[:i])
	set[0] = k
	return added
}

// mix spreads a number over all bits of another, one to one (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
