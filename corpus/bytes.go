package corpus

import (
	"encoding/binary"
	"slices"
	"time"

	"tracehammer/engine"
)

// The byte form is for fuzzers: a stream of varints in which every value has a meaning, so that every byte string is some
// valid scenario and small changes of bytes are small changes of the scenario. It leaves out names and comments.

// bytesVersion is the first byte of what Encode writes. Decode takes any first byte as this version as long as there is no other.
const bytesVersion = 1

// Encode returns the byte form of a valid scenario.
func Encode(s *Scenario) []byte {
	e := &encoder{s: s, vars: s.Vars(), b: []byte{bytesVersion}}
	e.actors()
	e.body(s.Body)
	for _, o := range s.Ops() {
		e.n(len(o.Expect))
		for _, x := range o.Expect {
			e.expect(&x)
		}
	}
	e.meta()
	return e.b
}

// Decode returns the scenario that any bytes mean; it is valid. Decode(Encode(s)) is s but for names and comments.
func Decode(b []byte) *Scenario {
	s := decode(b, nil)
	s.mend(decoded)
	return s
}

// A Decoder decodes one scenario after another in the same memory: what it returned is no longer good when it returns the next.
// The zero Decoder is ready.
type Decoder struct {
	ops    []*Op // from earlier scenarios, taken again
	taken  int
	actors []ActorDecl
}

// DecodeRun is Decode but for what makes no difference to a run: which rules the scenario shows, where it holds, known bugs.
func (m *Decoder) DecodeRun(b []byte) *Scenario {
	m.taken = 0
	s := decode(b, m)
	s.mend(decoded)
	m.actors = s.Actors
	return s
}

// op returns an operation of nobody, with room for arguments.
func (m *Decoder) op() *Op {
	if m.taken == len(m.ops) {
		m.ops = append(m.ops, new(Op))
	}
	o := m.ops[m.taken]
	m.taken++
	*o = Op{Args: o.Args[:0], Expect: o.Expect[:0], Cases: o.Cases[:0]}
	return o
}

// decode returns what the bytes say, which may be invalid in the large: each operation and each expectation is valid by itself.
// With memory it makes of that what it can, and leaves out what DecodeRun does.
func decode(b []byte, memory *Decoder) *Scenario {
	if len(b) > 0 {
		b = b[1:]
	}
	d := &decoder{b: b, s: &Scenario{Name: "x"}, memory: memory}
	if memory != nil {
		d.s.Actors = memory.actors[:0]
	}
	d.check.s = d.s
	d.actors()
	d.s.Body = d.body(0, false)
	for _, o := range d.ops {
		for range d.n(MaxAlts + 1) {
			if x := d.expect(o.Verb); !o.Verb.IsServe() && d.check.expect(o.Verb, &x) { // a serve loop has no result
				o.Expect = append(o.Expect, x)
			}
		}
	}
	if memory == nil {
		d.meta()
	}
	return d.s
}

type encoder struct {
	s    *Scenario
	vars []string
	b    []byte
}

func (e *encoder) n(n int)   { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) i(n int64) { e.b = binary.AppendVarint(e.b, n) }

func (e *encoder) actors() {
	e.n(len(e.s.Actors) - 1)
	for i, d := range e.s.Actors {
		flags := 0
		if d.Thread {
			flags |= 1
		}
		if d.Victim {
			flags |= 2
		}
		e.n(flags | createdBy(d.By)<<2)
		if i > 0 {
			e.n(e.s.Actor(d.Parent))
		}
	}
}

var creators = []string{"", "fork", "vfork", "clone"}

func createdBy(by string) int { return max(0, slices.Index(creators, by)) }

// Tags of statements; tagEnd ends a body.
const (
	tagEnd = iota
	tagOp
	tagBarrier
	tagRace
	tagRepeat
	numTags
)

func (e *encoder) body(body []Stmt) {
	for _, st := range body {
		switch st := st.(type) {
		case *Op:
			e.n(tagOp)
			e.op(st)
		case *Barrier:
			e.n(tagBarrier)
			e.n(len(st.Actors))
			for _, a := range st.Actors {
				e.n(e.s.Actor(a))
			}
		case *Race:
			e.n(tagRace)
			e.n(int(st.Lo))
			e.n(int(st.Hi))
			e.n(st.Repeat)
			e.body(st.Body)
		case *Repeat:
			e.n(tagRepeat)
			e.n(e.s.Actor(st.Actor))
			e.n(st.N)
			e.body(st.Body)
		}
	}
	e.n(tagEnd)
}

