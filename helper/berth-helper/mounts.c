#define _GNU_SOURCE
#include "idmap.h"
#include "mounts.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define UNIFIED "/sys/fs/cgroup/unified"
/* mount(2) takes one page of options, the final NUL included; the smallest page is 4 KiB. */
#define OPTIONS_MAX 4096
#define FIXED "index=off,redirect_dir=nofollow,metacopy=off"

/*
 * On hosts with v1 controllers and a cgroup2 mount beside them, crun 1.8 and later refuse to start. With an empty tmpfs in the
 * place of the cgroup2 mount they see a v1 host; the folders that they make there are private and go with the namespace.
 */
static const char *hide_unified(void)
{
	struct statfs s;
	if (statfs("/sys/fs/cgroup", &s) < 0 || s.f_type != TMPFS_MAGIC)
		return NULL;
	if (statfs(UNIFIED, &s) < 0 || s.f_type != CGROUP2_SUPER_MAGIC)
		return NULL;
	if (umount2(UNIFIED, MNT_DETACH) < 0)
		return line("detach " UNIFIED ": %s", strerror(errno));
	if (mount("tmpfs", UNIFIED, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755") < 0)
		return line("mount tmpfs on " UNIFIED ": %s", strerror(errno));
	return NULL;
}

/* Options in text form. Inside a value a backslash keeps the next byte from being a separator. */
struct options {
	char text[OPTIONS_MAX];
	size_t n;
	bool full;
};

static void add(struct options *o, const char *raw)
{
	size_t n = strlen(raw);
	if (o->n + n >= sizeof o->text) {
		o->full = true;
		return;
	}
	memcpy(o->text + o->n, raw, n + 1);
	o->n += n;
}

static void add_escaped(struct options *o, const char *value, bool colons)
{
	for (; *value; value++) {
		char c[3] = { *value };
		if (*value == '\\' || *value == ',' || (colons && *value == ':')) {
			c[0] = '\\';
			c[1] = *value;
		}
		add(o, c);
	}
}

static bool build_options(struct options *o, const struct overlay *c, const char *dir)
{
	o->n = 0;
	o->full = false;
	add(o, FIXED ",lowerdir=");
	for (size_t i = 0; i < c->lower.count; i++) {
		add(o, i ? ":" : "");
		add_escaped(o, c->lower.items[i], true);
	}
	/* A single lower folder without an upper one is no overlay to the kernel: an empty folder makes the second. */
	if (!c->upper && c->lower.count == 1) {
		add(o, ":");
		add_escaped(o, dir, true);
		add(o, "/empty");
	}
	if (c->upper) {
		add(o, ",upperdir=");
		add_escaped(o, c->upper, false);
		add(o, ",workdir=");
		add_escaped(o, c->work, false);
	}
	if (c->upper && c->is_volatile)
		add(o, ",volatile");
	return !o->full;
}

static bool fs_set(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) == 0;
}

/* More layers than one page of options holds: one call per layer (Linux 6.8). Returns a mount's descriptor, or -1. */
static int mount_piecewise(const struct overlay *c)
{
	int fs = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC), mnt = -1;
	bool ok = fs >= 0 && fs_set(fs, "source", "overlay") && fs_set(fs, "index", "off") &&
		  fs_set(fs, "redirect_dir", "nofollow") && fs_set(fs, "metacopy", "off");
	for (size_t i = 0; ok && i < c->lower.count; i++)
		ok = fs_set(fs, "lowerdir+", c->lower.items[i]);
	ok = ok && (!c->upper || (fs_set(fs, "upperdir", c->upper) && fs_set(fs, "workdir", c->work)));
	ok = ok && (!c->upper || !c->is_volatile || fs_set(fs, "volatile", NULL));
	ok = ok && (c->upper || fs_set(fs, "ro", NULL));
	if (ok && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, c->upper ? 0 : MOUNT_ATTR_RDONLY);
	int err = errno;
	if (fs >= 0)
		close(fs);
	errno = err;
	return mnt;
}

