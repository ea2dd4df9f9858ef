/*
 * The unix socket <dir>/sock. A client's first line says what it is:
 *   control                          → monitor PID, then the state, then a reply per command and events, a line each
 *   attach stdin=1 stdout=1 stderr=0 → ok, then raw bytes both ways
 */
#define _GNU_SOURCE
#include "helper.h"
#include "loop.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX 256
/* Output that waits for one attached client, at most; while it is this full the container is not read. */
#define ATTACH_MAX (256 << 10)
/* Replies that wait for one control connection; one that asks on without reading is cut. */
#define CONTROL_MAX (64 << 10)
#define FRAME 8

enum kind { NEW, CONTROL, ATTACH };

struct client {
	struct source src; /* first: handlers get it */
	enum kind kind;
	bool wants[3]; /* by enum stream */
	bool in_ended; /* its stdin has ended, or was never wanted and its side is shut */
	bool hung_up;  /* takes no more output */
	bool closing;  /* is closed once it has all output */
	int64_t progress; /* clock_ms of the last byte taken */
	struct buf in, out;
	struct client *next;
};

static struct client *clients;
static void listener_ready(struct source *s, uint32_t events);
static struct source listener = { -1, 0, listener_ready };
static void client_ready(struct source *s, uint32_t events);

const char *server_listen(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };
	unlink(address.sun_path);
	umask(0177);
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = listener.fd >= 0 && bind(listener.fd, (struct sockaddr *)&address, sizeof address) == 0 &&
		  listen(listener.fd, 128) == 0 && loop_want(&listener, EPOLLIN);
	umask(0077);
	return ok ? NULL : line("%s/sock: %s", h.conf.dir, strerror(errno));
}

static void listener_ready(struct source *s, uint32_t events)
{
	(void)events;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	if (!c) {
		/* Out of descriptors or memory: until a client goes there is no use in being told again. */
		if (fd >= 0)
			close(fd);
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			loop_want(s, 0);
		return;
	}
	c->src = (struct source){ fd, 0, client_ready };
	c->next = clients;
	clients = c;
	loop_want(&c->src, EPOLLIN);
}

