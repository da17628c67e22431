#include "cmd/probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"

#define ATTEMPTS_MOST  64
#define FIRST_PAUSE_NS (2 * NS_PER_MS)
#define MOST_PAUSE_NS  (250 * NS_PER_MS)

/* Attempts under way; a slot whose fd is -1 is free. */
struct attempts {
	struct pollfd sockets[ATTEMPTS_MOST];
	size_t address[ATTEMPTS_MOST];
	bool refused;
	int error; /* of the last one that could not even start */
};

int probe_resolve(struct probe *probe, const char *host, int family)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = family}, *list = NULL;
	int error = getaddrinfo(host, NULL, &hints, &list);

	probe->count = 0;
	for (const struct addrinfo *one = error == 0 ? list : NULL;
	     one != NULL && probe->count < PROBE_ADDRESSES; one = one->ai_next) {
		uint16_t port;

		if (addr_from_sockaddr(&probe->addresses[probe->count], &port, one->ai_addr))
			probe->count++;
	}
	if (error == 0)
		freeaddrinfo(list);
	return error;
}

int probe_connect(const struct addr *to, uint16_t port, int type)
{
	struct sockaddr_in6 six = addr_to_sockaddr(to, port);
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v4 = addr_is_v4(to);
	const void *name = v4 ? (const void *)&four : (const void *)&six;
	int fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(&four.sin_addr, to->bytes + ADDR_BYTES - sizeof four.sin_addr, sizeof four.sin_addr);
	if (fd < 0 || connect(fd, name, v4 ? sizeof four : sizeof six) == 0 || errno == EINPROGRESS)
		return fd;
	return fd_close(fd);
}

static void start_attempt(struct attempts *a, const struct probe *probe, size_t address)
{
	size_t slot = 0;

	while (slot < ATTEMPTS_MOST && a->sockets[slot].fd >= 0)
		slot++;
	if (slot == ATTEMPTS_MOST)
		return; /* enough are waiting already */
	a->sockets[slot].fd = probe_connect(&probe->addresses[address], probe->port, SOCK_STREAM);
	a->sockets[slot].events = POLLOUT;
	a->address[slot] = address;
	if (a->sockets[slot].fd < 0 && errno == ECONNREFUSED)
		a->refused = true;
	else if (a->sockets[slot].fd < 0)
		a->error = errno;
}

/* True when the attempt in `slot` got through; one that failed is cleared away. */
static bool attempt_succeeded(struct attempts *a, size_t slot)
{
	socklen_t size = sizeof(int);
	int error = 0;

	if (a->sockets[slot].fd < 0 || a->sockets[slot].revents == 0)
		return false;
	if (getsockopt(a->sockets[slot].fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
		return true;
	if (error == ECONNREFUSED)
		a->refused = true;
	else
		a->error = error;
	a->sockets[slot].fd = fd_close(a->sockets[slot].fd);
	return false;
}

static bool any_waiting(const struct attempts *a)
{
	for (size_t i = 0; i < ATTEMPTS_MOST; i++) {
		if (a->sockets[i].fd >= 0)
			return true;
	}
	return false;
}

/* Waits for answers until `until_ns`; true when one attempt got through. An impatient probe returns
 * as soon as nothing is left to wait for. */
static bool wait_for_answer(
    struct attempts *a, const struct probe *probe, int64_t until_ns, size_t *open)
{
	for (;;) {
		if (clock_boot_ns() >= until_ns || (!probe->patient && !any_waiting(a)))
			return false;
		if (loop_poll(a->sockets, ATTEMPTS_MOST, until_ns) <= 0)
			return false; /* time is up, or a signal asks for attention */
		for (size_t i = 0; i < ATTEMPTS_MOST; i++) {
			if (attempt_succeeded(a, i)) {
				*open = a->address[i];
				return true;
			}
		}
	}
}

static enum probe_result verdict(const struct attempts *a)
{
	if (a->refused)
		return PROBE_REFUSED;
	if (any_waiting(a) || a->error == 0 || a->error == ETIMEDOUT)
		return PROBE_SILENT;
	errno = a->error;
	return PROBE_FAILED;
}

enum probe_result probe_tcp(const struct probe *probe, size_t *open)
{
	int64_t now_ns = clock_boot_ns(), deadline_ns = now_ns + probe->timeout_ns;
	int64_t pause_ns = FIRST_PAUSE_NS;
	enum probe_result result = PROBE_SILENT;
	struct attempts a = {0};
	bool through = false;

	for (size_t i = 0; i < ATTEMPTS_MOST; i++)
		a.sockets[i].fd = -1;
	do {
		for (size_t i = 0; i < probe->count; i++)
			start_attempt(&a, probe, i);
		if (!probe->patient)
			pause_ns = probe->timeout_ns;
		if (pause_ns > deadline_ns - now_ns)
			pause_ns = deadline_ns - now_ns;
		through = wait_for_answer(&a, probe, now_ns + pause_ns, open);
		pause_ns = 2 * pause_ns < MOST_PAUSE_NS ? 2 * pause_ns : MOST_PAUSE_NS;
		now_ns = clock_boot_ns();
	} while (!through && probe->patient && now_ns < deadline_ns);
	result = through ? PROBE_OPEN : verdict(&a);
	for (size_t i = 0; i < ATTEMPTS_MOST; i++) {
		fd_close(a.sockets[i].fd);
	}
	return result;
}
