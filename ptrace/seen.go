package ptrace

import "tracehammer/engine"

// Seen looks through a program for requests that make calls visible, and for attaches by tid; what a variable holds may be
// anything.
func (client) Seen(p *engine.Program) engine.Seen {
	var s engine.Seen
	for a := range p.Actors {
		for i := range p.Actors[a].Code {
			in := &p.Actors[a].Code[i]
			if in.Op != engine.OpCall || in.Call != engine.CallPtrace {
				continue
			}
			r, target := Request(in.Args[0].N), in.Args[1]
			if in.Args[0].Kind != engine.ArgImm {
				return engine.Seen{Calls: true, Attach: ^uint16(0)}
			}
			switch r {
			case Syscall, Sysemu, Singlestep, Singleblock, SysemuSinglestep:
				s.Calls = true
			case Attach, Seize:
				switch target.Kind {
				case engine.ArgTid:
					s.Attach |= 1 << target.N
				case engine.ArgVar, engine.ArgNegVar:
					s.Attach = ^uint16(0)
				}
			}
		}
	}
	return s
}

// Attaches implements engine.Attacher.
func (client) Attaches(in *engine.Instr) bool {
	r := Request(in.Args[0].N)
	return in.Args[0].Kind != engine.ArgImm || r == Attach || r == Seize
}
