package console

import (
	"regexp"
	"strings"
	"sync"
)

// head is what a line says that begins a report, or that goes on with one.
type head struct {
	kind  Kind
	what  string   // what the title begins with, if the kind does not say it
	fn    string   // the function, if the line tells it
	fixed bool     // the title is what, without a function
	alt   []string // wordings; the function follows each
	place string   // source file of a BUG or WARN
	after set      // kinds of reports that lines like this go on with
	only  bool     // the line begins no report of its own, it only goes on with one
	regs  bool     // the registers stand in front of the line
	last  bool     // it is a panic that names another report as its reason
}

// rule recognises lines by how they start.
type rule struct {
	start string
	like  *pattern // further condition on the rest of the line; its groups are passed on
	read  func(m []string) head
}

const sym = `([A-Za-z_.$][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?`

// pattern is a regular expression that is compiled when it is first asked for: each process of stressd starts without, machines' agents too.
type pattern struct {
	text     string
	compiled func() *regexp.Regexp
}

func compiledLater(s string) *pattern {
	return &pattern{s, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })}
}

func (p *pattern) find(s string) []string { return p.compiled().FindStringSubmatch(s) }

func (p *pattern) matches(s string) bool { return p.compiled().MatchString(s) }

func (p *pattern) replace(s, by string) string { return p.compiled().ReplaceAllString(s, by) }

func re(s string) *pattern { return compiledLater(`^` + s) }

func simple(k Kind, what string) func([]string) head {
	return func([]string) head { return head{kind: k, what: what} }
}

// badAccess is a bad memory access in an architecture's words.
func badAccess(words string) func([]string) head {
	return func([]string) head { return head{kind: BadAccess, alt: []string{words}} }
}

// sanitizer titles "TOOL: WHAT".
func sanitizer(k Kind, tool string) func(m []string) head {
	return func(m []string) head {
		what := strings.TrimPrefix(strings.TrimSpace(m[1]), "slab-") // "slab-use-after-free" since 6.3
		h := head{kind: k, what: tool + ": " + what, fn: plainName(m[2])}
		if what != m[1] {
			h.alt = []string{tool + ": " + m[1]}
		}
		return h
	}
}

func lockdep(what string) func([]string) head { return simple(Lockdep, "lockdep: "+what) }

