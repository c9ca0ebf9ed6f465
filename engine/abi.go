package engine

// Numbers of the Linux system call interface on amd64, as far as the simulated kernel uses them. The names of all of
// them, and everything that only ptrace uses, are in package ptrace.
const (
	SIGHUP    = 1
	SIGINT    = 2
	SIGQUIT   = 3
	SIGILL    = 4
	SIGTRAP   = 5
	SIGABRT   = 6
	SIGBUS    = 7
	SIGFPE    = 8
	SIGKILL   = 9
	SIGUSR1   = 10
	SIGSEGV   = 11
	SIGUSR2   = 12
	SIGPIPE   = 13
	SIGALRM   = 14
	SIGTERM   = 15
	SIGSTKFLT = 16
	SIGCHLD   = 17
	SIGCONT   = 18
	SIGSTOP   = 19
	SIGTSTP   = 20
	SIGTTIN   = 21
	SIGTTOU   = 22
	SIGURG    = 23
	SIGXCPU   = 24
	SIGXFSZ   = 25
	SIGVTALRM = 26
	SIGPROF   = 27
	SIGWINCH  = 28
	SIGIO     = 29
	SIGPWR    = 30
	SIGSYS    = 31
	SIGRTMIN  = 32
	NSIG      = 64
)

const (
	EPERM       = 1
	ENOENT      = 2
	ESRCH       = 3
	EINTR       = 4
	EIO         = 5
	ENXIO       = 6
	EBADF       = 9
	ECHILD      = 10
	EAGAIN      = 11
	ENOMEM      = 12
	EACCES      = 13
	EFAULT      = 14
	EBUSY       = 16
	EEXIST      = 17
	EINVAL      = 22
	ENOSYS      = 38
	ENODEV      = 19
	ERANGE      = 34
	ENODATA     = 61
	EALREADY    = 114
	EINPROGRESS = 115
	EMEDIUMTYPE = 124
	EOPNOTSUPP  = 95

	// In-kernel results of interrupted calls; user mode never sees them (R34, R95).
	ERESTARTSYS           = 512
	ERESTARTNOINTR        = 513
	ERESTARTNOHAND        = 514
	ERESTART_RESTARTBLOCK = 516
)

const (
	CSIGNAL        = 0xff
	CLONE_VM       = 0x100
	CLONE_FS       = 0x200
	CLONE_FILES    = 0x400
	CLONE_SIGHAND  = 0x800
	CLONE_PTRACE   = 0x2000
	CLONE_VFORK    = 0x4000
	CLONE_PARENT   = 0x8000
	CLONE_THREAD   = 0x10000
	CLONE_NEWNS    = 0x20000
	CLONE_SYSVSEM  = 0x40000
	CLONE_SETTLS   = 0x80000
	CLONE_UNTRACED = 0x800000
	CLONE_NEWUSER  = 0x10000000
	CLONE_NEWPID   = 0x20000000
	CLONE_NEWNET   = 0x40000000
)

const (
	WNOHANG    = 1
	WUNTRACED  = 2
	WSTOPPED   = 2
	WEXITED    = 4
	WCONTINUED = 8
	WNOWAIT    = 0x01000000
	WNOTHREAD  = 0x20000000
	WALL       = 0x40000000
	WCLONE     = 0x80000000

	P_ALL   = 0
	P_PID   = 1
	P_PGID  = 2
	P_PIDFD = 3
)

const (
	SA_NOCLDSTOP = 1
	SA_NOCLDWAIT = 2
	SA_SIGINFO   = 4
	SA_RESTORER  = 0x04000000
	SA_ONSTACK   = 0x08000000
	SA_RESTART   = 0x10000000
	SA_NODEFER   = 0x40000000
	SA_RESETHAND = 0x80000000

	SIG_BLOCK   = 0
	SIG_UNBLOCK = 1
	SIG_SETMASK = 2
)

// si_code values.
const (
	SI_USER   = 0
	SI_KERNEL = 0x80
	SI_QUEUE  = -1
	SI_TKILL  = -6

	CLD_EXITED    = 1
	CLD_KILLED    = 2
	CLD_DUMPED    = 3
	CLD_TRAPPED   = 4
	CLD_STOPPED   = 5
	CLD_CONTINUED = 6

	TRAP_BRKPT  = 1
	TRAP_TRACE  = 2
	SYS_SECCOMP = 1
)

const (
	PR_SET_PDEATHSIG       = 1
	PR_GET_PDEATHSIG       = 2
	PR_GET_DUMPABLE        = 3
	PR_SET_DUMPABLE        = 4
	PR_SET_SECCOMP         = 22
	PR_SET_CHILD_SUBREAPER = 36
	PR_GET_CHILD_SUBREAPER = 37
	PR_SET_NO_NEW_PRIVS    = 38
	PR_GET_NO_NEW_PRIVS    = 39
	PR_SET_PTRACER         = 0x59616d61
	PR_SET_PTRACER_ANY     = -1

	SECCOMP_FILTER_FLAG_TSYNC       = 1
	SECCOMP_FILTER_FLAG_LOG         = 2
	SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16
)
