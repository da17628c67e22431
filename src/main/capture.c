#include "main/capture.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "intake/frame.h"

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

/* NULL, or why it is no datagram. */
static const char *datagram_of(struct captured *out, const struct frame *f)
{
	static const char no_datagram[] = "that packet is no UDP datagram over IPv4 or IPv6";
	struct reader r = f->data;
	enum frame_kind kind;
	struct datagram d;

	if (!skip_link(&r, f->link))
		return no_datagram;
	kind = frame_read(&d, r.data, r.left);
	out->source = d.source;
	out->destination = d.destination;
	out->source_port = d.source_port;
	out->port = d.port;
	out->bytes = d.bytes;
	out->size = d.size;
	out->has_time = f->has_time;
	out->time_ns = f->time_ns;
	if (kind == FRAME_CUT)
		return IN_PART;
	return kind == FRAME_DATAGRAM ? NULL : no_datagram;
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
