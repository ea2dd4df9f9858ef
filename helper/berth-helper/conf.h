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

/* Folders on top of each other; lower names are relative to `base`, top first. Without `upper` it is read-only. */
struct overlay {
	const char *base;
	struct list lower;
	const char *upper, *work;
	bool is_volatile; /* the upper folder need not outlive a crash of the host */
};

/* What is put on <dir>/stage/<n> before the OCI runtime binds it from there. */
struct stage {
	const char *source;	/* stage=: absolute; empty: layers */
	struct overlay layers;	/* stage-base=, stage-lower= */
	const char *sub;	/* stage-sub=: a path below the source, which does not leave it */
	bool shared;		/* stage-shared=1: what is mounted below reaches the host */
	bool alone;		/* stage-alone=1: without what is mounted below the source */
	const char *uids, *gids; /* stage-uids=, stage-gids=: owners are mapped (idmap.h); both or none */
	bool secret;		/* stage-secret=1: a copy of the file in memory, which belongs to uid and gid */
	int uid, gid, mode;	/* stage-uid=, stage-gid=, stage-mode= */
	int tree;		/* while mounting: a detached copy of the source, or -1 */
};

struct conf {
	bool exec;		   /* one process inside a running container */
	const char *dir;	   /* absolute; argv */
	const char *id;		   /* id=: for --root's folder; with exec, of the container */
	const char *runtime, *root; /* runtime=, runtime-root=: absolute */
	struct list runtime_args;  /* runtime-arg=, repeated */
	struct overlay rootfs;  /* base=, lower= (repeated), upper=, work= (absolute, or both absent), volatile=1 */
	struct stage *stages;	   /* stage=, repeated; the keys stage-* belong to the last one */
	size_t stage_count;
	bool tty, stdin, stdin_once; /* tty=1, stdin=1, stdin-once=1 */
	int rows, cols;		   /* rows=, cols= */
	const char *log;	   /* log=: absolute; absent: no log */
	long long log_size;	   /* log-size=: bytes before rotation; 0: never */
	int log_files;		   /* log-files=: at least 1 */
	bool log_compress;	   /* log-compress=1: rotated files are */
	bool log_raw;		   /* log-raw=1: bytes that are no UTF-8 can be told again */
	const char *log_attrs;	   /* log-attrs=: JSON text that each entry has, with the comma before it */
	const char *cgroup;	   /* cgroup=: config.json's cgroupsPath */
	pid_t monitor;		   /* monitor=: with exec, whose mount namespace is joined */
};

/* NULL, or what is wrong with the file. The conf keeps pointers into memory that is never freed. */
const char *conf_read(struct conf *c, const char *path);

#endif
