/* How long it takes a knock to open a port, beside a flood: without a busy client.
 *
 * bench-probe ADDRESS KNOCK-PORT UDP-PORT NETNS PACKETS SOURCE STRIDE PAUSE-MS
 * PACKETS holds prepared knocks of 165 bytes. Number i is sent from the address that is i times
 * STRIDE above SOURCE, and small datagrams to UDP-PORT after it, until one has come through. A
 * socket in the namespace NETNS receives them; when the first one came is told by the kernel.
 * Prints JSON: for each knock milliseconds, or null where nothing came through within PATIENCE_MS.
 *
 * It has a real-time priority, so that it measures the gate and not itself. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define KNOCK_BYTES   165
#define KNOCKS_MOST   4096
#define PATIENCE_MS   2000
#define TICK_NS       250000
#define BUSY_MS       30 /* at each tick so long, then ever more rarely */
#define PRIORITY      10
#define ARGUMENTS     9
#define RECEIVE_BYTES (4 << 20)

struct probe {
	struct wire knocks, probes;
	int receiver;
	size_t count;
	unsigned long stride;
	uint8_t first[WIRE_ADDRESS_BYTES];
	double sent_ms[KNOCKS_MOST], next_ms[KNOCKS_MOST], came_ms[KNOCKS_MOST];
	uint8_t packets[KNOCKS_MOST][KNOCK_BYTES];
};

static void fail(const char *what)
{
	fprintf(stderr, "bench-probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double ms_of(const struct timespec *t)
{
	return (double)t->tv_sec * 1e3 + (double)t->tv_nsec / 1e6;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t); /* as the kernel's stamps are */
	return ms_of(&t);
}

/* In the other namespace; this process is home again afterwards. */
static int receiver_in(const char *path, bool ipv6, const char *port)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(path, O_RDONLY | O_CLOEXEC), on = 1, size = RECEIVE_BYTES, s;
	struct sockaddr_in6 at6 = {.sin6_family = AF_INET6};
	struct sockaddr_in at4 = {.sin_family = AF_INET};
	in_port_t number = htons((in_port_t)strtoul(port, NULL, 10));

	at6.sin6_port = at4.sin_port = number;
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
		fail(path);
	s = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0 ||
	    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 ||
	    (ipv6 ? bind(s, (struct sockaddr *)&at6, sizeof at6)
	          : bind(s, (struct sockaddr *)&at4, sizeof at4)) != 0)
		fail("receiver");
	if (setns(home, CLONE_NEWNET) != 0)
		fail("setns");
	close(home);
	close(there);
	return s;
}

static void send_one(
    struct wire *w, const void *bytes, size_t size, const struct probe *p, size_t i)
{
	uint8_t source[WIRE_ADDRESS_BYTES];

	wire_source(w, source, p->first, i * p->stride);
	memcpy(wire_next(w), bytes, size);
	wire_add(w, size, source);
}

/* The number of a knock, and when its probe came. */
static void note(struct probe *p, struct msghdr *m, uint32_t number)
{
	struct timespec stamp;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
		if (number < p->count && p->came_ms[number] == 0)
			p->came_ms[number] = ms_of(&stamp);
	}
}

static void receive(struct probe *p)
{
	uint32_t number;
	_Alignas(struct cmsghdr) char beside[256];
	struct iovec part = {&number, sizeof number};

	for (;;) {
		struct msghdr m = {.msg_iov = &part,
		    .msg_iovlen = 1,
		    .msg_control = beside,
		    .msg_controllen = sizeof beside};

		if (recvmsg(p->receiver, &m, 0) != (ssize_t)sizeof number)
			return;
		note(p, &m, number);
	}
}

static void send_probes(struct probe *p, size_t sent)
{
	double now = now_ms();

	for (size_t i = 0; i < sent; i++) {
		double age = now - p->sent_ms[i];
		uint32_t number = (uint32_t)i;

		if (p->came_ms[i] != 0 || now < p->next_ms[i] || age > PATIENCE_MS)
			continue;
		send_one(&p->probes, &number, sizeof number, p, i);
		p->next_ms[i] = now + (age < BUSY_MS ? 0 : age / 100);
	}
	wire_flush(&p->probes);
}

static void run(struct probe *p, double pause_ms)
{
	double start = now_ms();
	size_t sent = 0;

	while (sent < p->count || now_ms() - p->sent_ms[p->count - 1] < PATIENCE_MS) {
		if (sent < p->count && now_ms() >= start + (double)sent * pause_ms) {
			p->sent_ms[sent] = now_ms();
			send_one(&p->knocks, p->packets[sent], KNOCK_BYTES, p, sent);
			wire_flush(&p->knocks);
			sent++;
		}
		send_probes(p, sent);
		receive(p);
		nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
	}
}

static void print(const struct probe *p)
{
	printf("{\"delays_ms\": [");
	for (size_t i = 0; i < p->count; i++) {
		printf("%s", i > 0 ? ", " : "");
		if (p->came_ms[i] == 0)
			printf("null");
		else
			printf("%.3f", p->came_ms[i] - p->sent_ms[i]);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static struct probe probe;
	struct sched_param priority = {.sched_priority = PRIORITY};
	FILE *file;

	if (argc != ARGUMENTS || wire_address(probe.first, argv[6]) == 0) {
		fprintf(stderr, "usage: bench-probe ADDRESS KNOCK-PORT UDP-PORT NETNS PACKETS "
		                "SOURCE STRIDE PAUSE-MS\n");
		return 2;
	}
	file = fopen(argv[5], "rb");
	if (file == NULL)
		fail(argv[5]);
	probe.count = fread(probe.packets, KNOCK_BYTES, KNOCKS_MOST, file);
	fclose(file);
	if (probe.count == 0)
		fail(argv[5]);
	probe.stride = strtoul(argv[7], NULL, 10);
	wire_open(&probe.knocks, argv[1], argv[2], true);
	wire_open(&probe.probes, argv[1], argv[3], true);
	probe.receiver = receiver_in(argv[4], probe.knocks.ipv6, argv[3]);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	mlockall(MCL_CURRENT);
	if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		perror("bench-probe: no real-time priority");
	run(&probe, strtod(argv[8], NULL));
	print(&probe);
	return 0;
}
