/* What the helper is told: <dir>/<verb>.conf, NUL-terminated "key=value" entries. */
#ifndef BERTH_CONF_H
#define BERTH_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct list {
	const char **items;
	size_t count;
};

struct conf {
	bool exec;		   /* one process inside a running container */
	const char *dir;	   /* absolute; argv */
	const char *id;		   /* id=: for --root's folder; with exec, of the container */
	const char *runtime, *root; /* runtime=, runtime-root=: absolute */
	struct list runtime_args;  /* runtime-arg=, repeated */
	const char *base;	   /* base=: lower names are relative to it */
	struct list lower;	   /* lower=, repeated, top first */
	const char *upper, *work;  /* upper=, work=: absolute, or both absent: read-only */
	bool is_volatile;	   /* volatile=1: the upper folder need not outlive a crash of the host */
	bool tty, stdin, stdin_once; /* tty=1, stdin=1, stdin-once=1 */
	int rows, cols;		   /* rows=, cols= */
	const char *log;	   /* log=: absolute; absent: no log */
	long long log_size;	   /* log-size=: bytes before rotation; 0: never */
	int log_files;		   /* log-files=: at least 1 */
	const char *cgroup;	   /* cgroup=: config.json's cgroupsPath */
	pid_t monitor;		   /* monitor=: with exec, whose mount namespace is joined */
};

/* NULL, or what is wrong with the file. The conf keeps pointers into memory that is never freed. */
const char *conf_read(struct conf *c, const char *path);

#endif
