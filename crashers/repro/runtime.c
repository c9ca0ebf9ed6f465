/*
 * How it works. Each round runs in a PID namespace of its own, whose init is this program: whatever a round leaves is
 * killed with its namespace. The actors share one mapping with init. An actor marks where it is before and after each
 * call, so init sees progress, and sees which calls are in flight when there is none.
 */
struct shared {
	int tid[ACTORS];      /* written by clone(CLONE_PARENT_SETTID) before the actor runs */
	int in_call[ACTORS];  /* 1 + index of the call in flight */
	int parked[ACTORS];
	long var[VARS];
	long delay[CELLS];    /* nanoseconds, drawn anew each round */
	struct { int arrived, open, ready; } barrier[BARRIERS];
	int steps;            /* grows with every step of any actor */
	int seen;             /* a bit for each call of the evidence: it was made */
	int shown;
	int end;
	char stack[ACTORS][STACK] __attribute__((aligned(64)));
};
static struct shared *S;
static long scratch[512] __attribute__((unused)); /* what tracers peek and poke */

enum { SHARED_FD = 200, EXE_FD = 201, SETUID_FD = 202, QUIET_MS = 300, LIMIT_MS = 5000, SPIN = 20000 };
enum { NOT_SHOWN, SHOWN, STUCK, BROKEN };
enum { EXIT_NOT_SHOWN = 0, EXIT_SHOWN = 1, EXIT_CANNOT_TELL = 125 };

/* The system call as the kernel sees it: no errno, which threads without TLS of their own would share. */
static inline long sys(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long i32(const void *p) { int v; memcpy(&v, p, sizeof v); return v; }
static inline long i64(const void *p) { long v; memcpy(&v, p, sizeof v); return v; }
static inline void put32(void *p, long v) { int i = (int)v; memcpy(p, &i, sizeof i); }
static inline void put64(void *p, long v) { memcpy(p, &v, sizeof v); }
static inline long L(const void *p) { return (long)p; }

/* The tid that an actor got at its creation; one that no task has before that. */
static inline long T(int actor) { return S->tid[actor] ? S->tid[actor] : 1L << 22; }

static inline void step(void) { __atomic_add_fetch(&S->steps, 1, __ATOMIC_SEQ_CST); }

static inline void begin(int actor, int call)
{
	__atomic_store_n(&S->in_call[actor], call + 1, __ATOMIC_SEQ_CST);
	step();
}

static inline void done(int actor)
{
	__atomic_store_n(&S->in_call[actor], 0, __ATOMIC_SEQ_CST);
	step();
}

static inline void seen(int bit) { __atomic_or_fetch(&S->seen, 1 << bit, __ATOMIC_SEQ_CST); }
static inline void shown(void) { __atomic_store_n(&S->shown, 1, __ATOMIC_SEQ_CST); }

static inline long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static inline void spin(int cell)
{
	long d = S->delay[cell], t = now();
	while (d > 0 && now() - t < d)
		;
}

static inline void futex_wait(int *w, int value) { sys(SYS_futex, L(w), 0 /* FUTEX_WAIT */, value, 0, 0, 0); }
static inline void futex_wake(int *w) { sys(SYS_futex, L(w), 1 /* FUTEX_WAKE */, 1 << 30, 0, 0, 0); }

static inline void barrier(int b, int parties, int align)
{
	if (__atomic_add_fetch(&S->barrier[b].arrived, 1, __ATOMIC_SEQ_CST) == parties) {
		__atomic_store_n(&S->barrier[b].open, 1, __ATOMIC_SEQ_CST);
		futex_wake(&S->barrier[b].open);
	}
	while (!__atomic_load_n(&S->barrier[b].open, __ATOMIC_SEQ_CST))
		futex_wait(&S->barrier[b].open, 0);
	if (align) {
		__atomic_add_fetch(&S->barrier[b].ready, 1, __ATOMIC_SEQ_CST);
		for (int i = 0; i < SPIN && __atomic_load_n(&S->barrier[b].ready, __ATOMIC_SEQ_CST) < parties; i++)
			;
	}
	step();
}

/* An actor that came to its end stays: exiting would be another event. */
static inline void __attribute__((noreturn)) park(int actor)
{
	__atomic_store_n(&S->parked[actor], 1, __ATOMIC_SEQ_CST);
	step();
	__atomic_add_fetch(&S->end, 1, __ATOMIC_SEQ_CST);
	futex_wake(&S->end);
	for (;;)
		futex_wait(&S->end, __atomic_load_n(&S->end, __ATOMIC_SEQ_CST));
}

static int executed = -1; /* in a new image: the actor that executed it */
static void handler_ran(int actor, long sig, long code, long pid);

/* Actors have stacks of their own, but for the one that a new image begins with. */
static int here(void)
{
	char on_stack;
	long at = L(&on_stack) - L(S->stack);
	return at >= 0 && at < (long)sizeof S->stack ? (int)(at / STACK) : executed;
}

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	step();
	handler_ran(here(), sig, info->si_code, info->si_pid);
}

