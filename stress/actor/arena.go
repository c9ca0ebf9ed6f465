package actor

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arena is the shared memory of one namespace's actors, seen from Go. One goroutine uses it at a time; the actors use it
// concurrently, by the protocol of run.state: Go owns a region while it is idle or done, the actors while it is ready.
type Arena struct {
	mem  []byte
	file *os.File
	code *Code
	next int    // region that runs next
	kcov uint64 // of the runs
}

// NewArena makes the shared memory, with init's code in it. core is the limit that init puts on core dumps. With kcov
// init has KCOV's descriptors from KcovFD on, and actors whose calls nobody sees switch it on for themselves.
func NewArena(core uint64, kcov bool) (*Arena, error) {
	fd, err := unix.MemfdCreate("tracehammer arena", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("tracehammer arena", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create of the actors' memory: %w", err)
	}
	a := &Arena{file: os.NewFile(uintptr(fd), "actor memory")}
	if err := a.file.Truncate(arenaSize); err != nil {
		a.file.Close()
		return nil, fmt.Errorf("size the actors' memory: %w", err)
	}
	if a.mem, err = unix.Mmap(fd, 0, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		a.file.Close()
		return nil, fmt.Errorf("map the actors' memory: %w", err)
	}
	code, data := initCode(MaxRuns, core, kcov)
	if kcov {
		a.kcov = 1
	}
	if len(code) > farAt-initCodeAt || len(data)*8 > initCodeAt-initDataAt {
		panic("actor: init's code does not fit")
	}
	copy(a.mem[textAt:], interpreter().code)
	a.initSlot(controlRegion, initSlot)
	copy(a.mem[initCodeAt:], code)
	copy(unsafe.Slice((*uint64)(unsafe.Pointer(&a.mem[initDataAt])), len(data)), data)
	s := a.slot(controlRegion, initSlot)
	s.pc = arenaBase + initCodeAt
	s.logn = logCap // nobody reads init's log, so let it be full
	return a, nil
}

// Close gives the memory back. Actors that still have it mapped keep it.
func (a *Arena) Close() error {
	return errors.Join(unix.Munmap(a.mem), a.file.Close())
}

// File is the memory's descriptor, which actors have as ArenaFD.
func (a *Arena) File() *os.File { return a.file }

// InitArgv0 is the argument that tells a new image that it is init.
func InitArgv0() string { return slotName(controlRegion, initSlot, "init") }

// slotName is argv[0] of an image: region, slot, and a word for those who look at a list of processes.
func slotName(region, slot int, what string) string {
	return string([]byte{'A' + byte(region), 'A' + byte(slot)}) + " " + what
}

func (a *Arena) at(region int, off uintptr) unsafe.Pointer {
	return unsafe.Pointer(&a.mem[windowsAt+uintptr(region)*windowSize+off])
}
func (a *Arena) slot(region, i int) *slot { return (*slot)(a.at(region, uintptr(i)*slotSize)) }
func (a *Arena) run(region int) *run      { return (*run)(a.at(region, 0)) }
func (a *Arena) words(region int, off uintptr, n int) []uint64 {
	return unsafe.Slice((*uint64)(a.at(region, off)), n)
}

// near and far are the two parts of an actor's log.
func (a *Arena) near(region, i int) []entry {
	return unsafe.Slice((*entry)(a.at(region, uintptr(i)*slotSize+nearOffset)), nearCap)
}
func (a *Arena) far(region, i int) []entry {
	return unsafe.Slice((*entry)(unsafe.Pointer(&a.mem[farAddr(region, i)-arenaBase])), logCap)[nearCap:]
}

// used returns the parts of an actor's log that are in use.
func (a *Arena) used(region, i int) [2][]entry {
	n := int(min(atomic.LoadUint64(&a.slot(region, i).logn), logCap))
	near := min(n, nearCap)
	return [2][]entry{a.near(region, i)[:near], a.far(region, i)[:n-near]}
}

// initSlot fills in what never changes in a slot. Those of actors have it when a run first uses them: they are pages, which cost a
// User Mode Linux a third of a millisecond each.
func (a *Arena) initSlot(region, i int) {
	s, addr := a.slot(region, i), slotAddrOf(region, i)
	s.base = [4]uint64{fromSlot: uint64(addr), fromRun: uint64(regionAddr(region)), fromStack: uint64(stacksAddr(region))}
	s.enter = arenaBase + textAt + uint64(interpreter().enter)
	copy(s.name[:len(s.name)-1], slotName(region, i, "tracehammer actor"))
	s.more = uint64(farAddr(region, i))
	s.argv[0] = uint64(addr + unsafe.Offsetof(s.name))
}

// BootError says which step of init's start failed, nil if none did or init has not come so far.
func (a *Arena) BootError() error {
	var errs []error
	for step, what := range map[int]string{stepMount: "mount /proc of the new PID namespace", stepCore: "limit core dumps"} {
		if ret := int64(a.words(controlRegion, bootOffset, numSteps)[step]); ret < 0 {
			errs = append(errs, fmt.Errorf("%s: %w", what, unix.Errno(-ret)))
		}
	}
	return errors.Join(errs...)
}

// Load makes c the code of the runs prepared from now on. No run may be under way.
func (a *Arena) Load(c *Code) {
	a.code = c
	copy(a.mem[codeAt:], c.text)
	copy(a.mem[dataAt:], c.data)
}

// Run is one prepared run.
type Run struct {
	arena  *Arena
	code   *Code
	region int
	Delays []int64 // nanoseconds per cell
}

// Prepare resets the next region for a run of the loaded code with these delays in nanoseconds per cell, and starts it:
// init gets to it when the runs before it are done. At most MaxRuns may be unfinished. With hold init stops at the cut
// until Release. cpus are the sets of CPUs of the actors, nil for those of init.
func (a *Arena) Prepare(r *Run, delays []int64, hold bool, cpus []uint64) {
	*r = Run{arena: a, code: a.code, region: a.next, Delays: append(r.Delays[:0], delays...)}
	a.next = (a.next + 1) % MaxRuns
	h := a.run(r.region)
	if h.state == stateReady || h.state == stateHeld {
		panic("actor: more runs than regions")
	}
	c := a.code
	*h = run{}
	clear(a.words(r.region, c.barriers, int(c.tables-c.barriers)/8))
	h.ticket = 1
	h.left, h.clone, h.kcov = c.left, c.flags, a.kcov
	for i := range h.tids {
		h.tids[i] = deadTid
	}
	for i, ns := range delays {
		a.words(r.region, c.cells, len(delays))[i] = uint64(nsToCycles(ns))
	}
	if hold {
		h.hold = 1
	}
	copy(h.cpus[:], cpus)
	for i := range c.start {
		s := a.slot(r.region, i+1)
		if s.enter == 0 {
			a.initSlot(r.region, i+1)
		}
		for _, part := range a.used(r.region, i+1) {
			clear(part)
		}
		s.pc, s.cur, s.logn, s.execs, s.parked = uint64(c.start[i]), 0, 0, 0, 0
	}
	atomic.StoreUint64(&h.state, stateReady)
	// Init sleeps here only if it is done with the region before; otherwise it looks at this one when it is.
	if s := atomic.LoadUint64(&a.run((r.region + MaxRuns - 1) % MaxRuns).state); s == stateDone || s == stateIdle {
		wakeAll(&h.state)
	}
}

// Done says whether the run is over and all of it reaped; Held whether init waits at the cut.
func (r *Run) Done() bool { return atomic.LoadUint64(&r.head().state) == stateDone }
func (r *Run) Held() bool { return atomic.LoadUint64(&r.head().state) == stateHeld }

// Ticket is the next ticket of the run: it grows with every logged call, so it shows progress.
func (r *Run) Ticket() uint64 { return atomic.LoadUint64(&r.head().ticket) }

// Ended says whether the cut was taken.
func (r *Run) Ended() bool { return atomic.LoadUint64(&r.head().cut) != 0 }

// Finish makes init take the cut although actors have not parked.
func (r *Run) Finish() {
	h := r.head()
	atomic.StoreUint64(&h.done, 1)
	wakeAll(&h.done)
}

// Release lets init go on from the cut.
func (r *Run) Release() {
	h := r.head()
	atomic.StoreUint64(&h.hold, 0)
	wakeAll(&h.hold)
}

// Wait sleeps until the run is done or held, or the time is over.
func (r *Run) Wait(d time.Duration) {
	h := r.head()
	atomic.StoreUint64(&h.wake, 1)
	if s := atomic.LoadUint64(&h.state); s == stateReady {
		futexSleep(&h.state, uint32(s), d)
	}
}

func (r *Run) head() *run { return r.arena.run(r.region) }

// low is the half of a word that futexes look at.
func low(w *uint64) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(w), loWord) }

func wakeAll(w *uint64) {
	unix.Syscall(unix.SYS_FUTEX, uintptr(low(w)), futexWake, 1<<30) //nolint:errcheck // cannot fail on mapped memory
}

func futexSleep(w *uint64, val uint32, d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	// Every way to return (woken, changed, interrupted, time over) is the caller's to look at.
	unix.Syscall6(unix.SYS_FUTEX, uintptr(low(w)), futexWait, uintptr(val), uintptr(unsafe.Pointer(&ts)), 0, 0) //nolint:errcheck
}
