/* The init of `--init`: pid 1 of a container. Forwards signals to its one child, reaps orphans, ends as the child ends. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127, SIGNAL_BASE = 128 };

static pid_t start(char **argv, const sigset_t *before)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	/* A process group of its own, in the foreground where there is a terminal: ctrl-C reaches the program once. */
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	if (isatty(STDIN_FILENO))
		tcsetpgrp(STDIN_FILENO, getpgrp());
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, before, NULL);
	execvp(argv[0], argv);
	int missing = errno == ENOENT;
	fprintf(stderr, "exec: \"%s\": %s\n", argv[0], missing ? "executable file not found in $PATH" : strerror(errno));
	_exit(missing ? NOT_FOUND : NOT_EXECUTABLE);
}

/* Reaps all that has ended; true with its wait status where `child` was among them. */
static bool reap(pid_t child, int *status)
{
	bool ended = false;
	int s;
	pid_t pid;
	while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
		if (pid == child) {
			*status = s;
			ended = true;
		}
	return ended;
}

int run_init(int argc, char **argv)
{
	int first = argc > 1 && !strcmp(argv[1], "--") ? 2 : 1;
	if (argc <= first) {
		fprintf(stderr, "usage: docker-init [--] COMMAND [ARG...]\n");
		return 1;
	}
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid_t child = start(argv + first, &before);
	if (child < 0) {
		perror("fork");
		return 1;
	}
	for (;;) {
		int status = 0;
		int sig = sigwaitinfo(&all, NULL);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD) {
			kill(child, sig);
			continue;
		}
		if (reap(child, &status))
			return WIFSIGNALED(status) ? SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
	}
}
