package explore

import (
	"fmt"
	"math/bits"
	"strings"

	"tracehammer/engine"
	"tracehammer/stress/history"
)

// LivelockError is a set of states that lead to each other and nowhere else: tasks run and run, whatever the schedule, and as
// every event of an actor makes another state, none of them ever gets on again.
type LivelockError struct {
	States  int              // how many there are
	Running []string         // the actors whose tasks run in them
	History *history.History // of a way there
	Waits   []engine.Wait    // of the other tasks, in one of the states
}

func (e *LivelockError) Error() string {
	return fmt.Sprintf("engine: livelock: %d states, in which %s may run, lead to no others", e.States, strings.Join(e.Running, ", "))
}

// component is what a node knows of its strongly connected component (Tarjan's algorithm, on the walk as it goes).
type component struct {
	index, low int    // order of arrival, and the lowest that is reached from the node by way of its component
	leads      bool   // some step leads out of it
	round      uint16 // tasks whose steps stay in it, if any cycle was closed
	cycle      bool
}

// components are the states whose component is not complete yet: those on the path, and those in a cycle with one of these. They
// are few: time goes on, and most components are single states.
type components struct {
	open  map[engine.Fingerprint]int // their index
	order []engine.Fingerprint       // by index
	n     int
}

// enter begins with a node that is new.
func (w *walk) enter(n *node) {
	c := &w.components
	if c.open == nil {
		c.open = map[engine.Fingerprint]int{}
	}
	n.component = component{index: c.n, low: c.n}
	c.open[n.key] = c.n
	c.order = append(c.order, n.key)
	c.n++
}

// again takes account of a step to a state that was seen before, from the node on top of the path.
func (w *walk) again(to engine.Fingerprint) {
	if w.top == 0 {
		return
	}
	n := w.nodes[w.top-1]
	index, open := w.components.open[to]
	if !open {
		n.leads = true
		return
	}
	n.low, n.cycle = min(n.low, index), true
	n.round |= 1 << n.choices[n.next-1].Task
}

// leave is done with a node, which was on top of the path. If it is the first of its component, that is complete: it is a livelock if
// there is a cycle in it and no way out.
func (w *walk) leave(n *node) *livelock {
	var above *node
	if w.top > 0 {
		above = w.nodes[w.top-1]
	}
	if n.low < n.index {
		above.low, above.leads, above.cycle = min(above.low, n.low), above.leads || n.leads, above.cycle || n.cycle
		above.round |= n.round | 1<<above.choices[above.next-1].Task
		return nil
	}
	if above != nil {
		above.leads = true
	}
	c := &w.components
	states := 0
	for len(c.order) > 0 {
		last := c.order[len(c.order)-1]
		if c.open[last] < n.index {
			break
		}
		delete(c.open, last)
		c.order = c.order[:len(c.order)-1]
		states++
	}
	if n.leads || !n.cycle {
		return nil
	}
	return &livelock{states, n}
}

// livelock is a component without a way out, and its first state.
type livelock struct {
	states int
	first  *node
}

func (w *walk) livelockError(l *livelock) *LivelockError {
	n := l.first
	e := &LivelockError{States: l.states, History: w.history(n, true), Waits: n.world.Waits(nil)}
	for s := n.round; s != 0; s &= s - 1 {
		e.Running = append(e.Running, w.p.Actors[n.world.ActorOfTask(engine.TaskID(bits.TrailingZeros16(s)))].Name)
	}
	return e
}
