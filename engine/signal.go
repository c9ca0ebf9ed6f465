package engine

import "math/bits"

// SigInfo is the part of a siginfo that anybody can see. Code is kept in 16 bits: codes from 0xff00 up are negative.
type SigInfo struct {
	Signo  uint8
	Pid    int8 // symbolic tid
	Uid    uint16
	code   uint16
	Status uint16
}

// Code is si_code.
func (s SigInfo) Code() int32 {
	if s.code >= 0xff00 {
		return int32(s.code) - 0x10000
	}
	return int32(s.code)
}

// NewSigInfo returns a siginfo; codes below -256 do not fit and become -256.
func NewSigInfo(signo uint8, code int32, pid Tid, uid uint16) SigInfo {
	return SigInfo{Signo: signo, code: uint16(max(code, -256)), Pid: int8(pid), Uid: uid}
}

// HasPid says whether the siginfo's union holds a process id.
func (s SigInfo) HasPid() bool { return SigInfoHasPid(int64(s.Signo), int64(s.Code())) }

// SigInfoHasPid says whether a siginfo's union holds a process id: for faults it holds an address. Code 5 of SIGTRAP is a
// stop that ptrace made (ptrace_do_notify), not the processor.
func SigInfoHasPid(signo, code int64) bool {
	return signo == SIGCHLD || code <= 0 || code >= 0x80 || signo == SIGTRAP && code == SIGTRAP
}

// hasSender is has_si_pid_and_uid: the kernel itself takes the union for a sender.
func (s SigInfo) hasSender() bool {
	const timer, sigio = -2, -5
	return s.HasPid() && s.Code() != timer && s.Code() != sigio
}

// queue is a set of pending signals and what is known about them.
type queue struct {
	mask uint64
	info [maxQueue]SigInfo
	n    uint8
	_    [7]uint8
}

// TakeFull says whether, since it was called last, a queue had no room for a siginfo. A real kernel's queues are longer: what follows in
// the engine is then not what it does.
func (m *Machine) TakeFull() bool {
	full := m.full
	m.full = false
	return full
}

func (q *queue) add(s SigInfo) bool {
	if q.n == maxQueue {
		return false
	}
	q.info[q.n] = s
	q.n++
	return true
}

// addFirst puts a signal back at the head; the entry of one that finds no room is lost.
func (q *queue) addFirst(s SigInfo) {
	q.mask |= bit(s.Signo)
	if q.n < maxQueue {
		copy(q.info[1:q.n+1], q.info[:q.n])
		q.info[0] = s
		q.n++
	}
}

func (q *queue) removeAt(i int) SigInfo {
	s := q.info[i]
	copy(q.info[i:], q.info[i+1:q.n])
	q.n--
	q.info[q.n] = SigInfo{}
	return s
}

// flush removes all signals of the set: flush_sigqueue_mask.
func (q *queue) flush(set uint64) {
	if q.mask&set == 0 {
		return
	}
	q.mask &^= set
	for i := 0; i < int(q.n); {
		if bit(q.info[i].Signo)&set != 0 {
			q.removeAt(i)
		} else {
			i++
		}
	}
}

// collect takes one signal of that number: collect_signal.
func (q *queue) collect(sig uint8) SigInfo {
	first, more := -1, false
	for i := range int(q.n) {
		if q.info[i].Signo == sig {
			if first >= 0 {
				more = true
				break
			}
			first = i
		}
	}
	if !more {
		q.mask &^= bit(sig)
	}
	if first < 0 {
		return SigInfo{Signo: sig} // lost its queue entry or never had one: SI_USER, pid 0 (R61)
	}
	return q.removeAt(first)
}

const (
	stopSignals = 1<<(SIGSTOP-1) | 1<<(SIGTSTP-1) | 1<<(SIGTTIN-1) | 1<<(SIGTTOU-1)
	syncSignals = 1<<(SIGSEGV-1) | 1<<(SIGBUS-1) | 1<<(SIGILL-1) | 1<<(SIGTRAP-1) | 1<<(SIGFPE-1) | 1<<(SIGSYS-1)
	coreSignals = 1<<(SIGQUIT-1) | 1<<(SIGILL-1) | 1<<(SIGTRAP-1) | 1<<(SIGABRT-1) | 1<<(SIGFPE-1) | 1<<(SIGSEGV-1) |
		1<<(SIGBUS-1) | 1<<(SIGSYS-1) | 1<<(SIGXCPU-1) | 1<<(SIGXFSZ-1)
	ignoreSignals = 1<<(SIGCONT-1) | 1<<(SIGCHLD-1) | 1<<(SIGWINCH-1) | 1<<(SIGURG-1)
	onlySignals   = 1<<(SIGKILL-1) | 1<<(SIGSTOP-1)
)

