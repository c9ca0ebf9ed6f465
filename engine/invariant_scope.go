package engine

import "math/bits"

// scope is what of a World a step may have broken an invariant of: who is not as before, and who looks at such. What an invariant
// reads of others is here and nowhere else: one that reads more needs it here.
type scope struct {
	changed uint16 // tasks: they or their engines are not as before the step
	tasks   uint16 // these, and the tasks whose process, real parent or vfork child is not as before
	groups  uint16 // processes that are not as before, or one of whose threads is not
	procs   uint16 // of these, those that are not as before themselves
}

// everything is the scope of what no step made.
func (w *World) everything() scope { return scope{w.used, w.used, w.groups, w.groups} }

// scope compares w with the World before the step that task id made.
func (w *World) scope(before *World, id TaskID) (in scope) {
	several := len(w.m.ops) > 1
	in.changed = 1<<id | w.used&^before.used
	for s := w.used & before.used &^ in.changed; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		a, b := before.tasks[i].words(), w.tasks[i].words()
		if len(a) != len(b) || !sameWords(a, b) || several && before.more[i] != w.more[i] {
			in.changed |= 1 << i
		}
	}
	in.procs = w.groups &^ before.groups
	for s := w.groups & before.groups; s != 0; s &= s - 1 {
		g := bits.TrailingZeros16(s)
		if !sameWords(words(&before.procs[g]), words(&w.procs[g])) {
			in.procs |= 1 << g
		}
	}
	in.tasks, in.groups = in.changed, in.procs
	if w.at != before.at {
		in.tasks = w.used
	}
	for s := w.used; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		t := &w.tasks[i]
		if in.changed&(1<<i) != 0 {
			in.groups |= 1<<t.proc | 1<<before.tasks[i].proc&before.groups
			continue
		}
		vfork := t.vforkDone != NoTask && in.changed&(1<<t.vforkDone) != 0
		if vfork || in.changed&(1<<t.realParent) != 0 || in.procs&(1<<t.proc) != 0 {
			in.tasks |= 1 << i
		}
	}
	return in
}

// Changed says whether the step that was just made changed a task or its engines; with Options.Check.
func (w *World) Changed(t TaskID) bool { return w.m.scope.changed&(1<<t) != 0 }
