package ptrace

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"tracehammer/engine"
)

// Request is a ptrace request.
type Request int64

const (
	Traceme    Request = 0
	Peektext   Request = 1
	Peekdata   Request = 2
	Peekusr    Request = 3
	Poketext   Request = 4
	Pokedata   Request = 5
	Pokeusr    Request = 6
	Cont       Request = 7
	Kill       Request = 8
	Singlestep Request = 9
	Getregs    Request = 12
	Setregs    Request = 13
	Getfpregs  Request = 14
	Setfpregs  Request = 15
	Attach     Request = 16
	Detach     Request = 17
	Syscall    Request = 24

	Sysemu           Request = 31
	SysemuSinglestep Request = 32
	Singleblock      Request = 33

	Setoptions             Request = 0x4200
	Geteventmsg            Request = 0x4201
	Getsiginfo             Request = 0x4202
	Setsiginfo             Request = 0x4203
	Getregset              Request = 0x4204
	Setregset              Request = 0x4205
	Seize                  Request = 0x4206
	Interrupt              Request = 0x4207
	Listen                 Request = 0x4208
	Peeksiginfo            Request = 0x4209
	Getsigmask             Request = 0x420a
	Setsigmask             Request = 0x420b
	SeccompGetFilter       Request = 0x420c
	SeccompGetMetadata     Request = 0x420d
	GetSyscallInfo         Request = 0x420e
	GetRseqConfiguration   Request = 0x420f
	SetSyscallUserDispatch Request = 0x4210
	GetSyscallUserDispatch Request = 0x4211
	SetSyscallInfo         Request = 0x4212
)

// Requests names all requests, without PTRACE_.
var Requests = NewTable(false, []Symbol{
	{"TRACEME", int64(Traceme)}, {"PEEKTEXT", int64(Peektext)}, {"PEEKDATA", int64(Peekdata)}, {"PEEKUSR", int64(Peekusr)},
	{"POKETEXT", int64(Poketext)}, {"POKEDATA", int64(Pokedata)}, {"POKEUSR", int64(Pokeusr)}, {"CONT", int64(Cont)},
	{"KILL", int64(Kill)}, {"SINGLESTEP", int64(Singlestep)}, {"GETREGS", int64(Getregs)}, {"SETREGS", int64(Setregs)},
	{"GETFPREGS", int64(Getfpregs)}, {"SETFPREGS", int64(Setfpregs)}, {"ATTACH", int64(Attach)}, {"DETACH", int64(Detach)},
	{"SYSCALL", int64(Syscall)}, {"SYSEMU", int64(Sysemu)}, {"SYSEMU_SINGLESTEP", int64(SysemuSinglestep)},
	{"SINGLEBLOCK", int64(Singleblock)}, {"SETOPTIONS", int64(Setoptions)}, {"GETEVENTMSG", int64(Geteventmsg)},
	{"GETSIGINFO", int64(Getsiginfo)}, {"SETSIGINFO", int64(Setsiginfo)}, {"GETREGSET", int64(Getregset)},
	{"SETREGSET", int64(Setregset)}, {"SEIZE", int64(Seize)}, {"INTERRUPT", int64(Interrupt)}, {"LISTEN", int64(Listen)},
	{"PEEKSIGINFO", int64(Peeksiginfo)}, {"GETSIGMASK", int64(Getsigmask)}, {"SETSIGMASK", int64(Setsigmask)},
	{"SECCOMP_GET_FILTER", int64(SeccompGetFilter)}, {"SECCOMP_GET_METADATA", int64(SeccompGetMetadata)},
	{"GET_SYSCALL_INFO", int64(GetSyscallInfo)}, {"GET_RSEQ_CONFIGURATION", int64(GetRseqConfiguration)},
	{"SET_SYSCALL_USER_DISPATCH", int64(SetSyscallUserDispatch)}, {"GET_SYSCALL_USER_DISPATCH", int64(GetSyscallUserDispatch)},
	{"SET_SYSCALL_INFO", int64(SetSyscallInfo)},
})

func (r Request) String() string { return "PTRACE_" + Requests.Format(int64(r)) }

// Event is the event number of a ptrace stop: bits 16 and up of the wait status.
type Event int64

