package host

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"tracehammer/engine"
	"tracehammer/stress/actor"
	"tracehammer/stress/history"
)

// procfs reads the /proc of a namespace, where tasks have the tids that actors know.
type procfs struct {
	dir int
	err error // the first from a file that says whether a task is alive
	buf [4096]byte
}

// read returns a file of one task, without an error nil if the task is gone. The result is valid until the next read.
func (p *procfs) read(tid int32, name string) ([]byte, error) {
	path := strconv.Itoa(int(tid)) + "/" + name
	fd, err := unix.Openat(p.dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		var n int
		if n, err = unix.Read(fd, p.buf[:]); n > 0 {
			return p.buf[:n], nil
		}
	}
	if err == nil || err == unix.ENOENT || err == unix.ESRCH {
		return nil, nil
	}
	return nil, fmt.Errorf("read %s below the /proc of the actors: %w", path, err)
}

// life is read for a file that every task has as long as it is there: an error is no death, and p keeps it.
func (p *procfs) life(tid int32, name string) []byte {
	text, err := p.read(tid, name)
	if p.err == nil {
		p.err = err
	}
	return text
}

// shown is read for a file that a kernel may lack, or not show to everybody.
func (p *procfs) shown(tid int32, name string) []byte {
	text, _ := p.read(tid, name)
	return text
}

// status reads what a history keeps of a task. State is 0 when it is gone.
func (p *procfs) status(tid int32) (f history.Final) {
	for line := range bytes.Lines(p.life(tid, "status")) {
		key, val, _ := bytes.Cut(line, []byte(":"))
		v := string(bytes.TrimSpace(val))
		switch string(key) {
		case "State":
			if v != "" {
				f.State = v[0]
			}
		case "TracerPid":
			n, _ := strconv.ParseInt(v, 10, 32)
			f.TracerPid = int32(n)
		case "SigPnd", "ShdPnd":
			n, _ := strconv.ParseUint(v, 16, 64)
			f.Pending |= n
		}
	}
	return f
}

// seen is status, of one moment: the kernel looks at a task's tracer before its state, so that a stop without a tracer may be an attach in
// between. One that is there a second time is none.
func (p *procfs) seen(r *actor.Run, a engine.ActorID) history.Final {
	_, f := p.actor(r, a)
	if f.State == 't' && f.TracerPid == 0 {
		_, f = p.actor(r, a)
	}
	return f
}

// dead says whether a task can do nothing any more.
func dead(f history.Final) bool { return f.State == 0 || f.State == 'Z' || f.State == 'X' }

// tidNow is the tid under which an actor is to be found: that of its creation, or its leader's once it took that over in
// exec (R68). A leader that another thread's exec has killed has none: 0.
func (p *procfs) tidNow(r *actor.Run, a engine.ActorID) int32 {
	own, leader := r.Tid(a), r.Leader(a)
	if own == 0 {
		return 0
	}
	switch a {
	case p.owner(r, leader):
		return r.Tid(leader)
	case leader:
		return 0
	}
	return own
}

// owner is who has the tid of a process: who executed an image last. An exec under way has taken it over when its own tid is
// gone, unless another exec that ended later has killed it.
func (p *procfs) owner(r *actor.Run, leader engine.ActorID) engine.ActorID {
	last, at := leader, r.Executed(leader)
	for x := range r.Program().Actors {
		if x := engine.ActorID(x); r.Leader(x) == leader && r.Executed(x) > at {
			last, at = x, r.Executed(x)
		}
	}
	for x := range r.Program().Actors {
		if x := engine.ActorID(x); x != leader && r.Leader(x) == leader && r.Executing(x) > at && p.life(r.Tid(x), "stat") == nil {
			last = x
		}
	}
	return last
}

// status of an actor, wherever it is.
func (p *procfs) actor(r *actor.Run, a engine.ActorID) (tid int32, f history.Final) {
	if tid = p.tidNow(r, a); tid != 0 {
		f = p.status(tid)
	}
	return tid, f
}

// slow says whether some actor is on a CPU or waits for one, or sleeps where the kernel itself will wake it (rest.go): then the run is slow, not
// stuck. On a machine with too much to do a mmap or an exit waits a second for a lock whose holder waits for a CPU.
func (p *procfs) slow(r *actor.Run) bool {
	for i := range r.Program().Actors {
		if tid, f := p.actor(r, engine.ActorID(i)); f.State == 'D' && !p.waitsForPeer(tid) {
			return true
		}
	}
	return p.running(r)
}

// running says whether some actor is on a CPU or waits for one.
func (p *procfs) running(r *actor.Run) bool {
	for i := range r.Program().Actors {
		if _, f := p.actor(r, engine.ActorID(i)); f.State == 'R' {
			return true
		}
	}
	return r.Tid(0) == 0
}

// cleaning says whether init, which ends and reaps the actors, or an actor is on a CPU or waits for one.
func (p *procfs) cleaning(r *actor.Run) bool { return p.status(1).State == 'R' || p.running(r) }

// contested says whether a leader and another of its threads are in exec, and one of them has lost: nobody can tell which
// before the other has got through.
func (p *procfs) contested(r *actor.Run, leader engine.ActorID) bool {
	return r.Executing(leader) != 0 && p.owner(r, leader) != leader
}

// over says whether nothing will change any more: every actor that is not a victim is parked or dead, and those never
// created have nobody left who could create them. A run that init has not begun is not over.
func (p *procfs) over(r *actor.Run) bool {
	if r.Tid(0) == 0 {
		return false
	}
	actors := r.Program().Actors
	var active, missing bool
	for i := range actors {
		a := engine.ActorID(i)
		switch {
		case r.Parked(a):
		case r.Tid(a) == 0:
			missing = missing || !actors[i].Victim
		case p.contested(r, a):
			return false
		default:
			if _, f := p.actor(r, a); dead(f) {
				continue
			}
			if !actors[i].Victim {
				return false
			}
			active = true
		}
	}
	return !missing || !active
}
