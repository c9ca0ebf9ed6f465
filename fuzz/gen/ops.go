package gen

import (
	"slices"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// template is a kind of operation that may be inserted, and how often beside the others.
type template struct {
	verb   string
	weight int
}

// The weights keep attaches, waits and restarts in balance with what makes stops to wait for.
var templates = []template{
	{"ptrace ATTACH", 6}, {"ptrace SEIZE", 8}, {"ptrace TRACEME", 4}, {"ptrace DETACH", 5}, {"ptrace CONT", 10}, {"ptrace SYSCALL", 6},
	{"ptrace SINGLESTEP", 2}, {"ptrace SYSEMU", 2}, {"ptrace INTERRUPT", 6}, {"ptrace LISTEN", 4}, {"ptrace SETOPTIONS", 4},
	{"ptrace KILL", 1}, {"ptrace GETEVENTMSG", 1}, {"ptrace GETSIGINFO", 2}, {"ptrace SETSIGINFO", 1}, {"ptrace GETSIGMASK", 1},
	{"ptrace SETSIGMASK", 1}, {"ptrace PEEKSIGINFO", 1}, {"ptrace GET_SYSCALL_INFO", 1},
	{"wait4", 14}, {"waitid", 5}, {"serve", 4},
	{"kill", 8}, {"tkill", 4}, {"tgkill", 3}, {"rt_sigqueueinfo", 2}, {"rt_tgsigqueueinfo", 1},
	{"sigaction", 4}, {"sigprocmask", 3}, {"sigpending", 1}, {"sigsuspend", 1}, {"pause", 1}, {"nanosleep", 1},
	{"execve", 6}, {"exit", 4}, {"exit_group", 3}, {"getppid", 2}, {"sched_yield", 1},
	{"setpgid", 1}, {"setsid", 1}, {"seccomp", 3}, {"prctl SET_PDEATHSIG", 1}, {"prctl SET_CHILD_SUBREAPER", 1},
	{"prctl SET_DUMPABLE", 1}, {"setresuid", 1}, {"setresgid", 1},
}

// Values worth trying, the likelier ones more than once.
var (
	signals = []int64{engine.SIGUSR1, engine.SIGUSR1, engine.SIGUSR2, engine.SIGSTOP, engine.SIGSTOP, engine.SIGCONT, engine.SIGCONT,
		engine.SIGTERM, engine.SIGKILL, engine.SIGKILL, engine.SIGTSTP, engine.SIGTRAP, engine.SIGCHLD, engine.SIGSEGV, engine.SIGRTMIN + 3}
	waitFlags = []int64{0, 0, engine.WALL, engine.WALL, engine.WALL | engine.WNOHANG, engine.WNOHANG, engine.WUNTRACED, engine.WCONTINUED,
		engine.WUNTRACED | engine.WCONTINUED | engine.WALL, engine.WALL | engine.WNOTHREAD, engine.WCLONE}
	waitidFlags = []int64{engine.WEXITED, engine.WSTOPPED, engine.WCONTINUED, engine.WEXITED | engine.WSTOPPED, engine.WEXITED | engine.WNOWAIT,
		engine.WEXITED | engine.WSTOPPED | engine.WNOWAIT | engine.WALL, engine.WEXITED | engine.WNOHANG | engine.WALL}
	options = []int64{int64(ptrace.OTracesysgood), int64(ptrace.OTracefork), int64(ptrace.OTracevfork), int64(ptrace.OTraceclone),
		int64(ptrace.OTraceexec), int64(ptrace.OTracevforkdone), int64(ptrace.OTraceexit), int64(ptrace.OTraceexit), int64(ptrace.OTraceseccomp),
		int64(ptrace.OExitkill)}
	cloneFlags = []int64{engine.SIGCHLD, engine.SIGCHLD | engine.CLONE_PTRACE, engine.SIGCHLD | engine.CLONE_UNTRACED, engine.SIGUSR1,
		engine.SIGCHLD | engine.CLONE_VM | engine.CLONE_VFORK, engine.SIGCHLD | engine.CLONE_PARENT, engine.SIGCHLD | engine.CLONE_NEWPID, 0}
	threadFlags = []int64{0, 0, 0, engine.CLONE_PTRACE, engine.CLONE_UNTRACED}
	filtered    = []int64{int64(engine.CallGetppid), int64(engine.CallGetppid), int64(engine.CallTkill), int64(engine.CallExecve), int64(engine.CallClone)}
)

// sigactionSignals can have a disposition; a handler of SIGSEGV or SIGTRAP says nothing new.
var sigactionSignals = []int64{engine.SIGUSR1, engine.SIGUSR2, engine.SIGCHLD, engine.SIGTERM, engine.SIGCONT, engine.SIGTSTP}

// operation makes an operation of a kind for an actor.
func (g *Gen) operation(s *corpus.Scenario, actor string, v *corpus.Verb) *corpus.Op {
	o := &corpus.Op{Actor: actor, Verb: v}
	for i := range v.Params {
		o.Args = append(o.Args, g.arg(s, o, i))
	}
	if v.Call == engine.CallWaitid {
		o.Args[0], o.Args[1] = corpus.Num(engine.P_PID), corpus.ActorArg(g.other(s, actor))
		switch g.rng.IntN(8) {
		case 0, 1:
			o.Args[0], o.Args[1] = corpus.Num(engine.P_ALL), corpus.Num(0)
		case 2:
			o.Args[0] = corpus.Num(engine.P_PGID)
		case 3:
			o.Args[0], o.Args[1] = corpus.Num(engine.P_PIDFD), g.descriptor(s)
		}
	}
	if v.IsServe() {
		o.Cases = g.cases()
	}
	if v.Call == engine.CallPidfdOpen {
		o.Dst = fdVar
	}
	return o
}

// fdVar is the variable that generated scenarios keep a descriptor in.
const fdVar = "fd"

// descriptor is one that was opened, or may be none.
func (g *Gen) descriptor(s *corpus.Scenario) corpus.Arg {
	if slices.Contains(s.Vars(), fdVar) && g.rng.IntN(4) > 0 {
		return corpus.Arg{Kind: corpus.ArgVar, Name: fdVar}
	}
	return corpus.Num(int64(g.rng.IntN(8)))
}

// arg draws a value for parameter i of an operation.
func (g *Gen) arg(s *corpus.Scenario, o *corpus.Op, i int) corpus.Arg {
	p := o.Verb.Params[i]
	if p.Optional && p.Type != corpus.Signal && p.Type != corpus.Options && p.Type != corpus.WaitFlags && g.rng.IntN(4) > 0 {
		return corpus.Num(p.Default)
	}
	if n, ok := g.utraceArg(p.Type); ok {
		return corpus.Num(n)
	}
	switch p.Type {
	case corpus.Pid:
		return g.pid(s, o)
	case corpus.Fd:
		return g.descriptor(s)
	case corpus.RegsetType:
		return corpus.Num(one(g, []int64{1, 1, 2, 0x202, 0x12345}))
	case corpus.Signal:
		return corpus.Num(g.signal(o, p))
	case corpus.Mask:
		return corpus.Num(g.mask())
	case corpus.WaitFlags:
		if o.Verb.Call == engine.CallWaitid {
			return corpus.Num(one(g, waitidFlags))
		}
		flags := one(g, waitFlags)
		if o.Verb.IsServe() {
			flags &^= engine.WNOHANG
		}
		return corpus.Num(flags)
	case corpus.CloneFlags:
		return corpus.Num(one(g, cloneFlags))
	case corpus.Options:
		n := int64(0)
		for range g.rng.IntN(4) {
			n |= one(g, options)
		}
		return corpus.Num(n)
	case corpus.Duration:
		return corpus.Num(int64(1000 * (1 + g.rng.IntN(200))))
	case corpus.Disposition:
		return corpus.Num(one(g, []int64{engine.SigHandler, engine.SigHandler, engine.SigIgnore, engine.SigDefault}))
	case corpus.SigFlags:
		return corpus.Num(one(g, []int64{engine.SA_RESTART, engine.SA_NODEFER, engine.SA_NOCLDSTOP, engine.SA_NOCLDWAIT, engine.SA_RESETHAND}))
	case corpus.How:
		return corpus.Num(int64(g.rng.IntN(3)))
	case corpus.SigCode:
		return corpus.Num(one(g, []int64{engine.SI_QUEUE, engine.SI_QUEUE, -5}))
	case corpus.SeccompAction:
		return corpus.Num(one(g, []int64{engine.SeccompErrno, engine.SeccompErrno, engine.SeccompTrace, engine.SeccompKillThread}))
	case corpus.CallName:
		return corpus.Num(one(g, filtered))
	case corpus.ErrnoOrData:
		return corpus.Num(one(g, []int64{engine.EPERM, engine.EPERM, engine.EPERM, 0}))
	case corpus.SeccompFlags:
		return corpus.Num(engine.SECCOMP_FILTER_FLAG_TSYNC)
	case corpus.Image:
		return corpus.Num(engine.ImageMissing)
	case corpus.Int:
		return corpus.Num(g.number(o, p))
	}
	return corpus.Num(p.Default)
}

// odd are numbers around the limits of parameters, by their names; a parameter that may be left out mostly is.
var odd = map[string][]int64{
	"at": {0, 1, 2, 3, 511, 512, 100_000}, "size": {0, 4, 8, 16, 24, 88, 100}, "buffer": {0, 1}, "addr": {0, 1}, "index": {0, 1},
	"offset": {0, 1, 1 << 32, 2 << 32}, "nr": {0, 1, 2, -1}, "flags": {0, 1, 2, 4, 3, 0x80, 0x800, 0x880}, "code": {0, 1, 255, 256},
}

// rawRequest is a number for a request by number: one that is known, or none; few arguments make sense with it.
func (g *Gen) rawRequest(p corpus.Param) int64 {
	if p.Name != "request" {
		return one(g, []int64{0, 0, 1, 8, 32})
	}
	return one(g, []int64{int64(ptrace.Peekdata), int64(ptrace.Getregset), int64(ptrace.GetRseqConfiguration), int64(ptrace.GetSyscallUserDispatch),
		int64(ptrace.SetSyscallUserDispatch), int64(ptrace.Interrupt), int64(ptrace.Cont), 12, 0x4299, -1})
}

func (g *Gen) number(o *corpus.Op, p corpus.Param) int64 {
	switch {
	case o.Verb.Call == engine.CallSetresuid, o.Verb.Call == engine.CallSetresgid:
		return 1000
	case o.Verb.Name == "ptrace":
		return g.rawRequest(p)
	case o.Verb.Name == "prctl":
		return one(g, []int64{engine.PR_SET_PDEATHSIG, engine.PR_GET_PDEATHSIG, engine.PR_GET_DUMPABLE, engine.PR_GET_NO_NEW_PRIVS,
			engine.PR_GET_CHILD_SUBREAPER, 1 << 20})
	}
	if wild, ok := odd[p.Name]; ok {
		return one(g, wild)
	}
	return int64(g.rng.IntN(2))
}

// pid draws a target: mostly an actor other than the caller, sometimes what the call takes besides.
func (g *Gen) pid(s *corpus.Scenario, o *corpus.Op) corpus.Arg {
	waits := o.Verb.Call == engine.CallWait4
	if s.Inits()[o.Actor] != nil && o.Verb.Call != engine.CallPtrace {
		return corpus.Num(int64(engine.InitTid)) // itself: it sees nobody else
	}
	switch n := g.rng.IntN(16); {
	case n < 3 && waits:
		return corpus.Num(-1)
	case n == 3 && (waits || o.Verb.Call == engine.CallKill):
		return corpus.Arg{Kind: corpus.ArgNegActor, Name: g.other(s, o.Actor)}
	case n == 4:
		return corpus.ActorArg(o.Actor)
	case n == 5 && o.Verb.Call == engine.CallSetpgid:
		return corpus.Num(0)
	}
	if o.Verb.Call == engine.CallTgkill || o.Verb.Call == engine.CallRtTgsigqueueinfo {
		return g.threadPair(s, o)
	}
	return corpus.ActorArg(g.other(s, o.Actor))
}

// threadPair makes the thread group and the thread of one call fit.
func (g *Gen) threadPair(s *corpus.Scenario, o *corpus.Op) corpus.Arg {
	if len(o.Args) == 0 {
		return corpus.ActorArg(s.Actors[s.Leader(g.rng.IntN(len(s.Actors)))].Name)
	}
	var threads []string
	for i := range s.Actors {
		if s.Actors[s.Leader(i)].Name == o.Args[0].Name {
			threads = append(threads, s.Actors[i].Name)
		}
	}
	if len(threads) == 0 {
		return corpus.ActorArg(o.Actor)
	}
	return corpus.ActorArg(one(g, threads))
}

// other draws an actor that is not this one, where there is one.
func (g *Gen) other(s *corpus.Scenario, actor string) string {
	for range 4 {
		if a := s.Actors[g.rng.IntN(len(s.Actors))].Name; a != actor {
			return a
		}
	}
	return actor
}

func (g *Gen) signal(o *corpus.Op, p corpus.Param) int64 {
	switch {
	case o.Verb.Call == engine.CallSigaction:
		return one(g, sigactionSignals)
	case p.Optional && g.rng.IntN(3) > 0: // restarts mostly pass none
		return 0
	}
	return one(g, signals)
}

// mask is a set of one or two signals, or empty.
func (g *Gen) mask() int64 {
	var n int64
	for range g.rng.IntN(3) {
		n |= 1 << (one(g, sigactionSignals) - 1)
	}
	return n
}

// cases draws the policy of a tracer's loop.
func (g *Gen) cases() []corpus.Case {
	answer := func(k corpus.CaseKind, n int64, verbs ...string) corpus.Case {
		return corpus.Case{Kind: k, N: n, Answer: corpus.AnswerRequest, Verb: corpus.VerbByName("ptrace " + one(g, verbs))}
	}
	sig := answer(corpus.CaseSignal, 0, "CONT", "SYSCALL", "DETACH", "SINGLESTEP")
	sig.Sig = corpus.SigSame
	all := []corpus.Case{
		answer(corpus.CaseSignal, one(g, signals), "CONT", "SYSCALL", "DETACH"), sig,
		answer(corpus.CaseGroupStop, 0, "LISTEN", "LISTEN", "CONT", "DETACH"),
		answer(corpus.CaseEvent, int64(ptrace.EventStop), "CONT", "SYSCALL", "LISTEN", "DETACH"),
		answer(corpus.CaseSyscall, 0, "SYSCALL", "CONT"),
		{Kind: corpus.CaseExited, Answer: corpus.AnswerEnd},
		{Kind: corpus.CaseKilled, Answer: corpus.AnswerEnd},
	}
	return slices.DeleteFunc(all, func(corpus.Case) bool { return g.rng.IntN(3) == 0 })
}
