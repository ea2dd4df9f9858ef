/*
 * dnsload NAME SECONDS AT_ONCE: asks 127.0.0.11 for NAME (type A) over and over, AT_ONCE questions under way, each from a socket of its own. Prints
 * the median microseconds of one answer and the answers per second.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 64
#define SAMPLES 1000000

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	unsigned char query[512] = { 0, 1, 1, 0, 0, 1 };
	size_t n = 12;
	for (char *label = strtok(argv[1], "."); label; label = strtok(NULL, ".")) {
		query[n++] = strlen(label);
		memcpy(query + n, label, strlen(label));
		n += strlen(label);
	}
	memcpy(query + n, "\0\0\1\0\1", 5);
	n += 5;
	int at_once = atoi(argv[3]);
	struct pollfd fds[MOST];
	double sent[MOST], *took = malloc(SAMPLES * sizeof *took);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = inet_addr("127.0.0.11") };
	for (int i = 0; i < at_once; i++) {
		fds[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
		if (connect(fds[i].fd, (struct sockaddr *)&to, sizeof to) < 0)
			return 1;
		sent[i] = now();
		if (write(fds[i].fd, query, n) < 0)
			return 1;
	}
	size_t count = 0;
	double begun = now(), end = begun + atof(argv[2]) * 1e6, at;
	while ((at = now()) < end && count < SAMPLES) {
		if (poll(fds, at_once, 2000) <= 0)
			return 1;
		for (int i = 0; i < at_once; i++) {
			unsigned char answer[512];
			if (!(fds[i].revents & POLLIN) || read(fds[i].fd, answer, sizeof answer) < 12)
				continue;
			/* An answer without an error, with at least one record. */
			if ((answer[3] & 15) || !(answer[6] | answer[7]))
				return 1;
			took[count++] = now() - sent[i];
			sent[i] = now();
			if (write(fds[i].fd, query, n) < 0)
				return 1;
		}
	}
	qsort(took, count, sizeof *took, by_value);
	printf("%.1f %.0f\n", took[count / 2], count / ((at - begun) / 1e6));
	return 0;
}
