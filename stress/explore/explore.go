// Package explore walks all executions of a program on the engine and lists its outcomes.
//
// The walk is depth-first over states, each seen once; it stores 128-bit fingerprints of them and nothing else, so a path
// is known only while the walk is on it. With reduction, which is the default, interleavings that lead to the same
// outcomes are skipped, and states that differ only in which of several alike actors is which: docs/exploration.md says
// which, and why that is sound.
//
// It runs nothing on a real kernel. A walk belongs to one goroutine; the package takes no locks.
package explore

import (
	"context"
	"fmt"
	"sort"
	"unsafe"

	"tracehammer/engine"
	"tracehammer/ptrace"
	"tracehammer/stress"
	"tracehammer/stress/history"
)

// Options bound a walk.
type Options struct {
	Limit       int  // states to see at most
	NoReduction bool // visit every state that the program can reach
	NoSymmetry  bool // tell actors of alike code apart; NoReduction does so, too
	Livelocks   bool // look for states that lead only to each other for ever; Run returns a *LivelockError then
}

// Outcome is one way in which a program can end: the results of all calls of all actors in their logs' order.
type Outcome struct {
	History *history.History // one execution that ends so; tickets are those of that execution
	Stuck   bool             // some actor that is not a victim never parks
	Waits   []engine.Wait    // who waits for what at the end
}

// Result is what a walk found.
type Result struct {
	Outcomes    []Outcome
	States      int  // distinct states seen
	Transitions int  // steps made
	Depth       int  // of the longest path
	Bytes       int  // at the peak, for the states seen and the path
	Complete    bool // false if the walk stopped at its limit or was cancelled
	Symmetry    int  // ways to exchange alike actors of which the walk visited one, 1 if there are none
}

// ctxEvery is how many states pass between looks at the context.
const ctxEvery = 4096

// Run visits the states that p can reach, up to a limit, and returns the distinct outcomes in a stable order. Executions
// end when nothing can happen any more; timers are taken as steps that may fire at any time.
func Run(ctx context.Context, p *engine.Program, o engine.Options, opt Options) (Result, error) {
	w := &walk{p: p, m: ptrace.NewMachine(p, o), opt: opt, ends: map[[2]uint64]struct{}{}}
	if !opt.NoReduction && !opt.NoSymmetry {
		w.symmetry = newSymmetry(w.m)
	}
	complete, err := w.run(ctx)
	sort.Sort(byKey{w})
	r := Result{Outcomes: w.outcomes, States: w.seen.n, Transitions: w.transitions, Depth: len(w.nodes), Complete: complete,
		Bytes: w.seen.bytes() + len(w.nodes)*int(unsafe.Sizeof(node{})), Symmetry: 1}
	if w.symmetry != nil {
		r.Symmetry = w.symmetry.Order()
		r.Bytes += len(w.nodes)*int(unsafe.Sizeof(logs{})) + int(unsafe.Sizeof(*w.symmetry))
	}
	return r, err
}

// node is a state on the path.
type node struct {
	world   engine.World
	print   engine.Fingerprint
	logs    [engine.MaxActors]digest // of each actor's log so far
	depth   int                      // events on the path
	choices []engine.Choice
	next    int
	component
	key   engine.Fingerprint // what the state is told from others by: print, or the fingerprint of its class
	shown *logs              // with symmetry only
	class bool               // states are told apart by class from here on
}

type walk struct {
	p           *engine.Program
	m           *engine.Machine
	opt         Options
	seen        seen
	ends        map[[2]uint64]struct{}
	outcomes    []Outcome
	keys        []string
	transitions int
	path        []engine.Event
	nodes       []*node // all that were ever needed; the first top of them are the path
	top         int
	components  components
	symmetry    *symmetry // nil: no two actors are alike
	filed       map[string]struct{}
}

func (w *walk) run(ctx context.Context) (complete bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			ie, ok := r.(*engine.InvariantError)
			if !ok {
				panic(r)
			}
			err = ie
		}
	}()
	root := w.push()
	w.m.Init(&root.world)
	root.print, root.logs, root.depth, root.class = root.world.Fingerprint(), [engine.MaxActors]digest{}, 0, false
	if w.symmetry != nil {
		*root.shown = logs{}
	}
	w.arrive(root)
	for w.top > 0 {
		n := w.nodes[w.top-1]
		if n.next >= len(n.choices) {
			w.top--
			if w.opt.Livelocks {
				if l := w.leave(n); l != nil {
					return false, w.livelockError(l)
				}
			}
			continue
		}
		c := n.choices[n.next]
		n.next++
		if w.seen.n >= w.opt.Limit {
			return false, nil
		}
		if w.transitions%ctxEvery == 0 && ctx.Err() != nil {
			return false, nil
		}
		w.transitions++
		w.arrive(w.step(n, c))
	}
	return true, nil
}

// push is a new node on top of the path; its contents are those of an earlier one.
func (w *walk) push() *node {
	if w.top == len(w.nodes) {
		n := new(node)
		if w.symmetry != nil {
			n.shown = new(logs)
		}
		w.nodes = append(w.nodes, n)
	}
	w.top++
	return w.nodes[w.top-1]
}

