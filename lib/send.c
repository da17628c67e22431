#include "lib/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"

enum postern_error postern_address_from_text(
    uint8_t address[static POSTERN_ADDRESS_BYTES], const char *text)
{
	struct addr parsed;

	memset(address, 0, POSTERN_ADDRESS_BYTES);
	if (!addr_parse(&parsed, text))
		return POSTERN_NO_ADDRESS;
	memcpy(address, parsed.bytes, sizeof parsed.bytes);
	return POSTERN_OK;
}

static void close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* A UDP socket that can only reach `to`; its own end is then the address that the routing table
 * would choose. On failure *fd is -1 and errno is set. */
static enum postern_error connect_to(int *fd, const struct sockaddr *to, socklen_t size)
{
	*fd = -1;
	if (!(size >= sizeof(struct sockaddr_in) && to->sa_family == AF_INET) &&
	    !(size >= sizeof(struct sockaddr_in6) && to->sa_family == AF_INET6))
		return POSTERN_BAD_ARGUMENT;
	*fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return POSTERN_SYSTEM_FAILED;
	if (connect(*fd, to, size) == 0)
		return POSTERN_OK;
	close_keeping_errno(*fd);
	*fd = -1;
	return POSTERN_SYSTEM_FAILED;
}

static enum postern_error own_address(uint8_t address[static POSTERN_ADDRESS_BYTES], int fd)
{
	struct sockaddr_storage own;
	socklen_t size = sizeof own;
	struct addr a;
	uint16_t port;

	memset(address, 0, POSTERN_ADDRESS_BYTES);
	if (getsockname(fd, (struct sockaddr *)&own, &size) < 0)
		return POSTERN_SYSTEM_FAILED;
	if (!addr_from_sockaddr(&a, &port, &own) || !addr_is_global(&a))
		return POSTERN_NO_ADDRESS;
	memcpy(address, a.bytes, sizeof a.bytes);
	return POSTERN_OK;
}

enum postern_error postern_own_address(
    uint8_t address[static POSTERN_ADDRESS_BYTES], const struct sockaddr *server, socklen_t size)
{
	enum postern_error error;
	int fd;

	memset(address, 0, POSTERN_ADDRESS_BYTES);
	error = connect_to(&fd, server, size);
	if (error != POSTERN_OK)
		return error;
	error = own_address(address, fd);
	close_keeping_errno(fd);
	return error;
}

enum postern_error postern_knock_build(
    uint8_t knock[static POSTERN_KNOCK_BYTES], const struct postern_options *options)
{
	struct postern_ingredients from = {.size = sizeof from};
	enum postern_error error;

	memset(knock, 0, POSTERN_KNOCK_BYTES);
	if (!options_known(options, sizeof *options))
		return POSTERN_BAD_ARGUMENT;
	if (!secret_init())
		return POSTERN_NO_RANDOMNESS;
	memcpy(from.server_public, options->server_public, sizeof from.server_public);
	memcpy(from.client_secret, options->client_secret, sizeof from.client_secret);
	memcpy(from.contents.target, options->target, sizeof from.contents.target);
	from.contents.timestamp_ns = clock_real_ns();
	secret_random(from.ephemeral_secret, sizeof from.ephemeral_secret);
	secret_random(from.aead_nonce, sizeof from.aead_nonce);
	shield_ingredients(&from, options->shield_key);
	secret_random(from.contents.nonce, sizeof from.contents.nonce);

	error = postern_knock_hint(&from);
	if (error == POSTERN_OK)
		error = postern_knock_seal(knock, &from);
	secret_wipe(&from, sizeof from);
	return error;
}

static enum postern_error send_on(int fd, const uint8_t knock[static POSTERN_KNOCK_BYTES])
{
	ssize_t sent;

