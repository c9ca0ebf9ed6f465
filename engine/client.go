package engine

// ClientID identifies a client of utrace; 0 is none, 1 the first of NewMachine.
type ClientID uint8

// Ops are a client's callbacks (2.3). An event's specific callback comes after ReportQuiesce, if the engine has both bits;
// signals make only ReportSignal. A callback may call Control, SetEvents and everything that is exported here, but
// must not step the World.
type Ops interface {
	ReportQuiesce(w *World, t TaskID, e EngineID, event Events) Action
	// ReportSignal gets what the signal will do so far, and returns what it is to do. SignalReport and SignalHandler come
	// without a signal and with event 0; to deliver one all the same, fill in World.SigInfo.
	ReportSignal(w *World, t TaskID, e EngineID, event Events, so SignalAction) (Action, SignalAction)
	ReportClone(w *World, t TaskID, e EngineID, child TaskID) Action
	ReportExec(w *World, t TaskID, e EngineID, former Tid) Action
	// ReportSyscallEntry returns whether the call is not to be executed; the last one that is asked decides (C2).
	ReportSyscallEntry(w *World, t TaskID, e EngineID, so EntrySoFar) (a Action, abort bool)
	ReportSyscallExit(w *World, t TaskID, e EngineID) Action
	ReportExit(w *World, t TaskID, e EngineID, code uint16) Action
	// ReportJctl: the thread is about to stop (CLD_STOPPED), or its group goes on (CLD_CONTINUED); notify is what the parent
	// will be told, or 0.
	ReportJctl(w *World, t TaskID, e EngineID, kind, notify int32) Action
	ReportDeath(w *World, t TaskID, e EngineID) Action
	ReportReap(w *World, t TaskID, e EngineID)
	// Release is called when the last reference to an engine of client c is gone: once, and after every callback.
	Release(w *World, c ClientID, data *EngineData)
	Extension
}

// EntrySoFar is what a report_syscall_entry is told.
type EntrySoFar struct {
	Abort   bool // what the engine before said
	Resumed bool // the thread was stopped in this entry already (2.7)
}

// Caller is a client that makes CallUtrace, the calls of utrace's own interface.
type Caller interface {
	Call(w *World, t TaskID, c *CallState) CallResult
}

// Starter is a client that is told of the start of each World.
type Starter interface {
	Start(w *World, self ClientID)
}

// ClientData is a client's own state in a World, beside that of its engines.
type ClientData [3]uint64

// CallerID is the client that makes CallUtrace, 0 if there is none.
func (w *World) CallerID() ClientID { return w.m.self }

// ClientState is the state of a client.
func (w *World) ClientState(c ClientID) *ClientData { return &w.clients[c-1] }

// Hooks are the five places where the core asks about ptrace by name, and the system call itself. What keys on "is this
// task ptraced" elsewhere in the core is the wait and SIGCHLD interference: parent against realParent, the list of
// tracees, and tfTraced.
type Hooks interface {
	// UnsafeExec says whether an exec of t happens under a tracer that may not see new privileges (R74).
	UnsafeExec(w *World, t TaskID) bool
	// CloneEvent is the event that a clone with these flags is to make, 0 for none: decided before anything is copied (R59).
	CloneEvent(w *World, t TaskID, flags int64) uint16
	// TracerTask is who traces t.
	TracerTask(w *World, t TaskID) TaskID
	// NotifyJctl tells the tracer's side about a change of the group's stop state, at its generation. True means that the
	// thread was seized: it is not to be woken from its stop (R43).
	NotifyJctl(w *World, t TaskID) bool
	// Unlinked takes the tracer's engine off t: t has no tracer any more. TracerExits comes before it when that is because
	// the tracer dies (R102).
	Unlinked(w *World, t TaskID)
	TracerExits(w *World, t TaskID)
	// AttachTid is the tid that the ptrace call that t is in attaches to: its own for TRACEME, 0 if it is no attach.
	AttachTid(w *World, t TaskID) int64
	// Seen says what tracers may see of the calls of p's actors, as far as its code tells.
	Seen(p *Program) Seen
	// Syscall makes the next step of the call that t is in.
	Syscall(w *World, t TaskID, c *CallState) CallResult
}

