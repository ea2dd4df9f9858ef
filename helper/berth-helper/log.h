/* The container's log: Docker's json-file format with rotation. */
#ifndef BERTH_LOG_H
#define BERTH_LOG_H

#include <stddef.h>

#include "conf.h"

enum stream { STDIN = 0, STDOUT = 1, STDERR = 2 };

/* NULL, or why the file cannot be opened. Keeps pointers into the conf. */
const char *log_open(const struct conf *c);
/* Adds output; whole lines reach the file before the call returns. Where the disk is full they are lost, and the file stays whole lines. */
void log_write(enum stream stream, const char *data, size_t n);
/* Writes what has no newline yet. */
void log_end(void);

#endif