// rules are tried in order; the first that fits a line decides. Where the kernel says it: x86 arch/x86/mm/fault.c and
// kernel/traps.c, arm64 arch/arm64/mm/fault.c and kernel/traps.c, likewise for the others; lib/bug.c, kernel/panic.c,
// kernel/locking/lockdep.c, kernel/sched/core.c, kernel/watchdog*.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, mm/.
func rules() []rule {
	return []rule{
		// Sanitizers and debugging aids, before other lines that begin with BUG.
		{"BUG: KASAN: ", re(`([a-z-]+(?: or [a-z-]+)?) in ` + sym), sanitizer(KASAN, "KASAN")},
		{"BUG: KASAN: ", re(`([a-z-]+)()`), sanitizer(KASAN, "KASAN")},
		{"BUG: KFENCE: ", re(`([a-z -]+?)(?: read| write)? in ` + sym), sanitizer(KFENCE, "KFENCE")},
		{"BUG: KMSAN: ", re(`([a-z-]+) in ` + sym), sanitizer(KMSAN, "KMSAN")},
		{"BUG: KCSAN: ", re(`([a-z: -]+) in ` + sym + ` / ` + sym), func(m []string) head {
			return head{kind: KCSAN, what: "KCSAN: " + m[1], fn: plainName(m[2]) + " / " + plainName(m[3])}
		}},
		{"BUG: KCSAN: ", re(`([a-z: -]+) in ` + sym), sanitizer(KCSAN, "KCSAN")},
		{"UBSAN: ", re(`(.+) in ([^ ]+?):\d+(?::\d+)?$`), func(m []string) head {
			return head{kind: UBSAN, what: "UBSAN: " + normal(m[1]), place: "UBSAN: " + normal(m[1]) + " at " + m[2]}
		}},
		{"Internal error: Oops - UBSAN: ", re(`([a-z][a-z -]*)`), func(m []string) head { // trapping UBSAN of arm64
			return head{kind: UBSAN, what: "UBSAN: " + m[1], after: dying}
		}},

		// Bad memory accesses.
		{"BUG: kernel NULL pointer dereference", nil, badAccess("kernel NULL pointer dereference")},                        // x86
		{"BUG: unable to handle kernel NULL pointer dereference", nil, badAccess("kernel NULL pointer dereference")},       // x86 before 5.1
		{"BUG: Kernel NULL pointer dereference", nil, badAccess("kernel NULL pointer dereference")},                        // powerpc
		{"Unable to handle kernel NULL pointer dereference", nil, badAccess("kernel NULL pointer dereference")},            // arm, arm64, riscv
		{"Kernel attempted to ", re(`(?:read|write|access|execute) user page`), badAccess("kernel access of user memory")}, // powerpc
		{"Kernel attempted to ", re(`exec`), badAccess("kernel execution of a page that may not be")},                      // powerpc
		{"BUG: unable to handle page fault for address", nil, badAccess("unable to handle page fault")},                    // x86
		{"BUG: unable to handle kernel paging request", nil, badAccess("unable to handle kernel paging request")},          // x86 before 5.1
		{"BUG: Unable to handle kernel ", re(`(data access|instruction fetch|unaligned access)`), func(m []string) head { // powerpc
			return badAccess("unable to handle kernel " + m[1])(nil)
		}},
		{"BUG: Unable to handle unknown paging fault", nil, badAccess("unable to handle unknown paging fault")}, // powerpc
		{"Unable to handle kernel ", re(`([a-zA-Z -]+?)(?: at virtual address| in virtual |$)`), func(m []string) head { // arm64, riscv, s390
			return badAccess("unable to handle kernel " + m[1])(nil)
		}},
		{"Unhandled fault: ", re(`([a-z -]+)`), func(m []string) head { return badAccess("unhandled fault: " + strings.TrimSpace(m[1]))(nil) }}, // arm
		{"Unhandled prefetch abort: ", nil, badAccess("unhandled prefetch abort")},                                                              // arm
		{"kernel tried to execute NX-protected page", nil, badAccess("execution of a page that is not executable")},                             // x86
		{"kernel tried to execute exec-protected page", nil, badAccess("execution of a page that is not executable")},                           // powerpc
		{"unable to execute userspace code", nil, badAccess("execution of user memory")},                                                        // x86
		{"KASAN: ", re(`(null-ptr-deref|maybe wild-memory-access|probably user-memory-access) in range`), func(m []string) head {
			return head{kind: BadAccess, alt: []string{"KASAN: " + m[1]}, after: of(BadAccess, GeneralProtection), only: true}
		}},

		// Stacks.
		{"BUG: ", re(`(?:[A-Z#0-9]+ )?stack guard page was hit at`), simple(StackOverflow, "")}, // x86
		{"Insufficient stack space to handle exception", nil, simple(StackOverflow, "")},        // arm, arm64, riscv
		{"Bad kernel stack pointer ", nil, simple(StackOverflow, "")},                           // powerpc
		{"Kernel stack overflow", nil, simple(StackOverflow, "")},                               // s390

		// Watchdogs and scheduling.
		{"BUG: soft lockup - ", nil, simple(SoftLockup, "")},
		{"Watchdog detected hard LOCKUP", nil, simple(HardLockup, "")},
		{"CPU ", re(`\d+ (?:Hard LOCKUP|detected hard LOCKUP on other CPUs)`), simple(HardLockup, "")}, // powerpc
		{"INFO: task ", re(`.+:\d+ (?:<[^>]*> )?blocked (?:in I/O wait )?for more than `), simple(HungTask, "")},
		{"INFO: ", re(`[a-z_]+ (?:self-)?detected (?:expedited )?stalls? on CPU`), simple(RCUStall, "")},
		{"BUG: workqueue lockup", nil, func([]string) head { return head{kind: Bug, what: "BUG: workqueue lockup", fixed: true} }},
		{"BUG: sleeping function called from invalid context", nil, simple(SleepInAtomic, "")},
		{"BUG: scheduling while atomic", nil, simple(SchedInAtomic, "")},
		{"BUG: scheduling in a non-blocking section", nil, simple(SchedInAtomic, "")},

		// Lockdep. The same lines began with "INFO: " before 4.12 and "BUG: " before 4.18.
		{"WARNING: possible circular locking dependency detected", nil, lockdep("circular locking")},
		{"WARNING: possible recursive locking detected", nil, lockdep("recursive locking")},
		{"WARNING: possible irq lock inversion dependency detected", nil, lockdep("irq lock inversion")},
		{"WARNING: inconsistent lock state", nil, lockdep("inconsistent lock state")},
		{"WARNING: ", re(`[A-Z]+-(?:READ-)?safe -> [A-Z]+-(?:READ-)?unsafe lock order detected`), lockdep("irq-unsafe lock order")},
		{"WARNING: suspicious RCU usage", nil, lockdep("suspicious RCU usage")},
		{"WARNING: lock held when returning to user space", nil, lockdep("lock held when returning to user space")},
		{"WARNING: bad unlock balance detected", nil, lockdep("bad unlock balance")},
		{"WARNING: bad contention detected", nil, lockdep("bad contention")},
		{"WARNING: held lock freed", nil, lockdep("held lock freed")},
		{"WARNING: Nested lock was not taken", nil, lockdep("nested lock not taken")},
		{"WARNING: ", re(`.+/\d+ still has locks held!`), lockdep("task exits with locks held")},
		{"WARNING: lock held at task exit time", nil, lockdep("task exits with locks held")},
		{"[ BUG: Invalid wait context ]", nil, lockdep("invalid wait context")},
		{"[ BUG: bad unlock balance detected! ]", nil, lockdep("bad unlock balance")},
		{"[ INFO: possible circular locking dependency detected ]", nil, lockdep("circular locking")},
		{"[ INFO: possible recursive locking detected ]", nil, lockdep("recursive locking")},
		{"[ INFO: inconsistent lock state ]", nil, lockdep("inconsistent lock state")},
		{"[ INFO: suspicious RCU usage", nil, lockdep("suspicious RCU usage")},

		// Warnings: "CPU: 0 PID: 1 at FILE:LINE FUNC", and since 6.19 "FILE:LINE at FUNC, CPU#0: COMM/PID".
		{"WARNING: ", re(`CPU: \d+ PID: \d+ at (?:([^ ]+):\d+ )?` + sym), warning},
		{"WARNING: ", re(`([^ ]+):\d+ at ` + sym), warning},
		{"WARNING: at ", re(`([^ ]+):\d+ ` + sym), warning}, // before 3.11
		{"WARNING: ", re(`CPU: \d+ PID: \d+ at ([^ ]+):\d+ ?()`), warning},
		{"WARNING: DATA RACE", nil, simple(GoRace, "")},

		// BUG() and friends.
		{"kernel BUG at ", re(`([^ ]+):\d+!`), func(m []string) head {
			return head{kind: KernelBug, place: "kernel BUG at " + m[1]}
		}},
		{"kernel BUG at ", nil, simple(KernelBug, "")},
		{"BUG: Bad page state in process", nil, simple(Bug, "BUG: bad page state")},
		{"BUG: Bad page map in process", nil, simple(Bug, "BUG: bad page map")},
		{"BUG: Bad rss-counter state", nil, func([]string) head { return head{kind: Bug, what: "BUG: bad rss-counter state", fixed: true} }},
		{"BUG: ", re(`(spinlock|rwlock) ([a-z ]+?) on CPU`), func(m []string) head { return head{kind: Bug, what: "BUG: " + m[1] + " " + m[2]} }},
		{"BUG: ", re(`(using [a-z_]+\(\)) in preemptible`), func(m []string) head { return head{kind: Bug, what: "BUG: " + m[1] + " in preemptible code"} }},
		{"BUG ", re(`[\w-]+ \((?:Not tainted|Tainted[^)]*)\): (.*)`), func(m []string) head { // mm/slub.c
			return head{kind: Bug, what: "BUG: slab: " + normal(m[1])}
		}},
		{"BUG: ", re(`(.+)`), func(m []string) head { return head{kind: Bug, what: "BUG: " + normal(m[1])} }},

		// What die() prints: how the report goes on, or all that is left of its beginning.
		{"Internal error: ", re(`Oops - BUG|Oops - kprobe|Oops - CFI`), func([]string) head {
			return head{kind: KernelBug, after: dying}
		}},
		{"Internal error: ", re(`(.+?)(?:: [0-9a-f]+)? \[#\d+\]`), func(m []string) head { // arm, arm64
			if strings.HasPrefix(m[1], "Oops:") || m[1] == "Oops" || strings.Contains(m[1], "kernel access") {
				return head{kind: BadAccess, after: dying}
			}
			return head{kind: Trap, what: "trap: " + normal(strings.TrimPrefix(m[1], "Oops - ")), after: dying}
		}},
		{"Kernel BUG [#", nil, func([]string) head { return head{kind: KernelBug, after: dying} }},                                                // riscv
		{"Oops: Kernel access of bad area, sig: ", nil, func([]string) head { return head{kind: BadAccess, after: dying} }},                       // powerpc
		{"Oops: Exception in kernel mode, sig: 5 ", nil, func([]string) head { return head{kind: KernelBug, after: dying} }},                      // powerpc: trap
		{"Oops: ", re(`(.+), sig: \d+ \[#\d+\]`), func(m []string) head { return head{kind: Trap, what: "trap: " + normal(m[1]), after: dying} }}, // powerpc
		{"Oops: ", re(`[0-9a-f]{4} (?:ilc:\d )?\[#\d+\]`), func([]string) head { return head{kind: BadAccess, after: dying} }},                    // x86, s390
		{"Oops [#", nil, func([]string) head { return head{kind: BadAccess, after: dying} }},                                                      // riscv
		{"", re(`(?:Oops: )?([A-Za-z][\w #'/-]{2,60}?)(, (?:probably|maybe) for [a-z-]+ address 0x[0-9a-f]+)?: [0-9a-f]{4} (?:ilc:\d )?\[#\d+\]`), exception},
		{"divide error: ", re(`[0-9a-f]{4} `), func([]string) head { return head{kind: DivideError, after: dying} }},

		// Panics.
		{Panics, re(`(.*)`), func(m []string) head { return panics(m[1]) }},
		{"PANIC: double fault", nil, func([]string) head { return head{kind: Trap, what: "trap: double fault", after: of(StackOverflow)} }},

		// Kernels in Go.
		{"panic: ", re(`(.*)`), func(m []string) head { return head{kind: GoPanic, what: "panic: " + goText(m[1])} }},
		{"fatal error: ", re(`(.*)`), func(m []string) head { return head{kind: GoFatal, what: "fatal error: " + goText(m[1])} }},
		{"SIGSEGV: segmentation violation", nil, simple(GoFatal, "fatal error: segmentation violation")},
		{"unexpected fault address ", nil, simple(GoFatal, "fatal error: fault")},
		{"Sentry detected ", re(`\d+ stuck task`), func([]string) head { return head{kind: GoStuck, fixed: true} }},
	}
}