/* The kernel marks a volatile upper folder and refuses it next time. Whoever asks for volatile again has accepted what that warns of. */
static void unmark_volatile(const char *work)
{
	int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC), inner = dir < 0 ? -1 : openat(dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (inner >= 0) {
		remove_tree(inner, "incompat");
		close(inner);
	}
	if (dir >= 0)
		close(dir);
}

/* Mounts on <dir>/<name>, which is made. */
static const char *mount_overlay(const struct overlay *c, const char *dir, const char *name)
{
	static struct options o;
	char target[4096];
	snprintf(target, sizeof target, "%s/%s", dir, name);
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return line("%s: %s", target, strerror(errno));
	if (!c->upper && mkdir("empty", 0555) < 0 && errno != EEXIST)
		return line("%s/empty: %s", dir, strerror(errno));
	if (chdir(c->base) < 0)
		return line("layers %s: %s", c->base, strerror(errno));
	if (c->upper && c->is_volatile)
		unmark_volatile(c->work);
	const char *error = NULL;
	if (build_options(&o, c, dir)) {
		if (mount("overlay", target, "overlay", c->upper ? 0 : MS_RDONLY, o.text) < 0)
			error = line("overlay mount on %s: %s", target, strerror(errno));
	} else {
		int mnt = mount_piecewise(c);
		if (mnt < 0 || syscall(SYS_move_mount, mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			error = line("overlay mount on %s: %zu layers do not fit in one page of options, and one by one: %s",
				     target, c->lower.count, strerror(errno));
		if (mnt >= 0)
			close(mnt);
	}
	return !error && chdir(dir) < 0 ? line("%s: %s", dir, strerror(errno)) : error;
}

/* A detached copy of the mounts at `sub` below `root`; links in between that leave it are refused (openat2(2), RESOLVE_BENEATH). */
static const char *clone_tree(struct stage *s, const char *root)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	const char *failed = root;
	int top = open(root, O_PATH | O_CLOEXEC), at = top;
	if (top >= 0 && s->sub) {
		failed = s->sub;
		at = syscall(SYS_openat2, top, s->sub, &how, sizeof how);
	}
	if (at >= 0)
		s->tree = syscall(SYS_open_tree, at, "", AT_EMPTY_PATH | (s->alone ? 0 : AT_RECURSIVE) | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	const char *error = NULL;
	if (at < 0 && top >= 0 && errno == EXDEV)
		error = line("path concatenation escapes the base directory, base: %s, subpath: %s", root, s->sub);
	else if (s->tree < 0)
		error = line("mount source %s: %s", failed, strerror(errno));
	if (!error && s->uids)
		error = idmap_tree(s->tree, s->alone, s->uids, s->gids, root);
	if (at >= 0 && at != top)
		close(at);
	if (top >= 0)
		close(top);
	return error;
}

/* Puts a copy on stage/<n>, a folder or a file as the source is. */
static const char *attach_tree(struct stage *s, const char *name)
{
	struct stat st;
	bool ok = fstat(s->tree, &st) == 0;
	if (ok && S_ISDIR(st.st_mode))
		ok = mkdir(name, 0700) == 0 || errno == EEXIST;
	else if (ok) {
		int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		ok = fd >= 0;
		if (ok)
			close(fd);
	}
	ok = ok && syscall(SYS_move_mount, s->tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) == 0;
	const char *error = ok ? NULL : line("mount on %s: %s", name, strerror(errno));
	close(s->tree);
	s->tree = -1;
	return error;
}

/* A file with these bytes in a file system of its own, which is in memory and goes with its last mount. */
static const char *fill_secret(const struct stage *s, const char *folder)
{
	const char *file = line("%s/secret", folder);
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return line("secret %s: %s", s->source, strerror(errno));
	size_t length = 0;
	char *bytes = read_file(s->source, &length);
	bool ok = bytes && write(fd, bytes, length) == (ssize_t)length && fchown(fd, s->uid, s->gid) == 0 && fchmod(fd, s->mode & 07777) == 0;
	const char *error = ok ? NULL : line("secret %s: %s", s->source, strerror(errno));
	if (bytes)
		explicit_bzero(bytes, length);
	free(bytes);
	close(fd);
	return error;
}

static const char *make_secret(struct stage *s, const char *name)
{
	char folder[80], file[96];
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	snprintf(folder, sizeof folder, "%s.memory", name);
	snprintf(file, sizeof file, "%s/secret", folder);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return line("secret %s: %s", s->source, strerror(errno));
	/* Never swapped out, where the kernel can promise that (Linux 6.4). */
	if (mount("secret", folder, "tmpfs", flags, "size=1m,mode=700,noswap") < 0 && mount("secret", folder, "tmpfs", flags, "size=1m,mode=700") < 0)
		return line("secret %s: tmpfs: %s", s->source, strerror(errno));
	const char *error = fill_secret(s, folder);
	if (!error)
		s->tree = syscall(SYS_open_tree, AT_FDCWD, file, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (!error && s->tree < 0)
		error = line("secret %s: %s", s->source, strerror(errno));
	umount2(folder, MNT_DETACH);
	return error;
}

/* Copies that keep their tie to the host's mounts have to be made before all others lose it. */
static const char *clone_shared(const struct conf *c)
{
	const char *error = NULL;
	for (size_t i = 0; i < c->stage_count && !error; i++)
		if (c->stages[i].shared)
			error = clone_tree(&c->stages[i], c->stages[i].source);
	return error;
}

static const char *make_stage(const struct conf *c, size_t n)
{
	struct stage *s = &c->stages[n];
	char name[64], layers[64];
	const char *error = NULL;
	snprintf(name, sizeof name, "stage/%zu", n);
	snprintf(layers, sizeof layers, "stage/%zu.layers", n);
	if (!*s->source)
		error = mount_overlay(&s->layers, c->dir, layers);
	if (!error && s->secret)
		error = make_secret(s, name);
	else if (!error && s->tree < 0)
		error = clone_tree(s, *s->source ? s->source : layers);
	return error ? error : attach_tree(s, name);
}

static const char *make_stages(const struct conf *c)
{
	const char *error = NULL;
	if (c->stage_count > 0 && mkdir("stage", 0700) < 0 && errno != EEXIST)
		return line("%s/stage: %s", c->dir, strerror(errno));
	for (size_t i = 0; i < c->stage_count && !error; i++)
		error = make_stage(c, i);
	return error;
}

const char *mounts_make(const struct conf *c)
{
	if (unshare(CLONE_NEWNS) < 0)
		return line("new mount namespace: %s", strerror(errno));
	const char *error = clone_shared(c);
	if (!error && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		error = line("mount namespace as slave: %s", strerror(errno));
	if (!error)
		error = hide_unified();
	if (!error)
		error = mount_overlay(&c->rootfs, c->dir, "rootfs");
	return error ? error : make_stages(c);
}

const char *mounts_bind(struct stage *s, const char *target)
{
	const char *error = clone_tree(s, s->source);
	if (!error && syscall(SYS_move_mount, s->tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		error = line("mount on %s: %s", target, strerror(errno));
	return error;
}

const char *mounts_join(const struct conf *c)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)c->monitor);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		return line("container's monitor %d: %s", (int)c->monitor, strerror(errno));
	close(fd);
	return chdir(c->dir) < 0 ? line("%s: %s", c->dir, strerror(errno)) : NULL;
}

void mounts_drop(void)
{
	/* A process that escaped the container's own namespaces may still hold it: then it goes when that one does. */
	if (umount2("rootfs", UMOUNT_NOFOLLOW) < 0)
		umount2("rootfs", UMOUNT_NOFOLLOW | MNT_DETACH);
}
