package console

import (
	"slices"
	"strings"
)

// How many lines a report may go on without one of its own before it counts as ended. A stack dump, the registers of
// powerpc, lockdep's drawings and KASAN's shadow memory are shorter.
const (
	maxGap  = 64
	maxTail = 64   // and after its end, to a panic that it led to
	maxRegs = 16   // from the program counter to a panic of UML, which prints the registers first
	maxLong = 1000 // and in all: lockdep and a hung task may be followed by the traces of all tasks
)

// Parser finds reports in a console that flows. It keeps one report, one unfinished line and some counters, however much
// is written. The zero value is of no use; NewParser makes one.
type Parser struct {
	emit func(Report)
	part []byte // the start of a line whose end has not been written yet
	num  int    // lines so far
	open *open  // the report that is being read, or has ended and may be followed by a panic; else nil
	seen set    // kinds of reports since the kernel started
	regs struct {
		pc   Frame // the last program counter outside of a report
		line int   // where it was, 0 for nowhere
	}
}

// open is a report that is not handed out yet.
type open struct {
	head     head
	alt      []string // wordings
	place    string
	fn       string
	trace    []Frame
	pc       counter // what is known of the program counter
	first    int
	last     int
	state    State
	caller   string // who prints it, if the kernel says so
	ended    bool
	section  section
	lead     int  // how many frames are from registers; some architectures begin the trace with the same
	repeated int  // and how many of them it has repeated
	lines    int  // since the last line of its own
	own      bool // the header named the function, and it is no helper
}

// section is where in a report the parser is.
type section uint8

const (
	beforeTrace section = iota
	inTrace
	otherTrace // one that is not about where it happened: of an allocation, of another CPU
	lastBranch // s390: the next line is the last taken branch
	afterTrace
)

// NewParser returns a Parser that hands out each report when it has ended and nothing can belong to it any more: at the
// next report, some lines later, or on Flush or Close.
func NewParser(emit func(Report)) *Parser { return &Parser{emit: emit} }

// Flush hands out the report that is being read as it stands, for a console that has gone quiet.
func (p *Parser) Flush() {
	if p.open != nil {
		p.finish(Truncated)
	}
}

// Close takes what has been written as all. The parser can be used again, for another console.
func (p *Parser) Close() {
	if len(p.part) > 0 {
		p.line(p.part)
		if p.open != nil && !p.open.ended && p.open.last == p.num && p.open.state == Complete {
			p.open.state = Truncated
		}
		p.part = p.part[:0]
	}
	p.Flush()
	p.num, p.seen, p.regs.line = 0, 0, 0
}

// message takes one message of the kernel, or a line of somebody else. cut says that it broke into another message.
func (p *Parser) message(s, caller string, cut bool) {
	o := p.open
	if h, ok := readHead(s); ok && !IsNoise(s) {
		p.header(h, caller, cut)
		return
	}
	if strings.HasPrefix(s, "Linux version ") {
		if o != nil {
			p.finish(Truncated)
		}
		p.seen = 0
		return
	}
	if o == nil || o.ended {
		if f, c := programCounter(s); c == known {
			p.regs.pc, p.regs.line = f, p.num
		}
	}
	if o == nil {
		return
	}
	if o.caller != "" && caller != "" && caller != o.caller && !o.head.kind.elsewhere() {
		return
	}
	if o.lines++; o.ended && o.lines > maxTail || o.lines > maxGap || p.num-o.first >= maxLong {
		p.finish(Truncated)
		return
	}
	if o.ended {
		if strings.HasPrefix(s, "---[ end Kernel panic") {
			o.last = p.num
			p.finish(Complete)
		}
		return
	}
	if cut && o.state == Complete {
		o.state = Interleaved
	}
	if o.body(s) {
		o.last, o.lines = p.num, 0
	}
}

// elsewhere says that reports of a kind show other CPUs, whose lines another context may print.
func (k Kind) elsewhere() bool { return of(RCUStall, SoftLockup, HardLockup, HungTask).has(k) }

// header begins a report, or goes on with the open one.
func (p *Parser) header(h head, caller string, cut bool) {
	o := p.open
	switch {
	case o != nil && h.last && h.after.has(o.head.kind):
		o.follow(h, p.num)
		return
	case o != nil && !o.ended && o.goesOn(h):
		o.merge(h, p.num)
		return
	case h.only:
		return
	case h.last && h.after&p.seen != 0:
		if o != nil {
			p.finish(Complete)
		}
		return
	}
	if o != nil {
		why := Complete
		if !o.ended && (o.section == beforeTrace && o.pc == noCounter || kinds[o.head.kind].end) {
			why = Interleaved
		}
		p.finish(why)
	}
	n := &open{head: h, alt: h.alt, place: h.place, first: p.num, last: p.num, caller: caller}
	if h.fn != "" && !isHelper(h.fn) {
		n.fn, n.own = h.fn, true
	}
	if h.regs && p.regs.line > 0 && p.num-p.regs.line <= maxRegs {
		n.first, n.pc, n.trace, n.lead = p.regs.line, known, []Frame{p.regs.pc}, 1
	}
	p.regs.line = 0
	if h.kind == GoStuck {
		n.section = afterTrace
	}
	p.open = n
}