func warning(m []string) head {
	h := head{kind: Warning, fn: plainName(m[2])}
	if m[1] != "" {
		h.place = "WARNING at " + m[1]
	}
	return h
}

// exception reads the line "NAME: CODE [#COUNT]" of x86 and s390.
func exception(m []string) head {
	name := m[1]
	switch {
	case name == "Oops": // "Oops: Oops: 0002 [#1]": x86 since 6.10
		return head{kind: BadAccess, after: dying}
	case strings.Contains(name, "general protection") && m[2] != "":
		return head{kind: BadAccess, alt: []string{"general protection fault"}, after: dying}
	case strings.Contains(name, "general protection"):
		return head{kind: GeneralProtection, after: dying}
	case name == "divide error" || strings.HasSuffix(name, "divide exception"):
		return head{kind: DivideError, after: dying}
	case strings.Contains(name, "stack guard page") || name == "kernel stack overflow" || name == "Kernel stack overflow":
		return head{kind: StackOverflow, after: dying}
	case name == "invalid opcode", name == "monitor event", name == "illegal operation": // how BUG() ends; else a trap
		return head{kind: Trap, what: "trap: " + name, after: dying}
	case strings.HasSuffix(name, "protection exception"), name == "addressing exception":
		return head{kind: BadAccess, alt: []string{name}, after: dying}
	default:
		return head{kind: Trap, what: "trap: " + normal(name), after: dying}
	}
}

