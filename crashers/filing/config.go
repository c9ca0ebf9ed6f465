package filing

import (
	"slices"
	"strings"
)

// matters are options of kernels that change what ptrace, signals, exec, exit and wait do, how their races go, or what a kernel says
// when they break; with all that begin like those that end in *.
var matters = []string{"CC_VERSION_TEXT", "SMP", "NR_CPUS", "PREEMPT*", "HZ", "NO_HZ_FULL", "GENERIC_ENTRY", "SECCOMP*", "SECURITY_YAMA", "CHECKPOINT_RESTORE", "PID_NS",
	"USER_NS", "COMPAT", "IA32_EMULATION", "X86_FRED", "VIRT_CPU_ACCOUNTING_GEN", "RSEQ", "POSIX_CPU_TIMERS_TASK_WORK", "BSD_PROCESS_ACCT", "TASKSTATS",
	"KASAN", "KCSAN", "KMSAN", "UBSAN", "KFENCE", "KCOV", "LOCKDEP", "PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP", "DEBUG_LIST", "DETECT_HUNG_TASK"}

// relevant are the lines of a kernel's configuration that matter, of which it sets something.
func relevant(config string) string {
	var b strings.Builder
	for l := range strings.Lines(config) {
		option, value, set := strings.Cut(strings.TrimRight(l, "\n"), "=")
		name, is := strings.CutPrefix(option, "CONFIG_")
		if set && is && value != "n" && slices.ContainsFunc(matters, func(m string) bool {
			prefix, any := strings.CutSuffix(m, "*")
			return name == m || any && strings.HasPrefix(name, prefix)
		}) {
			b.WriteString(l)
		}
	}
	return b.String()
}

// kernels says on which kernels the finding was tried.
func (it *Item) kernels() string {
	var b strings.Builder
	for _, t := range it.Tried {
		b.WriteString(t.Where() + ": " + t.Rate() + "\n")
	}
	return b.String()
}
