package corpus

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Names that no actor or variable may have, and what some of them stand for.
const (
	wordBlocks = "blocks"
	wordNever  = "never"
	wordNobody = "nobody" // engine.DeadTid
	wordInit   = "init"   // engine.InitTid
	wordSame   = "sig"
	wordAny    = "_"
)

var reserved = map[string]bool{wordBlocks: true, wordNever: true, wordNobody: true, wordInit: true, wordSame: true}

// validName says whether s can name an actor, variable or barrier.
func validName(s string) bool {
	if s == "" || len(s) > MaxNameLen || s[0] < 'a' || s[0] > 'z' || reserved[s] {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// paramType is how values of one ParamType are written.
type paramType struct {
	what  string        // for errors: "expected " + what
	table *ptrace.Table // nil: numbers, or a case of parseWord and formatNum
	vars  bool          // variables are allowed
	tids  bool          // actors are allowed
}

var paramTypes = [numParamTypes]paramType{
	Int:           {what: "a number"},
	Child:         {what: "an actor", tids: true},
	Pid:           {what: "an actor, -actor, variable, 0, -1 or nobody", vars: true, tids: true},
	Fd:            {what: "a variable or number", vars: true},
	Signal:        {what: "a signal", table: ptrace.Signals},
	Mask:          {what: "signals joined by | or 0", table: signalMasks},
	WaitFlags:     {what: "wait flags joined by | or 0", table: ptrace.WaitFlags},
	WaitIDType:    {what: "P_ALL, P_PID, P_PGID or P_PIDFD", table: ptrace.WaitIDTypes},
	CloneFlags:    {what: "clone flags and an exit signal joined by | or 0"},
	Options:       {what: "ptrace options joined by | or 0", table: ptrace.OptionNames},
	Duration:      {what: "a duration (ns, us or ms)"},
	Disposition:   {what: "SIG_DFL, SIG_IGN or HANDLER", table: ptrace.Dispositions},
	SigFlags:      {what: "SA_ flags joined by | or 0", table: ptrace.SigactionFlags},
	How:           {what: "SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK", table: ptrace.SigprocmaskHow},
	SigCode:       {what: "an SI_ code or a number", table: ptrace.SigCodes},
	ChildCode:     {what: "a CLD_ code", table: ptrace.ChildCodes},
	SeccompAction: {what: "ALLOW, ERRNO, TRACE, KILL_THREAD or KILL_PROCESS", table: ptrace.SeccompActions},
	CallName:      {what: "the name of a call", table: callNames},
	ErrnoOrData:   {what: "an errno or a number", table: ptrace.Errnos},
	SeccompFlags:  {what: "TSYNC, TSYNC_ESRCH, LOG joined by | or 0", table: ptrace.SeccompFlags},
	Image:         {what: "SELF, MISSING or SETUID", table: ptrace.Images},
	RegsetType:    {what: "a regset note", table: ptrace.RegsetTypes},
	Status:        {what: "a wait status"},
	Tid:           {what: "an actor or a number", tids: true},
	Client:        {what: "a utrace client", table: clientNames},
	UtraceEvents:  {what: "utrace events joined by | or 0", table: utraceEvents},
	UtraceAction:  {what: "STOP, INTERRUPT, REPORT, SINGLESTEP, BLOCKSTEP, RESUME or DETACH", table: utraceActions},
	AttachFlags:   {what: "MATCH_OPS, MATCH_DATA, CREATE, EXCLUSIVE or 0", table: attachFlags},
	Callback:      {what: "a kind of callback", table: callbackNames},
}

// signalMasks names signals by their bits in a mask.
var signalMasks = func() *ptrace.Table {
	var s []ptrace.Symbol
	for _, sym := range ptrace.Signals.Symbols() {
		s = append(s, ptrace.Symbol{Name: sym.Name, N: 1 << (sym.N - 1)})
	}
	return ptrace.NewTable(true, s)
}()

// callNames names the calls that a scenario can make, and so a filter can hit.
var callNames = func() *ptrace.Table {
	var s []ptrace.Symbol
	seen := map[engine.Call]bool{}
	for _, v := range callVerbs {
		if name, _, two := strings.Cut(v.Name, " "); !two && !seen[v.Call] {
			seen[v.Call] = true
			s = append(s, ptrace.Symbol{Name: name, N: int64(v.Call)})
		}
	}
	return ptrace.NewTable(false, append(s, ptrace.Symbol{Name: "ptrace", N: int64(engine.CallPtrace)}))
}()

var cloneFlags = ptrace.NewTable(true, append([]ptrace.Symbol{{Name: "THREAD", N: ThreadFlags}}, ptrace.CloneFlags.Symbols()...))

// formatNum writes a number of a type so that parseNum reads it back.
func formatNum(t ParamType, n int64) string {
	switch t {
	case Pid, Tid:
		switch engine.Tid(n) {
		case engine.DeadTid:
			return wordNobody
		case engine.InitTid:
			return wordInit
		}
	case Duration:
		return formatDuration(time.Duration(n))
	case CloneFlags:
		flags, sig := n&^engine.CSIGNAL, n&engine.CSIGNAL
		switch {
		case sig == 0:
			return cloneFlags.Format(flags)
		case flags == 0:
			return ptrace.Signals.Format(sig)
		}
		return cloneFlags.Format(flags) + "|" + ptrace.Signals.Format(sig)
	case Status:
		if n == int64(uint32(n)) {
			if s := ptrace.Status(n).String(); !strings.HasPrefix(s, "0x") {
				if back, _, ok := parseStatus(strings.Fields(s)); ok && back == n {
					return s
				}
			}
		}
		return fmt.Sprintf("%#x", n)
	case ErrnoOrData:
		if n == 0 {
			return "0"
		}
	}
	if tab := paramTypes[t].table; tab != nil {
		return tab.Format(n)
	}
	return strconv.FormatInt(n, 10)
}

// parseNum reads one word of a type.
func parseNum(t ParamType, s string) (int64, bool) {
	switch t {
	case Pid, Tid:
		switch s {
		case wordNobody:
			return int64(engine.DeadTid), true
		case wordInit:
			return int64(engine.InitTid), true
		}
	case Duration:
		d, ok := parseDuration(s)
		return int64(d), ok
	case CloneFlags:
		var n int64
		for _, part := range strings.Split(s, "|") {
			v, err := cloneFlags.Parse(part)
			if err != nil {
				if v, err = ptrace.Signals.Parse(part); err != nil {
					return 0, false
				}
			}
			n |= v
		}
		return n, true
	}
	if tab := paramTypes[t].table; tab != nil {
		n, err := tab.Parse(s)
		return n, err == nil
	}
	n, err := strconv.ParseInt(s, 0, 64)
	return n, err == nil
}

// parseStatus reads a wait status from the front of words.
func parseStatus(words []string) (n int64, used int, ok bool) {
	if len(words) == 0 {
		return 0, 0, false
	}
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	signal := func(i int) (ptrace.Signal, bool) {
		v, err := ptrace.Signals.Parse(word(i))
		return ptrace.Signal(v), err == nil && v >= 0 && v <= 0xff
	}
	switch words[0] {
	case "exited":
		c, err := strconv.ParseUint(word(1), 0, 8)
		return int64(ptrace.Exited(int(c))), 2, err == nil
	case "killed":
		sig, ok := signal(1)
		st := ptrace.Killed(sig)
		if word(2) == "core" {
			return int64(st | 0x80), 3, ok
		}
		return int64(st), 2, ok
	case "stopped":
		sig, ok := signal(1)
		return int64(ptrace.Stopped(sig)), 2, ok
	case "event":
		e, err := ptrace.Events.Parse(word(1))
		if err != nil || e <= 0 || e > 0xffff {
			return 0, 0, false
		}
		if sig, ok := signal(2); ok {
			return int64(ptrace.EventStopped(ptrace.Event(e), sig)), 3, true
		}
		return int64(ptrace.EventStopped(ptrace.Event(e), ptrace.SIGTRAP)), 2, true
	case "syscall-stop":
		return int64(ptrace.SyscallStopped(true)), 1, true
	case "continued":
		return int64(ptrace.StatusContinued), 1, true
	}
	v, err := strconv.ParseInt(words[0], 0, 64)
	return v, 1, err == nil
}

var durationUnits = []struct {
	name string
	d    time.Duration
}{{"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}}

func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	for _, u := range durationUnits {
		if d%u.d == 0 {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return "0"
}

func parseDuration(s string) (time.Duration, bool) {
	if s == "0" {
		return 0, true
	}
	digits := strings.TrimRight(s, "munsec")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	for _, u := range durationUnits {
		if s[len(digits):] == u.name {
			if n > math.MaxInt64/int64(u.d) || n < math.MinInt64/int64(u.d) {
				return 0, false
			}
			return time.Duration(n) * u.d, true
		}
	}
	return 0, false
}

// formatArg writes an argument or an expected value.
func formatArg(t ParamType, a Arg) string {
	switch a.Kind {
	case ArgNum:
		return formatNum(t, a.N)
	case ArgNegActor, ArgNegVar:
		return "-" + a.Name
	case ArgAny:
		return wordAny
	}
	return a.Name
}

// formatRet writes an expected return value of a verb: negative ones are errnos.
func formatRet(v *Verb, a Arg) string {
	if a.Kind == ArgNum && a.N < 0 {
		if s, ok := ptrace.Errnos.Name(-a.N); ok {
			return s
		}
	}
	if a.Kind == ArgNum && !v.RetTid { // 1 is no tid
		return formatArg(Int, a)
	}
	return formatArg(Tid, a)
}

// argKindFits says whether an argument of this kind can stand where a type is wanted.
func argKindFits(t ParamType, k ArgKind) bool {
	switch pt := &paramTypes[t]; k {
	case ArgNum:
		return t != Child
	case ArgActor:
		return pt.tids
	case ArgNegActor, ArgNegVar:
		return t == Pid
	case ArgVar:
		return pt.vars
	}
	return false
}
