package console

import (
	"strings"
	"sync"
)

// helper is a family of functions that a trace goes through and that no bug is in: a report is about their caller.
type helper struct {
	why    string
	names  []string // whole names
	starts []string // or beginnings
}

// helpers are kept in families, each with why it is skipped. Names are those of all architectures.
var helpers = [...]helper{
	{why: "print the report itself",
		names:  []string{"dump_stack", "dump_stack_lvl", "__dump_stack", "show_stack", "show_regs", "show_stack_regs", "dump_backtrace", "sched_show_task", "print_report", "dump_cpu_task", "vpanic", "panic", "nmi_panic", "panic_nopv", "do_panic", "check_panic_on_warn", "unwind_backtrace", "end_report", "debug_show_all_locks", "rcu_dump_cpu_stacks", "print_address_description"},
		starts: []string{"nmi_cpu_backtrace", "nmi_trigger_cpumask_backtrace", "arch_trigger_cpumask_backtrace", "show_trace", "walk_stackframe", "arch_stack_walk", "stack_trace_"}},
	{why: "raise or handle a BUG or WARN, whose place is their caller",
		names:  []string{"report_bug", "handle_bug", "__report_bug", "bug_handler", "fixup_bug", "is_valid_bugaddr", "__bug", "warn_bogus_irq_restore"},
		starts: []string{"__warn", "warn_slowpath", "__stack_chk_fail", "__fortify_", "fortify_panic", "__WARN", "warn_bad"}},
	{why: "the architecture's way from an exception to its handler",
		names: []string{"do_page_fault", "exc_page_fault", "page_fault", "page_fault_oops", "no_context", "__bad_area_nosemaphore", "bad_area_nosemaphore", "__bad_area", "bad_area", "do_user_addr_fault", "do_kern_addr_fault", "kernelmode_fixup_or_oops",
			"die", "__die", "die_body", "die_kernel_fault", "__do_kernel_fault", "do_mem_abort", "do_translation_fault", "do_sp_pc_abort", "do_undefinstr", "brk_handler", "do_debug_exception", "call_break_hook", "arm64_serror_panic", "bad_mode", "panic_bad_stack", "__panic_unhandled",
			"el1_abort", "el1_dbg", "el1_undef", "el1_brk64", "el1h_64_sync_handler", "el1h_64_sync", "el1h_64_irq_handler", "el1h_64_irq", "el1_interrupt", "handle_bad_stack", "ret_from_exception", "handle_exception", "do_trap_break", "do_trap_error", "do_trap_unknown", "do_irq", "handle_riscv_irq",
			"do_dat_exception", "do_protection_exception", "do_fault_error", "do_no_context", "__do_pgm_check", "pgm_check_handler", "kernel_stack_overflow", "stack_overflow", "handle_fault_error_nolock", "handle_fault_error",
			"bad_page_fault", "__bad_page_fault", "do_bad_page_fault_segv", "hash__do_page_fault", "program_check_exception", "program_check_common", "__do_program_check", "do_program_check", "system_call_common", "_exception",
			"segv", "segv_handler", "sig_handler_common", "sig_handler", "timer_handler", "hard_handler", "unblock_signals", "__restore_rt", "bus_handler", "relay_signal", "winch", "get_signals", "kernel_trap", "math_error", "invalid_op", "divide_error", "double_fault", "general_protection", "handle_stack_overflow", "entry_stack_overflow", "fault_in_kernel_space"},
		starts: []string{"asm_exc_", "exc_", "asm_sysvec_", "sysvec_", "do_error_trap", "do_trap", "do_invalid_op", "do_divide_error", "do_general_protection", "do_double_fault", "do_int3", "data_access_", "instruction_access_", "error_entry", "ret_from_", "h_data_storage", "interrupt_return", "interrupt_after_", "oops_", "__oops"}},
	{why: "every trace of a system call ends here",
		names: []string{"do_syscall_64", "x64_sys_call", "entry_SYSCALL_64", "entry_SYSCALL_64_after_hwframe", "entry_SYSCALL_64_safe_stack", "do_int80_syscall_32", "entry_INT80_compat", "do_fast_syscall_32", "__do_fast_syscall_32", "entry_SYSENTER_compat_after_hwframe", "el0_svc", "do_el0_svc", "el0_svc_common", "invoke_syscall", "el0t_64_sync_handler", "el0t_64_sync",
			"system_call", "__do_syscall", "system_call_exception", "system_call_vectored_common", "do_trap_ecall_u", "ret_from_syscall", "handle_syscall", "userspace", "new_thread_handler"}},
	{why: "sanitizers and their checks",
		names:  []string{"check_region_inline", "check_memory_region", "read_word_at_a_time", "kfence_report_error", "kfence_handle_page_fault", "kfence_protect_page", "__handle_page_fault", "ubsan_epilogue", "handle_overflow", "ubsan_prologue", "val_to_string", "find_report", "set_other_info_task_blocking", "instrument_atomic_read_write", "instrument_atomic_write", "instrument_atomic_read"},
		starts: []string{"kasan_", "__kasan_", "__asan_", "__hwasan_", "kcsan_", "__tsan_", "__kcsan", "__ubsan_", "ubsan_", "kmsan_", "__msan_", "kfence_", "__kfence_", "check_canary", "__sanitizer"}},
	{why: "lockdep reports about the callers of lock functions",
		names: []string{"lock_acquire", "lock_release", "lock_is_held_type", "__lock_acquire", "__lock_release", "check_noncircular", "check_prev_add", "validate_chain", "mark_lock", "mark_usage", "mark_held_locks", "reacquire_held_locks", "print_circular_bug", "print_usage_bug", "check_deadlock", "mark_lock_irq", "register_lock_class", "look_up_lock_class", "assign_lock_key", "spin_bug", "spin_dump", "rwlock_bug",
			"trace_hardirqs_on", "trace_hardirqs_off", "check_flags", "check_wait_context"},
		starts: []string{"lockdep_", "print_bad_", "print_unlock_", "print_lock", "print_deadlock", "print_irq_inversion", "debug_check_no_locks", "debug_locks", "print_invalid_wait"}},
	{why: "locks: who takes them wrongly is their caller",
		names:  []string{"down", "__down", "up", "__up", "down_read", "down_write", "down_trylock", "down_timeout", "down_interruptible", "down_killable", "up_read", "up_write", "osq_lock", "osq_unlock", "rtnl_lock", "debug_mutex_lock_common", "percpu_down_write", "kasan_check_byte", "_atomic_dec_and_lock", "native_queued_spin_lock_slowpath", "queued_spin_lock_slowpath", "pv_queued_spin_lock_slowpath", "arch_spin_lock_wait", "arch_spin_lock_retry", "lock_wait_stat"},
		starts: []string{"_raw_spin_", "__raw_spin_", "_raw_read_", "_raw_write_", "do_raw_", "debug_spin_", "mutex_", "__mutex_", "ww_mutex_", "__ww_mutex_", "rwsem_", "rt_mutex_", "__rt_mutex", "rt_spin_", "down_read_", "down_write_", "__down_", "percpu_rwsem_", "percpu_down_", "queued_read_lock", "queued_write_lock", "rwbase_"}},
	{why: "sleeping and scheduling: what hangs or must not sleep is whoever calls them",
		names:  []string{"schedule", "__schedule", "__schedule_bug", "schedule_debug", "schedule_idle", "preempt_schedule", "context_switch", "io_schedule", "io_schedule_timeout", "__switch_to", "__switch_to_asm", "_switch_to", "_switch", "switch_to", "msleep", "msleep_interruptible", "usleep_range", "usleep_range_state", "ssleep", "fsleep", "might_sleep", "__cond_resched", "cond_resched", "dump_cpu_task", "resched_curr", "do_sched_yield", "yield", "bit_wait", "bit_wait_io", "out_of_line_wait_on_bit", "do_nanosleep", "rcu_note_context_switch", "rcu_lockdep_current_cpu_online", "rcu_sleep_check", "do_task_dead"},
		starts: []string{"schedule_", "preempt_schedule_", "wait_for_completion", "wait_for_common", "__wait_for_common", "do_wait_for_common", "do_wait_intr", "__wait_rcu_gp", "wait_rcu_gp", "__might_", "___might_", "prepare_to_wait", "finish_wait", "__wait_on_bit", "__cant_", "wait_on_bit", "completion_"}},
	{why: "string and memory functions work on what they are given",
		names:  []string{"__memcpy", "__memset", "__memmove", "memcpy_orig", "memset_orig", "memmove_orig", "string", "string_nocheck", "pointer", "vsnprintf", "snprintf", "vscnprintf", "scnprintf", "sprintf", "kasprintf", "kvasprintf", "rep_movs_alternative", "rep_stos_alternative", "clear_page", "copy_page", "csum_partial"},
		starts: []string{"memcpy", "memset", "memmove", "memcmp", "memchr", "memscan", "strcmp", "strncmp", "strcasecmp", "strcpy", "strlcpy", "strncpy", "strscpy", "strlen", "strnlen", "strchr", "strrchr", "strstr", "strnstr", "strcat", "strlcat", "strsep", "__mem", "__pi_mem", "__pi_str", "__pi___mem", "clear_page_", "copy_page_", "copy_user_", "__copy_user", "_copy_to_", "_copy_from_", "__copy_to_", "__copy_from_", "copy_to_user", "copy_from_user", "__arch_copy_", "raw_copy_", "asm_copy_", "__asm_copy", "fallback_", "_printk", "printk", "vprintk", "__get_user", "__put_user"}},
	{why: "hardening: each checks on behalf of its caller",
		names:  []string{"refcount_warn_saturate", "usercopy_abort", "__check_object_size", "check_object_size", "__check_heap_object", "check_heap_object", "check_copy_size", "check_bogus_address", "check_stack_object", "kobject_put", "kobject_get", "ex_handler_refcount", "sysfs_warn_dup"},
		starts: []string{"refcount_", "__refcount_", "__list_add_", "__list_del_", "list_del", "list_add", "__list_", "check_list_", "debug_object_", "debug_print_object", "__debug_object"}},
	{why: "allocators: who frees twice or asks for too much is their caller",
		names:  []string{"kfree", "kvfree", "vfree", "vunmap", "kmalloc", "___kmalloc_large_node", "free_pages", "get_free_pages", "new_slab", "object_err", "slab_err", "print_trailer", "check_object", "on_freelist", "bad_page", "free_page_is_bad_report", "free_page_is_bad", "get_page_from_freelist", "rmqueue", "set_freepointer", "do_slab_free", "discard_slab", "warn_alloc", "kfree_sensitive", "kmem_cache_free", "cache_from_obj", "__slab_free", "__free_slab", "free_to_partial_list", "free_unref_page", "free_unref_folio"},
		starts: []string{"__kmalloc", "__kmem_cache_", "kmem_cache_", "slab_", "__slab_", "___slab_", "free_pages_", "__free_pages", "__free_page", "free_unref_page", "__alloc_pages", "alloc_pages", "free_debug_processing", "alloc_debug_processing", "check_new_page", "free_pcp", "free_one_page", "__vmalloc", "vmalloc", "kvmalloc", "___kmalloc"}},
	{why: "watchdogs see what they interrupted, by way of timers and interrupts",
		names:  []string{"watchdog_timer_fn", "check_hung_uninterruptible_tasks", "watchdog", "rcu_check_callbacks", "rcu_sched_clock_irq", "print_cpu_stall", "check_cpu_stall", "rcu_pending", "update_process_times", "tick_sched_handle", "tick_sched_timer", "tick_nohz_handler", "tick_handle_periodic", "hrtimer_interrupt", "watchdog_hardlockup_check", "watchdog_overflow_callback", "irq_exit", "irq_exit_rcu", "do_IRQ", "apic_timer_interrupt", "smp_apic_timer_interrupt", "irq_enter", "do_ext_irq", "ext_int_handler", "timer_interrupt", "do_local_interrupt", "lapic_next_deadline", "csd_lock_wait_toolong", "csd_lock_record"},
		starts: []string{"__hrtimer_run_queues", "__run_hrtimer", "tick_periodic", "__sysvec_"}},
}

