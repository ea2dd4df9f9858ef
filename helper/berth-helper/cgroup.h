/* The container's control groups, v1, v2 and both. */
#ifndef BERTH_CGROUP_H
#define BERTH_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

/* Finds the container's folders: where its first process is now, or where config.json's cgroupsPath says. */
void cgroup_find(pid_t init, const char *configured);
/* Whether the kernel killed for lack of memory in it. */
bool cgroup_oom_killed(void);
/* A descriptor that is readable after its memory ran out; -1: there is no such news. */
int cgroup_oom_watch(void);
/* Takes what is there to be read. True where memory ran out since the last call. */
bool cgroup_oom_news(int fd);
/* Kills what is left and removes the folders. False: some are still busy; call again soon. */
bool cgroup_remove(void);

#endif