struct kernel_sigaction { long handler, flags, restorer, mask; };
void restorer(void);
__asm__(".text\n.globl restorer\nrestorer:\n\tmov $15, %eax\n\tsyscall\n"); /* rt_sigreturn */

static inline long set_action(long sig, long disposition, long flags)
{
	struct kernel_sigaction a = { disposition, flags, 0, 0 };
	if (disposition == 2) {
		a.handler = L((void *)handler);
		a.flags |= 0x04000000 /* SA_RESTORER */;
		a.restorer = L((void *)restorer);
	}
	return sys(SYS_rt_sigaction, sig, L(&a), 0, 8, 0, 0);
}

/* A siginfo as sigqueue(3) sends it. */
static inline long fill_siginfo(char *buf, long sig, long code, long pid)
{
	memset(buf, 0, 128);
	put32(buf, sig);
	put32(buf + 8, code);
	put32(buf + 16, pid);
	return L(buf);
}

/* A filter that does action to one call and allows all others. */
static inline long filter_call(long nr, unsigned action, long flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof f[0], f };
	return sys(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, flags, L(&p), 0, 0, 0);
}

static void actor(int which, int at);

static void __attribute__((used, noreturn)) enter(long which)
{
	if (which == 0)
		sys(SYS_setpgid, 0, 0, 0, 0, 0, 0); /* the first actor leads a process group */
	actor((int)which, 0);
	park((int)which);
}

/* clone of an actor: it starts in enter() on a stack of its own. */
static inline long spawn(long flags, int which)
{
	long *sp = (long *)(void *)S->stack[which] + STACK / sizeof(long), ret;
	*--sp = which;
	*--sp = L((void *)enter);
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags | CLONE_PARENT_SETTID), "S"(sp), "d"(&S->tid[which]), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

/* execve of this same program; it goes on in main(), which finds the actor and its place in the arguments. */
static inline long exec_self(int image, const char *which, const char *at)
{
	const char *argv[] = { "actor", which, at, NULL }, *envp[] = { NULL };
	return sys(SYS_execveat, image, L(""), L(argv), L(envp), AT_EMPTY_PATH, 0);
}

static inline long exec_missing(void)
{
	const char *argv[] = { "actor", NULL }, *envp[] = { NULL };
	return sys(SYS_execveat, AT_FDCWD, L("/no/such/image"), L(argv), L(envp), 0, 0);
}

static int map_shared(void)
{
	void *p = mmap(NULL, sizeof *S, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	S = p;
	return p == MAP_FAILED;
}

static int hang_shown(void);
static const int victim[ACTORS];
static const long delay_range[CELLS][2];

/* Whether an actor can still do something: not if it parked, died, or was never made. */
static int pending(int a)
{
	char path[64], text[512], *p;
	int fd;
	ssize_t n;
	if (victim[a] || !S->tid[a] || __atomic_load_n(&S->parked[a], __ATOMIC_SEQ_CST))
		return 0;
	snprintf(path, sizeof path, "/proc/%d/stat", S->tid[a]);
	if ((fd = open(path, O_RDONLY)) < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strrchr(text, ')');
	return !(p && (p[2] == 'Z' || p[2] == 'X'));
}

static int watch(void)
{
	long quiet = now();
	int steps = -1;
	for (;;) {
		int end = __atomic_load_n(&S->end, __ATOMIC_SEQ_CST), left = 0;
		struct timespec nap = { 0, 2000000 };
		for (int a = 0; a < ACTORS; a++)
			left += pending(a);
		if (__atomic_load_n(&S->shown, __ATOMIC_SEQ_CST))
			return SHOWN;
		if (!left)
			return NOT_SHOWN;
		if (__atomic_load_n(&S->steps, __ATOMIC_SEQ_CST) != steps) {
			steps = __atomic_load_n(&S->steps, __ATOMIC_SEQ_CST);
			quiet = now();
		} else if (now() - quiet > QUIET_MS * 1000000L) {
			return hang_shown() ? SHOWN : STUCK;
		}
		sys(SYS_futex, L(&S->end), 0 /* FUTEX_WAIT */, end, L(&nap), 0, 0);
	}
}

/*
 * The program once more, as a set-user-id file of root. It has to lie in a mount of the round's own namespace, or that counts
 * for nothing (mnt_may_suid); the /proc that is mounted next hides it.
 */
static int setuid_image(void)
{
	int from = open("/proc/self/exe", O_RDONLY), to;
	if (from < 0 || mount("tmpfs", "/proc", "tmpfs", MS_NODEV, "mode=755"))
		return -1;
	if ((to = open("/proc/image", O_WRONLY | O_CREAT, 0755)) < 0)
		return -1;
	while (sendfile(to, from, NULL, 1 << 24) > 0)
		;
	if (fchmod(to, 04755) || close(to) || close(from) || (to = open("/proc/image", O_PATH)) < 0 || dup2(to, SETUID_FD) < 0)
		return -1;
	return close(to);
}

/* init of one round's namespace. */
static int run_round(void)
{
	struct rlimit no_core = { 0, 0 };
	sigset_t none;
	long ret;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (USES_SETUID && setuid_image())
		return BROKEN;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return BROKEN;
	setrlimit(RLIMIT_CORE, &no_core);
	for (int sig = 1; sig < 65; sig++)
		set_action(sig, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	ret = spawn(SIGCHLD, 0);
	return ret < 0 ? BROKEN : watch();
}

static int cannot_tell(const char *what, int error)
{
	printf("CANNOT TELL: %s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
	return EXIT_CANNOT_TELL;
}

/* write_map makes the caller root of its new user namespace. */
static void write_map(const char *path, unsigned id)
{
	int fd = open(path, O_WRONLY);
	if (fd >= 0) {
		dprintf(fd, "0 %u 1", id);
		close(fd);
	}
}

static int own_namespaces(void)
{
	unsigned uid = getuid(), gid = getgid();
	int fd;
	if (!unshare(CLONE_NEWPID | CLONE_NEWNS))
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS))
		return -1;
	if ((fd = open("/proc/self/setgroups", O_WRONLY)) >= 0) {
		if (write(fd, "deny", 4) != 4)
			return -1;
		close(fd);
	}
	write_map("/proc/self/uid_map", uid);
	write_map("/proc/self/gid_map", gid);
	return 0;
}

/* Whether ptrace may be used at all here: an errno, or 0. */
static int ptrace_refused(void)
{
	int status = 0;
	pid_t pid = fork();
	if (!pid)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) ? errno : 0);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? errno : WEXITSTATUS(status);
}

