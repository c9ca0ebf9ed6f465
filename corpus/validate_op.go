package corpus

import (
	"fmt"
	"slices"

	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/ptrace"
)

// ops checks each operation by itself.
func (v *validator) ops() {
	if v.each {
		return
	}
	for i, o := range v.list {
		if !v.one(i, o) {
			return
		}
	}
}

func (v *validator) one(i int, o *Op) bool {
	if !v.check(i < MaxOps || v.fault(&o.Trivia, v.remove(o), "expected at most %d operations", MaxOps)) {
		return false
	}
	if msg := v.op(o); !v.check(msg == "" || v.fault(&o.Trivia, v.remove(o), "%s", msg)) {
		return false
	}
	for j := range o.Expect {
		v.check(v.expect(o.Verb, &o.Expect[j]) && j < MaxAlts || v.fault(&o.Trivia, removeExpect(o, j), "%s: expectation %d does not fit the operation", o.Verb.Name, j+1))
	}
	for j := range o.Cases {
		v.check(o.Cases[j].valid() && j < MaxCases || v.fault(&o.Cases[j].Trivia, removeCase(o, j), "case %d of the loop is none", j+1))
	}
	return true
}

func removeExpect(o *Op, j int) func() {
	return func() { o.Expect = slices.Delete(slices.Clone(o.Expect), j, j+1) }
}

func removeCase(o *Op, j int) func() {
	return func() { o.Cases = slices.Delete(o.Cases, j, j+1) }
}

// op returns what is wrong with one operation.
func (v *validator) op(o *Op) string {
	switch {
	case v.s.Actor(o.Actor) < 0:
		return fmt.Sprintf("no actor %q", o.Actor)
	case o.Verb == nil || o.Verb != Verbs[o.Verb.ID]:
		return "no verb"
	case len(o.Args) != len(o.Verb.Params):
		return fmt.Sprintf("%s has %d arguments, expected %d", o.Verb.Name, len(o.Args), len(o.Verb.Params))
	case o.Dst != "" && (!validName(o.Dst) || v.s.Actor(o.Dst) >= 0):
		return fmt.Sprintf("variable %q: expected a name that no actor has", o.Dst)
	case o.Verb.IsServe() && (o.Dst != "" || len(o.Expect) > 0):
		return "a serve loop has no result"
	case o.Verb.IsServe() && len(o.Args) == 2 && o.Args[1].N&engine.WNOHANG != 0:
		return "a serve loop has to wait: expected flags without WNOHANG"
	case !o.Verb.IsServe() && len(o.Cases) > 0:
		return o.Verb.Name + " has no cases"
	}
	for i, a := range o.Args {
		p := o.Verb.Params[i]
		if msg := v.arg(o, p, a); msg != "" {
			return fmt.Sprintf("%s, %s: %s", o.Verb.Name, p.Name, msg)
		}
	}
	return v.safe(o)
}

func (v *validator) arg(o *Op, p Param, a Arg) string {
	if !argKindFits(p.Type, a.Kind) {
		return "expected " + paramTypes[p.Type].what
	}
	switch a.Kind {
	case ArgActor, ArgNegActor:
		if v.s.Actor(a.Name) < 0 {
			return fmt.Sprintf("no actor %q", a.Name)
		}
	case ArgVar, ArgNegVar:
		if !validName(a.Name) || v.s.Actor(a.Name) >= 0 {
			return fmt.Sprintf("no variable %q", a.Name)
		}
	case ArgNum:
		if a.Name != "" {
			return "a number with a name"
		}
		if !writable(p.Type, a.N) {
			return fmt.Sprintf("%d cannot be written", a.N)
		}
		return numberIn(o.Verb, p.Type, a.N)
	}
	if a.N != 0 {
		return "a name with a number"
	}
	return ""
}

// writable says whether a number of a type is read back from what it is written as. Names, sets of names and plain numbers are.
func writable(t ParamType, n int64) bool {
	if t != Duration && t != CloneFlags && t != Status {
		return true
	}
	back, ok := parseNum(t, formatNum(t, n))
	return ok && back == n
}

