package engine

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// A script is a client whose callbacks a test writes; it notes each of them in log.
type script struct {
	name string
	log  *[]string
	on   func(w *World, t TaskID, e EngineID, what string) Action // nil: RESUME
	sig  func(w *World, t TaskID, so SignalAction) SignalAction
	so   *[]EntrySoFar
	free *int
}

func (s script) seen(w *World, t TaskID, e EngineID, what string) Action {
	if s.log != nil {
		*s.log = append(*s.log, s.name+" "+what)
	}
	if s.on != nil {
		return s.on(w, t, e, what)
	}
	return ActResume
}

func (s script) ReportQuiesce(w *World, t TaskID, e EngineID, event Events) Action {
	return s.seen(w, t, e, fmt.Sprintf("quiesce %#x", uint16(event)))
}
func (s script) ReportSignal(w *World, t TaskID, e EngineID, event Events, so SignalAction) (Action, SignalAction) {
	a := s.seen(w, t, e, fmt.Sprintf("signal %d so %d", w.SigInfo(t).Signo, so))
	if s.sig != nil {
		so = s.sig(w, t, so)
	}
	return a, so
}
func (s script) ReportClone(w *World, t TaskID, e EngineID, _ TaskID) Action {
	return s.seen(w, t, e, "clone")
}
func (s script) ReportExec(w *World, t TaskID, e EngineID, _ Tid) Action {
	return s.seen(w, t, e, "exec")
}
func (s script) ReportSyscallEntry(w *World, t TaskID, e EngineID, so EntrySoFar) (Action, bool) {
	if s.so != nil {
		*s.so = append(*s.so, so)
	}
	return s.seen(w, t, e, "entry"), so.Abort
}
func (s script) ReportSyscallExit(w *World, t TaskID, e EngineID) Action {
	return s.seen(w, t, e, "leave")
}
func (s script) ReportExit(w *World, t TaskID, e EngineID, _ uint16) Action {
	return s.seen(w, t, e, "exit")
}
func (s script) ReportJctl(w *World, t TaskID, e EngineID, kind, notify int32) Action {
	return s.seen(w, t, e, fmt.Sprintf("jctl %d %d", kind, notify))
}
func (s script) ReportDeath(w *World, t TaskID, e EngineID) Action { return s.seen(w, t, e, "death") }
func (s script) ReportReap(w *World, t TaskID, e EngineID)         { s.seen(w, t, e, "reap") }
func (s script) Release(*World, ClientID, *EngineData) {
	if s.free != nil {
		*s.free++
	}
}
func (s script) ReportExtra(*World, TaskID, EngineID, Extra, uint16) Action { return ActResume }
func (s script) Inherit(*World, TaskID, EngineID, TaskID, int64)            {}
func (s script) Entered(*World, TaskID, EngineID)                           {}
func (s script) Stopped(*World, TaskID, EngineID)                           {}
func (s script) Left(*World, TaskID, EngineID)                              {}

// Call makes callbacks take two steps each, as with actors that use utrace.
func (s script) Call(*World, TaskID, *CallState) CallResult { return CallResult{Ret: -ENOSYS} }

const subject TaskID = 2 // the task that the engines are on: actor 1

// lab is a machine on which actor 1 makes some calls and actor 0 waits for it.
type lab struct {
	*testing.T
	w World
}

func newLab(t *testing.T, bugs BugSet, calls []Instr, clients ...Ops) *lab {
	t.Helper()
	child := append([]Instr{}, calls...)
	p := &Program{Actors: []Actor{
		{Name: "main", Code: []Instr{op(CallClone, SIGCHLD, 1), op(CallWait4, -1), {Op: OpEnd}}},
		{Name: "child", Code: append(child, Instr{Op: OpEnd})},
	}}
	m := NewMachine(p, Options{Check: true, Bugs: bugs}, clients...)
	l := &lab{T: t}
	m.Init(&l.w)
	for l.w.told&(1<<subject) == 0 || l.w.tasks[subject].state == New {
		l.step(1)
	}
	return l
}

