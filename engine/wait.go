package engine

import "math/bits"

import "math"

// wait4 and waitid (R86 to R96). One scan of the children and tracees is one step; the caller then sleeps until a step
// wakes it, and scans again.

// waitWhat is what a wait is for, decoded from its arguments.
type waitWhat struct {
	late  uint16 // tasks that stopped since the scan may have begun
	miss  int8   // how many of them it passes by
	kind  int8   // waitAny, waitPid, waitGroup
	id    int64
	flags int64
	// nonblock: the pidfd waited for has O_NONBLOCK.
	nonblock bool
}

const (
	waitAny int8 = iota
	waitPid
	waitGroup
)

// waitOpts decodes the arguments of wait4 or waitid; errno says why not.
func (w *World) waitOpts(t *task) (o waitWhat, errno int64) {
	const common = WNOHANG | WCONTINUED | WNOTHREAD | WCLONE | WALL
	if t.call == CallWait4 {
		id := int64(int32(t.args[0]))
		o.flags = int64(uint32(t.args[1]))
		switch {
		case o.flags&^(common|WUNTRACED) != 0:
			return o, EINVAL
		case id == math.MinInt32:
			return o, ESRCH
		case id == -1:
		case id < 0:
			o.kind, o.id = waitGroup, -id
		case id == 0:
			o.kind, o.id = waitGroup, int64(w.procOf(t).pgid)
		default:
			o.kind, o.id = waitPid, id
		}
		o.flags |= WEXITED
		return o, 0
	}
	id := int64(int32(t.args[1]))
	o.flags = int64(uint32(t.args[2]))
	if o.flags&^(common|WNOWAIT|WEXITED|WSTOPPED) != 0 || o.flags&(WEXITED|WSTOPPED|WCONTINUED) == 0 {
		return o, EINVAL
	}
	switch t.args[0] {
	case P_ALL:
	case P_PID:
		if id <= 0 {
			return o, EINVAL
		}
		o.kind, o.id = waitPid, id
	case P_PGID:
		if id < 0 {
			return o, EINVAL
		}
		o.kind, o.id = waitGroup, id
		if id == 0 {
			o.id = int64(w.procOf(t).pgid)
		}
	case P_PIDFD:
		if id < 0 {
			return o, EINVAL
		}
		fd := w.pidfd(t, id)
		if fd == 0 {
			return o, EBADF
		}
		o.kind, o.id = waitPid, int64(fd&pidfdTid)
		o.nonblock = fd&pidfdNonblock != 0
	default:
		return o, EINVAL
	}
	return o, 0
}

func (w *World) waitCall(id TaskID, t *task, f *frame) bool {
	o, e := w.waitOpts(t)
	if e != 0 {
		w.mark(86)
		return w.errno(t, f, e)
	}
	f.stage = stWait
	return !w.waitsForSeveral(id, t, &o)
}

// waitsForSeveral says that a scan looks at more than one task.
func (w *World) waitsForSeveral(id TaskID, t *task, o *waitWhat) bool {
	if o.kind == waitPid {
		return false
	}
	n := t.children.n + t.ptraced.n
	if o.flags&WNOTHREAD == 0 {
		for _, i := range w.threads(w.procOf(t)) {
			if i != id {
				n += w.tasks[i].children.n + w.tasks[i].ptraced.n
			}
		}
	}
	return n > 1
}

// passBy tells scans that are under way that id has just stopped.
func (w *World) passBy(id TaskID) {
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		if u := &w.tasks[bits.TrailingZeros16(s)]; u.state == Running && u.depth != 0 && u.top().stage == stWait {
			u.top().code |= 1 << id
		}
	}
}

// eligiblePid is eligible_pid (R87).
func (w *World) eligiblePid(o *waitWhat, t *task) bool {
	switch o.kind {
	case waitPid:
		return int64(t.tid) == o.id
	case waitGroup:
		return int64(w.procOf(t).pgid) == o.id
	}
	return true
}

// waitWakes is child_wait_callback: whether news of child wakes the waiting task. The kernel forgets that a thread waits for
// its own children as well when a sibling traces them (known bug list, row 102).
func (w *World) waitWakes(waiter TaskID, u, child *task) bool {
	o, _ := w.waitOpts(u)
	mine := child.parent == waiter || child.realParent == waiter && !w.bug(BugNothreadAsleep)
	return w.eligiblePid(&o, child) && (o.flags&WNOTHREAD == 0 || mine)
}

// found is what a scan found.
type found uint8

const (
	foundNone  found = iota // nothing yet; look on
	foundDone               // the call returns
	foundReap               // a zombie was taken: it is to be released
	foundTrace              // likewise, but first its real parent may want it
)