// follows are panics that only say that another report was the last straw.
var follows = [...]struct {
	text  string
	after set
}{
	{"Fatal exception", dying}, // also "Fatal exception in interrupt", "Fatal exception: panic_on_oops"
	{"Oops: Fatal exception", dying},
	{"Oops - BUG: Fatal exception", dying},
	{"Attempted to kill init!", dying},
	{"Attempted to kill the idle task!", dying},
	{"Aiee, killing interrupt handler!", dying},
	{"stack guard page", of(StackOverflow)},
	{"kernel stack overflow", of(StackOverflow)},
	{"Kernel stack overflow", of(StackOverflow)},
	{"Corrupt kernel stack", of(StackOverflow)},
	{"double fault", of(StackOverflow)},
	{"Machine halted", of(Trap, StackOverflow)},
	{"kernel: panic_on_warn set", of(Warning, Lockdep)},
	{"KASAN: panic_on_warn set", of(KASAN)},
	{"kasan.fault=panic set", of(KASAN)},
	{"KFENCE: panic_on_warn set", of(KFENCE)},
	{"KMSAN: panic_on_warn set", of(KMSAN)},
	{"kmsan.panic set", of(KMSAN)},
	{"UBSAN: panic_on_warn set", of(UBSAN)},
	{"KCSAN: panic_on_warn set", of(KCSAN)},
	{"scheduling while atomic", of(SchedInAtomic)},
	{"panic_on_warn set", ^set(0)},
	{"hung_task: blocked tasks", of(HungTask)},
	{"softlockup: hung tasks", of(SoftLockup)},
	{"Hard LOCKUP", of(HardLockup)},
	{"hard LOCKUP", of(HardLockup)},
	{"RCU Stall", of(RCUStall)},
}

