package engine

import (
	"math/bits"
	"slices"
)

// renaming is a permutation as what it makes of everything that a World holds. Processes, signal handlers, address
// spaces and the like go by the places of tasks.
type renaming struct {
	actor Perm
	tasks [maxTasks]TaskID
	vars  [MaxVars]VarID // NoVar: nobody uses it
}

func (r *renaming) task(t int8) int8 {
	if t < 0 {
		return t
	}
	return r.tasks[t]
}

func (r *renaming) tid(t int8) int8 {
	if t <= 0 {
		return t
	}
	return r.tasks[t-1] + 1
}

// number renames what a program takes for a tid: it may also be an error, or nobody's.
func (r *renaming) number(n int64) int64 {
	if n <= 0 || n > maxTasks {
		return n
	}
	return int64(r.tid(int8(n)))
}

func (r *renaming) set(s uint16) (to uint16) {
	for ; s != 0; s &= s - 1 {
		i := bits.TrailingZeros16(s)
		if i < maxTasks {
			i = int(r.tasks[i])
		}
		to |= 1 << i
	}
	return to
}

func (r *renaming) list(l *list) {
	for i := range l.at[:l.n] {
		l.at[i] = r.task(l.at[i])
	}
}

func (r *renaming) queue(q *queue) {
	for i := range q.info[:q.n] {
		q.info[i].Pid = r.tid(q.info[i].Pid)
	}
}

// Event is what a step shows in a renamed World that shows ev in the other.
func (s *Symmetry) Event(ev Event, i int) Event {
	r := &s.perms[i]
	if ev.Actor != NoActor {
		ev.Actor = r.actor[ev.Actor]
	}
	if ev.Kind != EvNone {
		ev.Pid, ev.Res = s.Tid(ev.Pid, i), s.Result(ev.Res, i)
	}
	return ev
}

// Result is a result as a renamed actor sees it.
func (s *Symmetry) Result(res Result, i int) Result { return s.perms[i].result(res) }

func (r *renaming) result(res Result) Result {
	if res.TidMask&1 != 0 {
		res.Ret = r.number(res.Ret)
	}
	for k := range res.Out {
		if res.TidMask&(2<<k) != 0 {
			res.Out[k] = r.number(res.Out[k])
		}
	}
	return res
}

// Tid is a renamed tid.
func (s *Symmetry) Tid(t Tid, i int) Tid { return Tid(s.perms[i].number(int64(t))) }

// Wait is what a renamed task waits for.
func (s *Symmetry) Wait(wt Wait, i int) Wait {
	r := &s.perms[i]
	wt.Task = r.task(wt.Task)
	if wt.Actor != NoActor {
		wt.Actor = r.actor[wt.Actor]
	}
	wt.Tid = s.Tid(wt.Tid, i)
	for k := range wt.On {
		wt.On[k] = s.Tid(wt.On[k], i)
	}
	return wt
}

// Choice is the renamed task's step.
func (s *Symmetry) Choice(c Choice, i int) Choice {
	c.Task = s.perms[i].task(c.Task)
	return c
}

// Rename makes dst the state src with all names changed by permutation i. Nothing changes its place in a list.
func (s *Symmetry) Rename(dst, src *World, i int) {
	m, r := src.m, &s.perms[i]
	dst.m, dst.event, dst.cur, dst.alt = m, Event{Actor: NoActor}, 0, 0
	dst.used, dst.groups, dst.told, dst.inExec, dst.linking = r.set(src.used), r.set(src.groups), r.set(src.told), r.set(src.inExec), r.set(src.linking)
	dst.filterN, dst.seq = src.filterN, src.seq
	dst.at[0] = NoTask
	for t := int8(1); int(t) < len(src.at); t++ {
		dst.at[r.tid(t)] = r.task(src.at[t])
	}
	if m.pidfds {
		for i := range src.files {
			to := &dst.files[r.tasks[i]]
			*to = src.files[i]
			for k, fd := range to.at {
				to.at[k] = fd&^pidfdTid | pidfd(r.tid(int8(fd&pidfdTid)))
			}
		}
	}
	copy(dst.barriers[:len(m.prog.Barriers)], src.barriers[:len(m.prog.Barriers)])
	copy(dst.filters[:src.filterN], src.filters[:src.filterN])
	for v, to := range r.vars[:m.prog.Vars] {
		if to == NoVar {
			dst.vars[v] = src.vars[v]
			continue
		}
		dst.vars[to] = src.vars[v]
		if s.tids[v] {
			dst.vars[to] = r.number(src.vars[v])
		}
	}
	for u := src.used; u != 0; u &= u - 1 {
		id := TaskID(bits.TrailingZeros16(u))
		to := &dst.tasks[r.tasks[id]]
		from := src.tasks[id].words()
		copy(words(to)[:len(from)], from)
		s.renameTask(id, &src.tasks[id], to, r)
	}
	for g := src.groups; g != 0; g &= g - 1 {
		from := bits.TrailingZeros16(g)
		to := r.tasks[from]
		dst.procs[to], dst.sighands[to], dst.mms[to] = src.procs[from], src.sighands[from], src.mms[from]
		p := &dst.procs[to]
		r.queue(&p.shared)
		r.list(&p.threads)
		p.leader, p.pgid, p.sid, p.sighand = r.task(p.leader), r.tid(p.pgid), r.tid(p.sid), r.task(p.sighand)
		p.execTask, p.cursor, p.guard, p.yama = r.task(p.execTask), r.task(p.cursor), r.task(p.guard), r.tid(p.yama)
	}
}