// wait is one scan: __do_wait. It holds tasklist_lock for reading, but tracing stops are entered under siglock alone: when
// one is, the scan may have passed the task by already, and find another that stopped only then. The frame's code is the
// set of tasks that stopped since the scan may have begun, the step's alternative how many of them it missed.
func (w *World) wait(id TaskID, t *task, f *frame) bool {
	o, _ := w.waitOpts(t)
	if w.m.opt.Check {
		w.m.waited = o
	}
	o.late, o.miss = f.code, w.alt
	f.code = 0
	hope, what := w.waitScan(id, t, f, &o)
	if what == foundNone && o.late != 0 {
		o.late = 0 // what stopped wakes the waiter, who looks again
		hope, what = w.waitScan(id, t, f, &o)
	}
	switch what {
	case foundDone:
		return w.sysRet(t, f, t.ret)
	case foundReap:
		f.stage = stWaitReap
		return false
	case foundTrace:
		f.stage = stWaitTrace
		return false
	}
	w.trace(traced{kind: traceScanned, task: id, live: hope})
	switch {
	case !hope:
		w.mark(93)
		return w.errno(t, f, ECHILD)
	case o.flags&WNOHANG != 0:
		return w.sysRet(t, f, 0)
	case o.nonblock:
		return w.errno(t, f, EAGAIN)
	case t.signalPending():
		w.mark(95)
		if w.bug(BugWaitEintr) {
			return w.errno(t, f, EINTR)
		}
		return w.sysRet(t, f, -ERESTARTSYS)
	}
	t.state = Interruptible
	return false
}

// waitScan looks for something to report, in the kernel's order (R94). hope says that something may come.
func (w *World) waitScan(id TaskID, t *task, f *frame, o *waitWhat) (hope bool, what found) {
	if o.kind == waitPid {
		w.mark(87)
		i := w.find(o.id)
		if i == NoTask {
			return false, foundNone
		}
		if w.isLeader(i) && w.waitOwns(id, w.tasks[i].realParent, o) {
			if what = w.consider(t, f, o, false, i, &hope); what != foundNone {
				return
			}
		}
		if w.tasks[i].is(tfTraced) && w.waitOwns(id, w.tasks[i].parent, o) {
			what = w.consider(t, f, o, true, i, &hope)
		}
		return
	}
	w.mark(94)
	p := w.procOf(t)
	at := p.threads.index(id)
	for k := range int(p.threads.n) {
		u := &w.tasks[p.threads.at[(at+k)%int(p.threads.n)]]
		for _, i := range u.children.at[:u.children.n] {
			if what = w.consider(t, f, o, false, i, &hope); what != foundNone {
				return
			}
		}
		for _, i := range u.ptraced.at[:u.ptraced.n] {
			if what = w.consider(t, f, o, true, i, &hope); what != foundNone {
				return
			}
		}
		if o.flags&WNOTHREAD != 0 && !w.bug(BugWnothreadIgnored) {
			w.mark(1)
			break
		}
	}
	return
}

// waitOwns is is_effectively_child.
func (w *World) waitOwns(id, parent TaskID, o *waitWhat) bool {
	return id == parent || (o.flags&WNOTHREAD == 0 || w.bug(BugWnothreadIgnored)) && w.sameGroup(id, parent)
}

// consider is wait_consider_task.
func (w *World) consider(t *task, f *frame, o *waitWhat, ptrace bool, i TaskID, hope *bool) found {
	c := &w.tasks[i]
	if c.exitState == ExitDead || !w.eligiblePid(o, c) {
		*hope = *hope || w.bug(BugReapedStillHoped) && w.eligiblePid(o, c)
		return foundNone
	}
	if (!ptrace || w.bug(BugTraceeNeedsWall)) && o.flags&WALL == 0 && (c.exitSignal != SIGCHLD) != (o.flags&WCLONE != 0) {
		w.mark(88)
		return foundNone
	}
	if c.exitState == ExitTrace {
		if !ptrace && !w.bug(BugEchildWhileReaping) {
			*hope = true
		}
		return foundNone
	}
	if !ptrace && c.is(tfTraced) && !w.reparented(c) && (c.dead() || !w.bug(BugJctlNotHidden)) {
		w.mark(91)
		ptrace = true
	}
	if c.exitState == ExitZombie {
		if !w.delayedLeader(i) || w.bug(BugZombieLeaderReported) {
			if ptrace || !c.is(tfTraced) || w.bug(BugForeignZombieTaken) {
				if ptrace && !w.reparented(c) {
					w.mark(83)
				}
				return w.takeZombie(t, f, o, i)
			}
			w.mark(82)
		} else {
			w.mark(79)
		}
		if (!ptrace || o.flags&(WCONTINUED|WEXITED) != 0) && (w.delayedLeader(i) || !w.bug(BugEchildForeignZombie)) {
			*hope = true
		}
	} else {
		*hope = true
	}
	if !ptrace && c.is(tfTraced) && w.Old(SwTraceeHidden) {
		return foundNone // what comes of it is its tracer's to see (H7)
	}
	if w.takeStopped(t, o, ptrace, i) || w.takeContinued(t, o, i) {
		return foundDone
	}
	return foundNone
}