// Seen is what tracers may see of a program's system calls.
type Seen struct {
	Calls  bool   // some tracer may want to see its tracee's calls
	Attach uint16 // bit a: somebody may attach to actor a, at any time
}

// CallState is what a client's system call keeps between its steps.
type CallState struct {
	Stage  int8
	Target TaskID
	Args   [4]int64
	More   [2]int64 // CallUtrace: two more arguments, which are numbers
	Out    [3]int64
	// TidMask is that of Result.
	TidMask uint8
}

// CallResult says what a client's system call does next.
type CallResult struct {
	Kind CallResultKind
	Ret  int64 // CallDone
}

// CallResultKind is the kind of a CallResult.
type CallResultKind uint8

const (
	CallDone   CallResultKind = iota // the call returns Ret
	CallAgain                        // it goes on with its next step
	CallSleep                        // it sleeps until woken; any signal wakes it
	CallKilled                       // it sleeps until woken; only SIGKILL wakes it
)

func (w *World) notifyJctl(id TaskID) bool {
	return w.tasks[id].is(tfTraced) && w.m.hooks.NotifyJctl(w, id)
}

// noHooks is a kernel without ptrace.
type noHooks struct{}

func (noHooks) UnsafeExec(*World, TaskID) bool          { return false }
func (noHooks) CloneEvent(*World, TaskID, int64) uint16 { return 0 }
func (noHooks) TracerTask(*World, TaskID) TaskID        { return NoTask }
func (noHooks) NotifyJctl(*World, TaskID) bool          { return false }
func (noHooks) Unlinked(*World, TaskID)                 {}
func (noHooks) TracerExits(*World, TaskID)              {}
func (noHooks) AttachTid(*World, TaskID) int64          { return 0 }
func (noHooks) Seen(*Program) Seen                      { return Seen{} }
func (noHooks) Syscall(*World, TaskID, *CallState) CallResult {
	return CallResult{Ret: -ENOSYS}
}

// clientCall makes one step of a client's system call.
func (w *World) clientCall(id TaskID, t *task, f *frame) bool {
	w.call = CallState{Stage: f.a, Target: f.b, Args: t.args}
	c := &w.call // part of w so that nothing is allocated
	var r CallResult
	if t.call == CallUtrace {
		in := w.instr(id, t)
		c.More = [2]int64{in.Args[4].N, in.Args[5].N}
		r = w.m.caller.Call(w, id, c)
	} else {
		r = w.m.hooks.Syscall(w, id, c)
	}
	f.a, f.b = c.Stage, c.Target
	switch r.Kind {
	case CallDone:
		if w.m.opt.Check && t.call == CallPtrace {
			w.m.ended = callEnd{id, c.Target, c.Args, r.Ret}
		}
		t.out, t.tidMask = c.Out, c.TidMask
		return w.sysRet(t, f, r.Ret)
	case CallSleep:
		t.state = Interruptible
	case CallKilled:
		t.state = Killable
	}
	return false
}

// What follows is for clients: the state of tasks, and what ptrace does to it.

// Traced says whether a task is in a tracing stop.
func (w *World) Traced(t TaskID) bool { return w.tasks[t].state == Traced }

// Started says whether a task has begun to run: a new one waits for the reports of its creation.
func (w *World) Started(t TaskID) bool { return w.tasks[t].state != New }

// ExitState of a task.
func (w *World) ExitState(t TaskID) ExitState { return w.tasks[t].exitState }

// Exiting says whether a task is past the point where signals reach it.
func (w *World) Exiting(t TaskID) bool { return w.tasks[t].is(tfExiting) }

// FatalPending says whether SIGKILL is pending for a task.
func (w *World) FatalPending(t TaskID) bool { return w.tasks[t].fatalPending() }

// SignalPending says whether an interruptible sleep of a task ends.
func (w *World) SignalPending(t TaskID) bool { return w.tasks[t].signalPending() }

// Arg is an argument of the call that a task is in.
func (w *World) Arg(t TaskID, i int) int64 { return w.tasks[t].args[i] }

// Find is the task with that tid, NoTask if there is none.
func (w *World) Find(tid int64) TaskID { return w.find(tid) }

// TidOf is the tid that a task has now.
func (w *World) TidOf(t TaskID) Tid { return Tid(w.tasks[t].tid) }

