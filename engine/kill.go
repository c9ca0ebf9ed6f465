package engine

// Sending signals from user mode (R21 ff).

// The descriptors that actors have open: all that they start with, two images and memory. pidfd_open takes the lowest others, from
// 0 on, which is also what a variable holds that nobody has set.
const firstFD, endFD = 3, 6

// pidfd is what a descriptor of t is; 0 if it is none, or no pidfd.
func (w *World) pidfd(t *task, fd int64) pidfd {
	tab := &w.files[t.files]
	switch {
	case fd >= endFD:
		fd -= endFD - firstFD
	case fd >= firstFD:
		return 0
	}
	if fd < 0 || fd >= int64(tab.n) {
		return 0
	}
	return tab.at[fd]
}

// newPidfd is what pidfd_open does to the table of descriptors of t. Nothing but exec closes one, so numbers only grow.
func (w *World) newPidfd(t *task, p pidfd) int64 {
	tab := &w.files[t.files]
	fd := int64(tab.n)
	tab.at[fd] = p
	tab.n++
	if fd >= firstFD {
		fd += endFD - firstFD
	}
	return fd
}

// killPermission is check_kill_permission for a signal from user mode (R21).
func (w *World) killPermission(t *task, sig int64, target *task) int64 {
	if sig < 0 || sig > NSIG {
		return EINVAL
	}
	if t.proc == target.proc || t.uid == target.uid || t.uid == 0 || t.elevated != 0 {
		return 0
	}
	if sig == SIGCONT && w.procOf(t).sid == w.procOf(target).sid {
		return 0
	}
	w.mark(21)
	return EPERM
}

// sendChecked is group_send_sig_info.
func (w *World) sendChecked(t *task, s SigInfo, sig int64, target TaskID, private bool) int64 {
	if e := w.killPermission(t, sig, &w.tasks[target]); e != 0 {
		return e
	}
	if sig == 0 {
		w.mark(21)
		return 0
	}
	if !w.send(s, target, private, false) {
		return EAGAIN
	}
	return 0
}

func (w *World) killCall(id TaskID, t *task, f *frame) bool {
	a := &t.args
	from := func(sig, code int64) SigInfo { return NewSigInfo(uint8(sig), int32(code), w.senderNumber(t), t.uid) }
	one := func(target TaskID, s SigInfo, sig int64, private bool) bool {
		w.sysRet(t, f, -w.sendChecked(t, s, sig, target, private))
		return t.top() == f // else it is in the middle of it: traceme.go
	}
	switch t.call {
	case CallKill:
		pid, sig := int64(int32(a[0])), int64(int32(a[1]))
		switch {
		case pid > 0:
			i := w.find(pid)
			if i == NoTask {
				return w.errno(t, f, ESRCH)
			}
			return one(i, from(sig, SI_USER), sig, false)
		case pid == -1<<31:
			return w.errno(t, f, ESRCH)
		}
		return w.killMany(t, f, pid)
	case CallTkill, CallTgkill:
		tgid, tid, sig := int64(0), int64(int32(a[0])), int64(int32(a[1]))
		if t.call == CallTgkill {
			tgid, tid, sig = tid, int64(int32(a[1])), int64(int32(a[2]))
			if tgid <= 0 {
				return w.errno(t, f, EINVAL)
			}
		}
		if tid <= 0 {
			return w.errno(t, f, EINVAL)
		}
		i := w.find(tid)
		if i == NoTask || tgid > 0 && int64(w.number(t, w.tgid(&w.tasks[i]))) != tgid {
			return w.errno(t, f, ESRCH)
		}
		return one(i, from(sig, SI_TKILL), sig, true)
	case CallRtSigqueueinfo, CallRtTgsigqueueinfo:
		tgid, tid, sig, code := int64(0), int64(int32(a[0])), int64(int32(a[1])), int64(int32(a[2]))
		thread := t.call == CallRtTgsigqueueinfo
		if thread {
			tgid, tid, sig, code = tid, int64(int32(a[1])), int64(int32(a[2])), int64(int32(a[3]))
			if tgid <= 0 || tid <= 0 {
				return w.errno(t, f, EINVAL)
			}
		}
		if (code >= 0 || code == SI_TKILL) && tid != int64(w.number(t, t.tid)) {
			return w.errno(t, f, EPERM)
		}
		i := w.find(tid)
		if i == NoTask || thread && int64(w.number(t, w.tgid(&w.tasks[i]))) != tgid {
			return w.errno(t, f, ESRCH)
		}
		// The siginfo is the caller's own: actors give themselves as the sender, as sigqueue(3) does, and uid 0.
		return one(i, NewSigInfo(uint8(sig), int32(code), Tid(w.tgid(t)), 0), sig, thread)
	}
	fd, sig, flags := a[0], int64(int32(a[1])), a[2]
	if flags&^7 != 0 || flags&(flags-1) != 0 || flags != 0 && w.Old(SwNoPidfdThread) {
		return w.errno(t, f, EINVAL)
	}
	pfd := w.pidfd(t, fd)
	if pfd == 0 {
		return w.errno(t, f, EBADF)
	}
	tid, thread := int64(pfd&pidfdTid), pfd&pidfdThread != 0
	switch flags {
	case 1:
		thread = true
	case 2:
		thread = false
	case 4:
		return w.killMany(t, f, -tid)
	}
	i := w.findOutside(tid)
	if i == NoTask {
		return w.errno(t, f, ESRCH)
	}
	code := int64(SI_USER)
	if thread {
		code = SI_TKILL
	}
	return one(i, from(sig, code), sig, thread)
}

