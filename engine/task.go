package engine

// TaskID is a task's place in the World: 0 is init, actor a has place a+1 for as long as the World lives.
type TaskID = int8

// NoTask marks the absence of a task.
const NoTask TaskID = -1

const (
	initTask    TaskID = 0
	firstTask   TaskID = 1
	maxTasks           = MaxActors + 1
	maxFrames          = 4
	maxHandlers        = 6 // nested signal handlers; one more overflows the actor's stack
	maxQueue           = 8 // queued siginfos of one queue; further real-time signals get EAGAIN, as past RLIMIT_SIGPENDING
)

// State is a task's scheduling state.
type State uint8

const (
	Running       State = iota
	Interruptible       // sleeps until woken; any signal wakes it
	Killable            // sleeps until woken; of signals only SIGKILL wakes it
	Stopped             // job control stop: SIGCONT and SIGKILL wake it
	Traced              // tracing stop: SIGKILL and whoever holds it wake it
	Dead                // runs no more
	New                 // created, but its creator's clone report is not over
)

// ExitState is how far a dead task has come.
type ExitState uint8

const (
	Alive      ExitState = iota
	ExitTrace            // its tracer is reaping it on behalf of nobody but itself; the real parent's turn comes
	ExitZombie           // waits to be reaped
	ExitDead             // being released, or released
)

// Task flags.
const (
	tfSigPending   uint16 = 1 << iota // TIF_SIGPENDING
	tfNotifyResume                    // utrace wants a report on the way to user mode
	tfExiting                         // PF_EXITING
	tfReleased                        // release_task is through: no pid leads here any more
	tfExeced                          // !PF_FORKNOEXEC
	tfTraced                          // PT_PTRACED: one of the two ptrace bits of a task
	tfTracerCap                       // the tracer had CAP_SYS_PTRACE at attach: the other one
	tfRestoreMask                     // saved holds the mask to restore (sigsuspend)
	tfNoNewPrivs
	tfStep     // TIF_SINGLESTEP
	tfReport   // exitCode is a stop report that nobody has waited for
	tfGstop    // entering this tracing stop completed the group stop; the real parent is still to be told
	tfParked   // reached OpEnd
	tfTimer    // the sleep's time is over
	tfDumpable // user_dumpable: what the mm said when the task left it
	tfRestart  // the call being made is restart_syscall
)

// savedForFrame in saved, where no mask has a bit, says that only a handler's frame will get it: BugFrameMaskEarly.
const savedForFrame = uint64(1) << (SIGKILL - 1)

// Jobctl bits of a task (R37 ff).
const (
	jcStopPending uint16 = 1 << iota
	jcStopConsume
	jcStopDequeued
	jcTrapStop
	jcTrapNotify
	jcTrapping
	jcListening

	jcTrapMask    = jcTrapStop | jcTrapNotify
	jcPendingMask = jcStopPending | jcTrapMask
)

// list is an ordered set of tasks.
type list struct {
	n  int8
	at [maxTasks]TaskID
}

func (l *list) add(t TaskID) { l.at[l.n] = t; l.n++ }

func (l *list) addFirst(t TaskID) {
	copy(l.at[1:l.n+1], l.at[:l.n])
	l.at[0] = t
	l.n++
}

func (l *list) index(t TaskID) int {
	for i := range l.n {
		if l.at[i] == t {
			return int(i)
		}
	}
	return -1
}

func (l *list) remove(t TaskID) {
	i := l.index(t)
	if i < 0 {
		return
	}
	copy(l.at[i:], l.at[i+1:l.n])
	l.n--
	l.at[l.n] = 0
}

func (l *list) replace(old, new TaskID) {
	if i := l.index(old); i >= 0 {
		l.at[i] = new
	}
}

// frame is one level of what a task is doing in the kernel: a stage and its few variables.
type frame struct {
	stage stage
	ev    uint8  // event of a report pass
	a, b  int8   // task, position, accumulated action
	m     uint16 // set of tasks
	code  uint16 // exit code, stop code
}

// sigframe is one signal handler's frame on the user stack.
type sigframe struct {
	mask   uint64
	info   SigInfo
	ustate userState
	flags  uint8
	_      [6]uint8
}

// userState is what a task does next in user mode.
type userState uint8

const (
	uReady   userState = iota // at the instruction pc
	uBegun                    // about to make the call at pc; its begin was logged
	uEnded                    // the call at pc has returned; its end is not logged yet
	uRestart                  // about to make the interrupted call at pc again
	uHandler                  // at the start of a signal handler
	uReturn                   // the handler is about to call rt_sigreturn
	uBarrier                  // waits for the barrier at pc
	uFreed                    // arrived last at the barrier: about to wake the others
	uMmap                     // in a new image, before its prologue's mmap
	uPark                     // at OpEnd, before its futex wake
	uParked                   // parked: futex wait for ever
)