// OwnTid is what a task itself takes for its tid: in a PID namespace of its own it is 1.
func (w *World) OwnTid(id TaskID) Tid {
	t := &w.tasks[id]
	return Tid(w.number(t, t.tid))
}

// SameGroup says whether two tasks are threads of one process.
func (w *World) SameGroup(a, b TaskID) bool { return w.sameGroup(a, b) }

// Parent is the task that a task reports to: its tracer, or its real parent.
func (w *World) Parent(t TaskID) TaskID { return w.tasks[t].parent }

// RealParent is the task's parent by birth or adoption.
func (w *World) RealParent(t TaskID) TaskID { return w.tasks[t].realParent }

// IsTraced says whether a task has a tracer.
func (w *World) IsTraced(t TaskID) bool { return w.tasks[t].is(tfTraced) }

// Uid is a task's user id.
func (w *World) Uid(t TaskID) uint16 { return w.tasks[t].uid }

// Gid is a task's real, effective and saved group id.
func (w *World) Gid(t TaskID) uint16 { return w.tasks[t].gid }

// SigInfo is the siginfo of the signal that a task is delivering, or of the stop that it is in.
func (w *World) SigInfo(t TaskID) *SigInfo { return &w.tasks[t].info }

// Profile is the kernel's profile.
func (w *World) Profile() *Profile { return &w.m.opt.Profile }

// HasBug says whether a planted bug is on.
func (w *World) HasBug(b Bug) bool { return w.bug(b) }

// SetReport makes a stop's code what the next wait returns (R90).
func (w *World) SetReport(id TaskID, code uint16) {
	t := &w.tasks[id]
	t.exitCode = code
	t.flags |= tfReport
	w.passBy(id)
}

// CommitStop, called by a callback that returns STOP, makes entering the stop a step of its own: if nobody wants the stop
// any more by then, its code is what the thread goes on with, as if a tracer had said so.
func (w *World) CommitStop(code uint16) { w.pass.commit = code }

// ReportCode is the stop code that nobody has waited for, 0 if there is none.
func (w *World) ReportCode(id TaskID) uint16 {
	if t := &w.tasks[id]; t.is(tfReport) {
		return t.exitCode
	}
	return 0
}

// SetResumeSignal replaces the pending report by the signal to go on with (R18).
func (w *World) SetResumeSignal(id TaskID, sig uint8) {
	t := &w.tasks[id]
	if w.bug(BugContKeepsReport) && t.is(tfReport) {
		t.cursig = sig
		return
	}
	t.exitCode = uint16(sig)
	t.flags &^= tfReport
}

// EnterTrap is the bookkeeping of a stop that begins: it takes part in a group stop if it is one (jctl), clears the
// pending trap, and lets an attacher go on (R9, R39, R48, R50).
func (w *World) EnterTrap(id TaskID, jctl, stopEvent bool) {
	t := &w.tasks[id]
	if jctl && t.jobctl&jcStopPending != 0 && w.participate(t) {
		t.flags |= tfGstop
	}
	if stopEvent || !w.bug(BugInterruptNotCleared) {
		w.clearPendingStop(t, jcTrapStop)
	}
	if stopEvent {
		w.clearPendingStop(t, jcTrapNotify)
	}
	w.clearTrapping(t)
}

// NotifyTracer tells the tracer of a stop.
func (w *World) NotifyTracer(id TaskID, why int32) {
	w.trace(traced{kind: traceTold, task: id, live: w.m.opt.Check && w.tasks[id].top().stage == stStopNotify && w.ptraceStops(id)})
	w.notifyStop(id, true, why)
}

// ReportAgain makes the stop that a thread stands in another one, with a code of its own, and tells its tracer (5.3, where stops are late).
func (w *World) ReportAgain(id TaskID, code uint16) {
	w.SetReport(id, code)
	w.notifyStop(id, true, CLD_TRAPPED)
}

// GroupStopping says whether the task's group is stopped or stopping.
func (w *World) GroupStopping(id TaskID) bool { return w.groupStopping(&w.tasks[id]) }

// StopSignal is the signal of the task's last group stop (JOBCTL_STOP_SIGMASK), 0 if it had none.
func (w *World) StopSignal(id TaskID) uint8 { return w.tasks[id].stopSig }

// ScheduleTrap sets TRAP_STOP; false if the task is dying.
func (w *World) ScheduleTrap(id TaskID) bool { return w.setPending(&w.tasks[id], jcTrapStop, 0) }

