package schedule

import (
	"math/rand/v2"

	"tracehammer/engine"
)

// random takes any choice, each as likely as the others.
type random struct{ rng *rand.Rand }

func (r *random) Begin(_ *engine.World, _ *Shape, rng *rand.Rand) { r.rng = rng }

func (r *random) Choose(_ *engine.World, cs []engine.Choice) int { return r.rng.IntN(len(cs)) }

// anyOf takes any of a task's choices: which alternative of a step happens, and whether user mode notices a signal first,
// is no question of scheduling.
func anyOf(rng *rand.Rand, cs []engine.Choice, task int8) int {
	first, n := 0, 0
	for i := range cs {
		if cs[i].Task == task {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	if n == 1 {
		return first
	}
	return first + rng.IntN(n)
}

// highest is the task with the highest priority among those that have a choice.
func highest[P uint64 | int](prio *[engine.MaxTasks]P, cs []engine.Choice) int8 {
	best := cs[0].Task
	for _, c := range cs[1:] {
		if prio[c.Task] > prio[best] {
			best = c.Task
		}
	}
	return best
}

// pct is probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): the task with the highest priority runs;
// priorities are a random order, and at depth-1 random places the task that is about to run drops below all others.
type pct struct {
	depth int // 0: 1 to 5 in turn

	rng    *rand.Rand
	prio   [engine.MaxTasks]int
	change [maxDepth]int // decisions at which the next task drops
	drops  int
	at     int // decisions so far
	runs   int
	among  int               // decisions among which drops are drawn
	made   [maxDepth + 1]int // runs by their depth
	plain  bool
}

const maxDepth = 9

func (p *pct) Begin(_ *engine.World, s *Shape, rng *rand.Rand) {
	p.rng, p.at = rng, 0
	// The first run only measures how long runs are.
	if p.plain = s.Runs == 0; p.plain {
		return
	}
	depth := p.depth
	if depth == 0 {
		depth = 1 + p.runs%5
	}
	p.runs++
	if p.among < s.Decisions {
		// A drop behind the last decision among which it was drawn could not happen: earlier runs say nothing about bugs that
		// need one there. With some room to spare that is so but for the first few.
		p.among, p.made = s.Decisions+s.Decisions/8+1, [maxDepth + 1]int{}
	}
	p.made[depth]++
	// Above all that change points give: these are 1 to depth-1. Tasks that do not exist yet have their place, too.
	for i := range p.prio {
		j := rng.IntN(i + 1)
		p.prio[i] = p.prio[j]
		p.prio[j] = depth + i
	}
	p.drops = depth - 1
	for i := range p.drops {
		p.change[i] = 1 + rng.IntN(max(p.among, 1)) // 0: no run has had any decision yet
	}
}

func (p *pct) Choose(_ *engine.World, cs []engine.Choice) int {
	if p.plain {
		return p.rng.IntN(len(cs))
	}
	if cs[0].Task == cs[len(cs)-1].Task {
		return p.rng.IntN(len(cs)) // a decision within a task
	}
	p.at++
	for i := range p.drops {
		if p.change[i] == p.at {
			p.prio[highest(&p.prio, cs)] = p.drops - i
		}
	}
	return anyOf(p.rng, cs, highest(&p.prio, cs))
}

// pos is partial order sampling (Yuan et al., CAV 2018): every pending step has a random priority, the highest happens,
// and the pending steps that race with it draw theirs again.
type pos struct {
	rng  *rand.Rand
	prio [engine.MaxTasks]uint64 // of each task's pending step; 0: not drawn yet
}

func (p *pos) Begin(_ *engine.World, _ *Shape, rng *rand.Rand) {
	p.rng = rng
	p.prio = [engine.MaxTasks]uint64{}
}

func (p *pos) Choose(w *engine.World, cs []engine.Choice) int {
	for i := range cs {
		if t := cs[i].Task; p.prio[t] == 0 {
			p.prio[t] = p.rng.Uint64() | 1
		}
	}
	i := anyOf(p.rng, cs, highest(&p.prio, cs))
	touched := w.Concerns(cs[i])
	for j := range cs {
		if t := cs[j].Task; touched&(1<<t) != 0 || touched&w.Concerns(cs[j]) != 0 {
			p.prio[t] = 0
		}
	}
	return i
}

// urw is the uniform random walk (Zhao et al., ASPLOS 2025): a task runs with a probability in proportion to the steps that
// it still has to make, so that whole interleavings, and not steps, are equally likely. How many these are is what the
// longest of the earlier runs says.
type urw struct {
	rng  *rand.Rand
	left [engine.MaxTasks]int
	sum  [engine.MaxTasks]int // left, with that of the actors that a task has yet to create
}

func (u *urw) Begin(_ *engine.World, s *Shape, rng *rand.Rand) {
	u.rng = rng
	for t := range u.left {
		u.left[t] = s.Of(int8(t))
	}
}

func (u *urw) Choose(w *engine.World, cs []engine.Choice) int {
	u.sum = u.left
	for a := range engine.ActorID(engine.MaxActors) {
		own := int8(a) + 1
		if by := w.Creating(a); by != engine.NoTask && by != own {
			u.sum[by] += u.left[own]
		}
	}
	t := weighted(u.rng, cs, &u.sum)
	u.left[t] = max(u.left[t]-1, 0)
	return anyOf(u.rng, cs, t)
}

// weighted draws one of the tasks that have a choice.
func weighted(rng *rand.Rand, cs []engine.Choice, weight *[engine.MaxTasks]int) int8 {
	sum := 0
	for i := range cs {
		if i == 0 || cs[i].Task != cs[i-1].Task {
			sum += max(weight[cs[i].Task], 1)
		}
	}
	r := rng.IntN(sum)
	for i := range cs {
		if i == 0 || cs[i].Task != cs[i-1].Task {
			if r -= max(weight[cs[i].Task], 1); r < 0 {
				return cs[i].Task
			}
		}
	}
	return cs[0].Task
}

// surw is the selectively uniform random walk (ibid.): only the order of interesting steps is uniform, the others are a
// random walk. What is interesting changes with each run: one subject after another.
type surw struct {
	rng      *rand.Rand
	subject  engine.Subject
	left     [engine.MaxTasks]int // interesting steps that a task still has to make
	runs     int
	intended int8 // who makes the next of them
}

// interesting are the subjects that surw goes through.
var interesting = [...]engine.Subject{engine.SubjectPtrace, engine.SubjectSignal, engine.SubjectExec, engine.SubjectExit, engine.SubjectWait,
	engine.SubjectClone}

const nobody int8 = -1

func (u *surw) Begin(_ *engine.World, s *Shape, rng *rand.Rand) {
	u.rng = rng
	u.subject = interesting[u.runs%len(interesting)]
	u.runs++
	for t := range u.left {
		u.left[t] = s.Steps[t][u.subject]
	}
	u.intend()
}

// intend draws who makes the next interesting step.
func (u *surw) intend() {
	sum := 0
	for _, n := range u.left {
		sum += n
	}
	if u.intended = nobody; sum == 0 {
		return
	}
	r := u.rng.IntN(sum)
	for t, n := range u.left {
		if r -= n; r < 0 {
			u.intended = int8(t)
			return
		}
	}
}

func (u *surw) Choose(w *engine.World, cs []engine.Choice) int {
	// An interesting step waits until it is its task's turn, unless there is nothing else to do.
	var ready, held [engine.MaxTasks]int8
	nr, nh := 0, 0
	for i := range cs {
		t := cs[i].Task
		switch {
		case i > 0 && cs[i-1].Task == t:
		case w.SubjectOf(cs[i]) == u.subject && t != u.intended:
			held[nh] = t
			nh++
		default:
			ready[nr] = t
			nr++
		}
	}
	var t int8
	if nr > 0 {
		t = ready[u.rng.IntN(nr)]
	} else {
		t = held[u.rng.IntN(nh)]
	}
	i := anyOf(u.rng, cs, t)
	if w.SubjectOf(cs[i]) == u.subject {
		u.left[t] = max(u.left[t]-1, 0)
		u.intend()
	}
	return i
}

// replay does what a stream says, and leaves the rest to the fair schedule.
type replay struct {
	stream Stream
	at     int
}

func (r *replay) Begin(*engine.World, *Shape, *rand.Rand) { r.at = 0 }

func (r *replay) Choose(_ *engine.World, cs []engine.Choice) int {
	if r.at == len(r.stream) {
		return -1
	}
	r.at++
	return int(r.stream[r.at-1]) % len(cs)
}

// Replay returns a strategy that follows a stream.
func Replay(s Stream) Strategy { return &replay{stream: s} }

// along follows a stream and goes on at random: what may still come of a run that has come so far.
type along struct {
	replay
	random
}

func (a *along) Begin(w *engine.World, s *Shape, rng *rand.Rand) {
	a.replay.Begin(w, s, rng)
	a.random.Begin(w, s, rng)
}

func (a *along) Choose(w *engine.World, cs []engine.Choice) int {
	if i := a.replay.Choose(w, cs); i >= 0 {
		return i
	}
	return a.random.Choose(w, cs)
}

// mutate replays variations of a stream; the first run is the stream itself.
type mutate struct {
	base Stream
	replay
}

func (m *mutate) Begin(w *engine.World, s *Shape, rng *rand.Rand) {
	if m.stream = append(m.stream[:0], m.base...); s.Runs > 0 {
		m.stream = m.base.Mutate(m.stream[:0], rng)
	}
	m.replay.Begin(w, s, rng)
}

// portfolio lets its strategies take turns: none is best for all bugs, and each is hopeless for some.
type portfolio struct {
	members []Strategy
	Strategy
	runs int
}

func (p *portfolio) Begin(w *engine.World, s *Shape, rng *rand.Rand) {
	p.Strategy = p.members[p.runs%len(p.members)]
	p.runs++
	p.Strategy.Begin(w, s, rng)
}