// nextSignal is next_signal: synchronous faults first, then the lowest number (R29).
func nextSignal(q *queue, blocked uint64) uint8 {
	x := q.mask &^ blocked
	if x == 0 {
		return 0
	}
	if x&syncSignals != 0 {
		x &= syncSignals
	}
	return uint8(bits.TrailingZeros64(x)) + 1
}

// disposition of a signal in a process.
func (h *sighand) ignored(sig uint8) bool { return h.ignore&bit(sig) != 0 }
func (h *sighand) isDefault(sig uint8) bool {
	return (h.ignore|h.handler)&bit(sig) == 0
}
func (h *sighand) ignoredOrDefaultIgnored(sig uint8) bool {
	return h.ignored(sig) || h.isDefault(sig) && ignoreSignals&bit(sig) != 0
}
func (h *sighand) setDefault(sig uint8) {
	b := ^bit(sig)
	h.ignore &= b
	h.handler &= b
}

func (w *World) sighandOf(t *task) *sighand { return &w.sighands[w.procs[t.proc].sighand] }
func (w *World) procOf(t *task) *proc       { return &w.procs[t.proc] }

// recalcSelf is recalc_sigpending for the current task: it may also clear the flag.
func (w *World) recalcSelf(t *task) {
	t.flags &^= tfSigPending
	w.recalc(t)
}

// recalc is recalc_sigpending_tsk: it never clears the flag.
func (w *World) recalc(t *task) {
	if w.pendingWork(t) {
		t.flags |= tfSigPending
	}
}

// pendingWork says that a task has something to look at before it goes on in user mode.
func (w *World) pendingWork(t *task) bool {
	blocked := t.blocked
	if w.bug(BugBlockedPending) {
		blocked = 0
	}
	return t.jobctl&jcPendingMask != 0 || (t.pending.mask|w.procOf(t).shared.mask)&^blocked != 0 || t.utrace.n != 0 && (t.utrace.resume <= ActInterrupt || t.utrace.is(utHandler))
}

// wakeState is wake_up_state for one state.
func (t *task) wakeState(s State) {
	if t.state == s {
		t.state = Running
	}
}

// signalWake is signal_wake_up: mark the signal, and wake the task from an interruptible sleep; kill also from killable
// sleeps and from both kinds of stop (R28).
func (w *World) signalWake(t *task, kill bool) {
	t.flags |= tfSigPending
	switch {
	case t.state == Interruptible:
		t.state = Running
	case kill && (t.state == Killable || t.state == Stopped || t.state == Traced && !w.bug(BugSigkillNotWaking)):
		w.mark(28)
		t.state = Running
	}
}

// ptraceWake is ptrace_signal_wake_up: resume also ends a tracing stop.
func (w *World) ptraceWake(t *task, resume bool) {
	t.flags |= tfSigPending
	if t.state == Interruptible || resume && t.state == Traced {
		t.state = Running
	}
}

// ignoredAtGeneration is sig_ignored: whether a signal sent to nominal target t is dropped at once (R24).
func (w *World) ignoredAtGeneration(t *task, sig uint8, force bool) bool {
	if t.blocked&bit(sig) != 0 {
		return false
	}
	if t.is(tfTraced) && sig != SIGKILL && !w.bug(BugIgnoredNotReported) {
		w.mark(24)
		return false
	}
	if sig != SIGKILL && w.besides(w.at[t.tid], EvSignalIgn) {
		return false // the engine sees it first (2.8)
	}
	h := w.sighandOf(t)
	if w.procOf(t).flags&gfUnkillable != 0 && h.isDefault(sig) && !(force && onlySignals&bit(sig) != 0) {
		w.mark(36)
		return true
	}
	return h.ignoredOrDefaultIgnored(sig)
}