	do
		sent = send(fd, knock, POSTERN_KNOCK_BYTES, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == POSTERN_KNOCK_BYTES ? POSTERN_OK : POSTERN_SYSTEM_FAILED;
}

enum postern_error postern_knock_send(
    const uint8_t knock[static POSTERN_KNOCK_BYTES], const struct sockaddr *to, socklen_t size)
{
	enum postern_error error;
	int fd;

	error = connect_to(&fd, to, size);
	if (error != POSTERN_OK)
		return error;
	error = send_on(fd, knock);
	close_keeping_errno(fd);
	return error;
}

/* Builds a knock for one resolved address and sends it. */
static void knock_address(struct postern_outcome *out, const struct postern_options *options,
    const struct sockaddr *to, socklen_t size)
{
	struct postern_options own = *options;
	uint8_t knock[POSTERN_KNOCK_BYTES];
	struct addr target;
	int fd = -1;

	own.size = sizeof own;
	memcpy(target.bytes, options->target, sizeof target.bytes);
	errno = 0;
	out->error = connect_to(&fd, to, size);
	if (out->error != POSTERN_OK)
		goto cleanup;
	/* Failing to name our address is no failure: the server takes it from the packet. */
	if ((options->flags & POSTERN_OWN_ADDRESS) && addr_is_wildcard(&target) &&
	    own_address(own.target, fd) != POSTERN_OK)
		memset(own.target, 0, sizeof own.target);
	memcpy(out->target, own.target, sizeof out->target);
	out->error = postern_knock_build(knock, &own);
	if (out->error == POSTERN_OK)
		out->error = send_on(fd, knock);
cleanup:
	out->system_error = out->error == POSTERN_SYSTEM_FAILED ? errno : 0;
	if (fd >= 0)
		close(fd);
	secret_wipe(&own, sizeof own);
}

/* The address with `port`, as a socket address and as ours. False: a family that we do not know. */
static bool address_of(struct sockaddr_storage *to, struct postern_outcome *out,
    const struct addrinfo *from, uint16_t port)
{
	struct addr server;
	uint16_t unused;

	if (from->ai_addrlen > sizeof *to || !addr_from_sockaddr(&server, &unused, from->ai_addr))
		return false;
	memcpy(to, from->ai_addr, from->ai_addrlen);
	if (from->ai_family == AF_INET)
		((struct sockaddr_in *)to)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)to)->sin6_port = htons(port);
	memcpy(out->server, server.bytes, sizeof out->server);
	return true;
}

static bool is_listed(const struct postern_report *report, const uint8_t server[static ADDR_BYTES])
{
	for (size_t i = 0; i < report->count; i++) {
		if (memcmp(report->each[i].server, server, ADDR_BYTES) == 0)
			return true;
	}
	return false;
}

/* One knock at each address; of each family the first that could be sent to stands for it. */
static void knock_all(struct postern_report *report, const struct postern_options *options,
    const struct addrinfo *list, uint16_t port)
{
	for (; list != NULL && report->count < POSTERN_ADDRESSES_MOST; list = list->ai_next) {
		struct postern_outcome out = {.error = POSTERN_OK};
		struct postern_outcome *family =
		    list->ai_family == AF_INET ? &report->ipv4 : &report->ipv6;
		struct sockaddr_storage to = {0};

		if (!address_of(&to, &out, list, port) || is_listed(report, out.server))
			continue;
		knock_address(&out, options, (struct sockaddr *)&to, list->ai_addrlen);
		report->each[report->count++] = out;
		if (family->error != POSTERN_OK)
			*family = out;
	}
}

static int wanted_family(unsigned int flags)
{
	switch (flags & (POSTERN_IPV4 | POSTERN_IPV6)) {
	case POSTERN_IPV4:
		return AF_INET;
	case POSTERN_IPV6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

/* One success is enough; else the failure that says most. */
static enum postern_error summary(const struct postern_report *report)
{
	if (report->ipv4.error == POSTERN_OK || report->ipv6.error == POSTERN_OK)
		return POSTERN_OK;
	return report->ipv4.error != POSTERN_NO_ADDRESS ? report->ipv4.error : report->ipv6.error;
}

enum postern_error postern_knock(const struct postern_options *options, const char *host,
    uint16_t port, struct postern_report *report)
{
	static const unsigned int flags = POSTERN_IPV4 | POSTERN_IPV6 | POSTERN_OWN_ADDRESS;
	struct postern_report mine = {
	    .ipv4.error = POSTERN_NO_ADDRESS, .ipv6.error = POSTERN_NO_ADDRESS};
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	enum postern_error error;

	if (report != NULL && report->size < sizeof *report)
		return POSTERN_BAD_ARGUMENT;
	if (!options_known(options, sizeof *options) || (options->flags & ~flags) || port == 0) {
		error = POSTERN_BAD_ARGUMENT;
		goto cleanup;
	}
	hints.ai_family = wanted_family(options->flags);
	mine.resolve_error = getaddrinfo(host, NULL, &hints, &list);
	if (mine.resolve_error != 0) {
		error = POSTERN_NO_NAME;
		goto cleanup;
	}
	knock_all(&mine, options, list, port);
	freeaddrinfo(list);
	error = summary(&mine);
cleanup:
	if (report != NULL) {
		mine.size = report->size;
		memset(report, 0, report->size);
		memcpy(report, &mine, sizeof mine);
	}
	return error;
}