func op(c Call, args ...int64) Instr {
	in := Instr{Op: OpCall, Call: c, Dst: NoVar, DstOut: NoVar, Src: -1}
	for i, a := range args {
		in.Args[i] = Imm(a)
	}
	return in
}

// step makes one step of a task; it says whether there was one.
func (l *lab) step(id TaskID) bool {
	for _, c := range l.w.Choices(nil) {
		if c.Task == id && c.Kind != ChoiceInterrupt {
			l.w.Step(c)
			return true
		}
	}
	return false
}

// until steps a task until cond holds.
func (l *lab) until(id TaskID, cond func() bool) {
	l.Helper()
	for range 1000 {
		if cond() {
			return
		}
		if !l.step(id) {
			break
		}
	}
	if !cond() {
		l.Fatalf("it never came to that; %+v", l.w.Waits(nil))
	}
}

// run steps a task as far as it goes.
func (l *lab) run(id TaskID) {
	for range 1000 {
		if !l.step(id) {
			return
		}
	}
}

func (l *lab) attach(c ClientID, events Events) EngineID {
	l.Helper()
	l.w.cur = 1
	e, errno := l.w.AttachEngine(subject, c, AttachCreate, 0)
	if errno == 0 {
		errno = l.w.SetEvents(subject, e, events)
	}
	if errno != 0 {
		l.Fatalf("attach: errno %d", errno)
	}
	return e
}

