package corpus

import (
	"slices"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// ParamType says which values a parameter takes and how they are written.
type ParamType uint8

const (
	Int           ParamType = iota // decimal or hexadecimal number
	Child                          // the actor to be created
	Pid                            // actor, -actor, variable, 0, -1, nobody
	Fd                             // variable, or number
	Signal                         // SIGUSR1; 0 for none
	Mask                           // set of signals: SIGUSR1|SIGTERM; bit sig-1
	WaitFlags                      // WNOHANG|__WALL
	WaitIDType                     // P_PID
	CloneFlags                     // CLONE_VM|SIGCHLD, THREAD: what pthread_create passes; the low byte is the exit signal
	Options                        // ptrace options, without PTRACE_O_
	Duration                       // 1ms; nanoseconds
	Disposition                    // SIG_DFL, SIG_IGN, HANDLER
	SigFlags                       // SA_RESTART|SA_NODEFER
	How                            // SIG_BLOCK
	SigCode                        // SI_QUEUE
	ChildCode                      // CLD_TRAPPED
	SeccompAction                  // ERRNO
	CallName                       // name of a call
	ErrnoOrData                    // EPERM, or a number
	SeccompFlags                   // TSYNC
	Image                          // SELF
	RegsetType                     // NT_PRSTATUS
	Status                         // wait status: "stopped SIGSTOP", several words; results only
	Tid                            // actor, or number; results only
	Client                         // kind of a utrace client
	UtraceEvents                   // events of an engine
	UtraceAction                   // what utrace_control is to do
	AttachFlags                    // of utrace_attach
	Callback                       // kind of a callback
	numParamTypes
)

// Param is one parameter of a verb.
type Param struct {
	Name     string
	Type     ParamType
	Slot     int8 // index into engine.Instr.Args
	Optional bool // trailing ones may be left out, and are when they have their default
	Default  int64
}

// Fixed is an argument that the verb itself says.
type Fixed struct {
	Slot int8
	N    int64
}

// Out is one value of a result besides the return value.
type Out struct {
	Name string
	Type ParamType
}

// Verb is one kind of operation. Its name is one word, or two for the calls that are many calls in one (ptrace, utrace, prctl).
type Verb struct {
	ID     uint8 // index into Verbs: part of the byte form
	Name   string
	Call   engine.Call
	Fixed  []Fixed
	Params []Param
	RetTid bool // the return value is a tid, or 0
	Outs   []Out
	Doc    string
}

// Creates says whether the verb makes a new actor, its first parameter.
func (v *Verb) Creates() bool { return v.Call == engine.CallClone }

// IsServe says whether the verb is the tracer's loop, which has cases.
func (v *Verb) IsServe() bool { return v.Name == "serve" }

// Request is the ptrace request of a ptrace verb.
func (v *Verb) Request() (ptrace.Request, bool) {
	if v.Call != engine.CallPtrace || len(v.Fixed) == 0 {
		return 0, false
	}
	return ptrace.Request(v.Fixed[0].N), true
}

// Flags of a thread as pthread_create makes it, and of vfork.
const (
	ThreadFlags = engine.CLONE_VM | engine.CLONE_FS | engine.CLONE_FILES | engine.CLONE_SIGHAND | engine.CLONE_THREAD | engine.CLONE_SYSVSEM
	VforkFlags  = engine.CLONE_VM | engine.CLONE_VFORK | engine.SIGCHLD
)

func req(name string, t ParamType, slot int8) Param { return Param{Name: name, Type: t, Slot: slot} }
func opt(name string, t ParamType, slot int8, def int64) Param {
	return Param{Name: name, Type: t, Slot: slot, Optional: true, Default: def}
}

// Verbs lists all verbs. The byte form uses their indices: a change of order needs a new version of it.
var Verbs = slices.Concat(callVerbs, ptraceVerbs(), utraceVerbs())

var callVerbs = []*Verb{
	{Name: "fork", Call: engine.CallClone, Fixed: []Fixed{{0, engine.SIGCHLD}}, Params: []Param{req("child", Child, 1)}, RetTid: true,
		Doc: "creates the child as a process; returns its pid"},
	{Name: "vfork", Call: engine.CallClone, Fixed: []Fixed{{0, VforkFlags}}, Params: []Param{req("child", Child, 1)}, RetTid: true,
		Doc: "creates the child and waits until it execs or exits"},
	{Name: "clone", Call: engine.CallClone, Params: []Param{req("child", Child, 1), req("flags", CloneFlags, 0)}, RetTid: true,
		Doc: "creates the child with these flags; THREAD stands for what pthread_create passes"},
	{Name: "execve", Call: engine.CallExecve, Params: []Param{opt("image", Image, 0, engine.ImageSelf)},
		Doc: "executes an image; after SELF the actor goes on with its next operation in the new image"},
	{Name: "exit", Call: engine.CallExit, Params: []Param{opt("code", Int, 0, 0)}, Doc: "ends the thread"},
	{Name: "exit_group", Call: engine.CallExitGroup, Params: []Param{opt("code", Int, 0, 0)}, Doc: "ends the process"},
	{Name: "getpid", Call: engine.CallGetpid, RetTid: true},
	{Name: "gettid", Call: engine.CallGettid, RetTid: true},
	{Name: "getppid", Call: engine.CallGetppid, RetTid: true},
	{Name: "kill", Call: engine.CallKill, Params: []Param{req("pid", Pid, 0), req("sig", Signal, 1)},
		Doc: "sends a signal to a process, or with -actor to the process group that it leads"},
	{Name: "tkill", Call: engine.CallTkill, Params: []Param{req("tid", Pid, 0), req("sig", Signal, 1)}},
	{Name: "tgkill", Call: engine.CallTgkill, Params: []Param{req("tgid", Pid, 0), req("tid", Pid, 1), req("sig", Signal, 2)}},
	{Name: "rt_sigqueueinfo", Call: engine.CallRtSigqueueinfo, Params: []Param{req("tgid", Pid, 0), req("sig", Signal, 1), opt("code", SigCode, 2, engine.SI_QUEUE)}},
	{Name: "rt_tgsigqueueinfo", Call: engine.CallRtTgsigqueueinfo, Params: []Param{req("tgid", Pid, 0), req("tid", Pid, 1), req("sig", Signal, 2), opt("code", SigCode, 3, engine.SI_QUEUE)}},
	{Name: "pidfd_open", Call: engine.CallPidfdOpen, Params: []Param{req("pid", Pid, 0), opt("flags", Int, 1, 0)},
		Doc: "returns a descriptor: expectations can only say errnos"},
	{Name: "pidfd_send_signal", Call: engine.CallPidfdSendSignal, Params: []Param{req("fd", Fd, 0), req("sig", Signal, 1), opt("flags", Int, 2, 0)}},
	{Name: "sigaction", Call: engine.CallSigaction, Params: []Param{req("sig", Signal, 0), req("to", Disposition, 1), opt("flags", SigFlags, 2, 0)},
		Doc: "HANDLER logs the signal and returns"},
	{Name: "sigprocmask", Call: engine.CallSigprocmask, Params: []Param{req("how", How, 0), req("mask", Mask, 1)}},
	{Name: "sigpending", Call: engine.CallSigpending, Outs: []Out{{"pending", Mask}}},
	{Name: "sigsuspend", Call: engine.CallSigsuspend, Params: []Param{req("mask", Mask, 0)}},
	{Name: "pause", Call: engine.CallPause},
	{Name: "nanosleep", Call: engine.CallNanosleep, Params: []Param{req("time", Duration, 0)},
		Doc: "for what an interrupted sleep does; never a way to order things"},
	{Name: "setpgid", Call: engine.CallSetpgid, Params: []Param{opt("pid", Pid, 0, 0), opt("pgid", Pid, 1, 0)}},
	{Name: "getpgid", Call: engine.CallGetpgid, Params: []Param{opt("pid", Pid, 0, 0)}, RetTid: true},
	{Name: "setsid", Call: engine.CallSetsid, RetTid: true},
	{Name: "getsid", Call: engine.CallGetsid, Params: []Param{opt("pid", Pid, 0, 0)}, RetTid: true},
	{Name: "wait4", Call: engine.CallWait4, Params: []Param{req("pid", Pid, 0), opt("flags", WaitFlags, 1, 0)}, RetTid: true, Outs: []Out{{"status", Status}}},
	{Name: "waitid", Call: engine.CallWaitid, Params: []Param{req("idtype", WaitIDType, 0), req("id", Pid, 1), req("flags", WaitFlags, 2)},
		Outs: []Out{{"si_pid", Tid}, {"si_code", ChildCode}, {"si_status", Int}}},
	{Name: "serve", Call: engine.CallWait4, Params: []Param{req("pid", Pid, 0), opt("flags", WaitFlags, 1, engine.WALL)}, RetTid: true, Outs: []Out{{"status", Status}},
		Doc: "a tracer's loop: waits, answers each report as its cases say, until one says end"},
	{Name: "seccomp", Call: engine.CallSeccomp, Params: []Param{req("action", SeccompAction, 0), opt("call", CallName, 1, int64(engine.CallGetppid)), opt("value", ErrnoOrData, 2, 0), opt("flags", SeccompFlags, 3, 0)},
		Doc: "installs a filter that does this to one call and allows all others; value is ERRNO's errno or TRACE's data"},
	{Name: "setresuid", Call: engine.CallSetresuid, Params: []Param{req("uid", Int, 0)}, Doc: "sets the real, effective and saved uid"},
	{Name: "setresgid", Call: engine.CallSetresgid, Params: []Param{req("gid", Int, 0)}, Doc: "sets the real, effective and saved gid"},
	{Name: "sched_yield", Call: engine.CallSchedYield},
	{Name: "prctl", Call: engine.CallPrctl, Params: []Param{req("option", Int, 0), opt("arg", Int, 1, 0)}, Doc: "an option by number"},
	{Name: "prctl SET_PDEATHSIG", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_SET_PDEATHSIG}}, Params: []Param{req("sig", Signal, 1)}},
	{Name: "prctl GET_DUMPABLE", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_GET_DUMPABLE}}},
	{Name: "prctl SET_DUMPABLE", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_SET_DUMPABLE}}, Params: []Param{req("value", Int, 1)}},
	{Name: "prctl SET_CHILD_SUBREAPER", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_SET_CHILD_SUBREAPER}}, Params: []Param{req("value", Int, 1)}},
	{Name: "prctl SET_NO_NEW_PRIVS", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_SET_NO_NEW_PRIVS}}, Params: []Param{req("value", Int, 1)}},
	{Name: "prctl SET_PTRACER", Call: engine.CallPrctl, Fixed: []Fixed{{0, engine.PR_SET_PTRACER}}, Params: []Param{req("pid", Pid, 1)}},
}

