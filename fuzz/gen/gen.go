// Package gen makes new scenarios, of others and of nothing, and new schedules of old ones.
//
// What it returns is always valid: it names only actors that exist, signals and traces nobody else, and stays within the
// bounds of package corpus and its own, tighter ones. It runs them on the engine to throw away those that can only block, and to
// see that operations do something: who could do what next is the engine's to say. It never touches a kernel. A Gen belongs to one goroutine; the package takes no locks.
package gen

import (
	"math/rand/v2"

	"tracehammer/corpus"
	"tracehammer/engine"
	"tracehammer/ptrace"
)

// Bounds of what is made, but for Long: small scenarios run often, and are soon minimised. A variation of a larger one is no larger.
const (
	maxOps    = 28
	maxActors = 6
)

// Gen makes variations. It has moods: for a while it uses only some kinds of operations and edits, because scenarios in
// which everything happens are alike, and what one operation breaks another repairs (swarm testing).
type Gen struct {
	rng   *rand.Rand
	left  int        // variations until the next mood
	verbs []template // of this mood
	edits []edit     // of this mood

	utrace bool               // scenarios may use utrace
	alone  bool               // nothing is taken from other scenarios
	donors []*corpus.Scenario // beside the seeds: see Keep
	given  int                // so many were kept

	world   engine.World // of the runs that try variations
	choices []engine.Choice
	waits   []engine.Wait
	lines   lines // of the executions in the order of lines
	machine engine.Machine
}

// New returns a generator; the same seed gives the same variations of the same scenarios.
func New(seed uint64) *Gen {
	return &Gen{rng: rand.New(rand.NewPCG(seed, 0x7261636568616d72))}
}

// maxDonors bounds what is kept for splices; what was kept first goes first.
const maxDonors = 64

// Keep lets parts of s, a scenario that showed something new, turn up in others. It must not change any more.
func (g *Gen) Keep(s *corpus.Scenario) {
	if g.given++; len(g.donors) < maxDonors {
		g.donors = append(g.donors, s)
		return
	}
	g.donors[g.given%maxDonors] = s
}

// donor is a scenario to take a part of.
func (g *Gen) donor() *corpus.Scenario {
	if len(g.donors) > 0 && g.rng.IntN(2) == 0 {
		return one(g, g.donors)
	}
	return one(g, g.seeds())
}

const moodLength = 64

func (g *Gen) mood() {
	if g.left--; g.left > 0 {
		return
	}
	g.left = moodLength
	g.verbs, g.edits = g.swarm(g.templates()), sample(g, edits)
}