// goesOn says that a header is a further line of the report's beginning.
func (o *open) goesOn(h head) bool {
	if h.after.has(o.head.kind) {
		return o.section == beforeTrace && o.pc == noCounter || h.only
	}
	if o.section != beforeTrace || o.pc != noCounter {
		return false
	}
	switch h.kind {
	case BadAccess: // announced by two lines, one of which says more; the same line again is another one
		return o.head.kind == BadAccess && !slices.Equal(h.alt, o.head.alt)
	case GoFatal: // "fatal error: fault", then "[signal ...", or "unexpected fault address" in front
		return o.head.kind == GoFatal || o.head.kind == GoPanic
	}
	return false
}

// merge takes from a further line of the beginning what it adds.
func (o *open) merge(h head, line int) {
	if len(o.alt) < 2*MaxAlt {
		o.alt = append(o.alt[:len(o.alt):len(o.alt)], h.alt...)
	}
	o.last, o.lines = line, 0
}

// follow adds the panic that a report led to.
func (o *open) follow(h head, line int) {
	o.ended, o.last, o.lines = true, line, 0
}

// finish hands out the open report. why is what is wrong with it if its end is missing.
func (p *Parser) finish(why State) {
	o := p.open
	p.open = nil
	if o.head.kind == Trap && o.pc == unknown { // s390 executes what lies at address 0 before it complains
		o.alt = append(o.alt, o.head.what)
		o.head.kind, o.head.what = BadAccess, ""
	}
	k := o.head.kind
	p.seen |= 1 << k
	if o.fn == "" {
		o.fn = o.guilty()
	}
	if o.state == Complete {
		switch {
		case kinds[k].end && !o.ended && !o.head.regs, kinds[k].fn && o.fn == "":
			if o.state = why; why == Complete {
				o.state = Truncated
			}
		}
	}
	r := Report{Kind: k, State: o.state, Func: o.fn, Trace: o.trace, First: o.first, Last: o.last}
	r.Title, r.Alt = o.titles()
	p.emit(r)
}

// guilty is the function that a report is about.
func (o *open) guilty() string {
	skip := isHelper
	if o.head.kind >= GoPanic {
		skip = isGoHelper
	}
	for i, f := range o.trace {
		if f.Offset == 0 && (i > 0 || o.pc != known) && o.head.kind < GoPanic {
			continue // the address behind a last call that never returns: it belongs to the function in front of this one
		}
		if !skip(f.Func) {
			return f.Func
		}
	}
	return ""
}

// body takes a line amid a report and says whether it is one of its own.
func (o *open) body(s string) bool {
	if o.head.kind >= GoPanic {
		return o.goBody(s)
	}
	switch {
	case strings.HasPrefix(s, "---[ end trace"):
		o.ended = true
		return true
	case strings.HasPrefix(s, "---[ end Kernel panic"):
		o.ended = true
		return true
	case strings.HasSuffix(s, "printk messages dropped **") || strings.HasPrefix(s, "** ") && strings.Contains(s, "messages dropped"):
		if o.state == Complete {
			o.state = Dropped
		}
		return true
	case s == "</TASK>" || s == "<TASK>" || s == "<IRQ>" || s == "</IRQ>":
		return o.section == inTrace
	}
	if at, ok := o.lock(s); ok {
		if !o.own && !isHelper(at.Func) {
			o.fn, o.own = at.Func, true
		}
		return true
	}
	if f, c := programCounter(s); c != noCounter {
		return o.counter(f, c)
	}
	if sec, ok := o.begins(s); ok {
		o.section = sec
		return true
	}
	f, sure, ok := frame(s)
	if o.section == lastBranch {
		o.section = afterTrace
		return ok && o.branch(f)
	}
	if !ok {
		if o.section == inTrace && len(o.trace) > 0 && !amidTrace(s) {
			o.section = afterTrace
		}
		return false
	}
	if o.section == beforeTrace && (o.head.kind == KFENCE || o.head.kind == KCSAN) {
		o.section = inTrace // these print the frames right behind a sentence
	}
	if o.section == inTrace && sure {
		o.add(f)
	}
	return o.section == inTrace
}

