#include "base/addr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct addr addr_from_bytes(const void *bytes, size_t size)
{
	struct addr a = {{[10] = 0xff, [11] = 0xff}};

	memcpy(a.bytes + ADDR_BYTES - size, bytes, size);
	return a;
}

bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->bytes, b->bytes, ADDR_BYTES) == 0;
}

bool addr_in(const struct addr *a, const struct cidr *network)
{
	const uint8_t *bytes = network->address.bytes;
	unsigned int whole = network->bits / 8, rest = network->bits % 8;

	return memcmp(a->bytes, bytes, whole) == 0 &&
	       (rest == 0 || (a->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool addr_in_any(const struct addr *a, const struct cidr *networks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (addr_in(a, &networks[i]))
			return true;
	}
	return false;
}

struct addr addr_sender(const struct addr *a)
{
	struct addr sender = *a;

	if (!addr_is_v4(a))
		memset(sender.bytes + ADDR_BYTES / 2, 0, ADDR_BYTES / 2);
	return sender;
}

uint64_t addr_sender_hash(const struct addr *a, const uint8_t key[static SECRET_HASH_BYTES])
{
	struct addr sender = addr_sender(a);

	return secret_hash(key, sender.bytes, sizeof sender.bytes);
}

bool addr_same_sender(const struct addr *a, const struct addr *b)
{
	struct addr one = addr_sender(a), two = addr_sender(b);

	return addr_equal(&one, &two);
}

bool addr_is_wildcard(const struct addr *a)
{
	static const struct addr zero;
	static const struct addr zero_v4 = {{[10] = 0xff, [11] = 0xff}};

	return addr_equal(a, &zero) || addr_equal(a, &zero_v4);
}

#define V4(a, b, c, d)                                                                           \
	{                                                                                        \
		{                                                                                \
			[10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d) \
		}                                                                                \
	}

/* Networks that no connection from outside can come from. */
static const struct cidr unusable[] = {
    {{{0}}, 96},                   /* unspecified, loopback, IPv4-compatible */
    {V4(0, 0, 0, 0), 96 + 8},      /* this network */
    {V4(127, 0, 0, 0), 96 + 8},    /* loopback */
    {V4(169, 254, 0, 0), 96 + 16}, /* link-local */
    {V4(224, 0, 0, 0), 96 + 4},    /* multicast */
    {V4(240, 0, 0, 0), 96 + 4},    /* reserved, broadcast */
    {{{0xfe, 0x80}}, 10},          /* link-local */
    {{{0xff}}, 8},                 /* multicast */
};

static const struct cidr private_networks[] = {
    {V4(10, 0, 0, 0), 96 + 8}, {V4(172, 16, 0, 0), 96 + 12}, {V4(192, 168, 0, 0), 96 + 16},
    {V4(100, 64, 0, 0), 96 + 10}, /* RFC 6598 */
    {V4(192, 0, 0, 0), 96 + 24},  /* RFC 6890, and 7335: the client's side of a CLAT */
    {{{0xfc}}, 7},                /* RFC 4193 */
};

bool addr_is_usable_target(const struct addr *a)
{
	return !addr_in_any(a, unusable, sizeof unusable / sizeof *unusable);
}

bool addr_is_global(const struct addr *a)
{
	return addr_is_usable_target(a) && !addr_in_any(a, private_networks,
	                                       sizeof private_networks / sizeof *private_networks);
}

bool addr_parse(struct addr *out, const char *text)
{
	if (inet_pton(AF_INET6, text, out->bytes) == 1)
		return true;
	memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
	return inet_pton(AF_INET, text, out->bytes + sizeof v4_prefix) == 1;
}

bool cidr_parse(struct cidr *out, const char *text)
{
	char address[ADDR_TEXT_BYTES];
	size_t length = strcspn(text, "/");
	unsigned long bits, most;
	bool v4;

	if (length >= sizeof address)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (!addr_parse(&out->address, address))
		return false;
	v4 = strchr(address, ':') == NULL;
	most = v4 ? 32 : 128;
	bits = most;
	if (text[length] == '/') {
		const char *digits = text + length + 1;

		if (strspn(digits, "0123456789") != strlen(digits) || *digits == '\0' ||
		    strlen(digits) > 3)
			return false;
		bits = strtoul(digits, NULL, 10);
	}
	if (bits > most)
		return false;
	out->bits = (uint8_t)(v4 ? 96 + bits : bits);
	for (unsigned int bit = out->bits; bit < 128; bit++) {
		if (out->address.bytes[bit / 8] & (0x80U >> (bit % 8)))
			return false;
	}
	return true;
}

const char *addr_text(const struct addr *a, char text[static ADDR_TEXT_BYTES])
{
	bool v4 = addr_is_v4(a);

	inet_ntop(
	    v4 ? AF_INET : AF_INET6, a->bytes + (v4 ? sizeof v4_prefix : 0), text, ADDR_TEXT_BYTES);
	return text;
}

bool addr_from_sockaddr(struct addr *out, uint16_t *port, const void *from)
{
	const struct sockaddr *any = from;
	const struct sockaddr_in *in = from;
	const struct sockaddr_in6 *in6 = from;

	if (any->sa_family == AF_INET) {
		*out = addr_from_bytes(&in->sin_addr, sizeof in->sin_addr);
		*port = ntohs(in->sin_port);
		return true;
	}
	if (any->sa_family == AF_INET6) {
		*out = addr_from_bytes(&in6->sin6_addr, sizeof in6->sin6_addr);
		*port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

struct sockaddr_in6 addr_to_sockaddr(const struct addr *a, uint16_t port)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&to.sin6_addr, a->bytes, ADDR_BYTES);
	return to;
}
