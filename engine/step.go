package engine

import (
	"math/bits"
	"slices"
)

// stage is what a task does next in the kernel.
type stage uint8

const (
	_ stage = iota // no stage: an empty frame

	// System calls: entry, body, exit.
	stEntry      // work on the way in: utrace's report
	stAfterEntry // the entry stop, if any, is over
	stSeccomp
	stAfterSeccomp
	stBody
	stExit       // work on the way out
	stExitReport // the exit report is due
	stAfterExit
	stBorn // a child's first instants
	stUser // on the way to user mode: look for signals
	stFutex
	stSleep
	stPause

	stWait
	stWaitTrace // a leader was reaped for its tracer; its real parent's turn comes
	stWaitReap

	stKill  // next target of a kill of many
	stFatal // a signal is known to be fatal, and its group not yet killed

	stCloneCopy
	stClonePublish
	stCloneTell
	stCloneStop
	stCloneVfork
	stCloneVforked
	stCloneDone
	stCloneLast

	stExecGuard
	stExecUnopened
	stExecThread
	stExecSiblings
	stExecLeader
	stExecRelease
	stExecCommit
	stExecEvent
	stExecFailed

	stTsync

	stClient // a client's system call

	// The signal loop.
	stSignal
	stNotifyCont
	stOrphan
	stAfterSignal
	stHandler // a signal is taken, its handler to be set up
	stStopped // job control stop: tell the parent, then sleep
	stInStop

	// Exit.
	stGroupExit
	stExitCall
	stExitSignals
	stExitTold
	stExitNotify
	stExitReap
	stDeath
	stDeathDone

	// Tracing stops and reports, on top of the stage that made them.
	stCommitted
	stStopNotify
	stTraced
	stPass
	numStages
)

// sends says that a stage may send a process-directed signal: then which threads are on a CPU matters (R26).
var sends = [numStages]bool{stKill: true, stNotifyCont: true, stStopped: true, stExitNotify: true, stExitReap: true, stExitTold: true,
	stStopNotify: true, stWaitTrace: true, stWaitReap: true, stExecRelease: true, stClient: true}

var sendsCall = [NumCalls]bool{CallKill: true, CallTkill: true, CallTgkill: true, CallRtSigqueueinfo: true, CallRtTgsigqueueinfo: true,
	CallPidfdSendSignal: true, CallPtrace: true}

// ambiguous is the number of further outcomes of a call: for those that send signals one for each running thread, other
// than the caller, of which it matters whether it is on a CPU; for getppid that of a parent that is just dying.
func (w *World) ambiguous(id TaskID, c Call) int8 {
	if c == CallGetppid && w.earlyReaper(w.tasks[w.procOf(&w.tasks[id]).leader].realParent) != NoTask {
		return 1
	}
	if !sendsCall[c] {
		return 0
	}
	return w.undecided(id)
}

// undecided is the number of tasks that may or may not be on a CPU when the next step of a task sends a signal. Among them are those
// that the step itself wakes before it sends: the tracees of a tracer that dies (exit_ptrace comes before do_notify_parent, and both
// under one tasklist_lock).
func (w *World) undecided(id TaskID) int8 {
	n, cont, dies := int8(0), w.sendsCont(id), w.tasks[id].depth > 0 && w.tasks[id].top().stage == stExitNotify
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		i := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[i]
		if i == id || t.is(tfExiting) {
			continue
		}
		if t.is(tfSigPending) && t.state == Running || dies && t.is(tfTraced) && t.parent == id || cont && t.is(tfTraced) && !t.is(tfSigPending) && (t.state == Running || t.state == Interruptible) {
			n++
		}
	}
	return n
}

// sendsCont says whether the next step of a task may send SIGCONT. Before that looks for a thread to take it, it has seized ones
// trap, and from then on they have a signal pending (R50).
func (w *World) sendsCont(id TaskID) bool {
	t := &w.tasks[id]
	slot := 1
	switch t.call {
	case CallKill, CallTkill, CallRtSigqueueinfo, CallPidfdSendSignal:
	case CallTgkill, CallRtTgsigqueueinfo:
		slot = 2
	default:
		slot = -1
	}
	if t.depth == 0 || t.top().stage == stKill {
		return slot >= 0 && int32(t.args[slot]) == SIGCONT
	}
	if st := t.top().stage; st == stStopNotify || st == stStopped || st == stClient {
		return false
	}
	for s := w.groups; s != 0; s &= s - 1 { // an exit may orphan a process group: those of its processes that are stopped are hung up
		if w.procs[bits.TrailingZeros16(s)].flags&gfStopStopped != 0 {
			return true
		}
	}
	return false
}