const (
	EventFork      Event = 1
	EventVfork     Event = 2
	EventClone     Event = 3
	EventExec      Event = 4
	EventVforkDone Event = 5
	EventExit      Event = 6
	EventSeccomp   Event = 7
	EventStop      Event = 128
)

// Events names all events, without PTRACE_EVENT_.
var Events = NewTable(false, []Symbol{
	{"FORK", int64(EventFork)}, {"VFORK", int64(EventVfork)}, {"CLONE", int64(EventClone)}, {"EXEC", int64(EventExec)},
	{"VFORK_DONE", int64(EventVforkDone)}, {"EXIT", int64(EventExit)}, {"SECCOMP", int64(EventSeccomp)}, {"STOP", int64(EventStop)},
})

func (e Event) String() string { return "PTRACE_EVENT_" + Events.Format(int64(e)) }

// Option is a set of ptrace options.
type Option int64

const (
	OTracesysgood   Option = 1
	OTracefork      Option = 1 << EventFork
	OTracevfork     Option = 1 << EventVfork
	OTraceclone     Option = 1 << EventClone
	OTraceexec      Option = 1 << EventExec
	OTracevforkdone Option = 1 << EventVforkDone
	OTraceexit      Option = 1 << EventExit
	OTraceseccomp   Option = 1 << EventSeccomp
	OExitkill       Option = 1 << 20
	OSuspendSeccomp Option = 1 << 21
	OMask           Option = 0xff | OExitkill | OSuspendSeccomp
)

// OptionNames names all options, without PTRACE_O_.
var OptionNames = NewTable(true, []Symbol{
	{"TRACESYSGOOD", int64(OTracesysgood)}, {"TRACEFORK", int64(OTracefork)}, {"TRACEVFORK", int64(OTracevfork)},
	{"TRACECLONE", int64(OTraceclone)}, {"TRACEEXEC", int64(OTraceexec)}, {"TRACEVFORKDONE", int64(OTracevforkdone)},
	{"TRACEEXIT", int64(OTraceexit)}, {"TRACESECCOMP", int64(OTraceseccomp)}, {"EXITKILL", int64(OExitkill)},
	{"SUSPEND_SECCOMP", int64(OSuspendSeccomp)},
})

func (o Option) String() string { return OptionNames.Format(int64(o)) }

// Messages of syscall stops (R56).
const (
	MessageSyscallEntry = 1
	MessageSyscallExit  = 2
)

// Operations that GET_SYSCALL_INFO reports, and its sizes.
const (
	SyscallInfoNone    = 0
	SyscallInfoEntry   = 1
	SyscallInfoExit    = 2
	SyscallInfoSeccomp = 3

	// SyscallInfoSize is what the longest of them fills. The kernel fills a smaller buffer in part: nothing is reported of it.
	SyscallInfoSize = 84
)

// Signal is a signal number; 0 is none.
type Signal int64

const (
	SIGHUP    Signal = engine.SIGHUP
	SIGINT    Signal = engine.SIGINT
	SIGQUIT   Signal = engine.SIGQUIT
	SIGILL    Signal = engine.SIGILL
	SIGTRAP   Signal = engine.SIGTRAP
	SIGABRT   Signal = engine.SIGABRT
	SIGBUS    Signal = engine.SIGBUS
	SIGFPE    Signal = engine.SIGFPE
	SIGKILL   Signal = engine.SIGKILL
	SIGUSR1   Signal = engine.SIGUSR1
	SIGSEGV   Signal = engine.SIGSEGV
	SIGUSR2   Signal = engine.SIGUSR2
	SIGPIPE   Signal = engine.SIGPIPE
	SIGALRM   Signal = engine.SIGALRM
	SIGTERM   Signal = engine.SIGTERM
	SIGSTKFLT Signal = engine.SIGSTKFLT
	SIGCHLD   Signal = engine.SIGCHLD
	SIGCONT   Signal = engine.SIGCONT
	SIGSTOP   Signal = engine.SIGSTOP
	SIGTSTP   Signal = engine.SIGTSTP
	SIGTTIN   Signal = engine.SIGTTIN
	SIGTTOU   Signal = engine.SIGTTOU
	SIGURG    Signal = engine.SIGURG
	SIGXCPU   Signal = engine.SIGXCPU
	SIGXFSZ   Signal = engine.SIGXFSZ
	SIGVTALRM Signal = engine.SIGVTALRM
	SIGPROF   Signal = engine.SIGPROF
	SIGWINCH  Signal = engine.SIGWINCH
	SIGIO     Signal = engine.SIGIO
	SIGPWR    Signal = engine.SIGPWR
	SIGSYS    Signal = engine.SIGSYS
	SIGRTMIN  Signal = engine.SIGRTMIN
)

