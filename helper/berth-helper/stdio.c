/* The container's stdin, stdout and stderr: pipes, or one pseudo-terminal. */
#define _GNU_SOURCE
#include "helper.h"
#include "loop.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK 32768
/* A pipe holds at most 1 MiB unless its owner was root with a raised limit; more than this after the end is a process outside the container. */
#define DRAIN_MAX (4 << 20)

struct output {
	struct source src; /* first: handlers get it */
	enum stream stream;
};

static void output_ready(struct source *s, uint32_t events);
static void input_ready(struct source *s, uint32_t events);
static void console_ready(struct source *s, uint32_t events);

static struct output out = { { -1, 0, output_ready }, STDOUT }, err = { { -1, 0, output_ready }, STDERR };
static struct source in = { -1, 0, input_ready }, console = { -1, 0, console_ready };
static struct buf in_waiting;
static int child[3] = { -1, -1, -1 };
static int rows, cols;
static char chunk[CHUNK];

static void shut(struct source *s)
{
	if (s->fd < 0)
		return;
	loop_want(s, 0);
	close(s->fd);
	s->fd = -1;
}

static bool pipe_pair(int *ours, int *theirs, bool we_read)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return false;
	*ours = p[we_read ? 0 : 1];
	*theirs = p[we_read ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static bool listen_console(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "console.sock" };
	unlink(address.sun_path);
	console.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return console.fd >= 0 && bind(console.fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	       listen(console.fd, 1) == 0 && loop_want(&console, EPOLLIN);
}

const char *stdio_prepare(void)
{
	rows = h.conf.rows;
	cols = h.conf.cols;
	if (h.conf.tty) {
		child[2] = open("runtime.err", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		return child[2] < 0 || !listen_console() ? line("console socket: %s", strerror(errno)) : NULL;
	}
	bool ok = pipe_pair(&out.src.fd, &child[1], true) && pipe_pair(&err.src.fd, &child[2], true);
	if (ok && h.conf.stdin)
		ok = pipe_pair(&in.fd, &child[0], false);
	return ok ? NULL : line("pipes: %s", strerror(errno));
}

void stdio_child(int fds[3])
{
	/* 0 to 2 of the helper itself are /dev/null. */
	for (int i = 0; i < 3; i++)
		fds[i] = child[i] < 0 ? i : child[i];
}

size_t stdio_stderr_text(char *text, size_t size)
{
	ssize_t n = h.conf.tty ? pread(child[2], text, size, 0) : read(err.src.fd, text, size);
	return n < 0 ? 0 : n;
}

void stdio_running(void)
{
	for (int i = 0; i < 3; i++)
		if (child[i] >= 0)
			close(child[i]);
	if (console.fd >= 0)
		console_ready(&console, EPOLLIN);
	output_resume();
	server_stdin_changed();
}

/* Takes the pty's master off the runtime's connection: one message that carries it (runc, docs/terminals.md, "detached"). */
static int receive_fd(int connection)
{
	char data[256];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { data, sizeof data };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct timeval limit = { .tv_sec = 5 };
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (recvmsg(connection, &m, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void console_ready(struct source *s, uint32_t events)
{
	(void)events;
	int connection = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	if (connection < 0)
		return;
	int master = receive_fd(connection);
	close(connection);
	/* Reading and writing are watched apart, hence two descriptors. */
	int writer = master < 0 ? -1 : fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (writer < 0) {
		if (master >= 0)
			close(master);
		return;
	}
	fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
	out.src.fd = master;
	in.fd = writer;
	shut(s);
	unlink("console.sock");
	if (rows && cols)
		stdio_resize(rows, cols);
	if (h.state == RUNNING) {
		output_resume();
		server_stdin_changed();
	}
}

bool stdio_resize(int r, int c)
{
	rows = r;
	cols = c;
	struct winsize size = { .ws_row = r, .ws_col = c };
	return h.conf.tty && (out.src.fd < 0 || ioctl(out.src.fd, TIOCSWINSZ, &size) == 0);
}

/* Reads once. False: nothing now. The end of a pipe is 0, of a pty EIO. */
static bool pump(struct output *o)
{
	ssize_t n = read(o->src.fd, chunk, sizeof chunk);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		shut(&o->src);
		return false;
	}
	log_write(o->stream, chunk, n);
	server_output(o->stream, chunk, n);
	return true;
}

static void output_ready(struct source *s, uint32_t events)
{
	struct output *o = (struct output *)s;
	(void)events;
	if (server_room(o->stream, CHUNK))
		pump(o);
	else
		loop_want(s, 0);
}

void output_resume(void)
{
	if (h.state != RUNNING)
		return;
	for (struct output *o = &out; o; o = o == &out ? &err : NULL)
		if (o->src.fd >= 0 && !o->src.want && server_room(o->stream, CHUNK))
			loop_want(&o->src, EPOLLIN);
}

static void drain(struct output *o)
{
	for (size_t n = 0; o->src.fd >= 0 && n < DRAIN_MAX; n += CHUNK)
		if (!pump(o))
			break;
	shut(&o->src);
}

void stdio_finish(void)
{
	drain(&out);
	drain(&err);
	log_end();
	shut(&in);
	shut(&console);
	buf_free(&in_waiting);
}

bool stdin_room(void)
{
	return h.state == RUNNING && in_waiting.len == 0 && (in.fd >= 0 || !h.conf.tty);
}

/* Writes what waits. A container that has closed its stdin makes the rest worthless: it is read and dropped. */
static void write_waiting(void)
{
	while (in_waiting.len && in.fd >= 0) {
		ssize_t n = write(in.fd, in_waiting.data + in_waiting.off, in_waiting.len);
		if (n > 0)
			buf_consume(&in_waiting, n);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			shut(&in);
	}
	if (in.fd < 0)
		buf_free(&in_waiting);
	else
		loop_want(&in, in_waiting.len ? EPOLLOUT : 0);
}

static void input_ready(struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
	write_waiting();
	if (stdin_room())
		server_stdin_changed();
}

ssize_t stdin_read(int client)
{
	ssize_t n = recv(client, chunk, sizeof chunk, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : 0;
	if (n > 0 && in.fd >= 0 && buf_append(&in_waiting, chunk, n)) {
		write_waiting();
		if (!stdin_room())
			server_stdin_changed();
	}
	return n;
}

void stdin_client_ended(void)
{
	if (h.conf.stdin_once && !h.conf.tty)
		shut(&in);
}