// renameTask renames what a task holds, in to, which is a copy.
func (s *Symmetry) renameTask(id TaskID, from, to *task, r *renaming) {
	r.queue(&to.pending)
	r.list(&to.children)
	r.list(&to.ptraced)
	to.info.Pid = r.tid(to.info.Pid)
	for k := range to.hand[:to.nhand] {
		to.hand[k].info.Pid = r.tid(to.hand[k].info.Pid)
	}
	to.tid, to.proc, to.parent, to.realParent = r.tid(to.tid), r.task(to.proc), r.task(to.parent), r.task(to.realParent)
	to.vforkDone, to.mm, to.fs, to.files = r.task(to.vforkDone), r.task(to.mm), r.task(to.fs), r.task(to.files)
	res := r.result(Result{Ret: to.ret, Out: to.out, TidMask: to.tidMask})
	to.ret, to.out = res.Ret, res.Out
	if from.state != Dead && id != initTask {
		s.renameArgs(&s.m.prog.Actors[id-firstTask].Code[from.pc], to, r)
	}
	if en := &to.utrace.first; en.state != engineFree {
		if h, ok := s.m.hooks.(Renamer); ok {
			h.Rename(&en.data, func(t Tid) Tid { return Tid(r.number(int64(t))) })
		}
	}
	for k := range to.frames[:to.depth] {
		to.frames[k].rename(r)
	}
}

// renameArgs renames the operands of the call that a task makes at an instruction.
func (s *Symmetry) renameArgs(in *Instr, to *task, r *renaming) {
	if in.Op != OpCall {
		return
	}
	for k := range to.args {
		switch arg := in.Args[k]; {
		case arg.Kind == ArgTid, arg.Kind == ArgVar && s.tids[arg.N]:
			to.args[k] = r.number(to.args[k])
		case arg.Kind == ArgNegTid, arg.Kind == ArgNegVar && s.tids[arg.N]:
			to.args[k] = -r.number(-to.args[k])
		case in.Call == CallClone && k == 1:
			to.args[k] = int64(r.actor[to.args[k]])
		}
	}
}

// rename renames what a stage keeps.
func (f *frame) rename(r *renaming) {
	switch f.stage {
	case stCloneCopy, stClonePublish, stCloneTell, stCloneStop, stCloneVfork, stCloneVforked, stCloneDone, stCloneLast:
		f.a = r.task(f.a)
	case stWait:
		f.code = r.set(f.code)
	case stWaitTrace, stWaitReap:
		f.a = r.task(f.a)
	case stExecRelease:
		f.a = r.task(f.a)
		f.code = uint16(r.number(int64(f.code)))
	case stExecThread, stExecSiblings, stExecLeader, stExecCommit, stExecEvent, stExecFailed:
		f.code = uint16(r.number(int64(f.code)))
	case stExitNotify, stExitReap, stDeath, stDeathDone:
		f.m = r.set(f.m)
	case stClient, stFatal:
		f.b = r.task(f.b)
	}
}

// Print is the fingerprint of w renamed by permutation i, without what toldApart made sure that nobody asks for: who was
// born first.
func (s *Symmetry) Print(w *World, i int) Fingerprint {
	to, empty := &s.scratch[0], &s.scratch[1]
	s.Rename(to, w, i)
	for u := to.used; u != 0; u &= u - 1 {
		s.unorder(&to.tasks[bits.TrailingZeros16(u)].children)
	}
	for g := to.groups; g != 0; g &= g - 1 {
		p := &to.procs[bits.TrailingZeros16(g)]
		p.birth, p.joined = 0, 0
		s.unorder(&p.threads)
	}
	return to.After(empty, Fingerprint{})
}

// unorder sorts a list that holds an actor that has another place in a renamed World.
func (s *Symmetry) unorder(l *list) {
	moved := 0
	for _, t := range l.at[:l.n] {
		if t >= firstTask && s.moved&(1<<(t-firstTask)) != 0 {
			moved++
		}
	}
	if moved > 0 && l.n > 1 {
		slices.Sort(l.at[:l.n])
	}
}

// Look is what an actor looks like in w, whatever its name and those of others: where it is, roughly. It is the same for
// an actor as for the one whose place that takes, in the renamed World.
func (s *Symmetry) Look(w *World, a ActorID) uint64 {
	id := TaskID(a) + firstTask
	if w.used&(1<<id) == 0 {
		return 0
	}
	t := &w.tasks[id]
	h := mix(uint64(t.pc)<<32|uint64(t.ustate)<<24|uint64(t.state)<<16|uint64(t.exitState)<<8|uint64(t.depth),
		uint64(t.flags)<<16|uint64(t.jobctl))
	for _, f := range t.frames[:t.depth] {
		h = mix(h, uint64(f.stage)+1)
	}
	return mix(h, t.blocked^t.pending.mask)
}
