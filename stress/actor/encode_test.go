package actor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
)

func TestSeedsEncode(t *testing.T) {
	for _, s := range corpus.Seeds() {
		if s.EngineOnly() {
			continue
		}
		p, err := corpus.Lower(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Encode(p); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func call(c engine.Call, args ...engine.Arg) engine.Instr {
	in := engine.Instr{Op: engine.OpCall, Call: c, Dst: engine.NoVar, DstOut: engine.NoVar}
	copy(in.Args[:], args)
	return in
}

func request(r ptrace.Request, args ...engine.Arg) engine.Instr {
	return call(engine.CallPtrace, append([]engine.Arg{engine.Imm(int64(r))}, args...)...)
}

func program(codes ...[]engine.Instr) *engine.Program {
	p := &engine.Program{Vars: 1, Barriers: []engine.Barrier{{Parties: 1}}, Cells: 1}
	for i, c := range codes {
		p.Actors = append(p.Actors, engine.Actor{Name: string(rune('a' + i)), Code: append(c, engine.Instr{Op: engine.OpEnd})})
	}
	return p
}

// TestRefused: programs that actors cannot or must not run, with the reason.
func TestRefused(t *testing.T) {
	fork, exit := engine.Imm(engine.SIGCHLD), engine.Imm(int64(ptrace.OTraceexit))
	for _, c := range []struct {
		p    *engine.Program
		want string
	}{
		{&engine.Program{}, "0 actors"},
		{&engine.Program{Actors: []engine.Actor{{Name: "a"}}}, "does not end with OpEnd"},
		{program([]engine.Instr{call(engine.CallMmap)}), "not for programs"},
		{program([]engine.Instr{call(engine.CallClone, fork, engine.Imm(5))}), "clone of actor 5"},
		{program([]engine.Instr{call(engine.CallKill, engine.TidOf(3))}), "names actor 3"},
		{program([]engine.Instr{call(engine.CallKill, engine.VarOf(1))}), "variable 1 of 1"},
		{program([]engine.Instr{{Op: engine.OpBarrier, Barrier: 1}}), "barrier 1 of 1"},
		{program([]engine.Instr{{Op: engine.OpDelay, Cell: 1}}), "delay cell 1 of 1"},
		{program([]engine.Instr{{Op: engine.OpJump, Target: 9}}), "jump to instruction 9"},
		{program([]engine.Instr{{Op: 99}}), "unknown operation"},
		{program([]engine.Instr{call(engine.CallSeccomp, engine.Imm(1), engine.Imm(int64(engine.CallFutexWait)))}), "seccomp filter of call"},
		{program([]engine.Instr{request(ptrace.Attach, engine.Imm(1))}), "traces the namespace's init"},
		{program(
			[]engine.Instr{call(engine.CallClone, fork, engine.Imm(1)), request(ptrace.Seize, engine.TidOf(1), engine.Imm(0), exit)},
			[]engine.Instr{request(ptrace.Seize, engine.TidOf(0), engine.Imm(0), exit)},
		), "hold each other in exit stops"},
		{program(
			[]engine.Instr{call(engine.CallClone, fork, engine.Imm(1)), request(ptrace.Seize, engine.TidOf(1), engine.Imm(0), exit)},
			[]engine.Instr{call(engine.CallClone, fork, engine.Imm(2))},
			[]engine.Instr{request(ptrace.Seize, engine.TidOf(0), engine.Imm(0), exit)},
		), "hold each other in exit stops"},
	} {
		_, err := Encode(c.p)
		var pe *stress.ProgramError
		if !errors.As(err, &pe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	ok := program(
		[]engine.Instr{call(engine.CallClone, fork, engine.Imm(1)), request(ptrace.Seize, engine.TidOf(1), engine.Imm(0), exit)},
		[]engine.Instr{request(ptrace.Seize, engine.TidOf(0), engine.Imm(0), engine.Imm(0))},
	)
	if _, err := Encode(ok); err != nil {
		t.Error(err)
	}
}

// TestAnalyses: who gets a memory of its own, who may exit at its end, who may choose its CPU.
func TestAnalyses(t *testing.T) {
	for _, c := range []struct {
		in             engine.Instr
		shares, traced bool
		sees           bool
	}{
		{call(engine.CallGetpid), true, false, false},
		{call(engine.CallSetresuid, engine.Imm(1)), false, false, false},
		{call(engine.CallPrctl, engine.Imm(engine.PR_SET_DUMPABLE)), false, false, false},
		{call(engine.CallPrctl, engine.Imm(engine.PR_SET_PDEATHSIG)), true, false, false},
		{request(ptrace.Pokedata, engine.TidOf(0)), false, false, false},
		{request(ptrace.Attach, engine.TidOf(0)), true, true, false},
		{request(ptrace.Seize, engine.VarOf(0)), true, true, false},
		{request(ptrace.Attach, engine.TidOf(1)), true, false, false},
		{request(ptrace.Traceme), true, true, false},
		{request(ptrace.Syscall, engine.TidOf(1)), true, false, true},
	} {
		p := program([]engine.Instr{c.in}, nil)
		shares := c.shares && kernelAtLeast(5, 17)
		if got := sharesMemory(p); got != shares {
			t.Errorf("%v: shares memory %v", c.in, got)
		}
		if got := mayTrace(p, engine.NoActor, 0); got != c.traced {
			t.Errorf("%v: traced %v", c.in, got)
		}
		if got := seesCalls(p); got != c.sees {
			t.Errorf("%v: sees calls %v", c.in, got)
		}
	}
}

// TestImage: what the linker laid out somewhere is whole again in a file that the kernel can execute.
func TestImage(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(Image()))
	if err != nil {
		t.Fatal(err)
	}
	text := interpreter()
	if f.Entry != textBase+entryOffset || len(f.Progs) != 3 || f.Progs[0].Filesz != uint64(entryOffset+len(text.code)) {
		t.Errorf("%+v, text of %d bytes", f.FileHeader, len(text.code))
	}
	if text.enter >= text.handler || text.handler >= uintptr(len(text.code)) || len(text.code) > dataAt-textAt {
		t.Errorf("entries at %d and %d of %d", text.enter, text.handler, len(text.code))
	}
}

// TestHeaders32: those of a file of 32 bits say the same as those of one of 64.
func TestHeaders32(t *testing.T) {
	progs := []elf.Prog64{{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: textBase, Filesz: 16, Memsz: 32, Align: 64}}
	var files [2]*elf.File
	for i, parts := range [][]any{headers(progs), headers32(progs)} {
		var b bytes.Buffer
		for _, part := range parts {
			if err := binary.Write(&b, byteOrder, part); err != nil {
				t.Fatal(err)
			}
		}
		f, err := elf.NewFile(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = f
	}
	wide, narrow := files[0], files[1]
	if narrow.Class != elf.ELFCLASS32 || narrow.Entry != wide.Entry || narrow.Machine != wide.Machine || narrow.Type != wide.Type ||
		len(narrow.Progs) != 1 || narrow.Progs[0].ProgHeader != wide.Progs[0].ProgHeader {
		t.Errorf("%+v %+v, want as in %+v %+v", narrow.FileHeader, narrow.Progs, wide.FileHeader, wide.Progs)
	}
}

// TestCallOf: what GET_SYSCALL_INFO shows is a call of the engine again.
func TestCallOf(t *testing.T) {
	for c := engine.CallNone + 1; c < engine.NumCalls; c++ {
		op := int64(futexWait)
		if c == engine.CallFutexWake {
			op = futexWake
		}
		if got := callOf(int64(sysno[c]), op); got != c {
			t.Errorf("call %d is %d again", c, got)
		}
	}
	if got := callOf(1<<20, 0); got != engine.CallNone {
		t.Errorf("a number of no call is %d", got)
	}
}

// TestNoUtrace: actors are for kernels, and none of them has utrace.
func TestNoUtrace(t *testing.T) {
	p := &engine.Program{Actors: []engine.Actor{{Name: "main", Code: []engine.Instr{call(engine.CallUtrace), {Op: engine.OpEnd}}}}}
	if _, err := Encode(p); err == nil || !strings.Contains(err.Error(), "utrace is no system call of a kernel's") {
		t.Errorf("error %v", err)
	}
}
