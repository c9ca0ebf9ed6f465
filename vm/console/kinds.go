package console

// kinds says of each kind how it is called and what a whole report of it has.
var kinds = [...]struct {
	name  string
	title string // what the title begins with; "" if it is the header's own words
	fn    bool   // a report without a function is not whole
	end   bool   // it ends with "---[ end trace ...]---", or with the panic that it led to
	die   bool   // the task that did it dies, and the machine with it if it was init, an interrupt or panic_on_oops is set
}{
	BadAccess:         {"bad-access", "bad memory access", true, true, true},
	GeneralProtection: {"general-protection", "general protection fault", true, true, true},
	DivideError:       {"divide-error", "divide error", true, true, true},
	Trap:              {"trap", "", true, true, true},
	StackOverflow:     {"stack-overflow", "kernel stack overflow", true, false, true},
	Panic:             {"panic", "", false, false, false},
	KernelBug:         {"kernel-bug", "kernel BUG", true, true, true},
	Bug:               {"bug", "", false, false, false},
	Warning:           {"warning", "WARNING", true, true, false},
	KASAN:             {"kasan", "", true, false, false},
	KFENCE:            {"kfence", "", true, false, false},
	KMSAN:             {"kmsan", "", true, false, false},
	UBSAN:             {"ubsan", "", true, false, false},
	KCSAN:             {"kcsan", "", true, false, false},
	Lockdep:           {"lockdep", "", true, false, false},
	HungTask:          {"hung-task", "task hung", true, false, false},
	RCUStall:          {"rcu-stall", "RCU stall", true, false, false},
	SoftLockup:        {"soft-lockup", "soft lockup", true, false, false},
	HardLockup:        {"hard-lockup", "hard lockup", true, false, false},
	SleepInAtomic:     {"sleep-in-atomic", "sleeping in atomic context", true, false, false},
	SchedInAtomic:     {"sched-in-atomic", "scheduling while atomic", true, false, false},
	GoPanic:           {"go-panic", "", true, false, false},
	GoFatal:           {"go-fatal", "", false, false, false},
	GoRace:            {"go-race", "data race", true, false, false},
	GoStuck:           {"go-stuck", "stuck tasks", false, false, false},
}

// set is a set of kinds.
type set uint32

func of(ks ...Kind) (s set) {
	for _, k := range ks {
		s |= 1 << k
	}
	return s
}

func (s set) has(k Kind) bool { return s>>k&1 != 0 }

// dying are the kinds whose report die() of the architecture prints.
var dying = func() (s set) {
	for k := range kinds {
		if kinds[k].die {
			s |= 1 << k
		}
	}
	return s
}()