func (l *lab) want(what string, got, want any) {
	l.Helper()
	if !reflect.DeepEqual(got, want) {
		l.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// breaks runs f and says which invariant it broke, 0 for none.
func breaks(f func()) (n int) {
	defer func() {
		if r := recover(); r != nil {
			var ie *InvariantError
			if err, ok := r.(error); !ok || !errors.As(err, &ie) {
				panic(r)
			}
			n = ie.N
		}
	}()
	f()
	return 0
}

func named(log *[]string, names ...string) []Ops {
	var out []Ops
	for _, n := range names {
		out = append(out, script{name: n, log: log})
	}
	return out
}

// TestOrder is O1: attach order, reverse at syscall entry, whatever places the engines have; the planted bugs show.
func TestOrder(t *testing.T) {
	run := func(bugs BugSet) []string {
		var log []string
		l := newLab(t, bugs, []Instr{op(CallGetpid)}, named(&log, "a", "b", "c")...)
		a := l.attach(1, 0)
		l.attach(2, EvSyscall)
		l.w.tasks[subject].state = Stopped // quiescent, so that it goes at once
		l.want("detach", l.w.Control(subject, a, ActDetach, true), 0)
		l.w.PutEngine(subject, a)
		l.w.tasks[subject].state = Running
		l.want("the place", l.attach(3, EvSyscall), a)
		l.until(subject, func() bool { return len(log) >= 4 })
		return log[:4]
	}
	if got, want := run(BugSet{}), []string{"c entry", "b entry", "b leave", "c leave"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if reflect.DeepEqual(run(BugUtraceSlotOrder.Set()), run(BugSet{})) { // attached outside of steps, which are what is checked
		t.Errorf("%v does not show", BugUtraceSlotOrder)
	}
	if n := breaks(func() { run(BugUtraceEntryOrder.Set()) }); n != 6 {
		t.Errorf("%v breaks invariant %d, want 6", BugUtraceEntryOrder, n)
	}
}

// TestReferences is 1.2: Release comes once, with the last reference, and no call on the engine after its detach has an effect.
func TestReferences(t *testing.T) {
	free := 0
	l := newLab(t, BugSet{}, []Instr{op(CallGetpid), op(CallExit, 0)}, script{free: &free}, script{})
	e := l.attach(1, EvQuiesce|EvReap)
	found, errno := l.w.AttachEngine(subject, 1, AttachMatchOps, 0)
	l.want("lookup", []int{int(found), errno}, []int{int(e), 0})
	l.w.PutEngine(subject, e)
	l.want("detach", l.w.Control(subject, e, ActDetach, false), 0)
	l.want("detach again", l.w.Control(subject, e, ActDetach, false), ESRCH)
	l.run(subject)
	l.run(1)
	l.want("released", l.w.tasks[subject].is(tfReleased), true)
	l.want("freed before the last reference", free, 0)
	l.want("control of a reaped task's engine", l.w.Control(subject, e, ActStop, false), ESRCH)
	l.want("without QUIESCE", l.w.Control(subject, e, ActReport, false), EINVAL)
	l.want("events", l.w.SetEvents(subject, e, EvExec), ESRCH)
	l.w.PutEngine(subject, e)
	l.want("freed", free, 1)
	_, errno = l.w.AttachEngine(subject, 2, AttachCreate, 0)
	l.want("attach to a reaped task", errno, ESRCH)
}

// TestStaleFlags is 4.2.27 and O2: an event that report_quiesce or somebody else takes away meanwhile makes no callback, one that
// is added does.
func TestStaleFlags(t *testing.T) {
	run := func(bugs BugSet, add bool) []string {
		var log []string
		l := newLab(t, bugs, []Instr{op(CallGetpid)}, named(&log, "a", "b")...)
		before, after := EvQuiesce|EvSyscallEntry, EvQuiesce
		if add {
			before, after = after, before
		}
		e := l.attach(1, before)
		l.attach(2, EvSyscallEntry)
		l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == e })
		l.w.cur = 1
		errno := l.w.SetEvents(subject, e, after)
		if want := map[bool]int{true: 0, false: EINPROGRESS}[add]; errno != want {
			t.Errorf("set_events: errno %d, want %d", errno, want)
		}
		l.until(subject, func() bool { return !l.w.tasks[subject].utrace.is(utPass) })
		return log
	}
	if got, want := run(BugSet{}, false), []string{"b entry", "a quiesce 0x40"}; !reflect.DeepEqual(got, want) {
		t.Errorf("taken away: got %v, want %v", got, want)
	}
	if got, want := run(BugSet{}, true), []string{"b entry", "a quiesce 0x40", "a entry"}; !reflect.DeepEqual(got, want) {
		t.Errorf("added: got %v, want %v", got, want)
	}
	if n := breaks(func() { run(BugUtraceStaleFlags.Set(), false) }); n != 8 {
		t.Errorf("%v breaks invariant %d, want 8", BugUtraceStaleFlags, n)
	}
}

// TestBarrier is 3.3, 4.2.23 and invariant 9: it waits while the callback runs, of an engine that is detached, too.
func TestBarrier(t *testing.T) {
	run := func(bugs BugSet) (wait bool) {
		l := newLab(t, bugs, []Instr{op(CallGetpid)}, script{}, script{})
		e := l.attach(1, EvSyscallEntry)
		l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == e })
		l.w.cur = subject
		errno, own := l.w.Barrier(subject, e)
		l.want("one's own", []any{errno, own}, []any{0, false})
		l.w.cur = 1
		l.want("detach", l.w.Control(subject, e, ActDetach, false), EINPROGRESS)
		_, wait = l.w.Barrier(subject, e)
		l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == noEngine })
		l.w.cur = 1
		errno, own = l.w.Barrier(subject, e)
		l.want("after it", []any{errno, own}, []any{ESRCH, false})
		return wait
	}
	if !run(BugSet{}) {
		t.Error("it does not wait for the callback")
	}
	if run(BugUtraceBarrierEarly.Set()) {
		t.Errorf("%v does not show", BugUtraceBarrierEarly)
	}
}

