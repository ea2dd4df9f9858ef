#include "loop.h"

#include <stddef.h>

static int epoll_fd = -1;

bool loop_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd >= 0;
}

bool loop_want(struct source *s, uint32_t want)
{
	if (s->want == want)
		return true;
	int operation = !want ? EPOLL_CTL_DEL : !s->want ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	struct epoll_event e = { .events = want, .data.ptr = s };
	bool ok = epoll_ctl(epoll_fd, operation, s->fd, &e) == 0;
	s->want = ok ? want : 0;
	return ok;
}

void loop_step(int timeout)
{
	struct epoll_event e;
	if (epoll_wait(epoll_fd, &e, 1, timeout) != 1)
		return;
	struct source *s = e.data.ptr;
	s->ready(s, e.events);
}
