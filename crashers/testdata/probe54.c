/* Is the attach/exec deadlock there? 1 yes, 0 no, 125 cannot tell. Written by hand, shares nothing with the generator. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void *traced(void *arg)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	return arg;
}

int main(void)
{
	int status;
	pid_t watcher, pid;

	alarm(9);
	if (!(watcher = fork())) { /* the tracer; its parent sees whether it comes back */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!(pid = fork())) {
			pthread_t t;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (!pthread_create(&t, NULL, traced, NULL))
				usleep(50000); /* the thread is a zombie that the tracer owes a wait */
			execl("/bin/true", "true", NULL);
			_exit(127);
		}
		usleep(200000); /* the exec waits for the zombie */
		_exit(ptrace(PTRACE_ATTACH, pid, 0, 0) ? errno : 0);
	}
	for (int i = 0; i < 20; i++) {
		usleep(100000);
		if (waitpid(watcher, &status, WNOHANG) == watcher) {
			printf("attach came back: %d\n", status);
			return WIFEXITED(status) && (WEXITSTATUS(status) == EAGAIN || WEXITSTATUS(status) == 0) ? 0 : 125;
		}
	}
	kill(watcher, SIGKILL);
	waitpid(watcher, &status, 0);
	printf("attach and exec wait for each other\n");
	return 1;
}
