/*
 * berth-helper net: holds sockets at 127.0.0.11, port 20053, inside the network namespaces that it is told of, and carries what is
 * asked there to its parent and the answers back. It knows nothing of DNS but that a message over TCP has its length before it
 * (RFC 1035 section 4.2.2). Besides it tells what others change of the host's network. It lives as long as its stdin.
 *
 * Frames on stdin and stdout, host's byte order: u32 length of what follows, u8 type, u32 place, then
 *   ADD     path of a namespace           ADDED   nothing, or why it could not be
 *   REMOVE  nothing
 *   REPLY   u8 via, token, message        QUERY   u8 via, token, message
 *   KEEP    u16 length, question, answer: both without their first two bytes, the id; asked again it is answered from here
 *   FORGET  nothing: all that was kept
 *                                         CHANGED name, `place` says of what (watch.h)
 * A place is a number below MOST_PLACES that the parent chooses. A token is repeated as it came.
 */
#define _GNU_SOURCE
#include "helper.h"
#include "loop.h"
#include "util.h"
#include "watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ADD = 1, REMOVE, REPLY, KEEP, FORGET };
enum { ADDED = 1, QUERY = 3, CHANGED };
enum { UDP, TCP };

#define ADDRESS 0x7f00000b /* 127.0.0.11 */
#define PORT 20053
#define MOST_PLACES 65536
#define MOST_CLIENTS 1024
#define CLIENTS_OF_PLACE 64
#define KEPT 1024
#define KEPT_BYTES 2048
#define UDP_BYTES 4096
#define TCP_BYTES 65535
#define UDP_AT_ONCE 16
#define IDLE_MS 10000
/* For a predecessor that still has the port of a place. */
#define TRIES 20
#define TRY_US 10000

struct head {
	uint8_t type;
	uint32_t place;
} __attribute__((packed));

struct token {
	uint32_t a, b;
};

struct message {
	struct head head;
	uint8_t via;
	struct token token;
} __attribute__((packed));

struct place {
	struct source udp, tcp;
	uint32_t id;
	int clients;
};

struct client {
	struct source source;
	struct place *place;
	uint32_t number;
	int64_t deadline;
	size_t have;
	unsigned char *bytes; /* 2 + TCP_BYTES; none before the first byte */
};

/* An answer that holds until the parent says otherwise. */
struct kept {
	uint32_t place, generation;
	uint16_t question, answer;
	unsigned char *bytes;
};

static struct kept kept[KEPT];
static uint32_t generation = 1;
static struct source parent;
static struct place *places[MOST_PLACES];
static struct client *clients[MOST_CLIENTS];
static int connected;
static uint32_t last_number;
static int home = -1;

static bool write_all(const void *data, size_t n)
{
	const char *p = data;
	while (n > 0) {
		ssize_t w = write(1, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return false;
		p += w;
		n -= w;
	}
	return true;
}

/* One write for one frame; the parent that does not read holds us up, and questions are lost in the sockets meanwhile. */
static void tell(const void *head, size_t n, const void *data, size_t size)
{
	static char frame[sizeof(uint32_t) + sizeof(struct message) + TCP_BYTES];
	uint32_t length = n + size;
	memcpy(frame, &length, sizeof length);
	memcpy(frame + sizeof length, head, n);
	memcpy(frame + sizeof length + n, data, size);
	if (!write_all(frame, sizeof length + length))
		exit(0);
}

static void query(struct place *p, uint8_t via, struct token token, const void *data, size_t size)
{
	struct message m = { { QUERY, p->id }, via, token };
	tell(&m, sizeof m, data, size);
}

static struct kept *slot_of(uint32_t place, const unsigned char *question, size_t n)
{
	uint32_t hash = 2166136261u ^ place;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ question[i]) * 16777619u;
	return &kept[hash % KEPT];
}

static void keep(uint32_t place, const unsigned char *data, size_t size)
{
	uint16_t question;
	if (size < sizeof question)
		return;
	memcpy(&question, data, sizeof question);
	size -= sizeof question;
	if (size < question || size > KEPT_BYTES)
		return;
	struct kept *k = slot_of(place, data + sizeof question, question);
	unsigned char *bytes = realloc(k->bytes, size);
	if (!bytes)
		return;
	memcpy(bytes, data + sizeof question, size);
	*k = (struct kept){ place, generation, question, size - question, bytes };
}

static void parent_ready(struct source *s, uint32_t events);

