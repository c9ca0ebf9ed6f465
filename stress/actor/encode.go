package actor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/stress"
)

// Code is a Program in the form that actors interpret. It is immutable; any number of arenas may load it.
type Code struct {
	program  *engine.Program
	text     []byte    // for codeAt
	data     []byte    // for dataAt: constants that calls point to
	start    []uintptr // address of each actor's first instruction
	left     int64     // actors that are not victims
	barriers uintptr   // offset of the barriers in a run's region; variables and delay cells follow
	vars     uintptr
	cells    uintptr
	tables   uintptr          // offset of their end
	leader   []engine.ActorID // of the process that an actor is created in
	flags    uint64           // that init creates actor 0 with
	CanPin   bool             // actors may choose their own CPUs: nobody looks at the calls that they make
}

// Encode translates p. The error is a *stress.ProgramError.
func Encode(p *engine.Program) (*Code, error) {
	c, err := encode(p)
	if err == nil {
		err = dangers(p)
	}
	if err != nil {
		return nil, &stress.ProgramError{Err: err}
	}
	return c, nil
}

func encode(p *engine.Program) (*Code, error) {
	if len(p.Actors) == 0 || len(p.Actors) > engine.MaxActors {
		return nil, fmt.Errorf("%d actors, want 1 to %d", len(p.Actors), engine.MaxActors)
	}
	c := &Code{program: p, leader: leaders(p), flags: engine.SIGCHLD | unix.CLONE_PARENT_SETTID, CanPin: !seesCalls(p)}
	if sharesMemory(p) {
		c.flags |= engine.CLONE_VM
	}
	size := uintptr(len(p.Barriers))*barrierSize + uintptr(p.Vars+p.Cells)*8
	switch {
	case headerSize+size <= slotSize:
		c.barriers = headerSize
	case tablesOffset+size <= windowSize:
		c.barriers = tablesOffset
	default:
		return nil, fmt.Errorf("%d barriers, %d variables and %d delay cells do not fit a run", len(p.Barriers), p.Vars, p.Cells)
	}
	c.vars = c.barriers + uintptr(len(p.Barriers))*barrierSize
	c.cells = c.vars + uintptr(p.Vars)*8
	c.tables = c.barriers + size
	b := builder{code: c, base: arenaBase + codeAt}
	for a := range p.Actors {
		if !p.Actors[a].Victim {
			c.left++
		}
		if err := b.actor(engine.ActorID(a)); err != nil {
			return nil, fmt.Errorf("actor %s: %w", p.Actors[a].Name, err)
		}
	}
	c.text = b.bytes()
	if len(c.text) > windowsAt-codeAt {
		return nil, fmt.Errorf("%d bytes of code do not fit", len(c.text))
	}
	if len(c.data) > codeAt-dataAt {
		return nil, fmt.Errorf("%d bytes of constants do not fit", len(c.data))
	}
	return c, nil
}

// constant puts words into the program's data and returns their address.
func (c *Code) constant(words ...uint64) uintptr {
	addr := uintptr(arenaBase + dataAt + len(c.data))
	for _, w := range words {
		c.data = binary.NativeEndian.AppendUint64(c.data, w)
	}
	return addr
}

// A builder collects encoded instructions; jumps are patched when their targets are known.
type builder struct {
	code    *Code // nil for init's own code
	base    uintptr
	out     []instr
	in      *engine.Instr // the instruction that is being encoded
	me      engine.ActorID
	starts  []int   // place of each engine instruction of this actor
	forward []patch // jumps to engine instructions
	err     error
}

type patch struct {
	at     int
	target int32
}

func (b *builder) bytes() []byte {
	if len(b.out) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&b.out[0])), len(b.out)*int(instrSize))
}

func (b *builder) here() int           { return len(b.out) }
func (b *builder) addr(at int) uintptr { return b.base + uintptr(at)*instrSize }

func (b *builder) emit(i instr, args ...operand) *instr {
	hows := [...]*uint8{&i.how0, &i.how1, &i.how2, &i.how3, &i.how4, &i.how5}
	vals := [...]*int64{&i.arg0, &i.arg1, &i.arg2, &i.arg3, &i.arg4, &i.arg5}
	for n, a := range args {
		*hows[n], *vals[n] = a.how, a.v
		if n >= 3 {
			i.flags |= flagMore
		}
	}
	b.out = append(b.out, i)
	return &b.out[len(b.out)-1]
}

// call emits a system call that is not logged.
func (b *builder) call(nr uint32, args ...operand) *instr {
	out := uint16(slotNothing)
	return b.emit(instr{op: opCall, nr: nr, out0: out, out1: out, out2: out, dst: uint32(runSink), dstOut: uint32(runSink)}, args...)
}

