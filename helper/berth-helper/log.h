/* The container's log: Docker's json-file format with rotation. */
#ifndef BERTH_LOG_H
#define BERTH_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum stream { STDIN = 0, STDOUT = 1, STDERR = 2 };

/* NULL, or why the file cannot be opened. */
const char *log_open(const char *path, long long max_size, int max_files);
/* Adds output; whole lines reach the file before the call returns. Where the disk is full they are lost, and the file stays whole lines. */
void log_write(enum stream stream, const char *data, size_t n);
/* Writes what has no newline yet. */
void log_end(void);

#endif