// amidTrace says that a line that is no frame may stand amid a trace: another stack (x86), an exception and its registers (x86,
// powerpc, s390), an inlined function (of symbolised logs), an address in no function.
func amidTrace(s string) bool {
	for _, reg := range [...]string{"RSP: ", "RAX: ", "RDX: ", "RBP: ", "R10: ", "R13: ", "Code: "} {
		if strings.HasPrefix(s, reg) {
			return true
		}
	}
	return strings.HasPrefix(s, "<") || strings.HasPrefix(s, "--- interrupt:") || strings.HasSuffix(s, "[inline]") ||
		strings.HasPrefix(addresses(s), "0x")
}

// add appends a frame of the trace. Some architectures begin it with the function of the program counter.
func (o *open) add(f Frame) {
	n := len(o.trace)
	if n == MaxTrace {
		return
	}
	if i := o.repeated; i < o.lead && o.trace[i].Func == f.Func && o.trace[i].Offset == f.Offset {
		o.repeated++
		return
	}
	o.repeated = o.lead
	f.Return = true
	o.trace = append(o.trace, f)
}

// counter takes the program counter; the first one that is in the kernel counts.
func (o *open) counter(f Frame, c counter) bool {
	switch {
	case c == user:
		if o.section == inTrace {
			o.section = afterTrace
		}
		return o.section != beforeTrace
	case c == known && o.section == inTrace && len(o.trace) > 0:
		o.trace = append(o.trace, f)[:min(len(o.trace)+1, MaxTrace)] // x86: what the interrupt in the trace came from
		return true
	case o.section == otherTrace && !o.head.kind.elsewhere(), o.pc != noCounter && c != link, len(o.trace) > 0 && o.section != beforeTrace:
		return false
	case c == link:
		switch n := len(o.trace); {
		case o.pc == unknown && n == 0, // a jump to nowhere: who jumped
			o.pc == known && n == 1 && f.Func != o.trace[0].Func && isHelper(o.trace[0].Func): // and there may be no trace
			o.trace, o.lead = append(o.trace, Frame{Func: f.Func, Offset: f.Offset, Module: f.Module, Return: true}), n+1
		}
		return true
	}
	if o.pc = c; c == known {
		o.trace, o.lead = append([]Frame{f}, o.trace...), 1
	}
	return true
}

// begins says whether a line is the title of a call trace, and of which sort.
func (o *open) begins(s string) (section, bool) {
	main := inTrace
	if o.section == afterTrace || len(o.trace) > o.lead {
		main = otherTrace // of another task or CPU
	}
	switch {
	case strings.HasPrefix(s, "Call Trace:"), strings.HasPrefix(s, "Call trace:"), strings.HasPrefix(s, "Backtrace:"), strings.HasPrefix(s, "Call Backtrace:"):
		if o.section == otherTrace && !o.head.kind.elsewhere() && o.head.kind != Lockdep {
			main = otherTrace
		}
		return main, true
	case strings.HasPrefix(s, "stack backtrace:"):
		return main, true
	case strings.HasPrefix(s, "Allocated by task"), strings.HasPrefix(s, "Freed by task"), strings.HasPrefix(s, "Last potentially related work"),
		strings.HasPrefix(s, "Second to last potentially"), strings.HasPrefix(s, "-> #"), strings.HasPrefix(s, "Uninit was "),
		strings.HasPrefix(s, "Preemption disabled at:"), strings.HasPrefix(s, "hardirqs last "), strings.HasPrefix(s, "softirqs last "):
		return otherTrace, true
	}
	if strings.HasPrefix(s, "Last Breaking-Event-Address:") {
		return lastBranch, true
	}
	return 0, false
}

// branch takes the last branch that s390 took. It tells who jumped to nowhere. It also tells where a BUG or WARN is whose
// trap is the last instruction of a function: the program counter is behind it, in the next function.
func (o *open) branch(f Frame) bool {
	switch behind := o.pc == known && o.trace[0].Offset == 0; {
	case isHelper(f.Func):
	case behind && (o.head.kind == KernelBug || o.head.kind == Warning):
		o.trace[0] = f
	case o.pc == unknown && len(o.trace) < MaxTrace:
		o.trace = append([]Frame{f}, o.trace...)
	}
	return true
}

// lock reads the place where lockdep says that a lock was or is taken: "(name){...}, at: FUNC".
func (o *open) lock(s string) (Frame, bool) {
	if o.head.kind != Lockdep {
		return Frame{}, false
	}
	i := strings.Index(s, ", at: ")
	if i < 0 || o.section != beforeTrace {
		return Frame{}, false
	}
	f, _, ok := symbol(addresses(s[i+len(", at: "):]))
	return f, ok
}