func (b *builder) store(addr, v operand)   { b.emit(instr{op: opStore}, addr, v) }
func (b *builder) store32(addr, v operand) { b.emit(instr{op: opStore32}, addr, v) }
func (b *builder) xadd(addr, v operand)    { b.emit(instr{op: opXadd}, addr, v) }
func (b *builder) stamp(addr operand)      { b.emit(instr{op: opStamp}, addr) }

// branch emits a jump that is taken when v&mask == match, and returns its place; jump one that is always taken.
func (b *builder) branch(v operand, mask, match int64) int {
	i := b.emit(instr{op: opBranch}, v)
	i.arg1, i.arg2 = mask, match
	return b.here() - 1
}
func (b *builder) jump() int { return b.branch(imm(0), 0, 0) }

// land makes the branch at place at go to place to.
func (b *builder) land(at, to int) { b.out[at].arg3 = int64(to-at) * int64(instrSize) }

func (b *builder) futexWait(word operand, val int64) {
	b.call(sysno[engine.CallFutexWait], word.plus(loWord), imm(futexWait), imm(val), imm(0))
}

func (b *builder) futexWake(word operand) {
	b.call(sysno[engine.CallFutexWake], word.plus(loWord), imm(futexWake), imm(1<<30))
}

// include/uapi/linux/kcov.h: _IO('c', 100), as architectures with the generic ioctl numbers have it.
const (
	kcovEnable  = 0x6364
	kcovTracePC = 0
)

const (
	futexWait = 0
	futexWake = 1
)

// actor encodes one actor's instructions.
func (b *builder) actor(a engine.ActorID) error {
	p := b.code.program
	b.me, b.starts, b.forward = a, b.starts[:0], b.forward[:0]
	b.code.start = append(b.code.start, b.addr(b.here()))
	if a == 0 {
		// A process group of its own, so that it is not orphaned; and not init's handler.
		b.call(sysno[engine.CallSetpgid])
		none := address(b.code.constant(sigactionWords(engine.SigDefault, 0)...))
		b.call(sysno[engine.CallSigaction], imm(engine.SIGCHLD), none, imm(0), imm(sigsetSize))
	} else if b.code.CanPin {
		cpus := unsafe.Offsetof(run{}.cpus) + uintptr(a)*8
		stay := b.branch(runWord(cpus), -1, 0)
		b.call(unix.SYS_SCHED_SETAFFINITY, imm(0), imm(8), runAddr(cpus))
		b.land(stay, b.here())
	}
	if a == 0 || b.code.CanPin { // KCOV is a task's own: it does not come with fork, but stays over exec
		off := b.branch(runWord(unsafe.Offsetof(run{}.kcov)), -1, 0)
		b.call(unix.SYS_IOCTL, imm(KcovFD+int64(a)), imm(kcovEnable), imm(kcovTracePC))
		b.land(off, b.here())
	}
	code := p.Actors[a].Code
	for n := range code {
		b.in = &code[n]
		b.starts = append(b.starts, b.here())
		b.instr(a, int32(n))
		if b.err != nil {
			return fmt.Errorf("instruction %d: %w", n, b.err)
		}
	}
	if len(code) == 0 || code[len(code)-1].Op != engine.OpEnd {
		return errors.New("code does not end with OpEnd")
	}
	for _, j := range b.forward {
		if j.target < 0 || int(j.target) >= len(b.starts) {
			return fmt.Errorf("jump to instruction %d of %d", j.target, len(code))
		}
		b.land(j.at, b.starts[j.target])
	}
	return nil
}

func (b *builder) instr(a engine.ActorID, n int32) {
	in := b.in
	switch in.Op {
	case engine.OpCall:
		b.engineCall(n)
	case engine.OpBarrier:
		b.barrier(int(in.Barrier))
	case engine.OpDelay:
		if in.Cell < 0 || int(in.Cell) >= b.code.program.Cells {
			b.fail("delay cell %d of %d", in.Cell, b.code.program.Cells)
			return
		}
		b.emit(instr{op: opSpin}, runWord(b.code.cells+uintptr(in.Cell)*8))
	case engine.OpSet:
		b.store(runAddr(b.variable(in.Dst)), imm(in.Imm))
	case engine.OpAdd:
		b.xadd(runAddr(b.variable(in.Dst)), imm(in.Imm))
	case engine.OpJump:
		b.forward = append(b.forward, patch{b.jump(), in.Target})
	case engine.OpBranch:
		b.forward = append(b.forward, patch{b.branch(runWord(b.variable(in.Var)), in.Mask, in.Match), in.Target})
	case engine.OpEnd:
		b.end(a)
	default:
		b.fail("unknown operation %d", in.Op)
	}
}