/* True where the question was answered from what is kept. What the parent has said before the question was asked counts: it is read first. */
static bool answer_kept(uint32_t id, int fd, const unsigned char *query, size_t n, const struct sockaddr_in *to)
{
	if (n < 3)
		return false;
	struct kept *k = slot_of(id, query + 2, n - 2);
	struct pollfd waiting = { .fd = parent.fd, .events = POLLIN };
	if (k->generation != generation || k->place != id)
		return false;
	while (poll(&waiting, 1, 0) == 1)
		parent_ready(&parent, EPOLLIN);
	if (k->generation != generation || k->place != id || k->question != n - 2 || memcmp(k->bytes, query + 2, n - 2))
		return false;
	unsigned char reply[2 + KEPT_BYTES];
	memcpy(reply, query, 2);
	memcpy(reply + 2, k->bytes + k->question, k->answer);
	sendto(fd, reply, 2 + k->answer, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof *to);
	return true;
}

static void udp_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct place *p = (struct place *)((char *)s - offsetof(struct place, udp));
	uint32_t id = p->id;
	/* The parent's words, which may be heard on the way, may take the place away. */
	for (int i = 0; i < UDP_AT_ONCE && places[id] == p; i++) {
		unsigned char bytes[UDP_BYTES];
		struct sockaddr_in from;
		socklen_t size = sizeof from;
		ssize_t n = recvfrom(s->fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (n > 0 && (size_t)n <= sizeof bytes && !answer_kept(id, s->fd, bytes, n, &from) && places[id] == p)
			query(p, UDP, (struct token){ from.sin_addr.s_addr, from.sin_port }, bytes, n);
	}
}

static void client_end(struct client *c)
{
	loop_want(&c->source, 0);
	close(c->source.fd);
	c->place->clients--;
	connected--;
	for (int i = 0; i < MOST_CLIENTS; i++)
		if (clients[i] == c)
			clients[i] = NULL;
	free(c->bytes);
	free(c);
}

static void client_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct client *c = (struct client *)s;
	if (!c->bytes && !(c->bytes = malloc(2 + TCP_BYTES)))
		return client_end(c);
	size_t wanted = c->have < 2 ? 2 : 2 + (c->bytes[0] << 8 | c->bytes[1]);
	ssize_t n = recv(s->fd, c->bytes + c->have, wanted - c->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		return client_end(c);
	c->have += n;
	wanted = c->have < 2 ? 2 : 2 + (c->bytes[0] << 8 | c->bytes[1]);
	if (c->have < 2 || c->have < wanted)
		return;
	c->deadline = clock_ms() + IDLE_MS;
	uint32_t at = 0;
	while (clients[at] != c)
		at++;
	query(c->place, TCP, (struct token){ at, c->number }, c->bytes + 2, wanted - 2);
	c->have = 0;
}

static void tcp_ready(struct source *s, uint32_t events)
{
	(void)events;
	struct place *p = (struct place *)((char *)s - offsetof(struct place, tcp));
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	int at = 0;
	while (at < MOST_CLIENTS && clients[at])
		at++;
	struct client *c = at < MOST_CLIENTS && p->clients < CLIENTS_OF_PLACE ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	c->source = (struct source){ .fd = fd, .ready = client_ready };
	c->place = p;
	c->number = ++last_number;
	c->deadline = clock_ms() + IDLE_MS;
	clients[at] = c;
	p->clients++;
	connected++;
	if (!loop_want(&c->source, EPOLLIN))
		client_end(c);
}

static int listen_at(int type)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(ADDRESS) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	if (fd < 0)
		return -1;
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	for (int i = 0; bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0); i++) {
		if (errno != EADDRINUSE || i == TRIES) {
			int error = errno;
			close(fd);
			errno = error;
			return -1;
		}
		usleep(TRY_US);
	}
	return fd;
}

static void place_remove(uint32_t id)
{
	struct place *p = places[id];
	if (!p)
		return;
	for (int i = 0; p->clients > 0 && i < MOST_CLIENTS; i++)
		if (clients[i] && clients[i]->place == p)
			client_end(clients[i]);
	loop_want(&p->udp, 0);
	loop_want(&p->tcp, 0);
	close(p->udp.fd);
	close(p->tcp.fd);
	/* The number may be another's soon. */
	generation++;
	places[id] = NULL;
	free(p);
}

