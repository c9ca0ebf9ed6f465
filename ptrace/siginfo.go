package ptrace

import "tracehammer/engine"

// Signals of a stopped tracee: siginfo, mask, queues (R111).

const peekShared = 1

func putInfo(s *engine.CallState, si engine.SigInfo) {
	s.Out = [3]int64{int64(si.Signo), int64(si.Code())}
	if si.HasPid() && si.Pid != 0 {
		s.Out[2] = int64(si.Pid)
		s.TidMask = 8
	}
}

func siginfo(w *engine.World, t engine.TaskID, s *engine.CallState, r Request, addr, data int64, c context) int64 {
	target := s.Target
	w.Mark(111)
	switch r {
	case Getsiginfo, Setsiginfo:
		if !c.stop(stopInfo) && !(w.HasBug(engine.BugSiginfoGroupStop) && r == Getsiginfo) {
			return -engine.EINVAL
		}
		if r == Getsiginfo && data != 0 {
			return -engine.EFAULT
		}
		if r == Getsiginfo {
			putInfo(s, *w.SigInfo(target))
			return 0
		}
		if w.HasBug(engine.BugSetsiginfoIgnored) {
			return 0
		}
		*w.SigInfo(target) = engine.NewSigInfo(uint8(data), int32(addr), w.Tgid(t), 0)
		return 0
	case Getsigmask, Setsigmask:
		if addr != 8 {
			return -engine.EINVAL
		}
		if r == Getsigmask && data != 0 {
			return -engine.EFAULT
		}
		if r == Getsigmask {
			s.Out[0] = int64(w.Mask(target))
		} else {
			w.SetMask(target, uint64(data))
		}
		return 0
	}
	flags, off, nr := uint64(addr)>>32, addr&0xffffffff, int64(int32(data))
	if flags&^peekShared != 0 || nr < 0 {
		return -engine.EINVAL
	}
	n := int64(0)
	for ; n < nr; n++ {
		si, ok := w.Pending(target, flags&peekShared != 0 && !w.HasBug(engine.BugPeekSharedIgnored), off+n)
		if !ok {
			break
		}
		if n == 0 {
			putInfo(s, si)
		}
	}
	return n
}
