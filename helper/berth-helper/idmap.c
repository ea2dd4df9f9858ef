#define _GNU_SOURCE
#include "idmap.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_map(pid_t pid, const char *name, const char *map)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map);
	int err = errno;
	if (fd >= 0)
		close(fd);
	errno = err;
	return ok;
}

/* A user namespace with these maps, as a descriptor; or -1. No process stays in it. */
static int user_namespace(const char *uids, const char *gids)
{
	char path[48];
	pid_t self = getpid(), child = syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0);
	if (child == 0) {
		/* It goes with us, also where we are killed between here and there. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == self)
			pause();
		_exit(0);
	}
	if (child < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
	int fd = write_map(child, "uid_map", uids) && write_map(child, "gid_map", gids) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int err = errno;
	kill(child, SIGKILL);
	while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = err;
	return fd;
}

static bool map_tree(int tree, bool alone, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	return syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (alone ? 0 : AT_RECURSIVE), &attr, sizeof attr) == 0;
}

/* True where the mount at `path` can be mapped: a copy of it is, and goes again. */
static bool can_map(const char *path, int userns)
{
	int tree = syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	bool ok = tree >= 0 && map_tree(tree, true, userns);
	if (tree >= 0)
		close(tree);
	return ok;
}

/* The octal escapes of proc_pid_mountinfo(5), in place. */
static void unescape(char *text)
{
	char *to = text;
	for (char *from = text; *from; to++) {
		bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3];
		*to = octal ? (from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0') : *from;
		from += octal ? 4 : 1;
	}
	*to = 0;
}

static bool covers(const char *folder, const char *path)
{
	size_t n = strcmp(folder, "/") ? strlen(folder) : 0;
	return !strncmp(folder, path, n) && (path[n] == '/' || !path[n]);
}

/*
 * Which mount refuses: the one that `real` is on, or one below it. `at` and `type` get its path and file system; both stay empty where none does.
 */
static void find_refusal(const char *real, bool alone, int userns, char *at, char *type)
{
	char *text = read_file("/proc/self/mountinfo", NULL), *state = NULL;
	bool own = !can_map(real, userns);
	for (char *l = text ? strtok_r(text, "\n", &state) : NULL; l; l = strtok_r(NULL, "\n", &state)) {
		char point[PATH_MAX], fs[64];
		char *dash = strstr(l, " - ");
		if (!dash || sscanf(dash, " - %63s", fs) != 1 || sscanf(l, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		unescape(point);
		/* Of mounts on one another the last one is seen. */
		bool is_own = own && covers(point, real) && strlen(point) >= strlen(at);
		bool is_below = !own && !alone && !*at && strcmp(point, real) && covers(real, point) && !can_map(point, userns);
		if (is_own || is_below) {
			strcpy(at, point);
			strcpy(type, fs);
		}
	}
	free(text);
}

static const char *refusal(const char *source, bool alone, int userns, int err)
{
	static char real[PATH_MAX], at[PATH_MAX], type[64];
	*at = *type = 0;
	if (err == ENOSYS)
		return line("mount source %s: map: this kernel maps no mounts (Linux 5.12 and later do)", source);
	if (err == EINVAL && realpath(source, real))
		find_refusal(real, alone, userns, at, type);
	if (!*type)
		return line("mount source %s: map: %s", source, strerror(err));
	if (covers(at, real))
		return line("mount source %s: map: the file system %s on %s cannot map owners on this kernel", source, type, at);
	return line("mount source %s: map: the file system %s on %s cannot map owners on this kernel; bind-recursive=disabled leaves it out",
		    source, type, at);
}

const char *idmap_tree(int tree, bool alone, const char *uids, const char *gids, const char *source)
{
	int userns = user_namespace(uids, gids);
	if (userns < 0)
		return line("mount source %s: map: user namespace: %s", source, strerror(errno));
	const char *error = map_tree(tree, alone, userns) ? NULL : refusal(source, alone, userns, errno);
	close(userns);
	return error;
}
