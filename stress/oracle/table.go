package oracle

// table is a set of 64-bit keys: open addressing with linear probing, at most three quarters full. 0 is a free slot.
type table struct {
	slots []uint64
	n     int
}

const tableStart = 256

// clear empties the set. Clearing a large table costs more than growing a new one to what most need.
func (t *table) clear() {
	if len(t.slots) > 16*tableStart {
		t.slots = nil
	}
	clear(t.slots)
	t.n = 0
}

// add says whether the key is new.
func (t *table) add(k uint64) bool {
	if 4*(t.n+1) > 3*len(t.slots) {
		t.grow()
	}
	k = max(k, 1)
	i := t.place(k)
	if t.slots[i] == k {
		return false
	}
	t.slots[i] = k
	t.n++
	return true
}

// remove takes a key out that is in.
func (t *table) remove(k uint64) {
	mask := uint64(len(t.slots) - 1)
	hole := uint64(t.place(max(k, 1)))
	for i := (hole + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if (i-t.slots[i])&mask >= (i-hole)&mask { // would not be found behind the hole
			t.slots[hole], hole = t.slots[i], i
		}
	}
	t.slots[hole] = 0
	t.n--
}

// place is where a key is, or the free slot where it goes.
func (t *table) place(k uint64) int {
	mask := uint64(len(t.slots) - 1)
	i := k & mask
	for t.slots[i] != 0 && t.slots[i] != k {
		i = (i + 1) & mask
	}
	return int(i)
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, max(tableStart, 2*len(old)))
	for _, k := range old {
		if k != 0 {
			t.slots[t.place(k)] = k
		}
	}
}

func (t *table) bytes() int { return 8 * len(t.slots) }