/* What the client may still have sent is read first: closing over unread bytes would make its last reads fail. */
static void drop(struct client *c)
{
	char rest[4096];
	struct client **p = &clients;
	while (*p && *p != c)
		p = &(*p)->next;
	*p = c->next;
	loop_want(&c->src, 0);
	shutdown(c->src.fd, SHUT_RDWR);
	while (recv(c->src.fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
		;
	close(c->src.fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
	if (listener.fd >= 0)
		loop_want(&listener, EPOLLIN);
	output_resume();
}

/* EPOLLERR alone keeps the hang-up reported and nothing else. */
static void watch(struct client *c)
{
	uint32_t want = c->out.len ? EPOLLOUT : 0;
	if (c->kind != ATTACH)
		want |= EPOLLIN;
	else if (c->wants[STDIN] && !c->in_ended && stdin_room())
		want |= EPOLLIN;
	else if (!c->hung_up)
		want |= c->wants[STDIN] || c->in_ended ? EPOLLERR : EPOLLRDHUP;
	loop_want(&c->src, want);
}

static void hang_up(struct client *c)
{
	c->hung_up = true;
	buf_free(&c->out);
}

static void flush(struct client *c)
{
	while (c->out.len && !c->hung_up) {
		ssize_t n = send(c->src.fd, c->out.data + c->out.off, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			buf_consume(&c->out, n);
			c->progress = clock_ms();
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			hang_up(c);
		}
	}
}

/* At most what the socket takes at once is sent; the rest waits in the client's buffer. */
static void send_parts(struct client *c, struct iovec *parts, int count)
{
	size_t sent = 0;
	if (c->hung_up)
		return;
	if (!c->out.len) {
		struct msghdr m = { .msg_iov = parts, .msg_iovlen = count };
		ssize_t n = sendmsg(c->src.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return hang_up(c);
		sent = n < 0 ? 0 : n;
		c->progress = clock_ms();
	}
	for (int i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		sent -= skip;
		if (skip < parts[i].iov_len &&
		    !buf_append(&c->out, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip))
			return hang_up(c);
	}
	watch(c);
}

static void say(struct client *c, const char *text)
{
	struct iovec parts[] = { { (char *)text, strlen(text) }, { "\n", 1 } };
	send_parts(c, parts, 2);
	/* The shutdown is reported to the loop, where the client can be freed. */
	if (c->kind == CONTROL && c->out.len > CONTROL_MAX) {
		hang_up(c);
		shutdown(c->src.fd, SHUT_RDWR);
	}
}

static const char *state_line(void)
{
	switch (h.state) {
	case CREATED: return "created";
	case STARTING: return "starting";
	case RUNNING: return line("running %d %lld", (int)h.init, (long long)h.started);
	default:
		return line("exited %d %d %d %lld %lld %s", h.code, h.signal, h.oom, (long long)h.started,
			    (long long)h.finished, h.error ? h.error : "");
	}
}

static void command(struct client *c, const char *text)
{
	int a, b;
	char end;
	const char *error;
	if (!strcmp(text, "start")) {
		if ((error = supervise_start()))
			say(c, line("start error %s", error));
	} else if (sscanf(text, "signal %d%c", &a, &end) == 1) {
		bool sent = h.state == RUNNING && a >= 0 && a < NSIG && kill(h.init, a) == 0;
		say(c, sent ? "signal ok" : "signal gone");
	} else if (sscanf(text, "resize %d %d%c", &a, &b, &end) == 2 && a >= 0 && b >= 0 && a <= 0xffff && b <= 0xffff) {
		say(c, stdio_resize(a, b) ? "resize ok" : "resize error no terminal");
	} else if (!strcmp(text, "quit")) {
		/* The reply comes before all that quitting tells. */
		bool can = supervise_can_quit();
		say(c, can ? "quit ok" : "quit error started already");
		if (can)
			supervise_quit();
	} else {
		say(c, "error unknown command");
	}
}

static bool parse_attach(struct client *c, const char *text)
{
	static const char *const names[] = { "stdin=", "stdout=", "stderr=" };
	while (*text) {
		size_t i = 0, n = 0;
		for (; i < 3 && strncmp(text, names[i], n = strlen(names[i])); i++)
			;
		if (i == 3 || (text[n] != '0' && text[n] != '1') || (text[n + 1] && text[n + 1] != ' '))
			return false;
		c->wants[i] = text[n] == '1';
		text += n + 1 + (text[n + 1] == ' ');
	}
	return true;
}

static void introduce(struct client *c, const char *text)
{
	if (!strcmp(text, "control")) {
		c->kind = CONTROL;
		say(c, line("monitor %d", (int)getpid()));
		say(c, state_line());
	} else if (!strncmp(text, "attach ", 7) && parse_attach(c, text + 7)) {
		say(c, "ok");
		c->kind = ATTACH;
		c->wants[STDIN] = c->wants[STDIN] && h.conf.stdin;
		if (h.state == EXITED)
			hang_up(c);
		watch(c);
	} else {
		say(c, "error unknown request");
		hang_up(c);
	}
}

/* Takes bytes up to and including the first newline, or all there are. False: too long, or the client has gone. */
static bool read_line(struct client *c)
{
	char part[LINE_MAX];
	ssize_t n = recv(c->src.fd, part, sizeof part, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	char *newline = memchr(part, '\n', n);
	size_t take = newline ? (size_t)(newline - part) + 1 : (size_t)n;
	if (recv(c->src.fd, part, take, MSG_DONTWAIT) != (ssize_t)take || c->in.len + take > LINE_MAX)
		return false;
	return buf_append(&c->in, part, take);
}

static bool line_ready(struct client *c)
{
	if (!read_line(c))
		return false;
	char *text = c->in.data + c->in.off;
	if (!c->in.len || text[c->in.len - 1] != '\n')
		return true;
	text[c->in.len - 1] = 0;
	char copy[LINE_MAX];
	memcpy(copy, text, c->in.len);
	buf_consume(&c->in, c->in.len);
	if (c->kind == NEW)
		introduce(c, copy);
	else
		command(c, copy);
	return !c->hung_up;
}

static void attach_ready(struct client *c, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		hang_up(c);
	if (events & EPOLLRDHUP && !c->wants[STDIN])
		c->in_ended = true;
	if (events & EPOLLIN && c->wants[STDIN] && !c->in_ended && stdin_read(c->src.fd) == 0) {
		c->in_ended = true;
		stdin_client_ended();
	}
	if (c->hung_up && (c->in_ended || !c->wants[STDIN] || h.state == EXITED))
		return drop(c);
	watch(c);
	output_resume();
}

static void client_ready(struct source *s, uint32_t events)
{
	struct client *c = (struct client *)s;
	if (events & EPOLLOUT)
		flush(c);
	if (c->closing && !c->out.len)
		return drop(c);
	if (c->kind != ATTACH && c->hung_up)
		return drop(c);
	if (c->kind == ATTACH)
		return attach_ready(c, events);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !line_ready(c))
		return drop(c);
	watch(c);
}

void server_tell(const char *text)
{
	for (struct client *c = clients; c; c = c->next)
		if (c->kind == CONTROL)
			say(c, text);
}

bool server_has_control(void)
{
	for (struct client *c = clients; c; c = c->next)
		if (c->kind == CONTROL)
			return true;
	return false;
}

void server_output(enum stream stream, const char *data, size_t n)
{
	unsigned char header[FRAME] = { stream, 0, 0, 0, n >> 24, n >> 16, n >> 8, n };
	struct iovec parts[] = { { header, FRAME }, { (char *)data, n } };
	for (struct client *c = clients; c; c = c->next)
		if (c->kind == ATTACH && c->wants[stream] && !c->closing) {
			struct iovec mine[] = { parts[0], parts[1] };
			send_parts(c, h.conf.tty ? mine + 1 : mine, h.conf.tty ? 1 : 2);
		}
}

bool server_room(enum stream stream, size_t n)
{
	for (struct client *c = clients; c; c = c->next)
		if (c->kind == ATTACH && c->wants[stream] && !c->hung_up && c->out.len + n + FRAME > ATTACH_MAX)
			return false;
	return true;
}

void server_stdin_changed(void)
{
	for (struct client *c = clients; c; c = c->next)
		if (c->kind == ATTACH && c->wants[STDIN])
			watch(c);
}

void server_end_output(void)
{
	for (struct client *c = clients, *next; c; c = next) {
		next = c->next;
		if (c->kind != ATTACH)
			continue;
		c->closing = true;
		if (!c->out.len || c->hung_up)
			drop(c);
	}
}

void server_end_control(void)
{
	loop_want(&listener, 0);
	close(listener.fd);
	listener.fd = -1;
	for (struct client *c = clients, *next; c; c = next) {
		next = c->next;
		if (c->kind == ATTACH)
			continue;
		flush(c);
		drop(c);
	}
}

bool server_pending(int64_t deadline)
{
	for (struct client *c = clients, *next; c; c = next) {
		next = c->next;
		if (c->progress < deadline)
			drop(c);
	}
	return clients;
}
