// Package explore walks all executions of a program on the engine and lists its outcomes.
//
// It runs nothing on a real kernel. A walk belongs to one goroutine; the package takes no locks.
package explore

import (
	"context"
	"fmt"
	"hash/maphash"
	"sort"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Outcome is one way in which a program can end: the results of all calls of all actors in their logs' order.
type Outcome struct {
	History *history.History // one execution that ends so; tickets are those of that execution
	Stuck   bool             // some actor that is not a victim never parks
}

// Result is what a walk found.
type Result struct {
	Outcomes []Outcome
	States   int  // distinct states seen
	Complete bool // false if the walk stopped at its limit or was cancelled
}

// ctxEvery is how many states pass between looks at the context.
const ctxEvery = 4096

// Run visits every state that p can reach, up to limit states, and returns the distinct outcomes in a stable order.
// Executions end when nothing can happen any more; timers are taken as steps that may fire at any time.
func Run(ctx context.Context, p *engine.Program, o engine.Options, limit int) (Result, error) {
	w := &walk{p: p, m: ptrace.NewMachine(p, o), limit: limit, seen: map[[2]uint64]struct{}{}, ends: map[uint64]int{}, seed: maphash.MakeSeed()}
	root := &node{}
	w.m.Init(&root.world)
	complete, err := w.run(ctx, root)
	sort.Slice(w.outcomes, func(i, j int) bool { return w.keys[i] < w.keys[j] })
	return Result{Outcomes: w.outcomes, States: len(w.seen), Complete: complete}, err
}

type node struct {
	world   engine.World
	logs    [engine.MaxActors]uint64 // hash of each actor's log so far
	depth   int                      // events on the path
	choices []engine.Choice
	next    int
}

type walk struct {
	p        *engine.Program
	m        *engine.Machine
	limit    int
	seen     map[[2]uint64]struct{}
	ends     map[uint64]int
	outcomes []Outcome
	keys     []string
	seed     maphash.Seed
	path     []engine.Event
	stack    []node
}

func (w *walk) run(ctx context.Context, root *node) (complete bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			ie, ok := r.(*engine.InvariantError)
			if !ok {
				panic(r)
			}
			err = ie
		}
	}()
	w.stack = append(w.stack[:0], *root)
	if !w.arrive() {
		return true, nil
	}
	var work engine.World
	for len(w.stack) > 0 {
		n := &w.stack[len(w.stack)-1]
		if n.next >= len(n.choices) {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		c := n.choices[n.next]
		n.next++
		work.CopyFrom(&n.world)
		ev := work.Step(c)
		if len(w.seen) >= w.limit {
			return false, nil
		}
		if len(w.seen)%ctxEvery == 0 && ctx.Err() != nil {
			return false, nil
		}
		logs, depth := n.logs, n.depth
		w.path = w.path[:depth]
		if ev.Kind != engine.EvNone {
			w.path = append(w.path, ev)
			logs[ev.Actor] = w.extend(logs[ev.Actor], ev)
			depth++
		}
		w.stack = grow(w.stack)
		child := &w.stack[len(w.stack)-1]
		child.world.CopyFrom(&work)
		child.logs, child.depth, child.next = logs, depth, 0
		w.arrive()
	}
	return true, nil
}

func grow(s []node) []node {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	return append(s, node{})
}

// arrive accounts for the state on top of the stack and removes it again if it was seen before.
func (w *walk) arrive() bool {
	n := &w.stack[len(w.stack)-1]
	k := [2]uint64{n.world.Hash(), maphash.Comparable(w.seed, n.logs)}
	if _, dup := w.seen[k]; dup {
		w.stack = w.stack[:len(w.stack)-1]
		return false
	}
	w.seen[k] = struct{}{}
	n.choices = n.world.Choices(n.choices[:0])
	for _, c := range n.choices {
		if c.Local {
			n.choices = append(n.choices[:0], c)
			break
		}
	}
	if len(n.choices) == 0 {
		w.end(n)
	}
	return true
}

// end files the path that led to a state in which nothing can happen any more.
func (w *walk) end(n *node) {
	k := maphash.Comparable(w.seed, n.logs)
	if _, dup := w.ends[k]; dup {
		return
	}
	w.ends[k] = len(w.outcomes)
	h := &history.History{}
	var r stress.Recorder
	r.Start(h, w.p)
	for _, ev := range w.path[:n.depth] {
		r.Add(ev)
	}
	stuck := !n.world.Done()
	if stuck {
		h.Outcome = history.Stuck
	}
	r.Finish(&n.world)
	w.outcomes = append(w.outcomes, Outcome{History: h, Stuck: stuck})
	w.keys = append(w.keys, outcomeKey(h))
}

func (w *walk) extend(h uint64, ev engine.Event) uint64 {
	return maphash.Comparable(w.seed, struct {
		h  uint64
		ev engine.Event
	}{h, ev})
}

// outcomeKey orders outcomes by their results, actor by actor.
func outcomeKey(h *history.History) string {
	s := ""
	for a := range h.Actors {
		for _, e := range h.Actors[a].Entries {
			s += fmt.Sprintf("%d %v %d %v;", e.Instr, e.Done, e.Res.Ret, e.Res.Out)
		}
		s += "|"
	}
	return s
}
