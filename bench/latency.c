/* From the knock, or OpenSPA request, to the first TCP connection that is accepted, as a client
 * sees it.
 *
 * bench-latency SERVER UDP-PORT TCP-PORT SOURCES PACKETS PACKET-BYTES [PATIENCE]
 * SOURCES holds one IPv4 address of this host a line, PACKETS as many prepared packets: each is
 * sent from its own address, so that every sample starts with a shut port. Prints the elapsed
 * microseconds of each, one a line. PATIENCE: how often it waits for a port that is open before the
 * knock, as a floor's may be that is slow to shut. A gate's is open by mistake. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MOST 1024
#define ATTEMPTS    32
#define PACE_US     30 /* from one attempt to connect to the next */
#define SHUT_US     1000
#define PAUSE_US    10000
#define GIVE_UP_US  5e6

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct sockaddr_in address_of(const char *text, const char *port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons((in_port_t)strtoul(port, NULL, 10))};

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		fail(text);
	return a;
}

static int socket_from(const struct sockaddr_in *source, int kind)
{
	int s = socket(AF_INET, kind, 0);

	if (s < 0 || bind(s, (const struct sockaddr *)source, sizeof *source) != 0)
		fail("bind");
	return s;
}

/* Attempts to connect, the oldest first. None is given up for being slow: it makes room for another
 * when there are too many. */
struct attempts {
	struct pollfd sockets[ATTEMPTS];
	nfds_t count;
};

static void try_again(
    struct attempts *a, const struct sockaddr_in *source, const struct sockaddr_in *service)
{
	int s = socket_from(source, SOCK_STREAM | SOCK_NONBLOCK);

	if (a->count == ATTEMPTS) {
		close(a->sockets[0].fd);
		memmove(a->sockets, a->sockets + 1, (ATTEMPTS - 1) * sizeof *a->sockets);
		a->count--;
	}
	if (connect(s, (const struct sockaddr *)service, sizeof *service) != 0 &&
	    errno != EINPROGRESS)
		fail("connect");
	a->sockets[a->count++] = (struct pollfd){.fd = s, .events = POLLOUT};
}

static bool one_connects(struct attempts *a)
{
	bool done = false;

	if (poll(a->sockets, a->count, 0) < 0)
		fail("poll");
	for (nfds_t i = 0; i < a->count; i++)
		done = done || (a->sockets[i].revents & (POLLOUT | POLLERR | POLLHUP)) == POLLOUT;
	return done;
}

/* When one attempt has succeeded; 0 when none has for so long. Taken before the others are closed,
 * which takes longer where they were not answered. */
static double connects(
    const struct sockaddr_in *source, const struct sockaddr_in *service, double patience_us)
{
	struct attempts attempts = {.count = 0};
	double start = now_us(), next = start, done = 0;

	while (done <= 0 && now_us() - start < patience_us) {
		if (now_us() >= next) {
			try_again(&attempts, source, service);
			next += PACE_US;
		}
		if (one_connects(&attempts))
			done = now_us();
	}
	for (nfds_t i = 0; i < attempts.count; i++)
		close(attempts.sockets[i].fd);
	return done;
}

static double knock_to_connect(const struct sockaddr_in *source, const struct sockaddr_in *gate,
    const struct sockaddr_in *service, const char *packet, size_t size, long patience)
{
	int s = socket_from(source, SOCK_DGRAM);
	double start, connected;

	while (connects(source, service, SHUT_US) > 0) {
		if (patience-- == 0) {
			fprintf(stderr, "bench-latency: open before the knock\n");
			exit(1);
		}
		usleep(PAUSE_US);
	}
	start = now_us();
	if (sendto(s, packet, size, 0, (const struct sockaddr *)gate, sizeof *gate) < 0)
		fail("sendto");
	connected = connects(source, service, GIVE_UP_US);
	if (connected <= 0) {
		fprintf(stderr, "bench-latency: not opened\n");
		exit(1);
	}
	close(s);
	return connected - start;
}

int main(int argc, char **argv)
{
	struct sockaddr_in gate, service;
	FILE *sources, *packets;
	char line[64], packet[PACKET_MOST];
	size_t size;
	long patience;

	if (argc < 7 || argc > 8 || (size = strtoul(argv[6], NULL, 10)) > sizeof packet) {
		fprintf(stderr,
		    "usage: bench-latency SERVER UDP-PORT TCP-PORT SOURCES PACKETS BYTES "
		    "[PATIENCE]\n");
		return 2;
	}
	patience = argc == 8 ? strtol(argv[7], NULL, 10) : 0;
	gate = address_of(argv[1], argv[2]);
	service = address_of(argv[1], argv[3]);
	sources = fopen(argv[4], "r");
	packets = fopen(argv[5], "rb");
	if (sources == NULL || packets == NULL)
		fail("fopen");
	while (fgets(line, sizeof line, sources) != NULL && fread(packet, size, 1, packets) == 1) {
		struct sockaddr_in source;

		line[strcspn(line, "\n")] = '\0';
		source = address_of(line, "0");
		printf(
		    "%.1f\n", knock_to_connect(&source, &gate, &service, packet, size, patience));
		usleep(PAUSE_US); /* the roles are asleep again, as they are when a user knocks */
	}
	fclose(sources);
	fclose(packets);
	return 0;
}
