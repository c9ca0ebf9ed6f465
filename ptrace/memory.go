package ptrace

import "tracehammer/engine"

// Memory and registers (R109, R110).

var regsetSize = map[int64]int64{1: 216, 2: 512}

const xstate = 0x202

func memory(w *engine.World, s *engine.CallState, r Request, addr, data int64) int64 {
	target := s.Target
	switch r {
	case Peektext, Peekdata, Poketext, Pokedata:
		w.Mark(110)
		if !w.Dumpable(target) && !w.TracerCap(target) {
			w.Mark(109)
			return -engine.EIO
		}
		if addr != AddrWord {
			return -engine.EIO
		}
		if r == Peektext || r == Peekdata {
			s.Out[0] = *w.Word(target)
		} else {
			*w.Word(target) = data
		}
		return 0
	case Peekusr, Pokeusr:
		w.Mark(110)
		if addr&7 != 0 || addr < 0 || addr >= UserSize {
			return -engine.EIO
		}
		if r == Pokeusr {
			switch {
			case addr == UserOrigRax && data == -1:
				w.SkipCall(target)
			case addr == UserRax:
				w.PokeResult(target, data)
			}
		}
		return 0
	case Getregset, Setregset:
		w.Mark(110)
		size, ok := regsetSize[addr]
		if !ok && addr != xstate || data%8 != 0 {
			return -engine.EINVAL
		}
		if ok && r == Getregset {
			s.Out[0] = min(data, size)
		}
	}
	return 0
}

// syscallInfo is GET_SYSCALL_INFO (R56).
func syscallInfo(w *engine.World, s *engine.CallState, c context) int64 {
	w.Mark(111)
	nr, failed := w.SyscallInfo(s.Target)
	switch code := w.SigInfo(s.Target).Code(); {
	case !c.stop(stopInfo):
	case code == int32(SIGTRAP)|0x80 && c.message() == MessageSyscallEntry:
		s.Out = [3]int64{SyscallInfoEntry, nr}
		return 80
	case code == int32(SIGTRAP)|0x80 && c.message() == MessageSyscallExit:
		s.Out[0] = SyscallInfoExit
		if failed {
			s.Out[1] = 1
		}
		return 33
	case code == int32(EventSeccomp)<<8|int32(SIGTRAP):
		s.Out = [3]int64{SyscallInfoSeccomp, nr, c.message()}
		return 84
	}
	return 24
}
