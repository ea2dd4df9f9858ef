/* The *at family: each binding is one system call, its arguments in the kernel's order. */
#define _GNU_SOURCE
#include "call.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BINDING(name) static napi_value name##_binding(napi_env env, napi_callback_info info)
#define BEGIN struct call c = call_begin(env, info)
#define READY                                                                                                          \
	if (c.failed)                                                                                                  \
	return NULL

BINDING(openat2)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	struct open_how how = { .flags = (uint64_t)arg_int(&c, 2) | O_CLOEXEC,
				.mode = (uint64_t)arg_int(&c, 3),
				.resolve = (uint64_t)arg_int(&c, 4) };
	READY;
	long fd;
	/* EAGAIN: a rename or mount elsewhere raced with ".." resolution (openat2(2)); a few tries are what the page advises. */
	for (int tries = 0; tries < 64; tries++) {
		fd = syscall(SYS_openat2, dirfd, p.s, &how, sizeof how);
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return call_result(&c, fd, "openat2", p.s);
}

BINDING(mkdirat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	mode_t mode = arg_word(&c, 2);
	READY;
	return call_result(&c, mkdirat(dirfd, p.s, mode), "mkdirat", p.s);
}

BINDING(mknodat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	mode_t mode = arg_word(&c, 2);
	dev_t dev = arg_int(&c, 3);
	READY;
	return call_result(&c, mknodat(dirfd, p.s, mode, dev), "mknodat", p.s);
}

BINDING(symlinkat)
{
	BEGIN;
	struct path target, p;
	arg_path(&c, 0, &target);
	int dirfd = arg_word(&c, 1);
	arg_path(&c, 2, &p);
	READY;
	return call_result(&c, symlinkat(target.s, dirfd, p.s), "symlinkat", p.s);
}

BINDING(linkat)
{
	BEGIN;
	struct path from, to;
	int from_fd = arg_word(&c, 0);
	arg_path(&c, 1, &from);
	int to_fd = arg_word(&c, 2);
	arg_path(&c, 3, &to);
	int flags = arg_word(&c, 4);
	READY;
	return call_result(&c, linkat(from_fd, from.s, to_fd, to.s, flags), "linkat", to.s);
}

BINDING(unlinkat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	int flags = arg_word(&c, 2);
	READY;
	return call_result(&c, unlinkat(dirfd, p.s, flags), "unlinkat", p.s);
}

BINDING(renameat2)
{
	BEGIN;
	struct path from, to;
	int from_fd = arg_word(&c, 0);
	arg_path(&c, 1, &from);
	int to_fd = arg_word(&c, 2);
	arg_path(&c, 3, &to);
	unsigned flags = arg_word(&c, 4);
	READY;
	return call_result(&c, renameat2(from_fd, from.s, to_fd, to.s, flags), "renameat2", from.s);
}

BINDING(fchownat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	uid_t uid = arg_word(&c, 2);
	gid_t gid = arg_word(&c, 3);
	int flags = arg_word(&c, 4);
	READY;
	return call_result(&c, fchownat(dirfd, p.s, uid, gid, flags), "fchownat", p.s);
}

BINDING(fchmodat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	mode_t mode = arg_word(&c, 2);
	int flags = arg_word(&c, 3);
	READY;
	return call_result(&c, fchmodat(dirfd, p.s, mode, flags), "fchmodat", p.s);
}

/* (dirfd, path, atimeSec, atimeNsec, mtimeSec, mtimeNsec, flags); nsec may be UTIME_NOW or UTIME_OMIT. */
BINDING(utimensat)
{
	BEGIN;
	struct path p;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	struct timespec t[2] = { { arg_int(&c, 2), arg_int(&c, 3) }, { arg_int(&c, 4), arg_int(&c, 5) } };
	int flags = arg_word(&c, 6);
	READY;
	return call_result(&c, utimensat(dirfd, p.s, t, flags), "utimensat", p.s);
}

BINDING(fstatat)
{
	BEGIN;
	struct path p;
	struct stat s;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	int flags = arg_word(&c, 2);
	READY;
	if (fstatat(dirfd, p.s, &s, flags) < 0)
		return call_throw(&c, errno, "fstatat", p.s);
	const int64_t fields[] = { s.st_mode,	       s.st_uid,	  s.st_gid,	     s.st_size,
				   s.st_dev,	       s.st_rdev,	  s.st_nlink,	     s.st_blocks,
				   s.st_atim.tv_sec,   s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec,
				   s.st_ctim.tv_sec,   s.st_ctim.tv_nsec };
	static const char *const names[] = { "mode",	 "uid",	     "gid",	 "size",     "dev",	 "rdev",    "nlink", "blocks",
					     "atimeSec", "atimeNsec", "mtimeSec", "mtimeNsec", "ctimeSec", "ctimeNsec" };
	napi_value out, ino;
	napi_create_object(env, &out);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		set_prop(env, out, names[i], make_int(env, fields[i]));
	napi_create_bigint_uint64(env, s.st_ino, &ino);
	set_prop(env, out, "ino", ino);
	return out;
}

