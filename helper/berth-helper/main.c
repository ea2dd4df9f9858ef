/*
 * berth-helper monitor|exec DIR: reads DIR/<verb>.conf, makes what the verb needs, and leaves a detached process that listens on
 * DIR/sock. The caller's process ends with 0 once that listens, else with 1 and one line on stderr.
 * berth-helper bind SOURCE SUB UIDS GIDS TARGET: one mount in the caller's namespace; empty words for what is not wanted.
 * berth-helper net: the daemon's sockets inside containers' network namespaces, and what changes of the host's (net.c).
 * docker-init [--] COMMAND: the same program under another name, as pid 1 inside a container (init.c).
 */
#define _GNU_SOURCE
#include "helper.h"
#include "loop.h"
#include "mounts.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptor on which the detached side tells how its start went. */
#define REPORT 3

static const char *set_up(const char *verb, const char *dir)
{
	char name[32];
	h.conf.exec = !strcmp(verb, "exec");
	h.conf.dir = dir;
	umask(0077);
	if (chdir(dir) < 0)
		return line("%s: %s", dir, strerror(errno));
	snprintf(name, sizeof name, "%s.conf", verb);
	const char *error = conf_read(&h.conf, name);
	if (!error)
		error = h.conf.exec ? mounts_join(&h.conf) : mounts_make(&h.conf);
	if (!error && (!loop_init() || !supervise_init()))
		error = line("event loop: %s", strerror(errno));
	if (!error && h.conf.log)
		error = log_open(&h.conf);
	if (!error)
		error = stdio_prepare();
	return error ? error : server_listen();
}

/* Becomes a process without terminal, parent or open files; `keep` stays open as REPORT. */
static bool detach(int keep)
{
	if (setsid() < 0)
		return false;
	pid_t pid = fork();
	if (pid < 0)
		return false;
	if (pid > 0)
		_exit(0);
	int null = open("/dev/null", O_RDWR);
	if (null < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (dup2(null, i) < 0)
			return false;
	return dup3(keep, REPORT, O_CLOEXEC) == REPORT && close_range(REPORT + 1, UINT_MAX, 0) == 0;
}

static int wait_ready(int fd)
{
	char text[8192];
	size_t n = 0;
	ssize_t r;
	while (n < sizeof text - 1 && ((r = read(fd, text + n, sizeof text - 1 - n)) > 0 || (r < 0 && errno == EINTR)))
		n += r > 0 ? r : 0;
	text[n] = 0;
	if (!strcmp(text, "ready"))
		return 0;
	fprintf(stderr, "%s\n", n ? text : "the helper ended before it was ready");
	return 1;
}

static int run_bind(char **words)
{
	const char *sub = *words[1] ? words[1] : NULL, *uids = *words[2] ? words[2] : NULL;
	struct stage stage = { .source = words[0], .sub = sub, .uids = uids, .gids = words[3], .tree = -1 };
	const char *error = mounts_bind(&stage, words[4]);
	if (error)
		fprintf(stderr, "%s\n", error);
	return error ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	if (!strcmp(slash ? slash + 1 : argv[0], "docker-init"))
		return run_init(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "net"))
		return run_net();
	if (argc == 7 && !strcmp(argv[1], "bind"))
		return run_bind(argv + 2);
	if (argc != 3 || (strcmp(argv[1], "monitor") && strcmp(argv[1], "exec")) || argv[2][0] != '/') {
		fprintf(stderr, "usage: berth-helper monitor|exec DIR   (an absolute path)\n       berth-helper bind SOURCE SUB UIDS GIDS TARGET\n       berth-helper net\n");
		return 2;
	}
	int report[2];
	/* A high number for the end that is kept, so that the detached side can have 0 to 3 for itself. */
	int keep = pipe2(report, O_CLOEXEC) < 0 ? -1 : fcntl(report[1], F_DUPFD_CLOEXEC, 10);
	if (keep < 0) {
		perror("pipe");
		return 1;
	}
	close(report[1]);
	pid_t pid = fork();
	if (pid < 0) {
		perror("fork");
		return 1;
	}
	if (pid > 0) {
		close(keep);
		/* The child between is gone as soon as the detached one exists. */
		waitpid(pid, NULL, 0);
		return wait_ready(report[0]);
	}
	const char *error = detach(keep) ? set_up(argv[1], argv[2]) : line("detach: %s", strerror(errno));
	const char *text = error ? error : "ready";
	if (write(REPORT, text, strlen(text)) < 0)
		return 1;
	close(REPORT);
	if (!error)
		supervise();
	return error ? 1 : 0;
}
