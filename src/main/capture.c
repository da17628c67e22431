#include "main/capture.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

/* pcap: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
 * pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html */
#define PCAP_MICROSECONDS 0xa1b2c3d4U
#define PCAP_NANOSECONDS  0xa1b23c4dU
#define NG_SECTION        0x0a0d0d0aU
#define NG_BYTE_ORDER     0x1a2b3c4dU
#define NG_INTERFACE      1U
#define NG_SIMPLE         3U
#define NG_ENHANCED       6U
#define NG_OPTION_TSRESOL 9U
#define NG_INTERFACES     64

enum { LINK_ETHERNET = 1, LINK_RAW = 101, LINK_COOKED = 113, LINK_IPV4 = 228, LINK_IPV6 = 229 };
enum { LINK_COOKED_2 = 276 };
enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_VLAN_OUTER = 0x88a8 };

static const char CUT_SHORT[] = "the capture ends inside a packet";
static const char IN_PART[] = "that packet was captured in part only (tcpdump -s 0 takes all)";

struct link {
	uint16_t type;
	uint8_t resolution; /* of times, as in if_tsresol */
};

/* A capture, read up to `rest`. */
struct capture {
	struct reader rest;
	bool little; /* its integers are little-endian */
	bool is_ng;
	struct link links[NG_INTERFACES]; /* pcap: the first alone */
	uint32_t link_count;
};

struct frame {
	struct reader data;
	uint16_t link;
	bool has_time;
	int64_t time_ns;
};

enum next { NEXT_FRAME, NEXT_END, NEXT_BROKEN };

static uint16_t read_u16(struct reader *r, bool little)
{
	uint16_t value = reader_u16(r);

	return little ? __builtin_bswap16(value) : value;
}

static uint32_t read_u32(struct reader *r, bool little)
{
	uint32_t value = reader_u32(r);

	return little ? __builtin_bswap32(value) : value;
}

/* The next `size` bytes as a reader of their own. */
static struct reader take_part(struct reader *r, size_t size)
{
	struct reader part = reader_of(r->data, size);

	reader_skip(r, size);
	if (r->failed)
		part = (struct reader){.failed = true};
	return part;
}

/* Units of 10^-n seconds, or of 2^-n with the highest bit. */
static void set_time(struct frame *f, uint64_t ticks, uint8_t resolution)
{
	unsigned int n = resolution & 0x7fU;
	uint64_t per_second = 1, rest;

	if ((resolution & 0x80U) != 0 ? n > 30 : n > 9)
		return;
	for (unsigned int i = 0; i < n; i++)
		per_second *= (resolution & 0x80U) != 0 ? 2 : 10;
	rest = ticks % per_second;
	if (ticks / per_second > INT64_MAX / NS_PER_SECOND - 1)
		return;
	f->has_time = true;
	f->time_ns = (int64_t)(ticks / per_second) * NS_PER_SECOND +
	             (int64_t)(rest * NS_PER_SECOND / per_second);
}

static enum next next_of_pcap(struct capture *c, struct frame *f)
{
	uint32_t seconds, fraction, size;

	if (c->rest.left == 0)
		return NEXT_END;
	seconds = read_u32(&c->rest, c->little);
	fraction = read_u32(&c->rest, c->little);
	size = read_u32(&c->rest, c->little);
	reader_skip(&c->rest, 4);
	*f = (struct frame){.data = take_part(&c->rest, size), .link = c->links[0].type};
	set_time(f, seconds * (c->links[0].resolution == 9 ? 1000000000ULL : 1000000ULL) + fraction,
	    c->links[0].resolution);
	return f->data.failed ? NEXT_BROKEN : NEXT_FRAME;
}

static void add_interface(struct capture *c, struct reader *body)
{
	struct link link = {.type = read_u16(body, c->little), .resolution = 6};

	reader_skip(body, 6);
	while (!body->failed && body->left >= 4) {
		uint16_t option = read_u16(body, c->little);
		uint16_t size = read_u16(body, c->little);
		struct reader value = take_part(body, (size + 3U) & ~3U);

		if (option == NG_OPTION_TSRESOL && size == 1)
			link.resolution = reader_u8(&value);
	}
	if (c->link_count < NG_INTERFACES)
		c->links[c->link_count++] = link;
}

/* True for a block that holds a packet. */
static bool frame_of_block(struct capture *c, uint32_t type, struct reader *body, struct frame *f)
{
	uint32_t interface = 0, high, low, size;

	*f = (struct frame){.link = UINT16_MAX};
	if (type == NG_SIMPLE) {
		size = read_u32(body, c->little);
		f->data = take_part(body, size < body->left ? size : body->left);
	} else if (type == NG_ENHANCED) {
		interface = read_u32(body, c->little);
		high = read_u32(body, c->little);
		low = read_u32(body, c->little);
		size = read_u32(body, c->little);
		reader_skip(body, 4);
		f->data = take_part(body, size);
		if (interface < c->link_count)
			set_time(f, (uint64_t)high << 32 | low, c->links[interface].resolution);
	} else {
		return false;
	}
	if (interface < c->link_count)
		f->link = c->links[interface].type;
	return true;
}