// Signals names all signals: the standard ones, and SIGRT0 (the kernel's first real-time signal, 32) to SIGRT32.
var Signals = NewTable(false, signalSymbols())

func signalSymbols() []Symbol {
	names := strings.Fields("SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM " +
		"SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS")
	var out []Symbol
	for i, n := range names {
		out = append(out, Symbol{n, int64(i + 1)})
	}
	for n := engine.SIGRTMIN; n <= engine.NSIG; n++ {
		out = append(out, Symbol{"SIGRT" + strconv.Itoa(n-engine.SIGRTMIN), int64(n)})
	}
	return out
}

func (s Signal) String() string { return Signals.Format(int64(s)) }

// Errno is an error number; calls return it negated.
type Errno int64

// Errnos names the error numbers that calls of the engine can return.
var Errnos = NewTable(false, []Symbol{
	{"EPERM", engine.EPERM}, {"ENOENT", engine.ENOENT}, {"ESRCH", engine.ESRCH}, {"EINTR", engine.EINTR}, {"EIO", engine.EIO}, {"ENXIO", engine.ENXIO},
	{"E2BIG", 7}, {"ENOEXEC", 8}, {"EBADF", engine.EBADF}, {"ECHILD", engine.ECHILD}, {"EAGAIN", engine.EAGAIN}, {"ENOMEM", engine.ENOMEM}, {"EACCES", engine.EACCES},
	{"EFAULT", engine.EFAULT}, {"EBUSY", engine.EBUSY}, {"EEXIST", engine.EEXIST}, {"ENODEV", engine.ENODEV}, {"ENOTDIR", 20}, {"EINVAL", engine.EINVAL}, {"EMFILE", 24},
	{"ETXTBSY", 26}, {"ENOSPC", 28}, {"ERANGE", engine.ERANGE}, {"EDEADLK", 35}, {"ENOSYS", engine.ENOSYS}, {"ENODATA", engine.ENODATA}, {"ETIME", 62}, {"EOVERFLOW", 75}, {"EOPNOTSUPP", engine.EOPNOTSUPP},
	{"ETIMEDOUT", 110}, {"EALREADY", engine.EALREADY}, {"EINPROGRESS", engine.EINPROGRESS}, {"EMEDIUMTYPE", engine.EMEDIUMTYPE},
	{"ERESTARTSYS", engine.ERESTARTSYS}, {"ERESTARTNOINTR", engine.ERESTARTNOINTR}, {"ERESTARTNOHAND", engine.ERESTARTNOHAND},
	{"ERESTART_RESTARTBLOCK", engine.ERESTART_RESTARTBLOCK},
})

func (e Errno) String() string { return Errnos.Format(int64(e)) }

// Error makes an Errno an error.
func (e Errno) Error() string { return e.String() }