func (e *encoder) op(o *Op) {
	e.n(e.s.Actor(o.Actor))
	e.n(int(o.Verb.ID))
	e.n(slices.Index(e.vars, o.Dst) + 1)
	last := len(o.Args)
	for last > 0 && o.Verb.Params[last-1].Optional && o.Args[last-1] == Num(o.Verb.Params[last-1].Default) {
		last--
	}
	if n := optional(o.Verb); n > 0 {
		e.n(last - (len(o.Args) - n))
	}
	for _, a := range o.Args[:last] {
		e.arg(a)
	}
	if !o.Verb.IsServe() {
		return
	}
	e.n(len(o.Cases))
	for _, c := range o.Cases {
		e.n(int(c.Kind))
		e.i(c.N)
		e.n(int(c.Answer))
		if c.Answer == AnswerRequest {
			e.n(slices.Index(ServeVerbs, c.Verb))
			e.n(int(c.Sig))
			e.i(c.SigN)
		}
	}
}

// optional is the number of a verb's optional parameters; they are its last.
func optional(v *Verb) int {
	n := 0
	for _, p := range v.Params {
		if p.Optional {
			n++
		}
	}
	return n
}

func (e *encoder) arg(a Arg) {
	e.n(int(a.Kind))
	switch a.Kind {
	case ArgNum:
		e.i(a.N)
	case ArgActor, ArgNegActor:
		e.n(e.s.Actor(a.Name))
	case ArgVar, ArgNegVar:
		e.n(slices.Index(e.vars, a.Name))
	}
}

func (e *encoder) expect(x *Expect) {
	e.n(int(x.Kind))
	if x.Kind == ExpectResult {
		e.arg(x.Ret)
		e.n(len(x.Out))
		for _, a := range x.Out {
			e.arg(a)
		}
	}
}

func (e *encoder) meta() {
	e.n(len(e.s.Rules))
	for _, r := range e.s.Rules {
		e.n(r)
	}
	e.n(len(e.s.On))
	for _, c := range e.s.On {
		e.condition(c)
	}
	e.n(len(e.s.KnownBugs))
	for _, k := range e.s.KnownBugs {
		e.n(k.Row)
		e.condition(k.On)
		e.n(len(k.Shows))
		for _, s := range k.Shows {
			e.n(int(s))
		}
	}
}

func (e *encoder) condition(c Condition) {
	for _, n := range []int{c.MinKernel.Major, c.MinKernel.Minor, c.MaxKernel.Major, c.MaxKernel.Minor, len(c.Arch)} {
		e.n(n)
	}
	for _, a := range c.Arch {
		e.n(slices.Index(Archs, a))
	}
	bits := map[bool]int{true: 1}[c.Root]
	for _, s := range c.System {
		bits |= 2 << slices.Index(Systems, s)
	}
	e.n(bits)
}

// decoder reads zeros behind the end.
type decoder struct {
	b      []byte
	s      *Scenario
	ops    []*Op
	stmts  int
	check  validator // drops at once what Repair would drop one by one
	memory *Decoder  // nil: none
}

// maxStmts bounds the statements that bytes can mean, so that repairing them stays cheap. No valid scenario has more.
const maxStmts = MaxOps*(1+MaxDepth) + MaxBarriers // races count as barriers

func (d *decoder) u() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b = nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// n reads a number below limit.
func (d *decoder) n(limit int) int { return int(d.u() % uint64(limit)) }

func (d *decoder) i() int64 {
	u := d.u()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) actors() {
	n := 1 + d.n(MaxActors)
	d.s.Actors = slices.Grow(d.s.Actors, n)
	for i := range n {
		flags := d.n(4 * len(creators))
		a := ActorDecl{Name: "main"}
		if i > 0 {
			a = ActorDecl{Thread: flags&1 != 0, By: creators[flags>>2], Parent: d.s.Actors[d.n(i)].Name}
			a.Name = canonicalNames[i][flags&1]
		}
		a.Victim = flags&2 != 0
		d.s.Actors = append(d.s.Actors, a)
	}
}

// canonicalNames are those of actors that are processes, and threads.
var canonicalNames = func() (names [MaxActors][2]string) {
	for i := range names {
		names[i] = [2]string{canonicalActor(i, false), canonicalActor(i, true)}
	}
	return names
}()

func (d *decoder) actor() string { return d.s.Actors[d.n(len(d.s.Actors))].Name }

func varName(i int) string { return varNames[i] }

// varNames and barrierNames are v00, v01, ... and b00, b01, ...
var varNames, barrierNames = numbered('v', MaxVars), numbered('b', maxStmts)

func numbered(letter byte, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = string([]byte{letter, byte('0' + i/10), byte('0' + i%10)})
	}
	return names
}

