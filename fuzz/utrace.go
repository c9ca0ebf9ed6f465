package fuzz

import (
	"slices"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/engine/clients"
	"tracehammer/stress/schedule"
)

var utraceRunner = newRunner()

// FuzzUtrace uses utrace's interface alone, on a kernel without ptrace: several engines of every ready-made client on the
// same threads, attached, controlled and detached while the scenario's threads run, stop, exec and die. The bytes are those
// of FuzzPtrace, with an operation of utrace in the place of each ptrace request. It asserts that no step breaks an
// invariant of section 7, that each client's callbacks come in an order that utrace promises (clients.Checked), that nobody
// waits for what has happened, and that the engine does not panic.
func FuzzUtrace(data []byte) int {
	r := utraceRunner
	defer r.guard("FuzzUtrace")
	if _, ok := r.load(data, false); !ok {
		return never
	}
	withoutPtrace(r.in.Scenario)
	p := corpus.LowerValid(r.in.Scenario)
	p.Clients = nil // they come first: there is no ptrace before them
	r.machine.Load(p, engine.Options{Check: true, Profile: r.in.Profile.Engine(), Bugs: bugs}, utraceClients...)
	if r.run(schedule.Replay(r.in.Stream)) == schedule.Endless {
		return never
	}
	if called(p, r) {
		return keep
	}
	return neutral
}

var utraceClients = clients.Checked(clients.All(true))

var utraceVerbs = slices.DeleteFunc(slices.Clone(corpus.Verbs), func(v *corpus.Verb) bool { return !v.EngineOnly() })

// withoutPtrace puts an operation of utrace on the same thread in the place of each ptrace request. Which one, and with what
// arguments, follows from the request and its arguments.
func withoutPtrace(s *corpus.Scenario) {
	for _, o := range s.Ops() {
		if o.Verb.Call != engine.CallPtrace {
			continue
		}
		whom, n := corpus.ActorArg(o.Actor), uint64(o.Verb.ID)
		for i, a := range o.Args {
			if o.Verb.Params[i].Type == corpus.Pid {
				whom = a
			} else {
				n = n*31 + uint64(a.N)
			}
		}
		o.Verb = utraceVerbs[n%uint64(len(utraceVerbs))]
		o.Args, o.Expect = nil, nil
		for _, p := range o.Verb.Params {
			n = (n ^ n>>7) * 0x9e3779b97f4a7c15
			o.Args = append(o.Args, utraceArg(p, whom, n>>40))
		}
	}
	s.Repair()
}

func utraceArg(p corpus.Param, whom corpus.Arg, n uint64) corpus.Arg {
	below := func(limit int) corpus.Arg { return corpus.Num(int64(n % uint64(limit))) }
	switch p.Type {
	case corpus.Pid:
		return whom
	case corpus.Client:
		return corpus.Num(1 + int64(n%uint64(clients.NumKinds-1)))
	case corpus.UtraceEvents:
		return below(1 << (clients.CallbackJctl + 1))
	case corpus.UtraceAction:
		return below(8)
	case corpus.AttachFlags:
		return below(16)
	case corpus.Callback:
		return below(int(clients.NumCallbacks))
	case corpus.Signal:
		return below(engine.NSIG + 1)
	}
	return corpus.Num(p.Default)
}

// called says whether a call of utrace succeeded.
func called(p *engine.Program, r *runner) bool {
	for a := range r.hist.Actors {
		for _, e := range r.hist.Actors[a].Entries {
			if e.Done && e.Res.Ret >= 0 && e.Instr >= 0 && p.Actors[a].Code[e.Instr].Call == engine.CallUtrace {
				return true
			}
		}
	}
	return false
}
