package actor

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
)

// Steps of init's start that can fail; Arena.BootError names them.
const (
	stepMount = iota
	stepCore
	stepGate
	stepCopy // not checked: without a set-user-id image, scenarios that want one need root anyway
	stepReap // not of the start: what the last wait4 returned
	numSteps
)

// initCode is what the namespace's init executes: it makes itself small and harmless, waits at the gate, and then runs the
// regions in turn, for ever: start actor 0, sleep until the run's end word, take the cut, kill everything, reap
// everything. It is interpreted like the code of actors, so no architecture needs to know how a run is conducted.
func initCode(runs int, core uint64, kcov bool) (code []byte, data []uint64) {
	b := builder{base: arenaBase + initCodeAt}
	consts := constants{at: arenaBase + initDataAt}
	nr := &sysno
	b.call(nr[engine.CallGetpid]) // never made: the prologue takes it for the execve that brought init here

	for sig := int64(1); sig <= engine.NSIG; sig++ { // what the Go process ignored must not leak into actors
		b.call(nr[engine.CallSigaction], imm(sig), consts.words(sigactionWords(engine.SigDefault, 0)...), imm(0), imm(sigsetSize))
	}
	// With a handler for it, the death of a child interrupts init's sleep (builder.end). Handled is not ignored: children stay
	// zombies until init reaps them.
	child := sigactionWords(uint64(handlerAddr()), engine.SA_SIGINFO|engine.SA_NOCLDSTOP)
	b.call(nr[engine.CallSigaction], imm(engine.SIGCHLD), consts.words(child...), imm(0), imm(sigsetSize))
	b.call(nr[engine.CallSigprocmask], imm(engine.SIG_SETMASK), consts.words(0), imm(0), imm(sigsetSize))
	// Who died before this leaves the gate at its end of file. Package syscall would send the signal to the child at once, as its parent is
	// not in its namespace, which no init but gVisor's minds.
	b.call(nr[engine.CallPrctl], imm(unix.PR_SET_PDEATHSIG), imm(int64(unix.SIGKILL)))
	b.call(nr[engine.CallPrctl], imm(unix.PR_SET_NAME), consts.words(stringWords("tracehammer")...))
	// Everything above the shared memory is the first image's stack and vdso: without them a fork copies less. Where the
	// kernel seals its own mappings this fails, and costs only time.
	const top = arenaBase + arenaSize
	b.call(unix.SYS_MUNMAP, imm(top), imm(userTop-top))
	b.step(stepCore, b.call(unix.SYS_PRLIMIT64, imm(0), imm(unix.RLIMIT_CORE), consts.words(core, core), imm(0)))
	b.setuidImage(consts.words)
	proc := consts.words(stringWords("proc")...)
	b.step(stepMount, b.call(unix.SYS_MOUNT, proc, consts.words(stringWords("/proc")...), proc, imm(unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV), imm(0)))

	// The gate: one byte when all is set up around init, end of file when the process that started it has died meanwhile.
	b.step(stepGate, b.call(unix.SYS_READ, imm(GateFD), slotAddr(slotBuf), imm(1)))
	open := b.branch(word(bootResult(stepGate)), -1, 1)
	b.call(nr[engine.CallExitGroup], imm(1))
	b.land(open, b.here())
	// Descriptors make a fork slower, and those that others leaked into the Go process are not the actors' to hold.
	b.call(unix.SYS_CLOSE_RANGE, imm(0), imm(ImageFD-1), imm(0))
	others := int64(GateFD)
	if kcov {
		others = KcovFD + engine.MaxActors
	}
	b.call(unix.SYS_CLOSE_RANGE, imm(others), imm(1<<30), imm(0))
	b.call(unix.SYS_CLOSE, imm(GateFD)) // before Linux 5.9 there is no close_range

	first := b.here()
	for r := range runs {
		b.conduct(r)
	}
	b.land(b.jump(), first)
	return b.bytes(), consts.data
}

// setuidImage copies the image into a set-user-id file of user 0. It has to lie in a mount of the actors' own namespace
// (mnt_may_suid), which no memfd does: a file system in memory, hidden below the /proc that is mounted next.
func (b *builder) setuidImage(words func(...uint64) operand) {
	const maxImage = 1 << 24
	tmpfs, dir, path := words(stringWords("tmpfs")...), words(stringWords("/proc")...), words(stringWords("/proc/image")...)
	b.call(unix.SYS_DUP3, imm(ImageFD), imm(SetuidFD), imm(0))
	b.call(unix.SYS_MOUNT, tmpfs, dir, tmpfs, imm(unix.MS_NODEV), words(stringWords("mode=755")...))
	file := word(bootResult(stepCopy))
	b.step(stepCopy, b.call(unix.SYS_OPENAT, imm(unix.AT_FDCWD), path, imm(unix.O_WRONLY|unix.O_CREAT), imm(0o755)))
	b.call(unix.SYS_SENDFILE, file, imm(ImageFD), words(0), imm(maxImage))
	b.call(unix.SYS_FCHMOD, file, imm(0o4755)) // now, because a write would take it away
	b.call(unix.SYS_CLOSE, file)               // who is being written is not executed
	b.step(stepCopy, b.call(unix.SYS_OPENAT, imm(unix.AT_FDCWD), path, imm(unix.O_RDONLY), imm(0)))
	b.call(unix.SYS_DUP3, file, imm(SetuidFD), imm(0))
	b.call(unix.SYS_CLOSE, file)
}

