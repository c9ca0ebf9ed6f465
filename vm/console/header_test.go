package console

import (
	"strings"
	"testing"
)

// TestWordings has what no log of testdata shows: wordings of other kernels and configurations, taken from the format
// strings of their sources, and what must be no report.
func TestWordings(t *testing.T) {
	const frames = "Call Trace:\n dump_stack_lvl+0x44/0x5c\n __might_resched+0x1/0x2\n ptrace_stop+0x10/0x20\n do_syscall_64+0x1/0x2\n</TASK>\n"
	for _, tc := range []struct{ from, text, title string }{
		{"lib/bug.c and kernel/panic.c, 6.19", "WARNING: kernel/signal.c:2300 at ptrace_stop+0x10/0x20, CPU#1: sh/123", "WARNING in ptrace_stop"},
		{"kernel/panic.c, 3.11", "WARNING: CPU: 0 PID: 1 at kernel/signal.c:2300 ptrace_stop+0x10/0x20()", "WARNING in ptrace_stop"},
		{"kernel/panic.c, 3.10", "WARNING: at kernel/signal.c:2300 ptrace_stop+0x10/0x20()", "WARNING in ptrace_stop"},
		{"kernel/panic.c, without CONFIG_DEBUG_BUGVERBOSE", "WARNING: CPU: 0 PID: 1 at ptrace_stop+0x10/0x20", "WARNING in ptrace_stop"},

		{"arch/x86/mm/fault.c, 4.19", "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008\nRIP: 0010:ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/x86/mm/fault.c, 4.19", "BUG: unable to handle kernel paging request at ffffffff12345678\nRIP: 0010:[<ffffffff81000000>]  [<ffffffff81000000>] ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/x86/kernel/dumpstack.c, 6.10", "BUG: unable to handle page fault for address: ffffffff12345678\nOops: Oops: 0002 [#1] PREEMPT SMP NOPTI\nRIP: 0010:ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/x86/kernel/traps.c, 6.10", "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#1] SMP KASAN\nKASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]\nRIP: 0010:ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/x86/kernel/traps.c", "general protection fault: 0000 [#1] SMP\nRIP: 0010:ptrace_stop+0x10/0x20", "general protection fault in ptrace_stop"},
		{"arch/x86/kernel/traps.c", "traps: PANIC: double fault, error_code: 0x0\nRIP: 0010:ptrace_stop+0x10/0x20", "trap: double fault in ptrace_stop"},
		{"arch/x86/kernel/traps.c", "stack segment: 0000 [#1] SMP\nRIP: 0010:ptrace_stop+0x10/0x20", "trap: stack segment in ptrace_stop"},
		{"arch/x86/kernel/dumpstack.c, 32 bits", "BUG: kernel NULL pointer dereference, address: 00000000\n#PF: x\nOops: 0002 [#1]\nEIP: ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/arm/mm/fault.c", "8<--- cut here ---\nUnable to handle kernel NULL pointer dereference at virtual address 00000000 when write\n[00000000] *pgd=00000000\nInternal error: Oops: 805 [#1] SMP ARM\nPC is at ptrace_stop+0x10/0x20", "bad memory access in ptrace_stop"},
		{"arch/riscv/mm/fault.c", "Unable to handle kernel paging request at virtual address ffffffd012345678\nOops [#1]\nepc : ptrace_stop+0x10/0x20\n ra : do_x+0x1/0x2", "bad memory access in ptrace_stop"},
		{"arch/powerpc/mm/fault.c", "BUG: Unable to handle kernel data access on write at 0x12345678\nFaulting instruction address: 0xc000000000123456\nOops: Kernel access of bad area, sig: 11 [#1]\nNIP:  c000000000123456 LR: c000000000123457 CTR: 0\nNIP [c000000000123456] ptrace_stop+0x10/0x20\nLR [c000000000123457] x+0x1/0x2", "bad memory access in ptrace_stop"},
		{"arch/um/kernel/trap.c", "Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60023456\nCall Trace:\n [<60001000>] ? segv+0x0/0x2\n [<60001000>] panic+0x1/0x2\n [<60001000>] segv+0x1/0x2\n [<60001000>] segv_handler+0x1/0x2\n [<60001000>] sig_handler_common+0x1/0x2\n [<60001000>] sig_handler+0x1/0x2\n [<60001000>] ptrace_stop+0x1/0x2", "bad memory access in ptrace_stop"},

		{"mm/kasan/report.c, 6.3", "BUG: KASAN: slab-use-after-free in ptrace_stop+0x10/0x20\nWrite of size 8 at addr ffff888012345678 by task sh/123", "KASAN: use-after-free in ptrace_stop"},
		{"mm/kasan/report.c, 5.x", "BUG: KASAN: double-free or invalid-free in kfree+0x10/0x20\n" + frames, "KASAN: double-free or invalid-free in ptrace_stop"},
		{"mm/kmsan/report.c", "BUG: KMSAN: uninit-value in ptrace_stop+0x10/0x20\n ptrace_stop+0x10/0x20", "KMSAN: uninit-value in ptrace_stop"},
		{"kernel/kcsan/report.c", "BUG: KCSAN: data-race in ptrace_stop / wait_consider_task\nwrite to 0xffff888012345678 of 8 bytes by task 12 on cpu 0:\n ptrace_stop+0x10/0x20", "KCSAN: data-race in ptrace_stop / wait_consider_task"},
		{"kernel/kcsan/report.c", "BUG: KCSAN: data-race in ptrace_stop+0x10/0x20\nrace at unknown origin, with read to 0xffff888012345678 of 8 bytes by task 12 on cpu 0:\n", "KCSAN: data-race in ptrace_stop"},
		{"lib/ubsan.c, 6.2", "UBSAN: array-index-out-of-bounds in kernel/signal.c:12:34\nindex 7 is out of range for type 'int [4]'\n" + frames, "UBSAN: array-index-out-of-bounds in ptrace_stop"},

		{"kernel/watchdog.c", "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [sh:123]\nRIP: 0010:_raw_spin_lock+0x10/0x20\n" + frames, "soft lockup in ptrace_stop"},
		{"kernel/watchdog_hld.c", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1\nRIP: 0010:ptrace_stop+0x10/0x20", "hard lockup in ptrace_stop"},
		{"kernel/watchdog.c, 6.6", "watchdog: Watchdog detected hard LOCKUP on cpu 1\nRIP: 0010:ptrace_stop+0x10/0x20", "hard lockup in ptrace_stop"},
		{"arch/powerpc/kernel/watchdog.c", "watchdog: CPU 1 Hard LOCKUP\nNIP [c000000000123456] ptrace_stop+0x10/0x20", "hard lockup in ptrace_stop"},
		{"kernel/rcu/tree_stall.h", "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\nSending NMI from CPU 1 to CPUs 0:\nNMI backtrace for cpu 0\nRIP: 0010:ptrace_stop+0x10/0x20", "RCU stall in ptrace_stop"},
		{"kernel/rcu/tree_exp.h", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 0-... }\nRIP: 0010:ptrace_stop+0x10/0x20", "RCU stall in ptrace_stop"},
		{"kernel/hung_task.c", "INFO: task a name:77:123 blocked for more than 120 seconds.\n" + frames, "task hung in ptrace_stop"},
		{"kernel/sched/core.c", "BUG: sleeping function called from invalid context at mm/slab.h:12\n" + frames, "sleeping in atomic context in ptrace_stop"},
		{"kernel/locking/lockdep.c, 4.11", "[ INFO: possible recursive locking detected ]\nstack backtrace:\n" + frames, "lockdep: recursive locking in ptrace_stop"},
		{"kernel/locking/lockdep.c", "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\nsh/12 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:\nffff888012345678 (&x){+.+.}-{2:2}, at: ptrace_stop+0x10/0x20", "lockdep: irq-unsafe lock order in ptrace_stop"},
		{"kernel/locking/spinlock_debug.c", "BUG: spinlock bad magic on CPU#0, sh/123\n" + frames, "BUG: spinlock bad magic in ptrace_stop"},
		{"mm/slub.c", "BUG kmalloc-64 (Tainted: G    B): Object already free\n" + frames, "BUG: slab: Object already free in ptrace_stop"},
		{"lib/smp_processor_id.c", "BUG: using smp_processor_id() in preemptible [00000000] code: sh/123\n" + frames, "BUG: using smp_processor_id() in preemptible code in ptrace_stop"},
		{"kernel/panic.c", "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: ptrace_stop+0x10/0x20", "panic: kernel stack is corrupted in ptrace_stop"},
		{"kernel/panic.c", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "panic: VFS: Unable to mount root fs on unknown-block(N,N)"},
		{"gVisor pkg/sentry/watchdog", "W1125 20:51:14.123456       1 watchdog.go:302] Sentry detected 2 stuck task(s):", "stuck tasks"},

		// Prefixes.
		{"printk with levels", "<4>[    1.234567] BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"CONFIG_PRINTK_CALLER", "[    1.234567][   T12] BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"/dev/kmsg", "3,1234,5678901,-;BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"/dev/kmsg with callers", "3,1234,5678901,-,caller=T12;BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"a journal", "Nov 25 20:51:14 host kernel: BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"a journal", "2026-11-25T20:51:14+00:00 host kernel: [    1.234567] BUG: workqueue lockup - pool", "BUG: workqueue lockup"},
		{"a terminal", "\x1b[0;31mBUG: workqueue lockup\x1b[0m - pool\r", "BUG: workqueue lockup"},
		{"behind a prompt", "/ # [    1.234567] BUG: workqueue lockup - pool", "BUG: workqueue lockup"},

		// No reports.
		{"a user's program", "WARNING: apt does not have a stable CLI interface.", ""},
		{"a user's program", "a.out[123]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 in a.out[401000+1000]", ""},
		{"arch/x86/kernel/traps.c, of a user", "traps: a.out[123] general protection fault ip:401136 sp:7ffd error:0 in a.out[401000+1000]", ""},
		{"fs/coredump.c", "coredump: 123(a.out): |/bin/false pipe failed, aborting core", ""},
		{"arch/x86/kernel/cpu/bugs.c", "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on", ""},
		{"kernel/printk", "printk: console [ttyS0] enabled", ""},
		{"nothing", "", ""},
	} {
		rs := Parse([]byte(tc.text + "\n"))
		switch {
		case tc.title == "" && len(rs) != 0:
			t.Errorf("%s: %q: a report:\n%s", tc.from, tc.text, show(rs))
		case tc.title != "" && (len(rs) != 1 || rs[0].Title != tc.title):
			t.Errorf("%s: %q: got\n%swant %q", tc.from, tc.text, show(rs), tc.title)
		}
		if again := show(ParseLines(strings.Split(tc.text, "\n"))); again != show(rs) {
			t.Errorf("%s: line by line:\n%sat once:\n%s", tc.from, again, show(rs))
		}
	}
}

// Two contexts print at once: with callers in front of the messages they are told apart.
func TestCallers(t *testing.T) {
	rs := Parse([]byte(`[    1.000000][   T12] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    1.000001][   T12] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    1.000002][    C1] RIP: 0010:innocent+0x1/0x2
[    1.000003][   T12] RIP: 0010:guilty+0x1/0x2
[    1.000004][    C1]  innocent+0x1/0x2
[    1.000005][   T12] ---[ end trace 0000000000000000 ]---
`))
	if len(rs) != 1 || rs[0].Func != "guilty" || rs[0].State != Complete {
		t.Errorf("got:\n%s", show(rs))
	}
}

// The last words of a machine belong to the report that they follow; on their own they are a report.
func TestLastWords(t *testing.T) {
	warn := "WARNING: CPU: 0 PID: 1 at kernel/signal.c:2300 ptrace_stop+0x10/0x20\n---[ end trace 0000000000000000 ]---\n"
	for _, tc := range []struct {
		text   string
		titles string
	}{
		{"Kernel panic - not syncing: Fatal exception\n", "panic: Fatal exception"},
		{warn + "Kernel panic - not syncing: kernel: panic_on_warn set ...\n", "WARNING in ptrace_stop"},
		{warn + "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n", "WARNING in ptrace_stop; panic: Attempted to kill init! exitcode=N"},
		{warn + strings.Repeat("x\n", 500) + "Kernel panic - not syncing: kernel: panic_on_warn set ...\n", "WARNING in ptrace_stop"},
		{warn + "Linux version 6.1.0\nKernel panic - not syncing: kernel: panic_on_warn set ...\n", "WARNING in ptrace_stop; panic: kernel: panic_on_warn set"},
	} {
		var got []string
		for _, r := range Parse([]byte(tc.text)) {
			got = append(got, r.Title)
		}
		if s := strings.Join(got, "; "); s != tc.titles {
			t.Errorf("%q: got %q, want %q", tc.text, s, tc.titles)
		}
	}
}

// A console that goes quiet is asked for what there is; the rest of the report is no second one.
func TestFlush(t *testing.T) {
	var rs []Report
	p := NewParser(func(r Report) { rs = append(rs, r) })
	p.Write([]byte("BUG: kernel NULL pointer dereference, address: 0\n#PF: x\nRIP: 0010:ptrace_stop+0x1/0x2\n"))
	if len(rs) != 0 {
		t.Fatalf("too early:\n%s", show(rs))
	}
	p.Flush()
	if len(rs) != 1 || rs[0].Func != "ptrace_stop" || rs[0].State != Truncated {
		t.Fatalf("got:\n%s", show(rs))
	}
	p.Write([]byte("Call Trace:\n f+0x1/0x2\n---[ end trace 0000000000000000 ]---\nKernel panic - not syncing: Fatal exception\n"))
	p.Close()
	if len(rs) != 1 {
		t.Errorf("its rest:\n%s", show(rs[1:]))
	}
}

// A report ends, whatever traces of other tasks follow it.
func TestLong(t *testing.T) {
	rs := Parse([]byte("INFO: task a:1 blocked for more than 120 seconds.\n" + strings.Repeat("Call Trace:\n f+0x1/0x2\n", 5000)))
	if len(rs) != 1 || rs[0].Func != "f" || rs[0].Last > maxLong || len(rs[0].Trace) != 1 {
		t.Errorf("got:\n%s", show(rs))
	}
}

// The table of rules has no rule that an earlier one hides, nor one that no line fits.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules() {
		key := r.start
		if r.like != nil {
			key += r.like.text
		}
		if seen[key] {
			t.Errorf("%q twice", key)
		}
		seen[key] = true
		if r.like == nil && r.start == "" {
			t.Error("a rule that fits everything")
		}
	}
	for _, h := range helpers {
		if h.why == "" || len(h.names)+len(h.starts) == 0 {
			t.Errorf("%+v", h)
		}
	}
}

// Patterns are compiled when a line asks for them: here all of them are.
func TestPatternsCompile(t *testing.T) {
	for _, r := range rules() {
		if r.like != nil {
			r.like.compiled()
		}
	}
	for _, p := range []*pattern{taskLike, addrLike, numLike, symLike, umlFault, smashed} {
		p.compiled()
	}
}
