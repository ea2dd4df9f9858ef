/* The private mount namespace and the container's root file system in it. */
#ifndef BERTH_MOUNTS_H
#define BERTH_MOUNTS_H

#include "conf.h"

/*
 * Moves this process into a mount namespace of its own whose mounts are slaves: what the host mounts later arrives, nothing of ours
 * leaves, but for the stages that are shared. Then the hybrid cgroup2 mount is hidden, the overlay is mounted on <dir>/rootfs and each stage
 * on <dir>/stage/<n>. The working folder is <dir> afterwards.
 * All of it ends with the namespace's last process. Returns NULL, or the error.
 */
const char *mounts_make(const struct conf *c);
/* Mounts a copy of a stage's source, as the stage wants it, on `target` in this process's own namespace. Returns NULL, or the error. */
const char *mounts_bind(struct stage *s, const char *target);
/* Moves this process into the monitor's mount namespace; the working folder is <dir> afterwards. Returns NULL, or the error. */
const char *mounts_join(const struct conf *c);
/* Takes the root file system away while the helper lives on. */
void mounts_drop(void);

#endif