// ScheduleNotify sets TRAP_NOTIFY.
func (w *World) ScheduleNotify(id TaskID) { w.setPending(&w.tasks[id], jcTrapNotify, 0) }

// NotifyPending says whether TRAP_NOTIFY is set.
func (w *World) NotifyPending(id TaskID) bool { return w.tasks[id].jobctl&jcTrapNotify != 0 }

// WakeTracee is ptrace_signal_wake_up: retrap ends the tracing stop that it is in.
func (w *World) WakeTracee(id TaskID, retrap bool) { w.ptraceWake(&w.tasks[id], retrap) }

// Listening says whether a task is in the LISTEN state; SetListening puts it there.
func (w *World) Listening(id TaskID) bool { return w.tasks[id].jobctl&jcListening != 0 }
func (w *World) SetListening(id TaskID)   { w.tasks[id].jobctl |= jcListening }

// TrapStopped turns a job control stop into a tracing stop of an attached task (R9): the task goes through running, and
// others can see it do so. Where stops are plain it stays as it is, and its tracer's process may wait for it from now on: the kernel of
// that time told nobody, and a sleeping wait of another thread missed it.
func (w *World) TrapStopped(id TaskID) {
	t := &w.tasks[id]
	if w.Old(SwPlainStops) {
		if t.state == Stopped && t.is(tfReport) {
			w.wakeParent(id, t.parent)
		}
		return
	}
	if t.state == Stopped && w.setPending(t, jcTrapStop|jcTrapping, 0) {
		w.mark(9)
		t.flags |= tfSigPending
		t.state = Running
	}
}

// InGroupStop says whether a task stands in a job control stop, which no engine has made a tracing stop.
func (w *World) InGroupStop(id TaskID) bool { return w.tasks[id].state == Stopped }

// Holds says whether an engine keeps a task stopped, or has asked for that.
func (w *World) Holds(id TaskID, e EngineID) bool { return w.engine(id, e).flags&engineStop != 0 }

// Trapping says whether the attacher of a task still has to wait.
func (w *World) Trapping(id TaskID) bool { return w.tasks[id].jobctl&jcTrapping != 0 }

// FinishNotify waits until a task that is in a tracing stop has told about it.
func (w *World) FinishNotify(id TaskID) { w.finishNotify(id) }

// Link makes tracer the tracer of t: __ptrace_link.
func (w *World) Link(t, tracer TaskID, cap bool) {
	u := &w.tasks[t]
	w.tasks[tracer].ptraced.addFirst(t)
	u.parent = tracer
	u.flags |= tfTraced
	if cap {
		u.flags |= tfTracerCap
	}
}

// TracerCap says whether the tracer had CAP_SYS_PTRACE when it attached.
func (w *World) TracerCap(t TaskID) bool { return w.tasks[t].is(tfTracerCap) }

// Detach ends the tracing of t by the task tracer: __ptrace_detach (R99, R103).
func (w *World) Detach(tracer, t TaskID) { w.detach(tracer, t) }

// SendKernel sends a thread-directed signal from the kernel.
func (w *World) SendKernel(t TaskID, sig uint8) { w.sendKernel(sig, t) }

// SendUser sends a thread-directed signal in the name of the calling task.
func (w *World) SendUser(from, t TaskID, sig uint8) {
	f := &w.tasks[from]
	w.send(NewSigInfo(sig, SI_USER, w.senderNumber(f), f.uid), t, true, false)
}

// PendSigstop marks SIGSTOP pending without a queue entry: an auto-attached child's first stop (R61).
func (w *World) PendSigstop(t TaskID) { w.tasks[t].pending.mask |= bit(SIGSTOP) }

// ClearStep disarms single-stepping.
func (w *World) ClearStep(t TaskID) { w.tasks[t].flags &^= tfStep }

// Mask is what GETSIGMASK shows, and SetMask what SETSIGMASK does: inside a sigsuspend the mask that it will restore (R111).
func (w *World) Mask(id TaskID) uint64 {
	t := &w.tasks[id]
	if t.is(tfRestoreMask) && !w.bug(BugSigmaskSaved) {
		return t.saved
	}
	return t.blocked
}

