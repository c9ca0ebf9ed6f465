package engine

// Credentials as far as the rules need them: one user id a task, or a real one and 0 after a set-user-id exec; effective user
// id 0 has every capability, every other has none; and one group id.

// Capable says whether a task has every capability.
func (w *World) Capable(t TaskID) bool { return w.tasks[t].uid == 0 || w.Elevated(t) }

// Elevated says whether a task's effective and saved user id are 0, its real one is not.
func (w *World) Elevated(t TaskID) bool { return w.tasks[t].elevated != 0 }

// CapableInit says whether it has them in the initial user namespace: capable(), where Capable is ns_capable().
func (w *World) CapableInit(t TaskID) bool { return w.Capable(t) && !w.m.opt.Profile.UserNamespace }

func (w *World) setresuid(t *task, f *frame) bool {
	uid, users := t.args[0], int64(w.m.opt.Profile.Users)
	switch {
	case uid < 0 || uid > 0xffff || users != 0 && uid >= users:
		return w.errno(t, f, EINVAL)
	case uint16(uid) == t.uid && t.elevated == 0:
		return w.sysRet(t, f, 0)
	case uid == 0 && t.elevated != 0:
		t.uid, t.elevated = 0, 0 // only the real id changes, which commit_creds does not look at
		return w.sysRet(t, f, 0)
	case t.uid != 0 && t.elevated == 0:
		return w.errno(t, f, EPERM)
	}
	w.mark(106)
	t.uid, t.elevated = uint16(uid), 0
	t.pdeath = 0
	w.mms[t.mm].dumpable = 0 // suid_dumpable
	return w.sysRet(t, f, 0)
}

func (w *World) setresgid(t *task, f *frame) bool {
	gid, groups := t.args[0], int64(w.m.opt.Profile.Groups)
	switch {
	case gid < 0 || gid > 0xffff || groups != 0 && gid >= groups:
		return w.errno(t, f, EINVAL)
	case uint16(gid) == t.gid:
		return w.sysRet(t, f, 0)
	case t.uid != 0 && t.elevated == 0:
		return w.errno(t, f, EPERM)
	}
	w.mark(106)
	t.gid = uint16(gid)
	t.pdeath = 0
	w.mms[t.mm].dumpable = 0 // suid_dumpable
	return w.sysRet(t, f, 0)
}

func (w *World) prctl(id TaskID, t *task, f *frame) bool {
	p := w.procOf(t)
	arg := t.args[1]
	flag := func(set bool) int64 {
		if set {
			return 1
		}
		return 0
	}
	switch t.args[0] {
	case PR_SET_PDEATHSIG:
		if arg < 0 || arg > NSIG {
			return w.errno(t, f, EINVAL)
		}
		t.pdeath = uint8(arg)
	case PR_GET_PDEATHSIG:
		t.out[0] = int64(t.pdeath)
	case PR_SET_DUMPABLE:
		if arg != 0 && arg != 1 {
			return w.errno(t, f, EINVAL)
		}
		w.mms[t.mm].dumpable = uint8(arg)
	case PR_GET_DUMPABLE:
		return w.sysRet(t, f, int64(w.mms[t.mm].dumpable))
	case PR_SET_CHILD_SUBREAPER:
		p.flags &^= gfSubreaper
		if arg != 0 {
			p.flags |= gfSubreaper
			w.adopt(p)
		}
	case PR_GET_CHILD_SUBREAPER:
		t.out[0] = flag(p.flags&gfSubreaper != 0)
	case PR_SET_NO_NEW_PRIVS:
		if arg != 1 {
			return w.errno(t, f, EINVAL)
		}
		t.flags |= tfNoNewPrivs
	case PR_GET_NO_NEW_PRIVS:
		if arg != 0 {
			return w.errno(t, f, EINVAL)
		}
		return w.sysRet(t, f, flag(t.is(tfNoNewPrivs)))
	case PR_SET_PTRACER:
		return w.setPtracer(id, t, f, arg)
	default:
		return w.errno(t, f, EINVAL)
	}
	return w.sysRet(t, f, 0)
}

// adopt is propagate_has_child_subreaper for all descendants.
func (w *World) adopt(p *proc) {
	for _, i := range w.threads(p) {
		kids := &w.tasks[i].children
		for _, j := range kids.at[:kids.n] {
			if q := w.procOf(&w.tasks[j]); q.flags&gfHasSubreaper == 0 {
				q.flags |= gfHasSubreaper
				w.adopt(q)
			}
		}
	}
}

// setPtracer is Yama's prctl; without Yama nobody knows it (R108).
func (w *World) setPtracer(_ TaskID, t *task, f *frame, arg int64) bool {
	p := w.procOf(t)
	switch {
	case w.m.opt.Profile.Yama == YamaAbsent:
		return w.errno(t, f, EINVAL)
	case arg == 0:
		p.flags &^= gfYamaDeclared
		p.yama = 0
	case arg == PR_SET_PTRACER_ANY:
		p.flags |= gfYamaDeclared
		p.yama = -1
	default:
		i := w.find(arg)
		if i == NoTask {
			return w.errno(t, f, EINVAL)
		}
		p.flags |= gfYamaDeclared
		p.yama = w.tgid(&w.tasks[i])
	}
	w.mark(108)
	return w.sysRet(t, f, 0)
}

// YamaDeclared says whether target's process declared a process as its tracer, which is that of t or an ancestor of it.
func (w *World) YamaDeclared(target, t TaskID) bool {
	p := w.procOf(&w.tasks[target])
	if p.flags&gfYamaDeclared == 0 {
		return false
	}
	if p.yama == -1 {
		return true
	}
	i := w.findOutside(int64(p.yama))
	return i != NoTask && w.Descendant(i, t)
}

// Descendant says whether t's process is that of ancestor or one below it.
func (w *World) Descendant(ancestor, t TaskID) bool {
	for {
		if w.sameGroup(ancestor, t) {
			return true
		}
		if t == initTask {
			return false
		}
		t = w.tasks[w.procs[w.tasks[t].proc].leader].realParent
	}
}

// Dumpable says whether a task's memory may be looked at without CAP_SYS_PTRACE (R106); a task without memory is what it was.
func (w *World) Dumpable(id TaskID) bool {
	t := &w.tasks[id]
	if t.is(tfExiting) {
		return t.is(tfDumpable)
	}
	return w.mms[t.mm].dumpable == 1
}
