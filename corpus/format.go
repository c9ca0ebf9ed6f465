package corpus

import (
	"fmt"
	"slices"
	"strings"

	"tracehammer/engine"
	"tracehammer/ptrace"
)

// FormatCall writes a call of a program as scenarios do: "ptrace ATTACH child". Variables are $0, $1, ...
func FormatCall(p *engine.Program, actor engine.ActorID, instr int32) string {
	in := instruction(p, actor, instr)
	if in == nil {
		return fmt.Sprintf("instruction %d (not of this program)", instr)
	}
	v := verbOf(in)
	if v == nil {
		return fmt.Sprintf("call %d", in.Call)
	}
	b := []string{v.Name}
	for _, prm := range v.Params {
		b = append(b, formatEngineArg(p, prm.Type, in.Args[prm.Slot]))
	}
	for i := len(v.Params) - 1; i >= 0; i-- {
		prm := v.Params[i]
		if !prm.Optional || in.Args[prm.Slot] != engine.Imm(prm.Default) {
			break
		}
		b = b[:len(b)-1]
	}
	return strings.Join(b, " ")
}

func instruction(p *engine.Program, actor engine.ActorID, instr int32) *engine.Instr {
	if actor < 0 || int(actor) >= len(p.Actors) || instr < 0 || int(instr) >= len(p.Actors[actor].Code) {
		return nil
	}
	in := &p.Actors[actor].Code[instr]
	if in.Op != engine.OpCall {
		return nil
	}
	return in
}

// VerbOf is the verb that an instruction of a program comes from, nil for what is no call of a scenario.
func VerbOf(p *engine.Program, actor engine.ActorID, instr int32) *Verb {
	if in := instruction(p, actor, instr); in != nil {
		return verbOf(in)
	}
	return nil
}

// verbsByCall lists the verbs of each call, those that fix most arguments first.
var verbsByCall = func() (by [engine.NumCalls][]*Verb) {
	for _, v := range Verbs {
		by[v.Call] = append(by[v.Call], v)
	}
	for _, vs := range by {
		slices.SortStableFunc(vs, func(a, b *Verb) int { return len(b.Fixed) - len(a.Fixed) })
	}
	return by
}()

func verbOf(in *engine.Instr) *Verb {
	if in.Call >= engine.NumCalls {
		return nil
	}
	for _, v := range verbsByCall[in.Call] {
		if !slices.ContainsFunc(v.Fixed, func(f Fixed) bool { return in.Args[f.Slot] != engine.Imm(f.N) }) {
			return v
		}
	}
	return nil
}

func formatEngineArg(p *engine.Program, t ParamType, a engine.Arg) string {
	switch a.Kind {
	case engine.ArgTid:
		return actorName(p, engine.ActorID(a.N))
	case engine.ArgNegTid:
		return "-" + actorName(p, engine.ActorID(a.N))
	case engine.ArgVar:
		return fmt.Sprintf("$%d", a.N)
	case engine.ArgNegVar:
		return fmt.Sprintf("-$%d", a.N)
	}
	if t == Child {
		return actorName(p, engine.ActorID(a.N))
	}
	return formatNum(t, a.N)
}

func actorName(p *engine.Program, a engine.ActorID) string {
	if a < 0 || int(a) >= len(p.Actors) {
		return fmt.Sprintf("actor%d", a)
	}
	return p.Actors[a].Name
}

// FormatResult writes what a call returned: "0", "ESRCH", "child stopped SIGSTOP". tids are the actors' real tids at their
// creation, 0 for those never created; nil means that the result has symbolic tids.
func FormatResult(p *engine.Program, actor engine.ActorID, instr int32, r engine.Result, tids []int32) string {
	v := VerbOf(p, actor, instr)
	if r.Ret < 0 {
		return ptrace.Errno(-r.Ret).String()
	}
	if v == nil {
		return fmt.Sprint(r.Ret)
	}
	names := tidNames{p, tids}
	s := fmt.Sprint(r.Ret)
	if v.RetTid {
		s = names.name(r.Ret)
	}
	if r.Ret == 0 && (v.Call == engine.CallWait4 || v.Call == engine.CallWaitid && r.Out == [3]int64{}) {
		return s // WNOHANG, and nothing to report
	}
	for i, out := range v.Outs {
		switch {
		case r.Out[i] == engine.Unpredicted:
			s += " " + wordAny
		case out.Type != Tid:
			s += " " + formatNum(out.Type, r.Out[i])
		case tids == nil && r.TidMask&(2<<i) == 0 || r.Out[i] <= ptrace.MessageSyscallExit && v.Call == engine.CallPtrace:
			s += " " + fmt.Sprint(r.Out[i]) // a message or pid that is no actor's tid, or too small to tell
		default:
			s += " " + names.name(r.Out[i])
		}
	}
	return s
}

// tidNames names tids by the actors that got them.
type tidNames struct {
	p    *engine.Program
	tids []int32
}

func (t tidNames) name(n int64) string {
	if n == int64(engine.InitTid) {
		return wordInit
	}
	for a := range t.p.Actors {
		if tidOf(engine.ActorID(a), t.tids) == n {
			return t.p.Actors[a].Name
		}
	}
	return fmt.Sprint(n)
}

// tidOf is the tid of an actor: symbolic without tids; -1 when it was never created.
func tidOf(a engine.ActorID, tids []int32) int64 {
	switch {
	case tids == nil:
		return int64(a.Tid())
	case int(a) >= len(tids) || tids[a] == 0:
		return -1
	}
	return int64(tids[a])
}

// FormatStatus writes a wait status word.
func FormatStatus(status int64) string { return formatNum(Status, status) }