// Choices appends every step that can happen next.
func (w *World) Choices(dst []Choice) []Choice {
	n := len(dst)
	for s := w.used &^ 1; s != 0; s &= s - 1 {
		id := TaskID(bits.TrailingZeros16(s))
		t := &w.tasks[id]
		switch t.state {
		case Running:
			if t.depth == 0 {
				for alt := range w.userAlts(id, t) {
					dst = append(dst, Choice{Task: id, Kind: ChoiceUser, Alt: alt})
				}
				if t.ustate == uBegun && w.tracemeRaces(id, w.instr(id, t).Call) {
					dst = append(dst, Choice{Task: id, Kind: ChoiceUser, Alt: altTraceme})
				}
				if t.is(tfSigPending | tfNotifyResume) {
					dst = append(dst, Choice{Task: id, Kind: ChoiceInterrupt})
				}
				continue
			}
			alts := int8(1)
			switch f := &t.frames[0]; {
			case sends[t.top().stage]:
				alts += w.undecided(id)
			case f.stage <= stBody: // a call whose entry took steps of its own
				alts += w.ambiguous(id, t.call)
				if w.tracemeRaces(id, t.call) {
					dst = append(dst, Choice{Task: id, Kind: ChoiceKernel, Alt: altTraceme})
				}
			}
			switch t.top().stage {
			case stWait:
				alts += int8(bits.OnesCount16(t.top().code))
			case stExecGuard:
				if w.guardBusy(id, t, t.proc) {
					alts++
				}
			case stClient:
				if w.attachBusy(id, t) {
					alts++ // behind those of the signal that an attach sends
				}
			}
			for alt := range alts {
				dst = append(dst, Choice{Task: id, Kind: ChoiceKernel, Alt: alt})
			}
		case Stopped, Traced:
			// The task is still on its CPU until it has told its parents.
			if st := t.top().stage; st == stStopNotify || st == stStopped {
				for alt := range 1 + w.undecided(id) {
					dst = append(dst, Choice{Task: id, Kind: ChoiceKernel, Alt: alt})
				}
			}
		case Interruptible:
			if t.top().stage == stSleep {
				dst = append(dst, Choice{Task: id, Kind: ChoiceTimer})
			}
		}
	}
	if w.linking == 0 {
		return dst
	}
	who := TaskID(bits.TrailingZeros16(w.linking))
	there := w.duringLink
	if w.tasks[who].top().stage == stFatal {
		there = w.lockless
	}
	left := slices.DeleteFunc(dst[n:], func(c Choice) bool { return c.Task != who && !there(c) })
	return dst[:n+len(left)]
}

// Step executes one of Choices.
func (w *World) Step(c Choice) Event {
	if w.m.opt.Check {
		w.m.before.CopyFrom(w)
		w.m.ended = callEnd{task: NoTask}
		w.m.trace = w.m.trace[:0]
	}
	w.event = Event{Actor: NoActor}
	w.cur, w.alt = c.Task, 0
	t := &w.tasks[c.Task]
	switch c.Kind {
	case ChoiceUser:
		if t.ustate == uBegun || t.ustate == uRestart {
			w.alt = c.Alt
		}
		w.user(c.Task, c.Alt)
	case ChoiceInterrupt:
		t.push(stUser)
		w.kernel(c.Task)
	case ChoiceKernel:
		w.alt = c.Alt
		w.kernel(c.Task)
	case ChoiceTimer:
		t.flags |= tfTimer
		t.state = Running
	}
	if w.m.opt.Check {
		if w.m.scope = w.scope(w.m.before, c.Task); w.m.opt.CheckAll {
			w.m.scope = w.everything()
		}
		w.check(w.m.scope)
		w.checkStep(w.m.before, c)
		w.checkTrace(w.m.before, c)
		if k, ok := w.m.hooks.(StepChecker); ok {
			k.CheckStep(w.m.before, w, c)
		}
	}
	return w.event
}