func (w *World) SetMask(id TaskID, mask uint64) {
	t := &w.tasks[id]
	t.blocked = mask &^ onlySignals
	if w.bug(BugFrameMaskEarly) && t.is(tfRestoreMask) && t.frames[0].stage != stAfterExit {
		t.flags &^= tfRestoreMask
		t.saved |= savedForFrame
		return
	}
	if !w.bug(BugSigmaskSaved) {
		t.flags &^= tfRestoreMask
		t.saved = 0
	}
}

// Pending returns one queued siginfo of the private or the shared queue.
func (w *World) Pending(id TaskID, shared bool, off int64) (SigInfo, bool) {
	t := &w.tasks[id]
	q := &t.pending
	if shared {
		q = &w.procOf(t).shared
	}
	if off < 0 || off >= int64(q.n) {
		return SigInfo{}, false
	}
	return q.info[off], true
}

// Word is one of the NumWords words of a task's memory that a program can name.
func (w *World) Word(t TaskID, i int64) *int64 { return &w.mms[w.tasks[t].mm].words[i] }

// Reg is one of the NumRegs registers of a task that a program can name.
func (w *World) Reg(t TaskID, i int64) *int64 { return &w.tasks[t].regs[i] }

// Tgid is the tid of a task's thread group leader.
func (w *World) Tgid(t TaskID) Tid { return Tid(w.tgid(&w.tasks[t])) }

// LockGuard takes the cred_guard_mutex of target's process for t, if it is free; UnlockGuard lets it go and wakes who waits.
func (w *World) LockGuard(t, target TaskID) bool {
	p := w.procOf(&w.tasks[target])
	if p.guard != NoTask {
		return false
	}
	p.guard = t
	return true
}

// GuardMissed says that in this outcome of t's attach somebody else's call holds the mutex just then, and a signal is pending.
func (w *World) GuardMissed(t TaskID) bool {
	return w.alt > 0 && w.alt > w.undecided(t) && w.attachBusy(t, &w.tasks[t])
}

// UnlockGuard releases what LockGuard took.
func (w *World) UnlockGuard(target TaskID) { w.unlockGuard(w.tasks[target].proc) }

// CloneEvent is what Hooks.CloneEvent decided for the clone that a task is in.
func (w *World) CloneEvent(id TaskID) uint16 { return w.tasks[id].frames[0].code }

// SkipCall makes the call that a task is about to make not be executed: the tracer wrote -1 over its number.
func (w *World) SkipCall(id TaskID) {
	if t := &w.tasks[id]; t.frames[0].stage == stAfterEntry || t.frames[0].stage == stAfterSeccomp {
		t.frames[0].m |= frameSkip | frameNoCall
	}
}

// ReplaceCall makes the call that a task is about to make another one, without arguments. Of those that the harness makes,
// the actor does not notice the result: it only sees that they were not made.
func (w *World) ReplaceCall(id TaskID, c Call) {
	t := &w.tasks[id]
	f := &t.frames[0]
	if f.stage != stAfterEntry && f.stage != stAfterSeccomp {
		return
	}
	t.call = c
	t.args = [4]int64{}
	t.flags &^= tfRestart
	f.m &^= frameSkip | frameNoCall
	if t.ustate != uBegun && t.ustate != uRestart && c != CallExit && c != CallExitGroup {
		f.m |= frameSkip
	}
}

// PokeResult overwrites the result of the call that a task is leaving.
func (w *World) PokeResult(id TaskID, v int64) {
	t := &w.tasks[id]
	f := &t.frames[0]
	leaves := f.stage == stAfterExit || w.Old(SwLateStops) && f.m&frameCall != 0 && (f.stage == stUser || f.stage == stAfterSignal)
	if leaves && (t.ustate == uBegun || t.ustate == uRestart) {
		t.ret, t.tidMask = v, t.tidMask&^1
	}
}

// SyscallInfo is the call that a task is in, CallNone for restart_syscall, and its result so far.
func (w *World) SyscallInfo(id TaskID) (c Call, ret int64, tid bool) {
	t := &w.tasks[id]
	scripted := t.ustate == uBegun || t.ustate == uRestart
	if c = t.call; t.is(tfRestart) || t.depth > 0 && t.frames[0].m&frameNoCall != 0 {
		c = CallNone
	}
	if !scripted {
		return c, Unpredicted, false
	}
	return c, t.ret, t.tidMask&1 != 0
}