BINDING(readlinkat)
{
	BEGIN;
	struct path p, target;
	int dirfd = arg_word(&c, 0);
	arg_path(&c, 1, &p);
	READY;
	ssize_t n = readlinkat(dirfd, p.s, target.s, sizeof target.s);
	return n < 0 ? call_throw(&c, errno, "readlinkat", p.s) : make_buffer(env, target.s, n);
}

static const char *type_name(unsigned char type)
{
	switch (type) {
	case DT_REG: return "file";
	case DT_DIR: return "dir";
	case DT_LNK: return "symlink";
	case DT_CHR: return "char";
	case DT_BLK: return "block";
	case DT_FIFO: return "fifo";
	case DT_SOCK: return "socket";
	default: return "unknown";
	}
}

static napi_value dir_entry(napi_env env, DIR *dir, const struct dirent *e)
{
	unsigned char type = e->d_type;
	struct stat s;
	if (type == DT_UNKNOWN && fstatat(dirfd(dir), e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0)
		type = IFTODT(s.st_mode);
	size_t n = strlen(e->d_name);
	const char *name = type_name(type);
	napi_value out;
	napi_create_object(env, &out);
	set_prop(env, out, "name", make_string(env, e->d_name, n));
	set_prop(env, out, "type", make_string(env, name, strlen(name)));
	if (!valid_utf8(e->d_name, n))
		set_prop(env, out, "raw", make_buffer(env, e->d_name, n));
	return out;
}

/* Opens the folder anew, so that the caller's descriptor may be O_PATH and its position does not matter. */
BINDING(readdir)
{
	BEGIN;
	int fd = arg_word(&c, 0);
	READY;
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	if (!dir) {
		int err = errno;
		if (own >= 0)
			close(own);
		return call_throw(&c, err, "readdir", NULL);
	}
	napi_value out;
	napi_create_array(env, &out);
	uint32_t count = 0;
	struct dirent *e;
	while (errno = 0, (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		napi_handle_scope scope;
		napi_open_handle_scope(env, &scope);
		napi_set_element(env, out, count++, dir_entry(env, dir, e));
		napi_close_handle_scope(env, scope);
	}
	int err = errno;
	closedir(dir);
	return err ? call_throw(&c, err, "readdir", NULL) : out;
}

BINDING(ficlone)
{
	BEGIN;
	int to = arg_word(&c, 0), from = arg_word(&c, 1);
	READY;
	return call_result(&c, ioctl(to, FICLONE, from), "ficlone", NULL);
}

/* (fdIn, offIn | undefined, fdOut, offOut | undefined, length) */
BINDING(copy_file_range)
{
	BEGIN;
	int in = arg_word(&c, 0), out = arg_word(&c, 2);
	bool has_in = arg_present(&c, 1), has_out = arg_present(&c, 3);
	off64_t off_in = has_in ? arg_int(&c, 1) : 0, off_out = has_out ? arg_int(&c, 3) : 0;
	int64_t n = arg_int(&c, 4);
	READY;
	return call_result(&c, copy_file_range(in, has_in ? &off_in : NULL, out, has_out ? &off_out : NULL, n, 0),
			   "copy_file_range", NULL);
}

BINDING(fallocate)
{
	BEGIN;
	int fd = arg_word(&c, 0), mode = arg_word(&c, 1);
	off_t offset = arg_int(&c, 2), n = arg_int(&c, 3);
	READY;
	return call_result(&c, fallocate(fd, mode, offset, n), "fallocate", NULL);
}

BINDING(lseek)
{
	BEGIN;
	int fd = arg_word(&c, 0);
	off_t offset = arg_int(&c, 1);
	int whence = arg_word(&c, 2);
	READY;
	return call_result(&c, lseek(fd, offset, whence), "lseek", NULL);
}

BINDING(flock)
{
	BEGIN;
	int fd = arg_word(&c, 0), operation = arg_word(&c, 1);
	READY;
	int r;
	do
		r = flock(fd, operation);
	while (r < 0 && errno == EINTR);
	return call_result(&c, r, "flock", NULL);
}

BINDING(syncfs)
{
	BEGIN;
	int fd = arg_word(&c, 0);
	READY;
	return call_result(&c, syncfs(fd), "syncfs", NULL);
}

const struct binding fs_bindings[] = {
	{ "openat2", openat2_binding },	    { "mkdirat", mkdirat_binding },
	{ "mknodat", mknodat_binding },	    { "symlinkat", symlinkat_binding },
	{ "linkat", linkat_binding },	    { "unlinkat", unlinkat_binding },
	{ "renameat2", renameat2_binding }, { "fchownat", fchownat_binding },
	{ "fchmodat", fchmodat_binding },   { "utimensat", utimensat_binding },
	{ "fstatat", fstatat_binding },	    { "readlinkat", readlinkat_binding },
	{ "readdir", readdir_binding },	    { "ficlone", ficlone_binding },
	{ "copyFileRange", copy_file_range_binding }, { "fallocate", fallocate_binding },
	{ "lseek", lseek_binding },	    { "flock", flock_binding },
	{ "syncfs", syncfs_binding },	    { NULL, NULL },
};