// TestReap is O6, O7 and 3.5: REAP waits for the death report, nobody finds an engine during it, no call works once release
// has begun.
func TestReap(t *testing.T) {
	run := func(bugs BugSet) (log []string, found EngineID, late int) {
		found = noEngine
		a := script{name: "a", log: &log, on: func(w *World, t TaskID, e EngineID, what string) Action {
			if what == "reap" {
				found = w.LookupEngine(t, 1)
			}
			return ActResume
		}}
		l := newLab(t, bugs, []Instr{op(CallExit, 0)}, a, script{name: "b", log: &log})
		e := l.attach(1, EvDeath|EvReap)
		l.attach(2, EvQuiesce)
		l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == e })
		l.w.cur = 1
		l.want("control during the death report", l.w.Control(subject, e, ActDetach, false), EALREADY)
		l.want("events taken away during it", l.w.SetEvents(subject, e, EvReap), EALREADY)
		l.run(1) // wait4 reaps it
		l.want("released", l.w.tasks[subject].is(tfReleased), true)
		l.w.cur = 1
		late = l.w.SetEvents(subject, e, EvDeath|EvReap|EvExec)
		l.run(subject)
		return log, found, late
	}
	log, found, late := run(BugSet{})
	if want := []string{"b quiesce 0x10", "a death", "b quiesce 0x20", "a reap"}; !reflect.DeepEqual(log, want[1:]) && !reflect.DeepEqual(log, want) {
		t.Errorf("got %v, want %v", log, want)
	}
	if found != noEngine || late != ESRCH {
		t.Errorf("found %d during reap, set_events after release has begun: %d", found, late)
	}
	if _, found, _ := run(BugUtraceLookupAtReap.Set()); found == noEngine {
		t.Errorf("%v does not show", BugUtraceLookupAtReap)
	}
	if n := breaks(func() { run(BugUtraceAPIAfterReap.Set()) }); n != 13 {
		t.Errorf("%v breaks invariant %d, want 13", BugUtraceAPIAfterReap, n)
	}
}

// TestDeathDetaches is invariant 11: an engine that detaches at the death gets no REAP.
func TestDeathDetaches(t *testing.T) {
	var log []string
	free := 0
	a := script{name: "a", log: &log, free: &free, on: func(_ *World, _ TaskID, _ EngineID, what string) Action {
		if what == "death" {
			return ActDetach
		}
		return ActResume
	}}
	l := newLab(t, BugSet{}, []Instr{op(CallExit, 0)}, a, script{})
	l.w.PutEngine(subject, l.attach(1, EvDeath|EvReap))
	l.run(subject)
	l.run(1)
	l.want("callbacks", log, []string{"a death"})
	l.want("freed", free, 1)
}

// TestSignals is 2.8: what engines can make of a signal.
func TestSignals(t *testing.T) {
	const fatal = EvSignalTerm | EvQuiesce
	for name, c := range map[string]struct {
		sig  func(w *World, t TaskID, so SignalAction) SignalAction
		bugs BugSet
		want uint16 // exit code; 0: it lives
	}{
		"left alone": {nil, BugSet{}, SIGTERM},
		"ignored":    {func(*World, TaskID, SignalAction) SignalAction { return SignalIgnore }, BugSet{}, 0},
		"core":       {func(*World, TaskID, SignalAction) SignalAction { return SignalCore }, BugSet{}, SIGTERM},
		"changed": {func(w *World, t TaskID, _ SignalAction) SignalAction {
			w.SigInfo(t).Signo = SIGUSR1
			return SignalDeliver
		}, BugSet{}, SIGUSR1},
		"to one ignored": {func(w *World, t TaskID, _ SignalAction) SignalAction {
			w.SigInfo(t).Signo = SIGCHLD
			return SignalDeliver
		}, BugSet{}, 0},
		"high bit":       {func(w *World, t TaskID, _ SignalAction) SignalAction { w.SigInfo(t).Signo = 0x8f; return SignalTerm }, BugSet{}, SIGTRAP},
		"high bit taken": {func(w *World, t TaskID, _ SignalAction) SignalAction { w.SigInfo(t).Signo = 0x8f; return SignalTerm }, BugUtraceSignoHighBit.Set(), 0x8f},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.bugs, []Instr{op(CallPause)}, script{sig: c.sig}, script{})
			l.attach(1, fatal)
			l.w.cur = 1
			l.w.send(NewSigInfo(SIGTERM, SI_USER, InitTid, 0), subject, false, false)
			l.run(subject)
			l.want("dead", l.w.tasks[subject].dead(), c.want != 0)
			l.want("code", l.w.tasks[subject].exitCode, c.want)
		})
	}
}