// sample keeps about two of three, at least one.
func sample[T any](g *Gen, from []T) []T {
	var out []T
	for _, t := range from {
		if g.rng.IntN(3) > 0 {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		out = append(out, from[g.rng.IntN(len(from))])
	}
	return out
}

// tries bounds the attempts at a variation that can end.
const tries = 24

// Vary returns a variation of s, which it leaves alone: without comments, expectations and known bugs, since they were said
// of the original.
func (g *Gen) Vary(s *corpus.Scenario) *corpus.Scenario {
	g.mood()
	base := s.Clone()
	for i, v := range base.Victims() {
		base.Actors[i].Victim = v && base.Actors[i].Victim || v && byExpectation(base, i)
	}
	base.Strip()
	base.KnownBugs, base.Rules = nil, nil
	idle, _ := g.idling(base)
	return g.likeliest(base, schedules/2, tries, func() *corpus.Scenario {
		v := base.Clone()
		for g.edit(v); g.rng.IntN(3) > 0; {
			g.edit(v)
		}
		v.Repair()
		if corpus.Equal(v, base) {
			return nil
		}
		// An edit that leaves others without effect is mostly a mistake: a restart of what is no longer attached.
		if n, ok := g.idling(v); !ok || n > idle && g.rng.IntN(ErrorQuota) > 0 {
			return nil
		}
		return v
	})
}

// likeliest makes scenarios until one mostly ends; after enough tries it takes the one that ended most often, or best if none
// ended in more than most of the schedules. try returns nil for what is not to be taken.
func (g *Gen) likeliest(best *corpus.Scenario, most, tries int, try func() *corpus.Scenario) *corpus.Scenario {
	limit := maxOps
	if best != nil {
		limit = max(limit, best.NumOps())
	}
	for i := 0; i < tries || best == nil; i++ {
		s := try()
		if s == nil || s.NumOps() == 0 || s.NumOps() > limit {
			continue
		}
		n := g.ends(s)
		if n == schedules || g.rng.IntN(daring) == 0 {
			return s
		}
		if n > most {
			best, most = s, n
		}
	}
	return best
}

// byExpectation says whether an actor's end is not awaited because of an expectation, which a variation loses.
func byExpectation(s *corpus.Scenario, actor int) bool {
	bare := s.Clone()
	bare.Strip()
	return !bare.Victims()[actor]
}

func (g *Gen) edit(s *corpus.Scenario) {
	pick(g, g.edits, func(e edit) int { return e.weight }).do(g, s)
}

// pick draws by weight.
func pick[T any](g *Gen, from []T, weight func(T) int) T {
	sum := 0
	for _, t := range from {
		sum += weight(t)
	}
	at := g.rng.IntN(sum)
	for _, t := range from {
		if at -= weight(t); at < 0 {
			return t
		}
	}
	return from[len(from)-1]
}

func one[T any](g *Gen, from []T) T { return from[g.rng.IntN(len(from))] }

const (
	schedules = 8      // runs on the engine that decide whether a variation ends
	maxSteps  = 20_000 // of one run
	daring    = 100    // one in so many is taken although it may block: some bugs are just that
)

// ends says how many of a few random executions of s end. Actors that most of them, or all that do not end, leave in a stop
// that nobody resumes become victims: the runs need not wait for them.
func (g *Gen) ends(s *corpus.Scenario) int {
	for {
		p, err := corpus.Lower(s)
		if err != nil {
			return 0
		}
		m := ptrace.NewMachine(p, engine.Options{})
		held := make([]int, len(s.Actors))
		n := 0
		for range schedules {
			ends, actors := g.run(m)
			if ends {
				n++
			}
			for _, a := range actors {
				held[a]++
			}
		}
		found := false
		for a, times := range held {
			if d := &s.Actors[a]; a > 0 && !d.Victim && (times > schedules/2 || n < schedules && times >= schedules-n) {
				d.Victim, found = true, true
			}
		}
		if !found {
			return n
		}
	}
}

// choose draws the next step: mostly one of the task that this run favours, since on a real machine some actor is always
// ahead of the others.
func (g *Gen) choose(choices []engine.Choice, order *[engine.MaxActors + 1]uint8) engine.Choice {
	c := choices[g.rng.IntN(len(choices))]
	if g.rng.IntN(8) == 0 {
		return c
	}
	for _, d := range choices {
		if order[d.Task] > order[c.Task] {
			c = d
		}
	}
	return c
}

// run executes once at random and says whether it came to its end, and which actors are then in a stop or sleep that nobody ends.
func (g *Gen) run(m *engine.Machine) (ends bool, held []engine.ActorID) {
	w := &g.world
	m.Init(w)
	var order [engine.MaxActors + 1]uint8
	for i := range order {
		order[i] = uint8(g.rng.IntN(4))
	}
	for range maxSteps {
		if w.Done() {
			ends = true
			break
		}
		if g.choices = w.Choices(g.choices[:0]); len(g.choices) == 0 {
			break
		}
		w.Step(g.choose(g.choices, &order))
	}
	for _, wait := range w.Waits(nil) {
		switch wait.Kind {
		case engine.WaitPtraceStop, engine.WaitEngine, engine.WaitGroupStop, engine.WaitExitEvent, engine.WaitSignal:
			if wait.Actor != engine.NoActor {
				held = append(held, wait.Actor)
			}
		}
	}
	return ends, held
}

// Reseed makes what follows depend on this seed, and on what has been kept.
func (g *Gen) Reseed(seed uint64) { g.rng = rand.New(rand.NewPCG(seed, 0x7261636568616d72)) }
