/* Byte buffers, files, time, and the one way to fail while starting. */
#ifndef BERTH_UTIL_H
#define BERTH_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes waiting: data[off .. off+len). Grows as needed; takes no memory while empty. */
struct buf {
	char *data;
	size_t off, len, cap;
};

/* False where there is no memory; the buffer is then unchanged. */
bool buf_append(struct buf *b, const void *data, size_t n);
void buf_consume(struct buf *b, size_t n);
void buf_free(struct buf *b);

/* Formats one line into a static place that the next call overwrites. */
const char *line(const char *format, ...) __attribute__((format(printf, 1, 2)));

int64_t now_ms(void);
/* Milliseconds that only grow: for deadlines. */
int64_t clock_ms(void);

/* The whole file as a NUL-terminated string, or NULL with errno. `length` may be NULL. Caller frees. */
char *read_file(const char *path, size_t *length);
/* Replaces `path` whole: after a kill it has the old bytes or the new ones. Not synced. */
bool write_atomic(const char *path, const char *text);
/* Removes a tree below `dirfd` without following links; whatever cannot be removed stays. */
void remove_tree(int dirfd, const char *name);
/* The process's start in clock ticks since boot (proc_pid_stat(5), field 22), or 0. */
unsigned long long start_time(pid_t pid);

#endif