// TestSignalHeld: an engine stops a thread with a signal, and delivers it at the report that it asked for (2.8).
func TestSignalHeld(t *testing.T) {
	var log []string
	var held SigInfo
	a := script{name: "a", log: &log}
	a.on = func(w *World, t TaskID, e EngineID, what string) Action {
		if held.Signo == 0 && w.SigInfo(t).Signo == SIGTERM {
			return ActStop
		}
		return ActResume
	}
	a.sig = func(w *World, t TaskID, so SignalAction) SignalAction {
		switch {
		case held.Signo == 0:
			held = *w.SigInfo(t)
			return SignalIgnore
		case so == SignalReport:
			*w.SigInfo(t) = held
			return SignalDeliver
		}
		return so
	}
	l := newLab(t, BugSet{}, []Instr{op(CallPause)}, a, script{})
	e := l.attach(1, EvSignalTerm|EvQuiesce)
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGTERM, SI_USER, InitTid, 0), subject, false, false)
	l.until(subject, func() bool { return l.w.Traced(subject) })
	l.run(subject)
	l.want("dead in the stop", l.w.tasks[subject].dead(), false)
	l.w.cur = 1
	l.want("interrupt", l.w.Control(subject, e, ActInterrupt, false), 0)
	l.run(subject)
	l.want("killed by", l.w.tasks[subject].exitCode, uint16(SIGTERM))
	l.want("callbacks", log[:2], []string{"a signal 15 so 2", "a signal 15 so 6"})
}

// TestHold: SignalHold puts the signal back at the head of the private queue.
func TestHold(t *testing.T) {
	n := 0
	a := script{on: func(_ *World, _ TaskID, _ EngineID, what string) Action {
		if n++; n == 1 {
			return ActStop
		}
		return ActResume
	}, sig: func(_ *World, _ TaskID, so SignalAction) SignalAction {
		if n == 1 {
			return SignalIgnore | SignalHold
		}
		return so
	}}
	l := newLab(t, BugSet{}, []Instr{op(CallPause)}, a, script{})
	e := l.attach(1, EvSignalTerm)
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGTERM, SI_USER, InitTid, 0), subject, false, false)
	l.until(subject, func() bool { return l.w.Traced(subject) })
	l.want("pending", l.w.tasks[subject].pending.info[0].Signo, uint8(SIGTERM))
	l.w.cur = 1
	l.w.Control(subject, e, ActResume, false)
	l.run(subject)
	l.want("killed by", l.w.tasks[subject].exitCode, uint16(SIGTERM))
	l.want("reports", n, 2)
}

// TestEntryAgain is 2.7: the entry is reported again, marked so, if somebody asked for a report and the thread was stopped.
func TestEntryAgain(t *testing.T) {
	var so []EntrySoFar
	a := script{so: &so, on: func(_ *World, _ TaskID, _ EngineID, what string) Action {
		if what == "entry" && len(so) == 1 {
			return ActStop
		}
		return ActResume
	}}
	l := newLab(t, BugSet{}, []Instr{op(CallGetpid)}, a, script{})
	e := l.attach(1, EvSyscallEntry|EvQuiesce)
	l.until(subject, func() bool { return l.w.Traced(subject) })
	l.w.cur = 1
	l.want("report", l.w.Control(subject, e, ActReport, false), 0)
	l.until(subject, func() bool { return len(so) == 2 })
	l.want("entries", so, []EntrySoFar{{}, {Resumed: true}})
}

// TestKilledAtEntry is invariant 21 and 3.5: a thread that is killed in an entry stop does not make the call; it parks at its
// exit for an engine that still stops it.
func TestKilledAtEntry(t *testing.T) {
	var log []string
	a := script{name: "a", log: &log, on: func(_ *World, _ TaskID, _ EngineID, what string) Action {
		if what == "entry" {
			return ActStop
		}
		return ActResume
	}}
	l := newLab(t, BugSet{}, []Instr{op(CallExit, 5)}, a, script{})
	e := l.attach(1, EvSyscallEntry)
	l.attach(2, EvExit)
	l.until(subject, func() bool { return l.w.Traced(subject) })
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGKILL, SI_USER, InitTid, 0), subject, false, false)
	l.run(subject)
	l.want("parked at its exit", []any{l.w.Traced(subject), l.w.tasks[subject].dead()}, []any{true, false})
	l.w.cur = 1
	l.want("resume", l.w.Control(subject, e, ActResume, false), 0)
	l.run(subject)
	l.want("killed by", l.w.tasks[subject].exitCode, uint16(SIGKILL))
}