// Panics is what a kernel begins its last words with.
const Panics = "Kernel panic - not syncing: "

// Panics that are other reports in an architecture's words.
var (
	umlFault = re(`(?:Kernel mode fault at addr|Kernel tried to access user memory at addr|Segfault with no mm)`)
	smashed  = re(`stack-protector: Kernel stack is corrupted in: ` + sym)
)

// panics reads what follows Panics.
func panics(text string) head {
	for i := range follows {
		if strings.HasPrefix(text, follows[i].text) {
			h := head{kind: Panic, what: "panic: " + normal(text), fixed: true, after: follows[i].after, last: true}
			if follows[i].after == of(StackOverflow) {
				h.kind, h.what, h.fixed = StackOverflow, "", false
			}
			return h
		}
	}
	if umlFault.matches(text) {
		return head{kind: BadAccess, regs: true, alt: []string{strings.TrimSuffix(text[:strings.IndexAny(text+",0", ",0")], " at addr ")}}
	}
	if m := smashed.find(text); m != nil {
		return head{kind: Panic, what: "panic: kernel stack is corrupted", fn: plainName(m[1])}
	}
	return head{kind: Panic, what: "panic: " + normal(text), fixed: true}
}

// speakers are what subsystems put in front of a message (pr_fmt).
var speakers = [...]string{"watchdog: ", "NMI watchdog: ", "rcu: ", "RCU: ", "traps: ", "x86/mm: ", "usercopy: ", "hung_task: ", "kfence: ", "khungtaskd: "}

// readHead says whether a line begins a report, or goes on with one.
func readHead(s string) (head, bool) {
	for i := range speakers {
		if t, ok := strings.CutPrefix(s, speakers[i]); ok {
			s = t
			break
		}
	}
	if s == "" {
		return head{}, false
	}
	d := dispatched()
	list := d.byFirst[s[0]]
	if list == nil {
		list = d.any
	}
	for _, r := range list {
		rest, ok := strings.CutPrefix(s, r.start)
		if !ok {
			continue
		}
		if r.like == nil {
			return r.read(nil), true
		}
		if r.start == "" && !strings.Contains(rest, " [#") {
			continue
		}
		if m := r.like.find(rest); m != nil {
			return r.read(m), true
		}
	}
	return head{}, false
}

// A dispatch has the rules that a line with a given first byte can fit; most lines of a console fit none of those, but any.
type dispatch struct {
	byFirst [256][]*rule
	any     []*rule
}

// dispatched is made when the first line of a console is read: machines' agents have this package, and read none.
var dispatched = sync.OnceValue(func() *dispatch {
	d, rules := &dispatch{}, rules()
	for i := range rules {
		if r := &rules[i]; r.start == "" {
			d.any = append(d.any, r)
		}
	}
	for i := range rules {
		if s := rules[i].start; s != "" && d.byFirst[s[0]] == nil {
			for j := range rules {
				if t := rules[j].start; t == "" || t[0] == s[0] {
					d.byFirst[s[0]] = append(d.byFirst[s[0]], &rules[j])
				}
			}
		}
	}
	return d
})