// prepareSignal is prepare_signal: what stop and continue signals do at generation, whatever becomes of them (R22, R23, R43).
func (w *World) prepareSignal(sig uint8, t *task, force bool) bool {
	p := w.procOf(t)
	if p.flags&gfGroupExit != 0 {
		if w.Old(SwKillLeavesExitEvent) {
			return !w.ignoredAtGeneration(t, sig, force)
		}
		w.mark(22)
		if sig == SIGKILL && t.state == Traced {
			w.mark(76)
			w.mark(112)
			if w.bug(BugExitEventKilled) {
				t.pending.mask |= bit(SIGKILL)
				w.signalWake(t, true)
			}
		}
		return false
	}
	switch {
	case stopSignals&bit(sig) != 0:
		w.mark(23)
		if !w.bug(BugStopKeepsSigcont) {
			w.flushGroup(p, bit(SIGCONT))
		}
	case sig == SIGCONT:
		w.mark(23)
		if w.bug(BugSigcontKeepsQueued) {
			p.shared.flush(stopSignals)
		} else {
			w.flushGroup(p, stopSignals)
		}
		for _, i := range p.threads.at[:p.threads.n] {
			u := &w.tasks[i]
			if !w.bug(BugSigcontKeepsStop) {
				w.clearPendingStop(u, jcStopPending)
			}
			if w.notifyJctl(i) {
				continue // seized: it traps, and is never woken from a stop here (R43)
			}
			u.wakeState(Stopped)
			if w.bug(BugSigcontWakesTraced) {
				u.wakeState(Traced)
			}
		}
		why := uint16(0)
		switch {
		case p.flags&gfStopStopped != 0:
			why = gfCldContinued
		case p.stopCount != 0:
			why = gfCldStopped
		}
		if why != 0 {
			w.mark(43)
			p.setStop(why | gfStopContinued)
			if w.bug(BugContinuedLost) {
				p.flags &^= gfStopContinued
			}
			p.stopCount = 0
			p.exitCode = 0
		}
	}
	return !w.ignoredAtGeneration(t, sig, force)
}

func (w *World) flushGroup(p *proc, set uint64) {
	p.shared.flush(set)
	for _, i := range p.threads.at[:p.threads.n] {
		w.tasks[i].pending.flush(set)
	}
}

// offCPU is the free choice which running tasks are not on a CPU while a signal looks for a thread to take it: the first
// few that it looks at, each of them for all of that search.
type offCPU struct {
	more  int8
	tasks uint16
}

// has says whether a task is to be taken as waiting for a CPU.
func (o *offCPU) has(id TaskID) bool {
	if o.tasks&(1<<id) == 0 && o.more > 0 {
		o.more--
		o.tasks |= 1 << id
	}
	return o.tasks&(1<<id) != 0
}

// wantsSignal is wants_signal (R26).
func (w *World) wantsSignal(sig uint8, id TaskID, off *offCPU) bool {
	t := &w.tasks[id]
	if t.blocked&bit(sig) != 0 || t.is(tfExiting) {
		return false
	}
	if sig == SIGKILL {
		return true
	}
	if t.state == Stopped || t.state == Traced {
		return false
	}
	if !t.is(tfSigPending) {
		return true
	}
	if t.state != Running {
		return false
	}
	return id == w.cur || !off.has(id)
}

// fatal is sig_fatal.
func (w *World) fatal(p *proc, sig uint8) bool {
	return (ignoreSignals|stopSignals)&bit(sig) == 0 && w.sighands[p.sighand].isDefault(sig)
}

// completeSignal is complete_signal: choose a thread to take the signal, and kill the group at once if it is fatal (R26, R27).
func (w *World) completeSignal(sig uint8, nominal *task, private bool) {
	p := w.procOf(nominal)
	off := offCPU{more: w.alt}
	if w.alt == altTraceme {
		off.more = 0
	}
	t := nominal
	if !w.wantsSignal(sig, w.at[nominal.tid], &off) {
		if private || p.threads.n <= 1 {
			return
		}
		w.mark(26)
		at := p.threads.index(p.cursor)
		if at < 0 {
			at = 0
		}
		found := false
		for k := range int(p.threads.n) {
			i := p.threads.at[(at+k)%int(p.threads.n)]
			if w.wantsSignal(sig, i, &off) {
				t, found = &w.tasks[i], true
				p.cursor = i
				break
			}
		}
		if !found {
			return
		}
	}
	if w.fatal(p, sig) && p.flags&gfGroupExit == 0 && (sig == SIGKILL || !nominal.is(tfTraced) || w.bug(BugFatalIgnoresTracer)) && coreSignals&bit(sig) == 0 &&
		(sig == SIGKILL || !w.besides(w.at[t.tid], EvSignalTerm|EvSignalCore)) {
		w.mark(27)
		if !w.looked(w.at[nominal.tid], sig) {
			w.killGroup(p, sig)
		}
		return
	}
	w.signalWake(t, sig == SIGKILL)
}