// waitResult fills in what the caller sees.
func (w *World) waitResult(t *task, i TaskID, status, code, codeStatus int64) {
	w.trace(traced{kind: traceWaited, task: i, arg: uint16(status), code: int8(code)})
	tid := int64(w.tasks[i].tid)
	t.ret, t.tidMask = tid, 1
	t.out = [3]int64{status}
	if t.call == CallWaitid {
		w.mark(96)
		t.ret, t.tidMask = 0, 2
		t.out = [3]int64{tid, code, codeStatus}
	}
}

// status is the wait status of a dead task (R77).
func (w *World) status(t *task) uint16 {
	if p := w.procOf(t); p.flags&gfGroupExit != 0 && !w.bug(BugOwnExitCode) {
		w.mark(77)
		return p.exitCode
	}
	return t.exitCode
}

// takeZombie is wait_task_zombie.
func (w *World) takeZombie(t *task, f *frame, o *waitWhat, i TaskID) found {
	if o.flags&WEXITED == 0 {
		return foundNone
	}
	c := &w.tasks[i]
	st := int64(w.status(c))
	code, cs := int64(CLD_EXITED), st>>8
	if st&0x7f != 0 {
		code, cs = CLD_KILLED, st&0x7f
	}
	w.waitResult(t, i, st, code, cs)
	if o.flags&WNOWAIT != 0 {
		w.mark(90)
		return foundDone
	}
	f.a = i
	if w.reparented(c) && w.isLeader(i) && !w.bug(BugForeignReapLost) {
		c.exitState = ExitTrace
		return foundTrace
	}
	if !w.bug(BugZombieTakenTwice) {
		c.exitState = ExitDead
	}
	return foundReap
}

// takeStopped is wait_task_stopped (R89, R90).
func (w *World) takeStopped(t *task, o *waitWhat, ptrace bool, i TaskID) bool {
	c := &w.tasks[i]
	p := w.procOf(c)
	var st uint16
	code := int64(CLD_STOPPED)
	switch {
	case ptrace:
		stopped := c.state == Traced || c.state == Stopped && w.Old(SwPlainStops)
		if !stopped && !w.bug(BugContKeepsReport) || !c.is(tfReport) || c.jobctl&jcListening != 0 {
			return false
		}
		if o.miss > 0 && o.late&(1<<i) != 0 {
			o.miss--
			return false
		}
		st, code = c.exitCode, CLD_TRAPPED
		if w.bug(BugStopNeedsWuntraced) && t.call == CallWait4 && o.flags&WUNTRACED == 0 {
			return false
		}
		w.mark(89)
	case o.flags&WUNTRACED == 0 || p.flags&gfStopStopped == 0:
		return false
	default:
		st = p.exitCode
		if c.is(tfTraced) {
			w.mark(92)
		}
	}
	if st == 0 {
		return false
	}
	if o.flags&WNOWAIT == 0 || w.bug(BugWnowaitConsumes) {
		w.mark(90)
		if !ptrace {
			if !w.bug(BugGroupStopTwice) {
				p.exitCode = 0
			}
		} else if !w.bug(BugDoubleStopReport) {
			if !w.bug(BugWaitedSignalSurvives) {
				c.exitCode = 0
			}
			c.flags &^= tfReport
		}
	}
	w.waitResult(t, i, int64(st)<<8|0x7f, code, int64(st))
	return true
}

// takeContinued is wait_task_continued: there is one report a group, whoever comes first (R90).
func (w *World) takeContinued(t *task, o *waitWhat, i TaskID) bool {
	p := w.procOf(&w.tasks[i])
	if o.flags&WCONTINUED == 0 || p.flags&gfStopContinued == 0 {
		return false
	}
	w.mark(90)
	if o.flags&WNOWAIT == 0 && !w.bug(BugContinuedTwice) {
		p.flags &^= gfStopContinued
	}
	w.waitResult(t, i, 0xffff, CLD_CONTINUED, SIGCONT)
	return true
}

// waitTrace is the end of wait_task_zombie for a leader that a foreign tracer reaps: its real parent gets the zombie (R81).
func (w *World) waitTrace(_ TaskID, t *task, f *frame) bool {
	w.mark(81)
	i := f.a
	c := &w.tasks[i]
	w.unlink(i)
	c.exitState = ExitZombie
	if w.notifyParent(i, c.exitSignal) {
		c.exitState = ExitDead
		f.stage = stWaitReap
		return false
	}
	return w.sysRet(t, f, t.ret)
}

// waitReap releases the zombie that a wait took, and its leader if that was waiting only for it.
func (w *World) waitReap(_ TaskID, t *task, f *frame) bool {
	if next := w.releaseTask(f.a); next != NoTask {
		f.a = next
		return false
	}
	return w.sysRet(t, f, t.ret)
}
