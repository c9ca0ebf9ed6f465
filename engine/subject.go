package engine

// Subject is what a step is about, as far as that can be told before it is made. Strategies use it to decide which steps
// race; it is a good guess and no bound on what the step reads or writes.
type Subject uint8

const (
	SubjectUser   Subject = iota // user code, and system calls that concern nobody else
	SubjectPtrace                // ptrace requests, reports and stops
	SubjectSignal                // signals: sending, delivering, group stops
	SubjectClone                 // fork, vfork, clone
	SubjectExec
	SubjectExit
	SubjectWait
	NumSubjects
)

var subjectNames = [NumSubjects]string{"user", "ptrace", "signal", "clone", "exec", "exit", "wait"}

func (s Subject) String() string { return nameOf(subjectNames[:], int(s)) }

var callSubjects = [NumCalls]Subject{
	CallClone: SubjectClone, CallExecve: SubjectExec, CallExit: SubjectExit, CallExitGroup: SubjectExit,
	CallKill: SubjectSignal, CallTkill: SubjectSignal, CallTgkill: SubjectSignal, CallRtSigqueueinfo: SubjectSignal,
	CallRtTgsigqueueinfo: SubjectSignal, CallPidfdSendSignal: SubjectSignal, CallSigaction: SubjectSignal,
	CallSigprocmask: SubjectSignal, CallSigpending: SubjectSignal, CallSigsuspend: SubjectSignal, CallPause: SubjectSignal,
	CallWait4: SubjectWait, CallWaitid: SubjectWait, CallPtrace: SubjectPtrace, CallSeccomp: SubjectExec,
}

var stageSubjects = [numStages]Subject{
	stWait: SubjectWait, stWaitTrace: SubjectWait, stWaitReap: SubjectWait,
	stKill: SubjectSignal, stFatal: SubjectSignal, stPause: SubjectSignal,
	stCloneCopy: SubjectClone, stClonePublish: SubjectClone, stCloneTell: SubjectClone, stCloneStop: SubjectClone,
	stCloneVfork: SubjectClone, stCloneVforked: SubjectClone, stCloneDone: SubjectClone, stCloneLast: SubjectClone, stBorn: SubjectClone,
	stExecGuard: SubjectExec, stExecUnopened: SubjectExec, stExecThread: SubjectExec, stExecSiblings: SubjectExec, stExecLeader: SubjectExec,
	stExecRelease: SubjectExec, stExecCommit: SubjectExec, stExecEvent: SubjectExec, stExecFailed: SubjectExec, stTsync: SubjectExec,
	stClient: SubjectPtrace, stCommitted: SubjectPtrace, stStopNotify: SubjectPtrace, stTraced: SubjectPtrace, stPass: SubjectPtrace,
	stSignal: SubjectSignal, stNotifyCont: SubjectSignal, stOrphan: SubjectSignal, stAfterSignal: SubjectSignal, stHandler: SubjectSignal,
	stStopped: SubjectSignal, stInStop: SubjectSignal,
	stGroupExit: SubjectExit, stExitCall: SubjectExit, stExitSignals: SubjectExit, stExitTold: SubjectExit,
	stExitNotify: SubjectExit, stExitReap: SubjectExit,
}

// SubjectOf is the subject of a step that can happen now.
func (w *World) SubjectOf(c Choice) Subject {
	t := &w.tasks[c.Task]
	switch c.Kind {
	case ChoiceInterrupt:
		return SubjectSignal
	case ChoiceKernel:
		return stageSubjects[t.top().stage]
	case ChoiceUser:
		if t.ustate == uBegun || t.ustate == uRestart {
			return callSubjects[w.instr(c.Task, t).Call] // not t.call: a handler's sigreturn may have come in between
		}
	}
	return SubjectUser
}

// Concerns are the tasks that a step is likely to touch: its own, those that its call names, and whoever is told about it.
// A bit a task.
func (w *World) Concerns(c Choice) uint16 {
	t := &w.tasks[c.Task]
	set := uint16(1) << c.Task
	switch s := w.SubjectOf(c); s {
	case SubjectUser:
		return set
	case SubjectWait, SubjectClone:
		set |= tasksOf(&t.children) | tasksOf(&t.ptraced)
	case SubjectExec, SubjectExit:
		set |= tasksOf(&w.procOf(t).threads) | tasksOf(&t.children) | tasksOf(&t.ptraced)
	}
	if t.parent >= 0 && c.Kind != ChoiceUser {
		set |= 1<<t.parent | 1<<t.realParent
	}
	if t.ustate != uBegun && t.ustate != uRestart {
		return set
	}
	if call := w.instr(c.Task, t).Call; sendsCall[call] {
		for _, a := range t.args[:2] {
			if a > int64(InitTid) && a <= maxTasks && w.at[a] != NoTask {
				set |= tasksOf(&w.procOf(&w.tasks[w.at[a]]).threads)
			} else if a <= 0 && call == CallKill {
				set |= w.used &^ 1
			}
		}
	}
	return set
}

func tasksOf(l *list) (set uint16) {
	for _, t := range l.at[:l.n] {
		set |= 1 << t
	}
	return set
}

// Creating is the task that makes an actor come to be, or one that makes that task: the actor's own task once it exists, and
// NoTask for an actor that nobody creates.
func (w *World) Creating(a ActorID) TaskID {
	for a != NoActor {
		if id := TaskID(a) + firstTask; w.used&(1<<id) != 0 {
			return id
		}
		a = w.m.parent[a]
	}
	return NoTask
}

// MaxTasks bounds a Choice's Task: no task has this number or a higher one.
const MaxTasks = maxTasks
