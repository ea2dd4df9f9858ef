#define _GNU_SOURCE
#include "cgroup.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FOLDERS 24

static struct folder {
	char *path;
	bool memory, v2;
} folders[MAX_FOLDERS];
static size_t count;

/* True where `item` is one of the comma-separated `list`, which ends at a byte of `ends`. */
static bool in_list(const char *list, const char *ends, const char *item, size_t n)
{
	for (const char *p = list; *p && !strchr(ends, *p);) {
		size_t part = strcspn(p, ",");
		size_t end = strcspn(p, ends);
		if (end < part)
			part = end;
		if (part == n && !memcmp(p, item, n))
			return true;
		p += part;
		p += *p == ',';
	}
	return false;
}

/* The path that /proc/PID/cgroup ("7:memory:/a/b") gives for a mount with these super options; "" is the v2 line's. NULL: none. */
static char *path_of(const char *membership, const char *super, bool v2)
{
	for (const char *p = membership; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		const char *first = strchr(p, ':'), *second = first ? strchr(first + 1, ':') : NULL;
		if (!second)
			return NULL;
		const char *name = first + 1;
		size_t n = strcspn(name, ",:");
		if (v2 ? n == 0 : n && in_list(super, "\n", name, n))
			return strndup(second + 1, strcspn(second + 1, "\n"));
	}
	return NULL;
}

/* mountpoint + path, cut after the configured name: a process may already have moved itself further down. */
static void add_folder(const struct folder *kind, const char *mountpoint, const char *path, const char *configured)
{
	const char *hit = path ? strstr(path, configured) : NULL;
	char full[4096];
	struct stat s;
	int n = hit ? (int)(hit - path) : 0;
	snprintf(full, sizeof full, "%s%.*s%s", mountpoint, n, path ? path : "", configured);
	if (count < MAX_FOLDERS && stat(full, &s) == 0 && S_ISDIR(s.st_mode)) {
		folders[count] = *kind;
		folders[count++].path = strdup(full);
	}
}

/* One line of mountinfo (proc_pid_mountinfo(5)): "id parent dev root mountpoint options [fields] - type source super". */
static void consider(char *info, const char *membership, const char *configured)
{
	char *dash = strstr(info, " - "), *type = dash ? dash + 3 : NULL;
	if (!type || strncmp(type, "cgroup", 6))
		return;
	struct folder kind = { .v2 = type[6] == '2' };
	char *super = strchr(type, ' ');
	super = super ? strchr(super + 1, ' ') : NULL;
	char *field = info;
	for (int i = 0; field && i < 3; i++)
		field = strchr(field + 1, ' ');
	char *root = field, *mountpoint = root ? strchr(root + 1, ' ') : NULL, *end = mountpoint ? strchr(mountpoint + 1, ' ') : NULL;
	if (!super || !end)
		return;
	*mountpoint++ = *end = 0;
	root++;
	kind.memory = kind.v2 || in_list(super + 1, "\n", "memory", 6);
	char *path = path_of(membership, super + 1, kind.v2);
	size_t skip = strcmp(root, "/") && path && !strncmp(path, root, strlen(root)) ? strlen(root) : 0;
	add_folder(&kind, mountpoint, path ? path + skip : NULL, configured);
	free(path);
}

void cgroup_find(pid_t init, const char *configured)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)init);
	char *membership = read_file(path, NULL), *info = read_file("/proc/self/mountinfo", NULL), *save = NULL;
	for (char *l = info ? strtok_r(info, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save))
		consider(l, membership ? membership : "", configured);
	free(membership);
	free(info);
}

static long counter(const char *folder, const char *file, const char *name)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/%s", folder, file);
	char *text = read_file(path, NULL);
	long value = 0;
	size_t n = strlen(name);
	for (char *p = text; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (!strncmp(p, name, n) && p[n] == ' ')
			value = strtol(p + n, NULL, 10);
	free(text);
	return value;
}

static const struct folder *memory_folder(void)
{
	for (size_t i = 0; i < count; i++) {
		char path[4200];
		snprintf(path, sizeof path, "%s/%s", folders[i].path, folders[i].v2 ? "memory.events" : "memory.oom_control");
		/* On hybrid hosts the v2 folder has no memory controller. */
		if (folders[i].memory && access(path, R_OK) == 0)
			return &folders[i];
	}
	return NULL;
}

static long oom_kills(const struct folder *f)
{
	return f ? counter(f->path, f->v2 ? "memory.events" : "memory.oom_control", "oom_kill") : 0;
}

bool cgroup_oom_killed(void)
{
	return oom_kills(memory_folder()) > 0;
}

/* v1: an eventfd that the kernel counts up (memory.rst, "OOM Control"). */
static int watch_v1(const char *folder)
{
	char path[4200], text[32];
	snprintf(path, sizeof path, "%s/memory.oom_control", folder);
	int control = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/cgroup.event_control", folder);
	int events = open(path, O_WRONLY | O_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int n = snprintf(text, sizeof text, "%d %d", fd, control);
	bool ok = control >= 0 && events >= 0 && fd >= 0 && write(events, text, n) == n;
	if (control >= 0)
		close(control);
	if (events >= 0)
		close(events);
	if (!ok && fd >= 0)
		close(fd);
	return ok ? fd : -1;
}

/* v2: memory.events is modified, at most every 10 ms, also by pressure that kills nobody. */
static int watch_v2(const char *folder)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/memory.events", folder);
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int cgroup_oom_watch(void)
{
	const struct folder *f = memory_folder();
	return !f ? -1 : f->v2 ? watch_v2(f->path) : watch_v1(f->path);
}

bool cgroup_oom_news(int fd)
{
	static long known;
	const struct folder *f = memory_folder();
	char events[4096];
	bool any = false;
	while (read(fd, events, sizeof events) > 0)
		any = true;
	if (!any || !f || !f->v2)
		return any;
	long before = known;
	known = oom_kills(f);
	return known > before;
}

/* On v2 one write kills the whole subtree, also what forks meanwhile (cgroup-v2.rst, cgroup.kill; Linux 5.14). */
static void kill_members(int dir)
{
	int all = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	if (all >= 0) {
		bool done = write(all, "1", 1) == 1;
		close(all);
		if (done)
			return;
	}
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return;
	}
	int pid;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid > 1)
			kill(pid, SIGKILL);
	fclose(f);
}

/* Deepest first, for a container may make groups of its own. */
static bool remove_group(int parent, const char *name)
{
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return true;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return errno == ENOENT;
	}
	kill_members(fd);
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			remove_group(fd, e->d_name);
	closedir(dir);
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool cgroup_remove(void)
{
	bool all = true;
	for (size_t i = 0; i < count; i++)
		all = remove_group(AT_FDCWD, folders[i].path) && all;
	return all;
}