// Flag tables of the calls.
var (
	WaitFlags = NewTable(true, []Symbol{
		{"WNOHANG", engine.WNOHANG}, {"WUNTRACED", engine.WUNTRACED}, {"WEXITED", engine.WEXITED}, {"WCONTINUED", engine.WCONTINUED},
		{"WNOWAIT", engine.WNOWAIT}, {"__WNOTHREAD", engine.WNOTHREAD}, {"__WALL", engine.WALL}, {"__WCLONE", engine.WCLONE},
		{"WSTOPPED", engine.WSTOPPED}, // waitid's name of WUNTRACED
	})
	WaitIDTypes = NewTable(false, []Symbol{{"P_ALL", engine.P_ALL}, {"P_PID", engine.P_PID}, {"P_PGID", engine.P_PGID}, {"P_PIDFD", engine.P_PIDFD}})
	// CloneFlags leaves out the exit signal: the low byte.
	CloneFlags = NewTable(true, []Symbol{
		{"CLONE_VM", engine.CLONE_VM}, {"CLONE_FS", engine.CLONE_FS}, {"CLONE_FILES", engine.CLONE_FILES},
		{"CLONE_SIGHAND", engine.CLONE_SIGHAND}, {"CLONE_PTRACE", engine.CLONE_PTRACE}, {"CLONE_VFORK", engine.CLONE_VFORK},
		{"CLONE_PARENT", engine.CLONE_PARENT}, {"CLONE_THREAD", engine.CLONE_THREAD}, {"CLONE_NEWNS", engine.CLONE_NEWNS},
		{"CLONE_SYSVSEM", engine.CLONE_SYSVSEM}, {"CLONE_SETTLS", engine.CLONE_SETTLS}, {"CLONE_UNTRACED", engine.CLONE_UNTRACED},
		{"CLONE_NEWUSER", engine.CLONE_NEWUSER}, {"CLONE_NEWPID", engine.CLONE_NEWPID}, {"CLONE_NEWNET", engine.CLONE_NEWNET},
	})
	SigactionFlags = NewTable(true, []Symbol{
		{"SA_NOCLDSTOP", engine.SA_NOCLDSTOP}, {"SA_NOCLDWAIT", engine.SA_NOCLDWAIT}, {"SA_SIGINFO", engine.SA_SIGINFO},
		{"SA_RESTORER", engine.SA_RESTORER}, {"SA_ONSTACK", engine.SA_ONSTACK}, {"SA_RESTART", engine.SA_RESTART},
		{"SA_NODEFER", engine.SA_NODEFER}, {"SA_RESETHAND", engine.SA_RESETHAND},
	})
	Dispositions   = NewTable(false, []Symbol{{"SIG_DFL", engine.SigDefault}, {"SIG_IGN", engine.SigIgnore}, {"HANDLER", engine.SigHandler}})
	SigprocmaskHow = NewTable(false, []Symbol{{"SIG_BLOCK", engine.SIG_BLOCK}, {"SIG_UNBLOCK", engine.SIG_UNBLOCK}, {"SIG_SETMASK", engine.SIG_SETMASK}})
	PrctlOptions   = NewTable(false, []Symbol{
		{"PR_SET_PDEATHSIG", engine.PR_SET_PDEATHSIG}, {"PR_GET_PDEATHSIG", engine.PR_GET_PDEATHSIG},
		{"PR_GET_DUMPABLE", engine.PR_GET_DUMPABLE}, {"PR_SET_DUMPABLE", engine.PR_SET_DUMPABLE},
		{"PR_SET_CHILD_SUBREAPER", engine.PR_SET_CHILD_SUBREAPER}, {"PR_GET_CHILD_SUBREAPER", engine.PR_GET_CHILD_SUBREAPER},
		{"PR_SET_NO_NEW_PRIVS", engine.PR_SET_NO_NEW_PRIVS}, {"PR_GET_NO_NEW_PRIVS", engine.PR_GET_NO_NEW_PRIVS},
		{"PR_SET_PTRACER", engine.PR_SET_PTRACER},
	})
	SeccompActions = NewTable(false, []Symbol{
		{"ALLOW", engine.SeccompAllow}, {"ERRNO", engine.SeccompErrno}, {"TRACE", engine.SeccompTrace},
		{"KILL_THREAD", engine.SeccompKillThread}, {"KILL_PROCESS", engine.SeccompKillProcess},
	})
	SeccompFlags = NewTable(true, []Symbol{{"TSYNC", engine.SECCOMP_FILTER_FLAG_TSYNC}, {"LOG", engine.SECCOMP_FILTER_FLAG_LOG}, {"TSYNC_ESRCH", engine.SECCOMP_FILTER_FLAG_TSYNC_ESRCH}})
	Images       = NewTable(false, []Symbol{{"SELF", engine.ImageSelf}, {"MISSING", engine.ImageMissing}, {"SETUID", engine.ImageSetuid}})
	SigCodes     = NewTable(false, []Symbol{
		{"SI_USER", engine.SI_USER}, {"SI_KERNEL", engine.SI_KERNEL}, {"SI_QUEUE", engine.SI_QUEUE}, {"SI_TKILL", engine.SI_TKILL},
	})
	ChildCodes = NewTable(false, []Symbol{
		{"CLD_EXITED", engine.CLD_EXITED}, {"CLD_KILLED", engine.CLD_KILLED}, {"CLD_DUMPED", engine.CLD_DUMPED},
		{"CLD_TRAPPED", engine.CLD_TRAPPED}, {"CLD_STOPPED", engine.CLD_STOPPED}, {"CLD_CONTINUED", engine.CLD_CONTINUED},
	})
	// RegsetTypes are the notes of GETREGSET.
	RegsetTypes = NewTable(false, []Symbol{
		{"NT_PRSTATUS", ntPrstatus}, {"NT_PRFPREG", ntPrfpreg}, {"NT_386_IOPERM", ntIoperm}, {"NT_X86_XSTATE", ntXstate}, {"NT_X86_SHSTK", ntShstk},
		{"NT_ARM_TLS", ntArmTLS}, {"NT_ARM_SYSTEM_CALL", ntArmSystemCall},
		{"NT_PPC_VMX", ntPpcVMX}, {"NT_PPC_VSX", ntPpcVSX}, {"NT_PPC_TAR", ntPpcTAR}, {"NT_PPC_PPR", ntPpcPPR}, {"NT_PPC_DSCR", ntPpcDSCR},
		{"NT_S390_LAST_BREAK", ntS390LastBreak}, {"NT_S390_SYSTEM_CALL", ntS390SystemCall},
		{"NT_386_TLS", ntTLS}, {"NT_PRXFPREG", ntPrxfpreg},
	})
)

