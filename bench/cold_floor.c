/* The honest floor under a knock: what a gate of two processes costs with none of a gate's code.
 *
 * A datagram wakes a process that slept, which multiplies on X25519 and hands on 700 bytes; that
 * wakes a second one, which verifies an Ed25519 signature and calls listen(). Before each both have
 * slept while another process ran, as they have when a user knocks: the switch of address spaces
 * and the cold caches are in it.
 *
 * bench-cold-floor UDP-PORT TCP-PORT: prints "ready". A connection shuts the port.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#define RECORD_BYTES 700
#define SIGNED_BYTES 101
#define BACKLOG      64
#define OPEN_US      2000 /* less than a client pauses between two samples */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll, int descriptor)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
		fail("epoll_ctl");
}

static int bound(int kind, const char *port)
{
	struct sockaddr_in6 where = {
	    .sin6_family = AF_INET6, .sin6_port = htons((in_port_t)strtoul(port, NULL, 10))};
	int s = socket(AF_INET6, kind, 0), on = 1;

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(s, (const struct sockaddr *)&where, sizeof where) != 0)
		fail("bind");
	return s;
}

/* Somebody has connected: lets the client see it, and shuts the port. */
static int shut(int door)
{
	usleep(OPEN_US);
	close(door);
	return -1;
}

/* The second process: a record opens the port, and a connection shuts it. */
static void keep(int channel, const char *port)
{
	uint8_t public[32], secret[64], signature[64], text[SIGNED_BYTES] = {1};
	char record[RECORD_BYTES];
	struct epoll_event event;
	int epoll = epoll_create1(0), door = -1;

	crypto_sign_keypair(public, secret);
	crypto_sign_detached(signature, NULL, text, sizeof text, secret);
	watch(epoll, channel);
	while (epoll_wait(epoll, &event, 1, -1) > 0) {
		if (event.data.fd == door) {
			door = shut(door);
			continue;
		}
		if (recv(channel, record, sizeof record, 0) <= 0)
			return;
		if (crypto_sign_verify_detached(signature, text, sizeof text, public) != 0)
			abort();
		if (door >= 0)
			continue;
		door = bound(SOCK_STREAM, port);
		listen(door, BACKLOG);
		watch(epoll, door);
	}
}

/* The first: a datagram is handed on. */
static void stand_at_door(int channel, const char *port)
{
	uint8_t secret[32], public[32], shared[32];
	char record[RECORD_BYTES] = {0};
	struct epoll_event event;
	int epoll = epoll_create1(0), s = bound(SOCK_DGRAM, port);

	randombytes_buf(secret, sizeof secret);
	crypto_scalarmult_base(public, secret);
	watch(epoll, s);
	puts("ready");
	fflush(stdout);
	while (epoll_wait(epoll, &event, 1, -1) > 0) {
		if (recv(s, record, sizeof record, 0) < 0 ||
		    crypto_scalarmult(shared, secret, public) != 0 ||
		    send(channel, record, sizeof record, 0) < 0)
			fail("a datagram");
	}
}

int main(int argc, char **argv)
{
	int ends[2];

	if (argc != 3 || sodium_init() < 0) {
		fprintf(stderr, "usage: bench-cold-floor UDP-PORT TCP-PORT\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
		fail("socketpair");
	switch (fork()) {
	case -1:
		fail("fork");
		break;
	case 0:
		close(ends[0]);
		keep(ends[1], argv[2]);
		return 0;
	default:
		close(ends[1]);
		stand_at_door(ends[0], argv[1]);
	}
	return 0;
}
