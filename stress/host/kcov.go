package host

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// kcov is the kernel's code coverage by actors (Documentation/dev-tools/kcov.rst). It is a task's own: each actor switches it on for
// itself (see actor.NewArena), with a descriptor that it inherits, and ends it with its exit, before most of what do_exit does.
// Here is what they share with us: for each actor an area that the kernel writes addresses to. An actor of the next run goes on
// where that of the last one stopped.
//
// The nil kcov is that of a kernel that has none, or none for us.
type kcov struct {
	files [engine.MaxActors]*os.File
	areas [engine.MaxActors][]byte
	seen  map[uint64]struct{}
}

// kcovWords is the size of an area: what an actor goes through in the runs that are taken together. Beyond it is lost.
const kcovWords = 1 << 16

const kcovInitTrace = 0x80086301 // _IOR('c', 1, unsigned long)

func openKcov() *kcov {
	k := &kcov{seen: map[uint64]struct{}{}}
	for i := range k.files {
		f, err := os.OpenFile("/sys/kernel/debug/kcov", os.O_RDWR, 0)
		if err != nil {
			k.close()
			return nil
		}
		k.files[i] = f
	}
	if k.need(1) != nil {
		k.close()
		return nil
	}
	return k
}

// need makes the areas of so many actors, where there are none yet. All twelve take a User Mode Linux a tenth of a second.
func (k *kcov) need(actors int) error {
	if k == nil {
		return nil
	}
	for i, f := range k.files[:actors] {
		if k.areas[i] != nil {
			continue
		}
		if err := unix.IoctlSetInt(int(f.Fd()), kcovInitTrace, kcovWords); err != nil {
			return fmt.Errorf("make KCOV's area: %w", err)
		}
		var err error
		if k.areas[i], err = unix.Mmap(int(f.Fd()), 0, kcovWords*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
			return fmt.Errorf("map KCOV's area: %w", err)
		}
	}
	return nil
}

func (k *kcov) close() {
	if k == nil {
		return
	}
	for i, f := range k.files {
		if k.areas[i] != nil {
			unix.Munmap(k.areas[i]) //nolint:errcheck // it is mapped
		}
		f.Close() //nolint:errcheck // of what was opened; of nil it fails
	}
}

// take appends the addresses that were not taken before. Actors may run meanwhile: what they just write may be taken next time.
func (k *kcov) take(fresh []uint64) []uint64 {
	if k == nil {
		return fresh
	}
	for _, area := range k.areas {
		if area == nil {
			break
		}
		words := unsafe.Slice((*uint64)(unsafe.Pointer(&area[0])), kcovWords)
		n := min(atomic.LoadUint64(&words[0]), kcovWords-1)
		if n == 0 {
			continue
		}
		for i := range words[1 : n+1] {
			pc := atomic.LoadUint64(&words[1+i])
			if _, is := k.seen[pc]; !is && pc != 0 {
				k.seen[pc] = struct{}{}
				fresh = append(fresh, pc)
			}
		}
		atomic.StoreUint64(&words[0], 0)
	}
	return fresh
}