static enum next next_of_ng(struct capture *c, struct frame *f)
{
	while (c->rest.left > 0) {
		uint32_t type = read_u32(&c->rest, c->little), size;
		struct reader ahead = c->rest, body;

		if (type == NG_SECTION) {
			reader_skip(&ahead, 4);
			c->little = reader_u32(&ahead) != NG_BYTE_ORDER;
			c->link_count = 0;
		}
		size = read_u32(&c->rest, c->little);
		if (size < 12 || size % 4 != 0)
			return NEXT_BROKEN;
		body = take_part(&c->rest, size - 12);
		reader_skip(&c->rest, 4);
		if (c->rest.failed)
			return NEXT_BROKEN;
		if (type == NG_INTERFACE)
			add_interface(c, &body);
		else if (frame_of_block(c, type, &body, f))
			return f->data.failed ? NEXT_BROKEN : NEXT_FRAME;
	}
	return NEXT_END;
}

/* --- From the link to the datagram */

/* Leaves *r at an IP header. */
static bool skip_link(struct reader *r, uint16_t link)
{
	uint16_t type = 0;

	switch (link) {
	case LINK_ETHERNET:
		reader_skip(r, 12);
		type = reader_u16(r);
		while (type == TYPE_VLAN || type == TYPE_VLAN_OUTER) {
			reader_skip(r, 2);
			type = reader_u16(r);
		}
		break;
	case LINK_COOKED:
		reader_skip(r, 14);
		type = reader_u16(r);
		break;
	case LINK_COOKED_2:
		type = reader_u16(r);
		reader_skip(r, 18);
		break;
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		return true;
	default:
		return false;
	}
	return !r->failed && (type == TYPE_IPV4 || type == TYPE_IPV6);
}

static struct addr take_v4(struct reader *r)
{
	uint8_t bytes[4];

	reader_take(r, bytes, sizeof bytes);
	return addr_from_bytes(bytes, sizeof bytes);
}

/* What the header says that follows it, SIZE_MAX when that is no whole UDP datagram. */
static size_t skip_v4(struct reader *r, struct captured *out)
{
	size_t header = (reader_u8(r) & 0xfU) * 4U, total;
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
	if (header < 20 || total < header || fragment != 0 || protocol != IPPROTO_UDP)
		return SIZE_MAX;
	reader_skip(r, header - 20);
	return total - header;
}

static size_t skip_v6(struct reader *r, struct captured *out)
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

/* NULL, or why it is no datagram. */
static const char *datagram_of(struct captured *out, const struct frame *f)
{
	static const char no_datagram[] = "that packet is no UDP datagram over IPv4 or IPv6";
	struct reader r = f->data;
	size_t payload, size;

	if (!skip_link(&r, f->link) || r.left == 0)
		return no_datagram;
	payload = r.data[0] >> 4 == 4   ? skip_v4(&r, out)
	          : r.data[0] >> 4 == 6 ? skip_v6(&r, out)
	                                : SIZE_MAX;
	if (payload == SIZE_MAX)
		return no_datagram;
	out->source_port = reader_u16(&r);
	out->port = reader_u16(&r);
	size = reader_u16(&r);
	reader_skip(&r, 2);
	if (r.failed)
		return IN_PART;
	if (size < 8 || size > payload)
		return no_datagram;
	out->bytes = r.data;
	out->size = size - 8;
	out->has_time = f->has_time;
	out->time_ns = f->time_ns;
	return out->size > r.left ? IN_PART : NULL;
}

/* --- */

/* False when the file is no capture. */
static bool open_capture(struct capture *c, const void *file, size_t size)
{
	uint32_t magic;

	*c = (struct capture){.rest = reader_of(file, size)};
	magic = reader_u32(&c->rest);
	if (magic == NG_SECTION) {
		c->rest = reader_of(file, size);
		c->is_ng = true;
		return true;
	}
	c->little = (magic & 0xffU) == PCAP_MICROSECONDS >> 24;
	if (c->little)
		magic = __builtin_bswap32(magic);
	if (magic != PCAP_MICROSECONDS && magic != PCAP_NANOSECONDS)
		return false;
	reader_skip(&c->rest, 16);
	c->links[0].type = (uint16_t)read_u32(&c->rest, c->little);
	c->links[0].resolution = magic == PCAP_NANOSECONDS ? 9 : 6;
	return true;
}

const char *capture_find(struct captured *out, const void *file, size_t size, uint32_t number,
    const uint16_t ports[static 2])
{
	struct capture c;
	struct frame f;
	enum next next;

	*out = (struct captured){.bytes = file, .size = size};
	if (!open_capture(&c, file, size))
		return number == 0 ? NULL : "it is no capture, and --packet is for captures";
	for (uint32_t i = 1; !c.rest.failed; i++) {
		struct captured found = {.number = i};
		const char *why;

		next = c.is_ng ? next_of_ng(&c, &f) : next_of_pcap(&c, &f);
		if (next == NEXT_END)
			return number == 0 ? "it has no datagram to a port of this server"
			                   : "it has fewer packets";
		if (next == NEXT_BROKEN)
			break;
		why = datagram_of(&found, &f);
		*out = found;
		if (i == number ||
		    (number == 0 && (why == NULL || why == IN_PART) && found.port != 0 &&
		        (found.port == ports[0] || found.port == ports[1])))
			return why;
	}
	return CUT_SHORT;
}