// TestExitCode: report_exit may change the code.
func TestExitCode(t *testing.T) {
	a := script{on: func(w *World, t TaskID, _ EngineID, what string) Action {
		if what == "exit" {
			w.SetExitCode(t, 7<<8)
		}
		return ActResume
	}}
	l := newLab(t, BugSet{}, []Instr{op(CallExit, 5)}, a, script{})
	l.attach(1, EvExit)
	l.run(subject)
	l.want("code", l.w.tasks[subject].exitCode, uint16(7<<8))
}

// TestJctl: the thread is about to stop, then its group goes on; the last one to stop is what its parent hears of.
func TestJctl(t *testing.T) {
	var log []string
	l := newLab(t, BugSet{}, []Instr{op(CallPause)}, named(&log, "a", "b")...)
	e := l.attach(1, EvJctl)
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGSTOP, SI_USER, InitTid, 0), subject, false, false)
	l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == e })
	l.want("stopped while it reports", l.w.tasks[subject].state, Running)
	l.run(subject)
	l.want("stopped", l.w.tasks[subject].state, Stopped)
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGCONT, SI_USER, InitTid, 0), subject, false, false)
	l.run(subject)
	l.want("callbacks", log, []string{"a jctl 5 5", "a jctl 6 6"})
}

// TestJctlOvertaken: a SIGCONT that comes while the stop is reported cancels it.
func TestJctlOvertaken(t *testing.T) {
	var log []string
	l := newLab(t, BugSet{}, []Instr{op(CallPause)}, named(&log, "a", "b")...)
	e := l.attach(1, EvJctl)
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGSTOP, SI_USER, InitTid, 0), subject, false, false)
	l.until(subject, func() bool { return l.w.tasks[subject].utrace.reporting == e })
	l.w.cur = 1
	l.w.send(NewSigInfo(SIGCONT, SI_USER, InitTid, 0), subject, false, false)
	l.run(subject)
	l.want("state", l.w.tasks[subject].state, Interruptible)
}

// TestMidPass is U5 and invariant 7: an engine attached by a callback sees the next pass, not this one.
func TestMidPass(t *testing.T) {
	var log []string
	a := script{name: "a", log: &log}
	a.on = func(w *World, t TaskID, _ EngineID, what string) Action {
		if what == "entry" && len(log) == 1 {
			e, _ := w.AttachEngine(t, 2, AttachCreate, 0)
			w.SetEvents(t, e, EvSyscall)
		}
		return ActResume
	}
	l := newLab(t, BugSet{}, []Instr{op(CallGetpid)}, a, script{name: "b", log: &log})
	l.attach(1, EvSyscallEntry)
	l.until(subject, func() bool { return len(log) >= 2 })
	l.want("callbacks", log, []string{"a entry", "b leave"})
}

// TestInvariantsSeeBugs: what breaks the bookkeeping is seen at once.
func TestInvariantsSeeBugs(t *testing.T) {
	for bug, want := range map[Bug]int{BugUtraceAttachNoUnion: 1, BugUtraceResumeHoldsStop: 3, BugUtraceInterruptSlips: 4} {
		got := breaks(func() {
			l := newLab(t, bug.Set(), []Instr{op(CallGetpid), op(CallGetpid)}, script{}, script{})
			e, _ := l.w.AttachEngine(subject, 1, AttachCreate, 0)
			l.w.cur = 1
			l.w.Control(subject, e, map[Bug]Action{BugUtraceResumeHoldsStop: ActStop, BugUtraceInterruptSlips: ActInterrupt, BugUtraceAttachNoUnion: ActResume}[bug], false)
			l.step(1)
			l.run(subject)
		})
		if got != want {
			t.Errorf("%v breaks invariant %d, want %d", bug, got, want)
		}
	}
}