/* The two sockets, made inside the namespace; this process is back in its own afterwards, or ends. */
static bool sockets_in(const char *path, int fds[2])
{
	int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return false;
	bool in = setns(ns, CLONE_NEWNET) == 0;
	int error = errno;
	close(ns);
	errno = error;
	if (!in)
		return false;
	fds[0] = listen_at(SOCK_DGRAM);
	fds[1] = fds[0] < 0 ? -1 : listen_at(SOCK_STREAM);
	error = errno;
	if (fds[0] >= 0 && fds[1] < 0)
		close(fds[0]);
	if (setns(home, CLONE_NEWNET) < 0)
		exit(1);
	errno = error;
	return fds[1] >= 0;
}

static const char *place_add(uint32_t id, const char *path)
{
	int fds[2];
	place_remove(id);
	if (!sockets_in(path, fds))
		return strerror(errno);
	struct place *p = calloc(1, sizeof *p);
	if (!p) {
		close(fds[0]);
		close(fds[1]);
		return strerror(ENOMEM);
	}
	p->id = id;
	p->udp = (struct source){ .fd = fds[0], .ready = udp_ready };
	p->tcp = (struct source){ .fd = fds[1], .ready = tcp_ready };
	places[id] = p;
	if (loop_want(&p->udp, EPOLLIN) && loop_want(&p->tcp, EPOLLIN))
		return "";
	place_remove(id);
	return strerror(ENOMEM);
}

static void reply(struct place *p, const struct message *m, const char *data, size_t size)
{
	if (!p || size == 0 || size > TCP_BYTES)
		return;
	if (m->via == UDP) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = m->token.a, .sin_port = m->token.b };
		sendto(p->udp.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
		return;
	}
	struct client *c = m->token.a < MOST_CLIENTS ? clients[m->token.a] : NULL;
	if (!c || c->place != p || c->number != m->token.b)
		return;
	char head[2] = { size >> 8, size & 255 };
	/* A client that does not read is cut. */
	if (send(c->source.fd, head, 2, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) != 2 ||
	    send(c->source.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		client_end(c);
}

static void obey(const char *frame, size_t size)
{
	struct message m = { 0 };
	if (size < sizeof m.head)
		exit(1);
	memcpy(&m.head, frame, sizeof m.head);
	uint32_t id = m.head.place;
	if (id >= MOST_PLACES)
		exit(1);
	if (m.head.type == ADD) {
		char path[4096];
		snprintf(path, sizeof path, "%.*s", (int)(size - sizeof m.head), frame + sizeof m.head);
		const char *error = place_add(id, path);
		tell(&(struct head){ ADDED, id }, sizeof(struct head), error, strlen(error));
	} else if (m.head.type == REMOVE) {
		place_remove(id);
	} else if (m.head.type == REPLY && size >= sizeof m) {
		memcpy(&m, frame, sizeof m);
		reply(places[id], &m, frame + sizeof m, size - sizeof m);
	} else if (m.head.type == KEEP) {
		keep(id, (const unsigned char *)frame + sizeof m.head, size - sizeof m.head);
	} else if (m.head.type == FORGET) {
		generation++;
	} else {
		exit(1);
	}
}

static void parent_ready(struct source *s, uint32_t events)
{
	static char bytes[2 * (sizeof(uint32_t) + sizeof(struct message) + TCP_BYTES)];
	static size_t have;
	(void)events;
	ssize_t n = read(s->fd, bytes + have, sizeof bytes - have);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		exit(0);
	have += n;
	size_t done = 0;
	uint32_t length;
	while (have - done >= sizeof length) {
		memcpy(&length, bytes + done, sizeof length);
		if (length > sizeof bytes - sizeof length)
			exit(1);
		if (have - done - sizeof length < length)
			break;
		obey(bytes + done + sizeof length, length);
		done += sizeof length + length;
	}
	memmove(bytes, bytes + done, have - done);
	have -= done;
}

static void changed(enum watched what, const char *name)
{
	struct head head = { CHANGED, what };
	tell(&head, sizeof head, name, strlen(name));
}

int run_net(void)
{
	struct rlimit files;
	parent = (struct source){ .fd = 0, .ready = parent_ready };
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || !loop_init() || !loop_want(&parent, EPOLLIN)) {
		perror("berth-helper net");
		return 1;
	}
	if (!watch_begin(changed))
		perror("berth-helper net: what others change goes unseen");
	for (;;) {
		loop_step(connected ? IDLE_MS / 10 : -1);
		for (int i = 0; connected && i < MOST_CLIENTS; i++)
			if (clients[i] && clients[i]->deadline < clock_ms())
				client_end(clients[i]);
	}
}
