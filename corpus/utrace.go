package corpus

import (
	"slices"

	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/ptrace"
)

// The verbs of utrace: no Linux kernel has it, so scenarios that use them run on the engine only.

// Slots of CallUtrace.
const (
	slotOp       = 0
	slotTarget   = 1
	slotClient   = 2
	slotArg      = 3
	slotClientSg = 4
	slotFlags    = 5
)

func utraceVerbs() []*Verb {
	tid, client := req("tid", Pid, slotTarget), req("client", Client, slotClient)
	verb := func(name string, op clients.Op, doc string, params ...Param) *Verb {
		return &Verb{Name: "utrace " + name, Call: engine.CallUtrace, Fixed: []Fixed{{slotOp, int64(op)}}, Params: params, Doc: doc}
	}
	sig := opt("sig", Signal, slotClientSg, 0)
	return []*Verb{
		verb("ATTACH", clients.OpAttach, "attaches an engine of a client, with its events; keeps a reference until PUT",
			tid, client, opt("events", UtraceEvents, slotArg, 0), sig, opt("flags", AttachFlags, slotFlags, int64(clients.AttachDefault))),
		verb("LOOKUP", clients.OpLookup, "returns how many live engines the client has", tid, client, sig,
			opt("flags", AttachFlags, slotFlags, int64(engine.AttachMatchOps))),
		verb("CONTROL", clients.OpControl, "utrace_control", tid, client, req("action", UtraceAction, slotArg)),
		verb("EVENTS", clients.OpEvents, "utrace_set_events", tid, client, req("events", UtraceEvents, slotArg)),
		verb("BARRIER", clients.OpBarrier, "waits while a callback to the engine is running", tid, client),
		verb("PREPARE_EXAMINE", clients.OpPrepareExamine, "", tid, client),
		verb("FINISH_EXAMINE", clients.OpFinishExamine, "", tid, client),
		verb("PUT", clients.OpPut, "gives back the reference that ATTACH took", tid, client),
		verb("COUNT", clients.OpCount, "returns how many callbacks of a kind the client got in this run", client, req("callback", Callback, slotArg)),
	}
}

var (
	clientNames = func() *ptrace.Table {
		s := []ptrace.Symbol{{Name: "none", N: 0}}
		for k := clients.Observer; k < clients.NumKinds; k++ {
			s = append(s, ptrace.Symbol{Name: k.String(), N: int64(k)})
		}
		return ptrace.NewTable(false, s)
	}()
	callbackNames = func() *ptrace.Table {
		var s []ptrace.Symbol
		for b := range clients.NumCallbacks {
			s = append(s, ptrace.Symbol{Name: b.String(), N: int64(b)})
		}
		return ptrace.NewTable(false, s)
	}()
	utraceEvents = func() *ptrace.Table {
		s := []ptrace.Symbol{{Name: "SIGNAL_ALL", N: int64(engine.EvSignalAll)}, {Name: "SYSCALL", N: int64(engine.EvSyscall)}}
		for b := clients.CallbackQuiesce; b <= clients.CallbackJctl; b++ {
			s = append(s, ptrace.Symbol{Name: b.String(), N: 1 << b})
		}
		return ptrace.NewTable(true, s)
	}()
	utraceActions = ptrace.NewTable(false, []ptrace.Symbol{{Name: "STOP", N: int64(engine.ActStop)}, {Name: "INTERRUPT", N: int64(engine.ActInterrupt)},
		{Name: "REPORT", N: int64(engine.ActReport)}, {Name: "SINGLESTEP", N: int64(engine.ActSinglestep)}, {Name: "BLOCKSTEP", N: int64(engine.ActBlockstep)},
		{Name: "RESUME", N: int64(engine.ActResume)}, {Name: "DETACH", N: int64(engine.ActDetach)}})
	attachFlags = ptrace.NewTable(true, []ptrace.Symbol{{Name: "MATCH_OPS", N: int64(engine.AttachMatchOps)}, {Name: "MATCH_DATA", N: int64(engine.AttachMatchData)},
		{Name: "CREATE", N: int64(engine.AttachCreate)}, {Name: "EXCLUSIVE", N: int64(engine.AttachExclusive)}})
)

// EngineOnly says whether no kernel has what the verb does.
func (v *Verb) EngineOnly() bool { return v.Call == engine.CallUtrace }

// EngineOnly says whether the scenario uses what no kernel has.
func (s *Scenario) EngineOnly() bool {
	return engineOnly(s.Ops())
}

func engineOnly(ops []*Op) bool {
	return slices.ContainsFunc(ops, func(o *Op) bool { return o.Verb.EngineOnly() })
}

// clients gives the program the clients that its operations name.
func (l *lowerer) clients(ops []*Op) {
	if engineOnly(ops) {
		count := VerbByName("utrace COUNT")
		l.p.Clients = clients.All(slices.ContainsFunc(ops, func(o *Op) bool { return o.Verb == count }))
	}
}
