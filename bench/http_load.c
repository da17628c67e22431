/* Keeps an HTTP service on loopback busy: on each of some connections, kept alive, the next request
 * is sent when the answer to the one before is there.
 *
 * bench-http-load PORT CONNECTIONS SECONDS
 * Prints how many requests were answered, and in how many seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MOST 1024
#define ANSWER_MOST      4096

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

struct link {
	int fd;
	size_t used;
	char answer[ANSWER_MOST + 1];
};

static void fail(const char *what)
{
	fprintf(stderr, "bench-http-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct link *l)
{
	l->used = 0;
	if (write(l->fd, request, sizeof request - 1) != (ssize_t)sizeof request - 1)
		fail("write");
}

/* True when the answer is whole. */
static bool hear(struct link *l)
{
	ssize_t size = read(l->fd, l->answer + l->used, ANSWER_MOST - l->used);
	const char *body, *length;

	if (size <= 0)
		fail("the service has hung up");
	l->used += (size_t)size;
	l->answer[l->used] = '\0';
	body = strstr(l->answer, "\r\n\r\n");
	if (body == NULL)
		return false;
	length = strcasestr(l->answer, "\r\nContent-Length: ");
	if (strncmp(l->answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > body)
		fail("an answer that is none");
	return l->used >= (size_t)(body + 4 - l->answer) + strtoul(length + 18, NULL, 10);
}

static void open_link(struct link *l, int epoll, const struct sockaddr_in *at)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};

	l->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)at, sizeof *at) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &event) != 0)
		fail("connect");
	ask(l);
}

int main(int argc, char **argv)
{
	static struct link links[CONNECTIONS_MOST];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int epoll = epoll_create1(0);
	unsigned long count, answered = 0;
	double start, end;

	if (argc != 4 || (count = strtoul(argv[2], NULL, 10)) > CONNECTIONS_MOST) {
		fprintf(stderr, "usage: bench-http-load PORT CONNECTIONS SECONDS\n");
		return 2;
	}
	at.sin_port = htons((in_port_t)strtoul(argv[1], NULL, 10));
	for (unsigned long i = 0; i < count; i++)
		open_link(&links[i], epoll, &at);
	start = now();
	end = start + strtod(argv[3], NULL);
	while (now() < end) {
		struct epoll_event events[64];
		int ready = epoll_wait(epoll, events, 64, 1000);

		for (int i = 0; i < ready; i++) {
			if (hear(events[i].data.ptr)) {
				answered++;
				ask(events[i].data.ptr);
			}
		}
	}
	printf("%lu %.3f\n", answered, now() - start);
	return 0;
}
