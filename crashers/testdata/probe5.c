/* Does a call held at its entry stop escape a TSYNC filter? 1 yes, 0 no, 125 cannot tell. Written by hand. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int go[2];

static void *filter(void *arg)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };
	char c;
	if (read(go[0], &c, 1) != 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &p))
		_exit(125);
	kill(getpid(), 0);
	if (write(go[1], "x", 1) != 1)
		_exit(125);
	return arg;
}

int main(void)
{
	int status, in[2], out[2];
	pid_t pid;
	char c;

	alarm(9);
	if (pipe(in) || pipe(out))
		return 125;
	if (!(pid = fork())) {
		pthread_t t;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		go[0] = in[0], go[1] = out[1];
		if (pthread_create(&t, NULL, filter, NULL))
			_exit(125);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		syscall(SYS_tgkill, getpid(), getpid(), SIGSTOP);
		_exit(syscall(SYS_getppid) > 0 ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_SYSCALL, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
	    write(in[1], "x", 1) != 1 || read(out[0], &c, 1) != 1 || ptrace(PTRACE_CONT, pid, 0, 0) ||
	    waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		printf("the probe did not work\n");
		return 125;
	}
	printf("the filter %s\n", WEXITSTATUS(status) ? "was escaped" : "held");
	return WEXITSTATUS(status);
}
