/* A log's files: PATH is being written, PATH.N were before (the greatest N last), PATH.N.gz once they are compressed. A number is never used again. */
#ifndef BERTH_ROTATE_H
#define BERTH_ROTATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Finds out which number is next. `path` must stay valid. */
void rotate_open(const char *path, int max_files, bool compress);
/* Makes PATH free for a new file, removes what is too old, and lets gzip begin where it does not run. */
void rotate(void);
/* A child has ended that may have been gzip. */
void rotate_reaped(pid_t pid, int status);

#endif