// barrier: the last to arrive releases and wakes, the others wait; then, where it is asked for and there is more than one
// CPU, all spin until all are awake, so that none has a head start. The spin is bounded: some may be dead by then.
func (b *builder) barrier(k int) {
	p := b.code.program
	if k < 0 || k >= len(p.Barriers) {
		b.fail("barrier %d of %d", k, len(p.Barriers))
		return
	}
	at := b.code.barriers + uintptr(k)*barrierSize
	arrived, released, aligned := at+unsafe.Offsetof(barrier{}.arrived), at+unsafe.Offsetof(barrier{}.released), at+unsafe.Offsetof(barrier{}.aligned)
	b.xadd(runAddr(arrived), imm(1))
	last := b.branch(slotWord(slotTmp), -1, int64(p.Barriers[k].Parties)-1)
	wait := b.here()
	out := b.branch(runWord(released), -1, 1)
	b.futexWait(runAddr(released), 0)
	b.land(b.jump(), wait)
	b.land(last, b.here())
	b.store(runAddr(released), imm(1))
	b.futexWake(runAddr(released))
	b.land(out, b.here())
	if p.Barriers[k].Align && p.Barriers[k].Parties > 1 {
		b.xadd(runAddr(aligned), imm(1))
		b.emit(instr{op: opSpinUntil}, runAddr(aligned), imm(int64(p.Barriers[k].Parties)), imm(alignCycles()))
	}
}

// end: one wake-up of the run's end word, then parked for ever. The word that an actor wakes when it is not the last has no
// waiters, so that init sleeps through all but the last.
//
// When the last is actor 0, it takes the cut itself and exits: the history is over, init hears of a child's death as soon
// as of a wake-up, and is spared to kill what it would have to wait for, which is a third of all context switches of a
// small run. It does not when the run is to be looked at (hold), or when its death would be a tracer's to hear of.
func (b *builder) end(a engine.ActorID) {
	var h run
	done, nobody := runAddr(unsafe.Offsetof(h.done)), runAddr(unsafe.Offsetof(h.nobody))
	last := -1
	b.xadd(runAddr(unsafe.Offsetof(h.ticket)), imm(1))
	b.store(slotAddr(unsafe.Offsetof(slot{}.parked)), slotWord(slotTmp))
	if !b.code.program.Actors[a].Victim {
		b.xadd(runAddr(unsafe.Offsetof(h.left)), imm(-1))
		last = b.branch(slotWord(slotTmp), -1, 1)
	}
	b.futexWake(nobody)
	park := b.here()
	b.futexWait(runAddr(unsafe.Offsetof(h.never)), 0)
	b.land(b.jump(), park)
	if last < 0 {
		return
	}
	b.land(last, b.here())
	if a == 0 && !mayTrace(b.code.program, engine.NoActor, 0) {
		hold := b.branch(runWord(unsafe.Offsetof(h.hold)), -1, 1)
		b.futexWake(nobody)
		b.xadd(runAddr(unsafe.Offsetof(h.ticket)), imm(1))
		b.store(runAddr(unsafe.Offsetof(h.cut)), slotWord(slotTmp))
		b.stamp(runAddr(unsafe.Offsetof(h.ended)))
		b.store(done, imm(1))
		b.call(sysno[engine.CallExitGroup])
		b.land(hold, b.here())
	}
	b.store(done, imm(1))
	b.futexWake(done)
	b.land(b.jump(), park)
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// variable is the offset of a variable in the run's region; that of NoVar is a word that nobody reads.
func (b *builder) variable(v engine.VarID) uintptr {
	if v == engine.NoVar {
		return runSink
	}
	if v < 0 || int(v) >= b.code.program.Vars {
		b.fail("variable %d of %d", v, b.code.program.Vars)
		return runSink
	}
	return b.code.vars + uintptr(v)*8
}

// arg is argument n of the call that is being encoded.
func (b *builder) arg(n int) operand {
	a := b.in.Args[n]
	switch a.Kind {
	case engine.ArgImm:
		return imm(a.N)
	case engine.ArgTid, engine.ArgNegTid:
		if a.N < 0 || a.N >= int64(len(b.code.program.Actors)) {
			b.fail("argument %d names actor %d", n, a.N)
			return imm(0)
		}
		o := runWord(tidOffset(engine.ActorID(a.N)))
		if a.Kind == engine.ArgNegTid {
			o = o.negated()
		}
		return o
	case engine.ArgVar:
		return runWord(b.variable(engine.VarID(a.N)))
	case engine.ArgNegVar:
		return runWord(b.variable(engine.VarID(a.N))).negated()
	}
	b.fail("argument %d has unknown kind %d", n, a.Kind)
	return imm(0)
}

// constArg is an argument that the encoding itself depends on.
func (b *builder) constArg(n int) int64 {
	a := b.in.Args[n]
	if a.Kind != engine.ArgImm {
		b.fail("argument %d must be a number", n)
	}
	return a.N
}

// Program is what the code was encoded from.
func (c *Code) Program() *engine.Program { return c.program }