func (w *World) pidfdOpen(t *task, f *frame) bool {
	const nonblock, thread = 0x800, 0x80
	pid, flags := int64(int32(t.args[0])), t.args[1]
	if flags&^(nonblock|thread) != 0 || pid <= 0 || flags&thread != 0 && w.Old(SwNoPidfdThread) {
		return w.errno(t, f, EINVAL)
	}
	i := w.find(pid)
	if i == NoTask {
		return w.errno(t, f, ESRCH)
	}
	p := pidfd(w.tasks[i].tid)
	if flags&nonblock != 0 {
		p |= pidfdNonblock
	}
	switch {
	case flags&thread != 0:
		p |= pidfdThread
	case !w.isLeader(i):
		if w.Old(SwPidfdThreadEINVAL) {
			return w.errno(t, f, EINVAL)
		}
		return w.errno(t, f, ENOENT)
	}
	return w.sysRet(t, f, w.newPidfd(t, p))
}

// killMany begins a kill of a process group, or of everybody (-1): one process a step, because the sender takes their
// locks one after another.
func (w *World) killMany(t *task, f *frame, pid int64) bool {
	p := w.procOf(t)
	pgid := -pid
	if pid == 0 {
		pgid = int64(p.pgid)
	}
	set := uint16(0)
	for g := range int8(maxTasks) {
		q := &w.procs[g]
		if w.groups&(1<<g) == 0 || q.threads.n == 0 {
			continue
		}
		if pid == -1 && g != 0 && g != t.proc || pid != -1 && int64(q.pgid) == pgid {
			set |= 1 << g
		}
	}
	if set == 0 {
		return w.errno(t, f, ESRCH)
	}
	f.m |= set << killShift
	f.code = noError
	if pid == -1 {
		f.b, f.code = killAll, 0
	}
	f.stage = stKill
	return true
}

const (
	killShift = 2      // the set of processes lies above the frame's flags
	noError   = 0xffff // nobody was reached yet

	// Bits of the frame's b.
	killAll    = 1 // everybody, and not a process group
	killNobody = 2 // the siginfo that all share has lost its sender: known bug list, row 101
)

// killNext signals one more process of a kill of many. A group's kill succeeds if it reaches anybody; a kill of everybody
// returns the last result that is not EPERM.
func (w *World) killNext(id TaskID, t *task, f *frame) bool {
	g := w.nextKilled(f.m>>killShift, f.b&killAll != 0)
	f.m &^= 1 << (g + killShift)
	sig := int64(int32(t.args[1]))
	s, to := NewSigInfo(uint8(sig), SI_USER, w.senderNumber(t), t.uid), w.procs[g].leader
	if f.b&killNobody != 0 {
		s.Pid = 0
	}
	w.many = true
	e := w.sendChecked(t, s, sig, to, false)
	w.many = false
	if e != EPERM && sig != 0 && w.fromOutside(&w.tasks[to]) && w.bug(BugKillNoSender) {
		f.b |= killNobody
	}
	switch {
	case f.b&killAll != 0:
		if e != EPERM {
			f.code = uint16(e)
		}
	case f.code != 0:
		f.code = uint16(e)
	}
	if f.m>>killShift != 0 {
		return false
	}
	return w.sysRet(t, f, -int64(f.code))
}

// nextKilled is the process whose turn it is: everybody in order of birth, a process group's latest member first.
func (w *World) nextKilled(set uint16, everybody bool) int8 {
	best := int8(-1)
	for g := range int8(maxTasks) {
		switch {
		case set&(1<<g) == 0:
		case best < 0, everybody && w.procs[g].birth < w.procs[best].birth, !everybody && w.procs[g].joined > w.procs[best].joined:
			best = g
		}
	}
	return best
}
