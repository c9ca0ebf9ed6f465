package ptrace

import "tracehammer/engine"

// Rename implements engine.Renamer: the message of most events is a tid.
func (client) Rename(d *engine.EngineData, to func(engine.Tid) engine.Tid) {
	c := context{d}
	if d[wordMessage]&messageTid != 0 {
		d[wordMessage] = messageTid | uint64(to(engine.Tid(c.message())))
	}
}

// Traces implements engine.Renamer.
func (client) Traces(in *engine.Instr) (self, children bool) {
	const follow = OTracefork | OTracevfork | OTraceclone
	if in.Args[0].Kind != engine.ArgImm {
		return true, true
	}
	switch Request(in.Args[0].N) {
	case Traceme:
		return true, false
	case Setoptions, Seize:
		return false, in.Args[3].Kind != engine.ArgImm || Option(in.Args[3].N)&follow != 0
	}
	return false, false
}