// killGroup is what complete_signal does with a fatal signal.
func (w *World) killGroup(p *proc, sig uint8) {
	p.beginGroupExit()
	p.exitCode = uint16(sig)
	p.stopCount = 0
	for _, i := range p.threads.at[:p.threads.n] {
		u := &w.tasks[i]
		w.clearPendingStop(u, jcPendingMask)
		u.pending.mask |= bit(SIGKILL)
		w.signalWake(u, true)
	}
}

// send is send_signal_locked. Who sends from outside a PID namespace is nobody there, and forces. It returns false for a queue
// that is full.
func (w *World) send(s SigInfo, id TaskID, private, force bool) bool {
	t := &w.tasks[id]
	p := w.procOf(t)
	if s.hasSender() && w.fromOutside(t) {
		s.Pid, force = 0, true
	}
	if t.is(tfReleased) || private && t.is(tfExiting) && w.bug(BugExitingDeaf) || !w.prepareSignal(s.Signo, t, force) {
		return true
	}
	q := &p.shared
	if private {
		q = &t.pending
	}
	if (s.Signo < SIGRTMIN || w.bug(BugRealtimeCoalesce)) && q.mask&bit(s.Signo) != 0 {
		w.mark(25)
		if w.m.opt.Check {
			holds(s.Signo < SIGRTMIN || w.broken(79, id, "real-time signal %d is lost, one being pending", s.Signo))
		}
		return true
	}
	if s.Signo != SIGKILL && !q.add(s) {
		w.m.full = true
		if s.Signo >= SIGRTMIN && s.Code() != SI_USER {
			return false
		}
	}
	q.mask |= bit(s.Signo)
	if w.many {
		w.delay(p, s.Signo)
	}
	w.completeSignal(s.Signo, t, private)
	return true
}

// sendKernel is send_sig with SEND_SIG_PRIV: thread-directed, from the kernel.
func (w *World) sendKernel(sig uint8, id TaskID) {
	w.send(NewSigInfo(sig, SI_KERNEL, NoTid, 0), id, true, true)
}

// force is force_sig_info: a fault of the task itself that it can neither block nor ignore; exit makes it fatal whatever
// the disposition (seccomp's and exec's kills).
func (w *World) force(id TaskID, s SigInfo, exit bool) {
	t := &w.tasks[id]
	h := w.sighandOf(t)
	blocked := t.blocked&bit(s.Signo) != 0
	if blocked || h.ignored(s.Signo) || exit {
		h.setDefault(s.Signo)
		if exit {
			h.immutable |= bit(s.Signo)
		}
		t.blocked &^= bit(s.Signo)
	}
	if h.isDefault(s.Signo) && (!t.is(tfTraced) || exit) {
		w.procOf(t).flags &^= gfUnkillable
	}
	w.send(s, id, true, false)
	if !t.is(tfSigPending) {
		w.signalWake(t, false)
	}
}

// zapOthers is zap_other_threads.
func (w *World) zapOthers(id TaskID) int8 {
	p := w.procOf(&w.tasks[id])
	p.stopCount = 0
	w.clearPendingStop(&w.tasks[id], jcPendingMask)
	n := int8(0)
	for _, i := range p.threads.at[:p.threads.n] {
		if i == id {
			continue
		}
		u := &w.tasks[i]
		w.clearPendingStop(u, jcPendingMask)
		n++
		if !u.dead() {
			u.pending.mask |= bit(SIGKILL)
			w.signalWake(u, true)
		}
	}
	return n
}

// retarget is retarget_shared_pending: somebody else has to take the shared signals that this thread no longer will.
func (w *World) retarget(id TaskID, set uint64) {
	p := w.procOf(&w.tasks[id])
	set &= p.shared.mask
	if p.flags&gfGroupExit != 0 || set == 0 || w.bug(BugRetargetForgotten) {
		return
	}
	for _, i := range p.threads.at[:p.threads.n] {
		u := &w.tasks[i]
		if i == id || u.is(tfExiting) || set&^u.blocked == 0 {
			continue
		}
		set &= u.blocked
		if !u.is(tfSigPending) {
			w.signalWake(u, false)
		}
		if set == 0 {
			return
		}
	}
}

// setBlocked is set_current_blocked.
func (w *World) setBlocked(id TaskID, mask uint64) {
	t := &w.tasks[id]
	mask &^= onlySignals
	if mask == t.blocked {
		return // nor does it look for shared signals that nobody has taken yet
	}
	if t.is(tfSigPending) && w.procOf(t).threads.n > 1 {
		w.retarget(id, mask&^t.blocked)
	}
	t.blocked = mask
	w.recalcSelf(t)
}