// step makes the node that a choice leads to.
func (w *walk) step(n *node, c engine.Choice) *node {
	child := w.push()
	child.world.CopyFrom(&n.world)
	ev := child.world.Step(c)
	child.print = child.world.After(&n.world, n.print)
	child.logs, child.depth = n.logs, n.depth
	if w.symmetry != nil {
		w.symmetry.follow(n, child, ev)
	}
	if ev.Kind == engine.EvNone {
		return child
	}
	w.path = append(w.path[:n.depth], ev)
	child.depth++
	d := &child.logs[ev.Actor]
	place := 2 * int(ev.Actor)
	child.print.Take(place, d[0])
	child.print.Take(place+1, d[1])
	d.add(&ev)
	child.print.Put(place, d[0])
	child.print.Put(place+1, d[1])
	return child
}

// arrive accounts for the state on top of the path and removes it again if it was seen before.
func (w *walk) arrive(n *node) {
	n.key = n.print
	if w.symmetry != nil {
		w.symmetry.classify(&w.seen, n)
	}
	if !w.seen.add(n.key) {
		w.top--
		if w.opt.Livelocks {
			w.again(n.key)
		}
		return
	}
	if w.opt.Livelocks {
		w.enter(n)
	}
	n.next = 0
	n.choices = n.world.Choices(n.choices[:0])
	if len(n.choices) == 0 {
		w.end(n)
	}
	if w.opt.NoReduction || len(n.choices) < 2 {
		return
	}
	for _, c := range n.choices {
		if n.world.Local(c) {
			n.choices = append(n.choices[:0], c)
			break
		}
	}
}

// end files the path that led to a state in which nothing can happen any more.
func (w *walk) end(n *node) {
	if w.m.Options().Check {
		n.world.CheckLiveness()
	}
	stuck := !n.world.Done()
	var k engine.Fingerprint
	for a := range n.logs {
		k.Put(2*a, n.logs[a][0])
		k.Put(2*a+1, n.logs[a][1])
	}
	if stuck {
		k.Put(2*engine.MaxActors, 1)
	}
	if n.class {
		k.Put(placeClass, 1) // it stands for others as well
	}
	if _, dup := w.ends[[2]uint64{k.Lo, k.Hi}]; dup {
		return
	}
	w.ends[[2]uint64{k.Lo, k.Hi}] = struct{}{}
	o := Outcome{History: w.history(n, stuck), Stuck: stuck, Waits: n.world.Waits(nil)}
	if w.symmetry == nil {
		w.file(o)
		return
	}
	w.symmetry.images(o, n.class, w.file)
}

// file keeps an outcome that was not found before.
func (w *walk) file(o Outcome) {
	key := outcomeKey(o.History)
	if w.symmetry != nil {
		k := key + handlerKey(o.History)
		if _, dup := w.filed[k]; dup {
			return
		}
		if w.filed == nil {
			w.filed = map[string]struct{}{}
		}
		w.filed[k] = struct{}{}
	}
	w.outcomes = append(w.outcomes, o)
	w.keys = append(w.keys, key)
}

// history is that of the path to a node.
func (w *walk) history(n *node, stuck bool) *history.History {
	h := &history.History{}
	var r stress.Recorder
	r.Start(h, w.p)
	for _, ev := range w.path[:n.depth] {
		r.Add(ev)
	}
	if stuck {
		h.Outcome = history.Stuck
	}
	r.Finish(&n.world)
	return h
}

// digest is a hash of a log.
type digest [2]uint64

// add extends the digest by an event.
func (d *digest) add(ev *engine.Event) {
	var f engine.Fingerprint
	f.Put(0, d[0])
	f.Put(1, d[1])
	f.Put(2, uint64(ev.Kind)|uint64(ev.Signo)<<8|uint64(ev.Res.TidMask)<<16|uint64(uint32(ev.Instr))<<32)
	f.Put(3, uint64(uint32(ev.Code))<<32|uint64(uint32(ev.Pid)))
	f.Put(4, uint64(ev.Res.Ret))
	for i, o := range ev.Res.Out {
		f.Put(5+i, uint64(o))
	}
	*d = digest{f.Lo, f.Hi}
}

// byKey orders outcomes by their results.
type byKey struct{ *walk }

func (b byKey) Len() int           { return len(b.keys) }
func (b byKey) Less(i, j int) bool { return b.keys[i] < b.keys[j] }
func (b byKey) Swap(i, j int) {
	b.keys[i], b.keys[j] = b.keys[j], b.keys[i]
	b.outcomes[i], b.outcomes[j] = b.outcomes[j], b.outcomes[i]
}

// outcomeKey orders outcomes by their results, actor by actor, the stuck ones after those that end alike.
func outcomeKey(h *history.History) string {
	s := ""
	for a := range h.Actors {
		for _, e := range h.Actors[a].Entries {
			s += fmt.Sprintf("%d %v %d %v;", e.Instr, e.Done, e.Res.Ret, e.Res.Out)
		}
		s += "|"
	}
	return s + h.Outcome.String()
}

// handlerKey tells outcomes apart that differ only in whether a handler ran before a call began, in it, or after its end.
func handlerKey(h *history.History) string {
	s := ""
	for a := range h.Actors {
		for _, e := range h.Actors[a].Entries {
			if e.Kind != history.Handler {
				continue
			}
			ended := 0
			for _, c := range h.Actors[a].Entries {
				if c.Kind == history.Call && c.Done && c.End < e.Begin {
					ended++
				}
			}
			s += fmt.Sprintf("%d ", ended)
		}
		s += "|"
	}
	return s
}