// bootResult is where the result of a step of init's start is kept: in the sink words of the control region's header.
func bootResult(step int) uintptr { return regionAddr(controlRegion) + bootOffset + uintptr(step)*8 }

const bootOffset = headerSize // in the control region, where others have tables

func (b *builder) step(n int, i *instr) {
	i.dst, i.flags = uint32(bootOffset)+uint32(n)*8, i.flags|flagVars
}

// constants collects words that the arena copies to a fixed address.
type constants struct {
	at   uintptr
	data []uint64
}

func (c *constants) words(w ...uint64) operand {
	addr := c.at + uintptr(len(c.data))*8
	c.data = append(c.data, w...)
	return address(addr)
}

// conduct emits init's part of the runs of region r.
func (b *builder) conduct(r int) {
	at := func(off uintptr) operand { return address(regionAddr(r) + off) }
	val := func(off uintptr) operand { return word(regionAddr(r) + off) }
	var h run
	var (
		ticket, done, state = unsafe.Offsetof(h.ticket), unsafe.Offsetof(h.done), unsafe.Offsetof(h.state)
		hold, wake, cut     = unsafe.Offsetof(h.hold), unsafe.Offsetof(h.wake), unsafe.Offsetof(h.cut)
		started, ended      = unsafe.Offsetof(h.started), unsafe.Offsetof(h.ended)
		drained             = unsafe.Offsetof(h.drained)
	)
	nr := &sysno
	// await leaves when the word has the value. Until then it has one of the others, and init sleeps: a wait for a value that the word has
	// not got returns at once, and init would burn a CPU that the actors, the agent and the oracle want.
	await := func(off uintptr, want int64, others ...int64) {
		loop := b.here()
		out := b.branch(val(off), -1, want)
		for _, v := range others {
			b.futexWait(at(off), v)
		}
		b.land(b.jump(), loop)
		b.land(out, b.here())
	}
	// tell adds n to the state and wakes Go if it waits. The addition is a locked one because Go sets wake and then looks at
	// state: one of the two must see the other.
	tell := func(n int64) {
		b.xadd(at(state), imm(n))
		quiet := b.branch(val(wake), -1, 0)
		b.futexWake(at(state))
		b.land(quiet, b.here())
	}

	await(state, stateReady, stateDone, stateIdle)
	b.stamp(at(started))
	main := stacksAddr(r) + uintptr(actorSlot(0))<<farShift + stackTop
	clone := b.call(nr[engine.CallClone], cloneArgs(val(unsafe.Offsetof(h.clone)), address(main), at(tidOffset(0)+loWord))...)
	clone.flags |= flagClone
	await(done, 1, 0)
	open := b.branch(val(cut), -1, 0) // else the last actor has taken it
	taken := b.jump()
	b.land(open, b.here())
	b.xadd(at(ticket), imm(1))
	b.store(at(cut), slotWord(slotTmp))
	b.stamp(at(ended))
	b.land(taken, b.here())
	// Go ends a run by setting done, perhaps where the actor has taken the cut and not stamped it yet: it dies before it can.
	unstamped := b.branch(val(ended), -1, 0)
	stamped := b.jump()
	b.land(unstamped, b.here())
	b.stamp(at(ended))
	b.land(stamped, b.here())
	free := b.branch(val(hold), -1, 0)
	tell(stateHeld - stateReady)
	await(hold, 0, 1)
	b.xadd(at(state), imm(stateReady-stateHeld))
	b.land(free, b.here())
	// Every task of the namespace descends from init, so when init has no child left, there is nobody to kill.
	reap := func(options int64) (gone, none int) {
		loop := b.here()
		b.step(stepReap, b.call(nr[engine.CallWait4], imm(-1), imm(0), imm(options), imm(0)))
		gone = b.branch(word(bootResult(stepReap)), -1, -engine.ECHILD)
		none = b.branch(word(bootResult(stepReap)), -1, 0)
		b.land(b.jump(), loop)
		return gone, none
	}
	gone, alive := reap(engine.WALL | engine.WNOHANG)
	b.land(alive, b.here())
	b.call(nr[engine.CallKill], imm(-1), imm(engine.SIGKILL))
	killed, never := reap(engine.WALL)
	b.land(gone, b.here())
	b.land(killed, b.here())
	b.land(never, b.here())
	b.stamp(at(drained))
	tell(stateDone - stateReady)
}