func (d *decoder) body(depth int, race bool) []Stmt {
	var body []Stmt
	for {
		// The last operation can be followed by a barrier, and is by the ends of bodies.
		tag := d.n(numTags)
		if tag == tagEnd || d.stmts == maxStmts || tag == tagOp && len(d.ops) == MaxOps {
			return body
		}
		d.stmts++
		switch tag {
		case tagOp:
			if o := d.op(); d.check.op(o) == "" {
				d.ops = append(d.ops, o)
				body = append(body, o)
			}
		case tagBarrier:
			b := &Barrier{Name: barrierNames[len(d.s.Body)+len(body)]}
			for range d.n(MaxActors + 1) {
				if a := d.actor(); !slices.Contains(b.Actors, a) {
					b.Actors = append(b.Actors, a)
				}
			}
			body = append(body, b)
		case tagRace:
			r := &Race{Lo: time.Duration(d.n(int(MaxDelay) + 1)), Hi: time.Duration(d.n(int(MaxDelay) + 1)), Repeat: d.n(MaxRaceRepeat + 1)}
			if !race && depth == 0 {
				r.Body = d.body(depth, true)
			}
			body = append(body, r)
		case tagRepeat:
			r := &Repeat{Actor: d.actor(), N: d.n(MaxRepeat + 1)}
			if depth < MaxDepth {
				r.Body = d.body(depth+1, race)
			}
			body = append(body, r)
		}
	}
}

func (d *decoder) op() *Op {
	var o *Op
	if d.memory != nil {
		o = d.memory.op()
	} else {
		o = new(Op)
	}
	o.Actor, o.Verb = d.actor(), Verbs[d.n(len(Verbs))]
	if v := d.n(MaxVars + 1); v > 0 {
		o.Dst = varName(v - 1)
	}
	given := len(o.Verb.Params)
	if n := optional(o.Verb); n > 0 {
		given += d.n(n+1) - n
	}
	if n := len(o.Verb.Params); n > 0 {
		o.Args = slices.Grow(o.Args, n)[:n]
	}
	for i := range o.Args {
		if i < given {
			o.Args[i] = d.arg(o.Verb.Params[i].Type)
		} else {
			o.Args[i] = Num(o.Verb.Params[i].Default)
		}
	}
	if o.Verb.IsServe() {
		for range d.n(MaxCases + 1) {
			c := Case{Kind: CaseKind(d.n(int(numCaseKinds))), N: d.i(), Answer: AnswerKind(d.n(int(numAnswerKinds)))}
			if c.Answer == AnswerRequest {
				c.Verb, c.Sig, c.SigN = ServeVerbs[d.n(len(ServeVerbs))], SigKind(d.n(int(numSigKinds))), d.i()
			}
			if c.valid() {
				o.Cases = append(o.Cases, c)
			}
		}
	}
	return o
}

func (d *decoder) arg(t ParamType) Arg {
	a := Arg{Kind: ArgKind(d.n(int(numArgKinds)))}
	switch a.Kind {
	case ArgNum:
		a.N = d.i()
	case ArgActor, ArgNegActor:
		a.Name = d.actor()
	case ArgVar, ArgNegVar:
		a.Name = varName(d.n(MaxVars))
	}
	return a
}

func (d *decoder) expect(v *Verb) Expect {
	x := Expect{Kind: ExpectKind(d.n(int(numExpectKinds)))}
	if x.Kind != ExpectResult {
		return x
	}
	x.Ret = d.arg(Tid)
	for range min(d.n(len(engine.Result{}.Out)+1), len(v.Outs)) {
		x.Out = append(x.Out, d.arg(Int))
	}
	return x
}

func (d *decoder) meta() {
	for range d.n(MaxRule + 1) {
		if r := d.n(MaxRule + 1); !slices.Contains(d.s.Rules, r) {
			d.s.Rules = append(d.s.Rules, r)
		}
	}
	for range d.n(MaxMeta + 1) {
		d.s.On = append(d.s.On, d.condition())
	}
	for range d.n(MaxMeta + 1) {
		k := KnownBug{Row: d.n(maxBugRow + 1), On: d.condition()}
		for range d.n(int(numSigns) + 1) {
			k.Shows = append(k.Shows, Sign(d.n(int(numSigns))))
		}
		d.s.KnownBugs = append(d.s.KnownBugs, k)
	}
}

func (d *decoder) condition() Condition {
	var c Condition
	for _, p := range []*int{&c.MinKernel.Major, &c.MinKernel.Minor, &c.MaxKernel.Major, &c.MaxKernel.Minor} {
		*p = d.n(1 << 16)
	}
	for range d.n(len(Archs) + 1) {
		c.Arch = append(c.Arch, Archs[d.n(len(Archs))])
	}
	bits := d.n(2 << len(Systems))
	c.Root = bits&1 != 0
	for i, s := range Systems {
		if bits&(2<<i) != 0 {
			c.System = append(c.System, s)
		}
	}
	return c
}
