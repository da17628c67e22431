#include "intake/frame.h"

#include <netinet/in.h>

#include "base/bytes.h"

#define V4_HEADER_BYTES 20U

static struct addr take_v4(struct reader *r)
{
	uint8_t bytes[4];

	reader_take(r, bytes, sizeof bytes);
	return addr_from_bytes(bytes, sizeof bytes);
}

static size_t v4_header(uint8_t first)
{
	return (first & 0xfU) * 4U;
}

/* What the header says that follows it, SIZE_MAX when that is no whole UDP datagram. */
static size_t skip_v4(struct reader *r, struct datagram *out)
{
	size_t header = v4_header(reader_u8(r)), total;
	uint16_t fragment;
	uint8_t protocol;

	reader_skip(r, 1);
	total = reader_u16(r);
	reader_skip(r, 2);
	fragment = reader_u16(r) & 0x3fffU; /* where it begins, and whether there are more */
	reader_skip(r, 1);
	protocol = reader_u8(r);
	reader_skip(r, 2);
	out->source = take_v4(r);
	out->destination = take_v4(r);
	if (header < V4_HEADER_BYTES || total < header || fragment != 0 || protocol != IPPROTO_UDP)
		return SIZE_MAX;
	reader_skip(r, header - V4_HEADER_BYTES);
	return total - header;
}

static size_t skip_v6(struct reader *r, struct datagram *out)
{
	size_t payload, extension;
	uint8_t next;

	reader_skip(r, 4);
	payload = reader_u16(r);
	next = reader_u8(r);
	reader_skip(r, 1);
	reader_take(r, out->source.bytes, sizeof out->source.bytes);
	reader_take(r, out->destination.bytes, sizeof out->destination.bytes);
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
		next = reader_u8(r);
		extension = 8U + reader_u8(r) * 8U;
		reader_skip(r, extension - 2);
		if (r->failed || extension > payload)
			return SIZE_MAX;
		payload -= extension;
	}
	return next == IPPROTO_UDP ? payload : SIZE_MAX;
}

enum frame_kind frame_read(struct datagram *out, const void *packet, size_t size)
{
	struct reader r = reader_of(packet, size);
	size_t payload = SIZE_MAX, length;

	*out = (struct datagram){.bytes = NULL};
	if (r.left > 0 && r.data[0] >> 4 == 4)
		payload = skip_v4(&r, out);
	else if (r.left > 0 && r.data[0] >> 4 == 6)
		payload = skip_v6(&r, out);
	if (payload == SIZE_MAX)
		return FRAME_OTHER;
	out->source_port = reader_u16(&r);
	out->port = reader_u16(&r);
	length = reader_u16(&r);
	reader_skip(&r, 2);
	if (r.failed)
		return FRAME_CUT;
	if (length < UDP_HEADER_BYTES || length > payload)
		return FRAME_OTHER;
	out->bytes = r.data;
	out->size = length - UDP_HEADER_BYTES;
	return out->size > r.left ? FRAME_CUT : FRAME_DATAGRAM;
}

static uint32_t add_up(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	return sum;
}

/* RFC 1071: with its checksum, it adds up to that. */
static bool is_right(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffffU) + (sum >> 16);
	return sum == 0xffffU;
}

/* A mapped address has two bytes of ones before it, which change nothing here. */
static uint32_t add_up_ends(const struct datagram *d)
{
	uint32_t sum = (uint32_t)(UDP_HEADER_BYTES + d->size) + IPPROTO_UDP;

	sum = add_up(sum, d->source.bytes, sizeof d->source.bytes);
	return add_up(sum, d->destination.bytes, sizeof d->destination.bytes);
}

static bool udp_is_right(const struct datagram *d, bool v4)
{
	const uint8_t *header = d->bytes - UDP_HEADER_BYTES;

	if (header[6] == 0 && header[7] == 0)
		return v4;
	return is_right(add_up(add_up_ends(d), header, UDP_HEADER_BYTES + d->size));
}

bool frame_udp_is_intact(const struct datagram *d)
{
	const uint8_t *header = d->bytes - UDP_HEADER_BYTES;
	const uint32_t begun = (uint32_t)header[6] << 8 | header[7];

	return udp_is_right(d, addr_is_v4(&d->source)) ||
	       is_right(add_up_ends(d) + (~begun & 0xffffU));
}

bool frame_is_intact(const struct datagram *d, const void *packet, bool udp)
{
	const uint8_t *bytes = packet;
	bool v4 = bytes[0] >> 4 == 4;

	return (!v4 || is_right(add_up(0, bytes, v4_header(bytes[0])))) &&
	       (!udp || udp_is_right(d, v4));
}