/*
 * reap waits for a round's init, which has all the round's processes killed before it is gone itself; 0 when that does
 * not come to an end.
 */
static int reap(pid_t pid, int *status, long limit)
{
	while (waitpid(pid, status, WNOHANG) != pid) {
		struct timespec nap = { 0, 100000 };
		if (now() > limit)
			return 0;
		nanosleep(&nap, NULL);
	}
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long rnd = SEED | 1;
	int fd, self, error, rounds = 0, broken = 0, stuck = 0, reached = 0;
	long t0 = now();

	if (argc == 3 && !strcmp(argv[0], "actor")) { /* after execve */
		if (map_shared())
			_exit(99);
		executed = atoi(argv[1]);
		actor(atoi(argv[1]), atoi(argv[2]));
		park(atoi(argv[1]));
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	self = open("/proc/self/exe", O_PATH);
	fd = memfd_create("actors", 0);
	if (fd < 0 || self < 0 || ftruncate(fd, sizeof *S) || dup2(fd, SHARED_FD) < 0 || dup2(self, EXE_FD) < 0 || map_shared())
		return cannot_tell("shared memory for the actors", errno);
	if (USES_PTRACE && (error = ptrace_refused()))
		return cannot_tell("ptrace is not permitted here", error);

	while (now() - t0 < LIMIT_MS * 1000000L) {
		pid_t maker, init;
		int status = 0, result;
		memset(S, 0, sizeof *S - sizeof S->stack);
		for (int c = 0; c < CELLS; c++) {
			rnd ^= rnd << 13, rnd ^= rnd >> 7, rnd ^= rnd << 17;
			S->delay[c] = delay_range[c][0] + (long)(rnd % (unsigned long)(delay_range[c][1] - delay_range[c][0] + 1));
		}
		/* unshare(CLONE_NEWPID) holds for children and only once: each round's init comes from a process of its own. */
		if ((maker = fork()) < 0)
			return cannot_tell("fork", errno);
		if (!maker) {
			if (own_namespaces())
				_exit(BROKEN);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (!(init = fork()))
				_exit(run_round());
			if (init < 0)
				_exit(BROKEN);
			_exit(waitpid(init, &status, 0) == init && WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN);
		}
		if (!reap(maker, &status, now() + 4000000000L)) {
			kill(maker, SIGKILL);
			printf("BUG: %s (round %d); its processes do not even die by SIGKILL\n", TITLE, rounds + 1);
			return EXIT_SHOWN;
		}
		rounds++;
		result = WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
		reached += S->seen == EVIDENCE;
		if (result == SHOWN) {
			printf("BUG: %s (round %d, after %.2f s)\n", TITLE, rounds, (double)(now() - t0) / 1e9);
			return EXIT_SHOWN;
		}
		stuck += result == STUCK;
		broken += result == BROKEN;
		if (broken > 3)
			return cannot_tell("a PID namespace with a /proc of its own is not to be had here", 0);
	}
	if (!reached)
		return cannot_tell("the calls in question were never reached", 0);
	printf("NOT SHOWN: %s (%d rounds in %.1f s, %d stuck elsewhere)\n", TITLE, rounds, (double)(now() - t0) / 1e9, stuck);
	return EXIT_NOT_SHOWN;
}