// Symbol is a name and its number.
type Symbol struct {
	Name string
	N    int64
}

// Table maps names to numbers and back.
type Table struct {
	flags   bool
	symbols []Symbol
	once    sync.Once
	maps    index
}

// index is made when it is first asked for: agents of machines start with tables that they never look into.
type index struct {
	byName map[string]int64
	byN    map[int64]string
}

// NewTable returns a table; flags says that numbers are sets of the symbols. Of two names of one number the first is printed.
func NewTable(flags bool, symbols []Symbol) *Table {
	return &Table{flags: flags, symbols: symbols}
}

func (t *Table) index() *index {
	t.once.Do(func() {
		t.maps = index{make(map[string]int64, len(t.symbols)), make(map[int64]string, len(t.symbols))}
		for _, s := range t.symbols {
			t.maps.byName[s.Name] = s.N
			if _, dup := t.maps.byN[s.N]; !dup {
				t.maps.byN[s.N] = s.Name
			}
		}
	})
	return &t.maps
}

// Symbols lists the table in its own order; the caller must not change it.
func (t *Table) Symbols() []Symbol { return t.symbols }

// IsFlags says whether numbers of this table are sets.
func (t *Table) IsFlags() bool { return t.flags }

// Lookup returns the number of one name.
func (t *Table) Lookup(name string) (int64, bool) {
	n, ok := t.index().byName[name]
	return n, ok
}

// Name returns the name of exactly n.
func (t *Table) Name(n int64) (string, bool) {
	s, ok := t.index().byN[n]
	return s, ok
}

// Format writes n so that Parse reads it back: a name, names joined by |, or a number.
func (t *Table) Format(n int64) string {
	if s, ok := t.index().byN[n]; ok {
		return s
	}
	if !t.flags || n <= 0 {
		return strconv.FormatInt(n, 10)
	}
	var b strings.Builder
	rest := n
	for _, s := range t.symbols {
		if s.N != 0 && rest&s.N == s.N {
			if b.Len() > 0 {
				b.WriteByte('|')
			}
			b.WriteString(s.Name)
			rest &^= s.N
		}
	}
	if rest != 0 {
		if b.Len() > 0 {
			b.WriteByte('|')
		}
		fmt.Fprintf(&b, "%#x", rest)
	}
	return b.String()
}

// Parse reads what Format writes.
func (t *Table) Parse(s string) (int64, error) {
	var n int64
	for _, part := range strings.Split(s, "|") {
		v, ok := t.index().byName[part]
		if !ok {
			var err error
			if v, err = strconv.ParseInt(part, 0, 64); err != nil {
				return 0, fmt.Errorf("unknown name %q", part)
			}
		}
		n |= v
		if !t.flags && part != s {
			return 0, fmt.Errorf("%q is not a set", s)
		}
	}
	return n, nil
}
