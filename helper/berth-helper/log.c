#define _GNU_SOURCE
#include "log.h"
#include "rotate.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of a fraction of a second. */
#define DIGITS 9
/* A longer line is logged in pieces of this size, only the last of which ends in a newline (Docker's copier). */
#define PIECE 16384
#define BATCH 32768
/* One byte becomes at most 6; the rest is the frame and the time. */
#define ENTRY_MAX (PIECE * 6 + 128)

static struct {
	const char *path;
	int fd;
	long long size, max_size;
	const char *attrs; /* what every entry has between stream and time: "" or ,"attrs":{…} */
	bool raw;
} file = { .fd = -1, .attrs = "" };

/* What has come since the last newline. A line in pieces has one time: that of its first piece, in `stamp` ("": no piece yet). */
static struct {
	char data[PIECE];
	size_t n;
	char stamp[40];
} partial[3];

/* Whole entries not yet in the file: BATCH bytes and one entry. */
static char *batch;
static size_t batched;

static bool reopen(void)
{
	file.fd = open(file.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat s;
	file.size = file.fd >= 0 && fstat(file.fd, &s) == 0 ? s.st_size : 0;
	return file.fd >= 0;
}

const char *log_open(const struct conf *c)
{
	char last = '\n';
	file.path = c->log;
	file.max_size = c->log_size;
	file.raw = c->log_raw;
	file.attrs = c->log_attrs ? c->log_attrs : "";
	batch = malloc(BATCH + ENTRY_MAX + strlen(file.attrs));
	if (!batch || !reopen())
		return line("log %s: %s", file.path, strerror(errno));
	/* A monitor that was killed in the middle of a write: its torn line ends here. */
	if (file.size && pread(file.fd, &last, 1, file.size - 1) == 1 && last != '\n' && write(file.fd, "\n", 1) == 1)
		file.size++;
	rotate_open(file.path, c->log_files, c->log_compress);
	return NULL;
}

/* A half-written batch is cut off again, so that the next entry starts on a line of its own. */
static void flush_batch(void)
{
	size_t n = batched;
	batched = 0;
	if (!n || (file.fd < 0 && !reopen()))
		return;
	ssize_t w = write(file.fd, batch, n);
	if (w == (ssize_t)n)
		file.size += w;
	else if (w > 0 && ftruncate(file.fd, file.size) < 0)
		file.size += w;
}

static void begin_file(void)
{
	flush_batch();
	rotate();
	close(file.fd);
	reopen();
}

static char *put(char *out, const char *s)
{
	size_t n = strlen(s);
	memcpy(out, s, n);
	return out + n;
}

/* Length of the UTF-8 sequence at p, or 0 where it is not one (Unicode 15, table 3-7). */
static int sequence(const unsigned char *p, const unsigned char *end)
{
	int more = *p >= 0xc2 && *p <= 0xdf ? 1 : (*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p <= 0xf4 ? 3 : 0;
	if (!more || end - p <= more)
		return 0;
	for (int i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return more + 1;
}

/* Bits of the ASCII characters that stand for themselves in JSON as Docker writes it: all but controls and " & < > \\ */
static bool is_plain(unsigned char c)
{
	static const uint32_t bits[8] = { 0, ~(1u << 2 | 1u << 6 | 1u << 28 | 1u << 30), ~(1u << 28), ~0u };
	return bits[c >> 5] >> (c & 31) & 1;
}

/*
 * JSON text in the way of Docker's encoder: HTML-sensitive bytes and the line separators escaped too. A byte that is no UTF-8 becomes U+FFFD, or,
 * in a raw log, the lone surrogate U+DC00 + byte, which no text has.
 */
static char *escape(char *out, const unsigned char *p, const unsigned char *end)
{
	static const char hex[] = "0123456789abcdef";
	while (p < end) {
		const unsigned char *run = p;
		while (p < end && is_plain(*p))
			p++;
		memcpy(out, run, p - run);
		out += p - run;
		if (p == end)
			break;
		unsigned char c = *p;
		if (c >= 0x80) {
			int n = sequence(p, end);
			if (!n && file.raw)
				out = put(put(put(out, "\\udc"), (char[]){ hex[c >> 4], 0 }), (char[]){ hex[c & 15], 0 });
			else if (!n)
				out = put(out, "\\ufffd");
			else if (c == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8)
				out = put(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
			else
				for (int i = 0; i < n; i++)
					*out++ = p[i];
			p += n ? n : 1;
			continue;
		}
		p++;
		if (c == '\\' || c == '"') {
			*out++ = '\\';
			*out++ = c;
		} else if (c == '\n' || c == '\r') {
			*out++ = '\\';
			*out++ = c == '\n' ? 'n' : 'r';
		} else {
			out = put(out, "\\u00");
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
	}
	return out;
}

/* "2026-01-31T23:59:59" for seconds since 1970. By hand: the C library's own reads the time zone's file first. */
static void put_date(char out[static 32], int64_t seconds)
{
	int64_t day = seconds / 86400, second = seconds % 86400;
	/* Years that begin in March put the leap day last; an era is 400 of them. */
	int64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
	int d = of_year - (153 * month + 2) / 5 + 1, m = month < 10 ? month + 3 : month - 9;
	snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d", (int)(year + era * 400 + (m <= 2)) % 10000, m, d,
		 (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
}

/* RFC 3339 in UTC, trailing zeros of the fraction left out, as Go's RFC3339Nano has it. */
static char *put_time(char *out)
{
	static time_t cached = -1;
	static char seconds[32];
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (t.tv_sec != cached) {
		put_date(seconds, t.tv_sec);
		cached = t.tv_sec;
	}
	out = put(out, seconds);
	if (t.tv_nsec) {
		long left = t.tv_nsec;
		*out = '.';
		for (int i = DIGITS; i > 0; i--, left /= 10)
			out[i] = '0' + left % 10;
		out += 1 + DIGITS;
		while (out[-1] == '0')
			out--;
	}
	*out++ = 'Z';
	return out;
}

static void entry(enum stream stream, const char *data, size_t n, bool newline)
{
	if (batched > BATCH)
		flush_batch();
	if (file.max_size && file.size + (long long)batched >= file.max_size)
		begin_file();
	char *out = put(batch + batched, "{\"log\":\"");
	out = escape(out, (const unsigned char *)data, (const unsigned char *)data + n);
	out = put(out, newline ? "\\n\",\"stream\":\"" : "\",\"stream\":\"");
	out = put(out, stream == STDERR ? "stderr\"" : "stdout\"");
	out = put(put(out, file.attrs), ",\"time\":\"");
	char *stamp = partial[stream].stamp;
	if (!*stamp)
		*put_time(stamp) = 0;
	out = put(out, stamp);
	if (newline)
		*stamp = 0;
	out = put(out, "\"}\n");
	batched = out - batch;
}

void log_write(enum stream stream, const char *data, size_t n)
{
	if (!file.path)
		return;
	while (n) {
		char *held = partial[stream].data;
		size_t *count = &partial[stream].n, room = PIECE - *count;
		size_t part = n < room ? n : room;
		const char *newline = memchr(data, '\n', part);
		if (newline)
			part = newline - data;
		if (!*count && (newline || part == PIECE)) {
			entry(stream, data, part, newline);
		} else {
			memcpy(held + *count, data, part);
			*count += part;
			if (newline || part == room) {
				entry(stream, held, *count, newline);
				*count = 0;
			}
		}
		part += newline ? 1 : 0;
		data += part;
		n -= part;
	}
	flush_batch();
}

void log_end(void)
{
	if (!file.path)
		return;
	for (enum stream s = STDOUT; s <= STDERR; s++)
		if (partial[s].n) {
			entry(s, partial[s].data, partial[s].n, false);
			partial[s].n = 0;
		}
	flush_batch();
}