// kernel executes the task's stages up to the end of the critical section.
func (w *World) kernel(id TaskID) {
	t := &w.tasks[id]
	for t.depth > 0 && w.stage(id, t, t.top()) {
	}
}

// stage executes one stage. It returns true if the next one belongs to the same critical section, or if nobody can tell
// whether anything happens in between.
func (w *World) stage(id TaskID, t *task, f *frame) bool {
	switch f.stage {
	case stEntry:
		return w.sysEntry(id, t, f)
	case stAfterEntry:
		return w.sysAfterEntry(id, t, f)
	case stSeccomp:
		return w.seccompStage(id, t, f)
	case stAfterSeccomp:
		return w.seccompAfter(id, t, f)
	case stBody:
		return w.syscall(id, t, f)
	case stExit:
		return w.sysExit(id, t, f)
	case stExitReport:
		return w.sysExitReport(id, t, f)
	case stAfterExit:
		return w.sysAfterExit(id, t, f)
	case stBorn:
		return w.born(id, t, f)
	case stUser:
		return w.toUser(id, t, f)
	case stFutex:
		return w.futexWoken(id, t, f)
	case stSleep:
		return w.sleepWoken(id, t, f)
	case stPause:
		return w.pauseWoken(id, t, f)
	case stWait:
		return w.wait(id, t, f)
	case stWaitTrace:
		return w.waitTrace(id, t, f)
	case stWaitReap:
		return w.waitReap(id, t, f)
	case stKill:
		return w.killNext(id, t, f)
	case stFatal:
		return w.fatalDue(t, f)
	case stCloneCopy:
		return w.cloneCopy(id, t, f)
	case stClonePublish:
		return w.clonePublish(id, t, f)
	case stCloneTell:
		return w.cloneTell(id, t, f)
	case stCloneStop:
		return w.cloneStop(id, t, f)
	case stCloneVfork:
		return w.cloneVfork(id, t, f)
	case stCloneVforked:
		return w.cloneVforked(id, t, f)
	case stCloneDone:
		return w.cloneDone(id, t, f)
	case stCloneLast:
		return w.cloneLast(id, t, f)
	case stExecGuard:
		return w.execGuard(id, t, f)
	case stExecUnopened:
		return w.execUnopened(t, f)
	case stExecThread:
		return w.execThread(id, t, f)
	case stExecSiblings:
		return w.execSiblings(id, t, f)
	case stExecLeader:
		return w.execLeader(id, t, f)
	case stExecRelease:
		return w.execRelease(id, t, f)
	case stExecCommit:
		return w.execCommit(id, t, f)
	case stExecEvent:
		return w.execEvent(id, t, f)
	case stExecFailed:
		return w.execFailed(id, t, f)
	case stTsync:
		return w.seccompInstall(id, t, f)
	case stClient:
		return w.clientCall(id, t, f)
	case stSignal:
		return w.getSignal(id, t, f)
	case stNotifyCont:
		return w.notifyContinued(id, t, f)
	case stOrphan:
		return w.orphanCheck(id, t, f)
	case stAfterSignal:
		return w.afterSignalStop(id, t, f)
	case stHandler:
		return w.setUpHandler(id, t, f)
	case stStopped:
		return w.tellStopped(id, t, f)
	case stInStop:
		return w.leaveStop(id, t, f)
	case stGroupExit:
		return w.groupExit(id, t, f, f.code)
	case stExitCall:
		return w.exitStart(id, t, f)
	case stExitSignals:
		return w.exitSignals(id, t, f)
	case stExitTold:
		return w.exitTold(id, t, f)
	case stExitNotify:
		return w.exitNotify(id, t, f)
	case stExitReap:
		return w.exitReap(id, t, f)
	case stDeath:
		return w.reportDeath(id, t, f)
	case stDeathDone:
		return w.deathDone(id, t, f)
	case stCommitted:
		return w.committed(id, t, f)
	case stStopNotify:
		return w.stopNotify(id, t, f)
	case stTraced:
		return w.stopTail(id, t, f)
	case stPass:
		return w.passNext(id, t, f)
	}
	panic("engine: task without a stage")
}
