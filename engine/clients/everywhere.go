package clients

import "tracehammer/engine"

// everywhere is an observer that is on every task from its beginning.
type everywhere struct {
	client
	events engine.Events
}

// Quiet are the events that a passive engine can ask for without anybody's being able to tell. The others change what the
// sender of a signal does (2.8): an ignored signal is queued if somebody asked for SIGNAL_IGN, a fatal one does not kill at
// once if somebody asked for SIGNAL_TERM or SIGNAL_CORE. With QUIESCE a client sees these signals all the same.
const Quiet = engine.EvQuiesce | engine.EvReap | engine.EvClone | engine.EvExec | engine.EvExit | engine.EvDeath | engine.EvSyscall |
	engine.EvSignal | engine.EvSignalStop | engine.EvJctl

// Everywhere is a client for engine.Program.Clients that watches every task.
func Everywhere(events engine.Events) engine.Ops { return everywhere{events: events} }

// Start implements engine.Starter.
func (c everywhere) Start(w *engine.World, self engine.ClientID) {
	c.attach(w, w.Find(int64(engine.FirstTid)), self)
}

func (c everywhere) Inherit(w *engine.World, t engine.TaskID, e engine.EngineID, child engine.TaskID, _ int64) {
	c.attach(w, child, w.ClientOf(t, e))
}

func (c everywhere) attach(w *engine.World, t engine.TaskID, self engine.ClientID) {
	if e, errno := w.AttachEngine(t, self, AttachDefault, 0); errno == 0 {
		w.SetEvents(t, e, c.events)
		w.PutEngine(t, e)
	}
}