// numberIn bounds numbers of a type.
func numberIn(verb *Verb, t ParamType, n int64) string {
	in := func(lo, hi int64) string {
		if n < lo || n > hi {
			return fmt.Sprintf("%s, expected %s to %s", formatNum(t, n), formatNum(t, lo), formatNum(t, hi))
		}
		return ""
	}
	switch t {
	case Signal:
		return in(0, 127) // beyond 64 for the errors
	case Fd:
		return in(-1, 1<<10)
	case Duration:
		return in(0, int64(MaxSleep))
	case CloneFlags:
		if n&^allowedClone != 0 {
			return fmt.Sprintf("expected an exit signal and flags among %s", formatNum(CloneFlags, allowedClone&^engine.CSIGNAL))
		}
		return ""
	case UtraceEvents:
		return in(0, 1<<(clients.CallbackJctl+1)-1)
	case UtraceAction:
		return in(0, 7) // one more for the error
	case AttachFlags:
		return in(0, 0xff)
	case Client, Callback, Image, SeccompAction, CallName, Disposition, How, WaitIDType:
		if _, ok := paramTypes[t].table.Name(n); !ok {
			return "expected " + paramTypes[t].what
		}
		return ""
	case Pid:
		// Numbers of real tasks are not the scenario's to choose: 0 is the caller, or its group; -1 anybody.
		if n == 0 || n == -1 || n == int64(engine.DeadTid) || n == int64(engine.InitTid) {
			return ""
		}
		return "expected an actor, a variable, 0, -1 or nobody"
	}
	return ""
}

// harmless are the calls that may name init, the harness's own process, and everybody.
var harmless = []engine.Call{engine.CallWait4, engine.CallWaitid, engine.CallGetpgid, engine.CallGetsid}

// safe keeps a scenario to itself: it signals and traces nobody but its own actors.
func (v *validator) safe(o *Op) string {
	for i, a := range o.Args {
		if o.Verb.Params[i].Type != Pid || a.Kind != ArgNum || slices.Contains(harmless, o.Verb.Call) {
			continue
		}
		switch {
		case a.N == int64(engine.InitTid) && (o.Verb.Call == engine.CallPtrace || o.Verb.EngineOnly()):
			return o.Verb.Name + ": expected somebody else than init"
		case a.N == -1 && o.Verb.Call == engine.CallKill:
			return "kill: expected somebody, not everybody"
		}
	}
	if o.Verb.Call == engine.CallPrctl {
		return safePrctl(o)
	}
	if ids := map[engine.Call]string{engine.CallSetresuid: "uid", engine.CallSetresgid: "gid"}; ids[o.Verb.Call] != "" &&
		o.Args[0].Kind == ArgNum && (o.Args[0].N < 0 || o.Args[0].N > 1<<16) {
		return o.Verb.Name + ": expected a " + ids[o.Verb.Call] + " up to 65536"
	}
	if o.Verb.Call == engine.CallSeccomp && engine.Call(o.Args[1].N) == engine.CallSeccomp {
		return "seccomp: expected another call to filter"
	}
	return ""
}

// safePrctl keeps generic prctl to options that have no effect on the harness.
func safePrctl(o *Op) string {
	if len(o.Verb.Fixed) > 0 {
		return ""
	}
	if a := o.Args[0]; a.Kind == ArgNum {
		if _, ok := ptrace.PrctlOptions.Name(a.N); ok || a.N >= 1<<20 {
			return ""
		}
	}
	return "prctl: expected a known option, or a number that is surely none"
}

func (v *validator) expect(verb *Verb, e *Expect) bool {
	if e.Kind != ExpectResult {
		return e.Kind < numExpectKinds && e.Ret == (Arg{}) && len(e.Out) == 0
	}
	fits := func(t ParamType, a Arg) bool {
		switch a.Kind {
		case ArgAny:
			return a.N == 0 && a.Name == ""
		case ArgActor:
			return t == Tid && a.N == 0 && v.s.Actor(a.Name) >= 0
		case ArgNum:
			return a.Name == ""
		}
		return false
	}
	if len(e.Out) > len(verb.Outs) || !fits(Tid, e.Ret) {
		return false
	}
	for i, a := range e.Out {
		if !fits(verb.Outs[i].Type, a) {
			return false
		}
	}
	return true
}

func (c *Case) valid() bool {
	ok := c.Kind < numCaseKinds && c.Answer < numAnswerKinds && c.Sig < numSigKinds
	switch c.Kind {
	case CaseSignal:
		ok = ok && c.N >= 0 && c.N <= engine.NSIG
	case CaseEvent:
		_, known := ptrace.Events.Name(c.N)
		ok = ok && known
	default:
		ok = ok && c.N == 0
	}
	if c.Answer != AnswerRequest {
		return ok && c.Verb == nil && c.Sig == SigNone && c.SigN == 0
	}
	ok = ok && slices.Contains(ServeVerbs, c.Verb) && (c.Sig == SigNone || takesSignal(c.Verb))
	if c.Sig == SigNum {
		return ok && c.SigN >= 1 && c.SigN <= engine.NSIG
	}
	return ok && c.SigN == 0
}
