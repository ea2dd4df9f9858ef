/* The event loop: epoll sources, one event at a time, so that a handler may free any source. */
#ifndef BERTH_LOOP_H
#define BERTH_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* A descriptor that is watched. While nothing is wanted it is out of epoll altogether, so that a hang-up does not spin. */
struct source {
	int fd;
	uint32_t want; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP; 0: not watched */
	void (*ready)(struct source *s, uint32_t events);
};

bool loop_init(void);
/* False where the kernel refuses (out of memory, limit of watches); the source is then unwatched. */
bool loop_want(struct source *s, uint32_t want);
/* Waits at most `timeout` ms (-1: for ever) and runs one handler. */
void loop_step(int timeout);

#endif
