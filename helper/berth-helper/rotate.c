#define _GNU_SOURCE
#include "rotate.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Files that one gzip is given. */
#define AT_ONCE 16
#define NO_PROGRAM 127
#define LOWEST_PRIORITY 19

static struct {
	const char *path, *name; /* name: the last part of path */
	int max_files;
	bool compress;
	long long newest;
	pid_t gzip; /* 0: does not run */
} log_set;

/* PATH.N or PATH.N.gz → N; 0: another file. */
static long long number_of(const char *entry, bool *packed)
{
	size_t n = strlen(log_set.name);
	if (strncmp(entry, log_set.name, n) || entry[n] != '.' || entry[n + 1] < '1' || entry[n + 1] > '9')
		return 0;
	char *end;
	long long number = strtoll(entry + n + 1, &end, 10);
	*packed = !strcmp(end, ".gz");
	return *end && !*packed ? 0 : number;
}

/* Calls `see` for each rotated file, until it says that it has seen enough. */
static void each(bool (*see)(int dir, const char *entry, long long number, bool packed))
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof folder, "%.*s", (int)(log_set.name - log_set.path), log_set.path);
	DIR *d = opendir(*folder ? folder : ".");
	if (!d)
		return;
	for (struct dirent *e; (e = readdir(d));) {
		bool packed = false;
		long long number = number_of(e->d_name, &packed);
		if (number && !see(dirfd(d), e->d_name, number, packed))
			break;
	}
	closedir(d);
}

static bool see_newest(int dir, const char *entry, long long number, bool packed)
{
	(void)dir, (void)entry, (void)packed;
	if (number > log_set.newest)
		log_set.newest = number;
	return true;
}

static bool remove_old(int dir, const char *entry, long long number, bool packed)
{
	(void)packed;
	if (number <= log_set.newest - (log_set.max_files - 1))
		unlinkat(dir, entry, 0);
	return true;
}

static char names[AT_ONCE][PATH_MAX];
static int named;

static bool collect(int dir, const char *entry, long long number, bool packed)
{
	(void)dir, (void)number;
	if (!packed && snprintf(names[named], PATH_MAX, "%.*s%s", (int)(log_set.name - log_set.path), log_set.path, entry) < PATH_MAX)
		named++;
	return named < AT_ONCE;
}

/*
 * gzip is a process of its own, beside the container's output and after everything else. It removes a file when its compressed form is whole:
 * killed in between it leaves both, and the next one writes the latter anew. One that outlives the monitor comes to its end.
 */
static void start_gzip(void)
{
	static char *argv[AT_ONCE + 5] = { "gzip", "-f", "-1", "--" };
	named = 0;
	if (log_set.gzip || !log_set.compress)
		return;
	each(collect);
	if (!named)
		return;
	for (int i = 0; i < named; i++)
		argv[4 + i] = names[i];
	argv[4 + named] = NULL;
	pid_t pid = fork();
	if (pid > 0)
		log_set.gzip = pid;
	if (pid)
		return;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpriority(PRIO_PROCESS, 0, LOWEST_PRIORITY);
	execvp(argv[0], argv);
	_exit(NO_PROGRAM);
}

void rotate_open(const char *path, int max_files, bool compress)
{
	const char *slash = strrchr(path, '/');
	log_set.path = path;
	log_set.name = slash ? slash + 1 : path;
	log_set.max_files = max_files;
	log_set.compress = compress && max_files > 1;
	each(see_newest);
	/* What the monitor before had no time for. */
	if (log_set.newest)
		start_gzip();
}

void rotate(void)
{
	char to[PATH_MAX];
	if (log_set.max_files == 1) {
		unlink(log_set.path);
		return;
	}
	if (snprintf(to, sizeof to, "%s.%lld", log_set.path, log_set.newest + 1) >= (int)sizeof to || rename(log_set.path, to) < 0)
		return;
	log_set.newest++;
	each(remove_old);
	start_gzip();
}

void rotate_reaped(pid_t pid, int status)
{
	if (!pid || pid != log_set.gzip)
		return;
	log_set.gzip = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == NO_PROGRAM)
		log_set.compress = false;
	else if (WEXITSTATUS(status) == 0)
		start_gzip();
}