var helperIndex = sync.OnceValues(func() (map[string]bool, map[byte][]string) {
	names, starts := map[string]bool{}, map[byte][]string{}
	for _, h := range helpers {
		for _, n := range h.names {
			names[n] = true
		}
		for _, s := range h.starts {
			starts[s[0]] = append(starts[s[0]], s)
		}
	}
	return names, starts
})

// isHelper says that a report is not about this function but about who called it.
func isHelper(fn string) bool {
	names, starts := helperIndex()
	if fn == "" || names[fn] {
		return true
	}
	for _, s := range starts[fn[0]] {
		if strings.HasPrefix(fn, s) {
			return true
		}
	}
	return false
}

// goHelpers are the packages of Go whose frames on top of a goroutine are there because something failed in their caller.
var goHelpers = [...]string{"runtime.", "runtime/", "panic(", "sync.", "sync/atomic.", "internal/", "testing.", "log.", "os.Exit",
	"gvisor.dev/gvisor/pkg/log.", "gvisor.dev/gvisor/pkg/sync.", "gvisor.dev/gvisor/pkg/refs."}

func isGoHelper(fn string) bool {
	for _, h := range goHelpers {
		if strings.HasPrefix(fn, h) {
			return true
		}
	}
	return fn == "panic"
}

// noise are messages of a healthy kernel that look like findings or that the suite provokes itself.
var noise = [...]struct{ text, why string }{
	{"aborting core", "the actors' own core limit of 1 byte: their dumps are cut short on purpose (Linux before 6.9)"},
	{"Aborting core", "the same, as later kernels write it"},
	{"Attempted to relay unknown signal", "UML says so whenever a tracee runs int3"},
	{"epollctl add err", "UML without epoll on its consoles"},
	{"segfault at", "a user's program died, which is what programs do"},
	{"potentially unexpected fatal signal", "the same with print-fatal-signals"},
}

// IsNoise says that a line of a kernel's log is known to be no finding.
func IsNoise(line string) bool {
	for i := range noise {
		if strings.Contains(line, noise[i].text) {
			return true
		}
	}
	return false
}
