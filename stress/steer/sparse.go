package steer

import (
	"context"

	"tracehammer/engine"
)

// departure is a decision, by its place in the stream, that is another than onward's.
type departure struct {
	at int
	to byte
}

// Sparse calls yield with runs of p in the order of how many of their decisions depart from the schedule that preempts nobody:
// with none, then all with one, and so on up to depth, until yield, which is told how many, returns false, ctx is done, or
// limit runs are made. It says whether all were made.
func (r *Runner) Sparse(ctx context.Context, p *engine.Program, depth, limit int, yield func(run Run, departures int) bool) (all bool) {
	s := sparse{Runner: r, ctx: ctx, p: p, left: limit, yield: yield}
	level := []path{{}}
	for k := 0; k <= depth; k++ {
		var next []path
		for _, at := range level {
			more, ok := s.from(at, k < depth)
			if !ok {
				return false
			}
			next = append(next, more...)
		}
		level = next
	}
	return true
}

// path is the departures of a run.
type path []departure

type sparse struct {
	*Runner
	ctx   context.Context
	p     *engine.Program
	left  int
	yield func(Run, int) bool
}

// from makes the run of a path and returns the paths with one departure more, all of them behind those that it has.
func (s *sparse) from(at path, deeper bool) (more []path, ok bool) {
	if s.left == 0 || s.ctx.Err() != nil {
		return nil, false
	}
	s.left--
	n, next := 0, 0
	first := 0
	if len(at) > 0 {
		first = at[len(at)-1].at + 1
	}
	run := s.lead(s.p, func(cs []engine.Choice, steps []Step) int {
		i, now := onward(cs, steps), n
		n++
		if next < len(at) && at[next].at == now {
			next++
			return int(at[next-1].to)
		}
		if deeper && now >= first && len(more) < s.left {
			for to := range cs {
				if to != i {
					more = append(more, append(at[:len(at):len(at)], departure{now, byte(to)}))
				}
			}
		}
		return i
	})
	return more, s.yield(run, len(at))
}