// Slots of CallPtrace.
const (
	slotRequest = 0
	slotTid     = 1
	slotAddr    = 2
	slotData    = 3
)

func ptraceVerbs() []*Verb {
	tid := req("tid", Pid, slotTid)
	plain := func(r ptrace.Request, params ...Param) *Verb {
		return &Verb{Name: "ptrace " + ptrace.Requests.Format(int64(r)), Call: engine.CallPtrace,
			Fixed: []Fixed{{slotRequest, int64(r)}}, Params: append([]Param{tid}, params...)}
	}
	restart := func(r ptrace.Request) *Verb { return plain(r, opt("sig", Signal, slotData, 0)) }
	outs := func(v *Verb, o ...Out) *Verb { v.Outs = o; return v }
	doc := func(v *Verb, s string) *Verb { v.Doc = s; return v }
	at, value := req("at", Int, slotAddr), req("value", Int, slotData)
	buf := opt("buffer", Int, slotData, 0)
	word := Out{"word", Int}
	regs := []Out{{"r0", Int}, {"r1", Int}, {"r2", Int}}
	info := []Out{{"signo", Signal}, {"code", SigCode}, {"pid", Tid}}
	traceme := plain(ptrace.Traceme)
	traceme.Params = nil
	return []*Verb{
		{Name: "ptrace", Call: engine.CallPtrace, Params: []Param{req("request", Int, slotRequest), tid, opt("addr", Int, slotAddr, 0), opt("data", Int, slotData, 0)},
			Doc: "a request by number"},
		traceme,
		plain(ptrace.Attach),
		plain(ptrace.Seize, opt("options", Options, slotData, 0), opt("addr", Int, slotAddr, 0)),
		restart(ptrace.Detach),
		restart(ptrace.Cont),
		restart(ptrace.Syscall),
		restart(ptrace.Singlestep),
		restart(ptrace.Singleblock),
		restart(ptrace.Sysemu),
		restart(ptrace.SysemuSinglestep),
		plain(ptrace.Kill),
		plain(ptrace.Interrupt),
		plain(ptrace.Listen),
		plain(ptrace.Setoptions, req("options", Options, slotData)),
		doc(outs(plain(ptrace.Geteventmsg, buf), Out{"message", Tid}), "results: 0 and the message, an actor or a number; a buffer other than 0 is a bad address"),
		outs(plain(ptrace.Getsiginfo, buf), info...),
		plain(ptrace.Setsiginfo, req("sig", Signal, slotData), opt("code", SigCode, slotAddr, 0)),
		doc(outs(plain(ptrace.Peeksiginfo, opt("offset", Int, slotAddr, 0), opt("nr", Int, slotData, 1)), info...),
			"offset|flags<<32; results: how many, and the first"),
		outs(plain(ptrace.Getsigmask, opt("size", Int, slotAddr, 8)), Out{"mask", Mask}),
		plain(ptrace.Setsigmask, req("mask", Mask, slotData), opt("size", Int, slotAddr, 8)),
		doc(outs(plain(ptrace.Peektext, at, buf), word), "a word of the tracee's scratch page by index; 512 and more is no valid address"),
		outs(plain(ptrace.Peekdata, at, buf), word),
		doc(outs(plain(ptrace.Peekusr, at, buf), word), "one of four registers that actors do not use themselves"),
		plain(ptrace.Poketext, at, value),
		plain(ptrace.Pokedata, at, value),
		plain(ptrace.Pokeusr, at, value),
		outs(plain(ptrace.Getregs, buf), regs...),
		plain(ptrace.Getfpregs, buf),
		doc(outs(plain(ptrace.Getregset, req("type", RegsetType, slotAddr), opt("length", Int, slotData, 0)), Out{"r0", Int}, Out{"r1", Int}, Out{"length", Int}),
			"length: of the buffer in bytes, 0 for what it takes, negative for a bad address; results: two registers, the length that came back if one was given"),
		plain(ptrace.Setregset, req("type", RegsetType, slotAddr), value),
		plain(ptrace.SeccompGetFilter, opt("index", Int, slotAddr, 0)),
		doc(outs(plain(ptrace.SeccompGetMetadata, opt("size", Int, slotAddr, 16), opt("index", Int, slotData, 0)), Out{"flags", Int}),
			"results: how much was written, the filter's flags; a negative index is a bad address"),
		doc(outs(plain(ptrace.GetSyscallInfo, opt("size", Int, slotAddr, 88)), Out{"op", Int}, Out{"call", Int}),
			"results: size, op (1 entry, 2 exit, 3 seccomp), and the call's number here or its result"),
		doc(plain(ptrace.SetSyscallInfo, req("op", Int, slotAddr), req("value", Int, slotData)),
			"op as GET_SYSCALL_INFO shows it, |0x100 a bad address, |size<<32; value the call's number here, -1 none, or at an exit its result"),
		outs(plain(ptrace.GetRseqConfiguration, opt("size", Int, slotAddr, 24), buf)),
		doc(outs(plain(ptrace.GetSyscallUserDispatch, opt("size", Int, slotAddr, 32), buf), Out{"mode", Int}), "results: 0 and 1 if calls are dispatched"),
		doc(plain(ptrace.SetSyscallUserDispatch, req("mode", Int, slotData), opt("size", Int, slotAddr, 32)),
			"mode 0 or 1, |0x100 with a region of no length at address 8; a negative one is a bad address"),
	}
}

var verbByName = func() map[string]*Verb {
	m := make(map[string]*Verb, len(Verbs))
	for i, v := range Verbs {
		v.ID = uint8(i)
		m[v.Name] = v
	}
	return m
}()

// VerbByName returns the verb of a name ("kill", "ptrace ATTACH"), nil if there is none.
func VerbByName(name string) *Verb { return verbByName[name] }

// ServeVerbs are the requests that a serve loop can answer with; all but LISTEN and INTERRUPT take a signal.
var ServeVerbs = []*Verb{
	verbByName["ptrace CONT"], verbByName["ptrace SYSCALL"], verbByName["ptrace SINGLESTEP"], verbByName["ptrace SYSEMU"],
	verbByName["ptrace DETACH"], verbByName["ptrace LISTEN"], verbByName["ptrace KILL"], verbByName["ptrace INTERRUPT"],
}

// takesSignal says whether a ServeVerb passes a signal on.
func takesSignal(v *Verb) bool { return len(v.Params) == 2 }