// task is one thread. Its bytes are hashed as they are: no implicit padding, unused places zero.
type task struct {
	blocked uint64
	saved   uint64
	delayed uint64 // signals of many that came while this task was making a process: the child's
	pending queue
	args    [4]int64
	ret     int64
	out     [3]int64
	regs    [NumRegs]int64 // registers that user code never touches
	utrace  utrace
	frames  [maxFrames]frame

	children list // leaders whose real parent is this thread, in birth order
	ptraced  list // tracees, most recently attached first

	info SigInfo // the signal being delivered, or the siginfo of the tracing stop

	tid, proc, parent, realParent TaskID
	state                         State
	exitState                     ExitState
	exitSignal                    int8
	pdeath                        uint8

	flags   uint16
	jobctl  uint16
	stopSig uint8
	depth   uint8
	ustate  userState
	nhand   uint8

	exitCode uint16 // wait status form of an exit, code of a tracing stop, or the signal to go on with
	call     Call
	tidMask  uint8
	pc       int32

	uid     uint16
	gid     uint16
	target  uint16 // arrivals at which the awaited barrier opens
	filter  uint8
	seccomp uint8
	resume  uint8 // signal that the last tracing stop was resumed with
	private uint8 // the signal being delivered came from the private queue

	vforkDone TaskID // parent waiting in vfork, NoTask
	mm        int8
	execID    uint8 // self_exec_id
	parExecID uint8 // parent_exec_id
	cursig    uint8 // signal whose stop is being decided outside siglock
	fs        int8  // fs_struct, by its first user; -1 none
	files     int8  // table of descriptors, likewise
	elevated  uint8 // 1: a set-user-id image made the effective and the saved user id 0; uid is the real one
	_         [2]uint8

	hand [maxHandlers]sigframe // only the first nhand are used
}

// Group flags.
const (
	gfStopStopped uint16 = 1 << iota
	gfStopContinued
	gfGroupExit
	gfUnkillable
	gfCldStopped
	gfCldContinued
	gfSubreaper
	gfHasSubreaper
	gfSessionLeader
	gfYamaDeclared // PR_SET_PTRACER named somebody: yamaTracer
	gfNamespace    // init of a PID namespace of its own, and alone there: see namespace.go

	gfCldMask  = gfCldStopped | gfCldContinued
	gfStopMask = gfCldMask | gfStopStopped | gfStopContinued
)

// proc is what the threads of a process share: signal_struct.
type proc struct {
	shared  queue
	threads list // unreleased threads, oldest first

	leader    TaskID
	pgid, sid int8
	sighand   int8
	flags     uint16
	exitCode  uint16

	stopCount int8
	execTask  TaskID // group_exec_task
	notify    int8   // notify_count
	quick     int8   // threads that have not begun to exit
	live      int8
	cursor    TaskID // curr_target
	guard     TaskID // holder of cred_guard_mutex
	birth     uint8  // order of creation
	joined    uint8  // order of joining the process group
	yama      int8   // who PR_SET_PTRACER named: a tid, 0 nobody, -1 any
}

// sighand is a table of signal dispositions; a bit a signal.
type sighand struct {
	ignore, handler                        uint64
	restart, nodefer, resethand, immutable uint64
	noCldStop, noCldWait                   bool
	_                                      [6]uint8
}

// NumRegs and NumWords are how much of a tracee's registers and memory a program can name (R110).
const (
	NumRegs  = 4
	NumWords = 8
)

// mm is an address space, as far as anybody can tell.
type mm struct {
	words    [NumWords]int64 // what PEEKDATA reads and POKEDATA writes
	dumpable uint8
	_        [7]uint8
}

// MaxPidfds is how often a program may call pidfd_open, all its actors together: a fork copies what its parent has.
const MaxPidfds = 15

// fdTable holds the descriptors that pidfd_open made, which exec closes.
type fdTable struct {
	n  uint8
	at [MaxPidfds]pidfd
}

// pidfd is a tid and its flags.
type pidfd uint8

const (
	pidfdTid      pidfd = 0x1f
	pidfdNonblock pidfd = 0x20
	pidfdThread   pidfd = 0x40
)

func bit(sig uint8) uint64 { return 1 << (sig - 1) }

func (t *task) is(f uint16) bool { return t.flags&f != 0 }
func (t *task) top() *frame      { return &t.frames[t.depth-1] }
func (t *task) dead() bool       { return t.exitState != Alive }

func (t *task) push(s stage) *frame {
	f := &t.frames[t.depth]
	*f = frame{stage: s}
	t.depth++
	return f
}

func (t *task) pop() {
	t.depth--
	t.frames[t.depth] = frame{}
}

// fatalPending is __fatal_signal_pending.
func (t *task) fatalPending() bool { return t.pending.mask&bit(SIGKILL) != 0 }

// signalPending is signal_pending: what interrupts an interruptible sleep.
func (t *task) signalPending() bool { return t.is(tfSigPending) }
