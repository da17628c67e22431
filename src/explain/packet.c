#include "explain/packet.h"

#include <endian.h>
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#define HEADER_BYTES 60 /* of which the longest part is told of */

struct packet packet_of(uint8_t protocol, const struct addr *source, uint16_t from_port,
    const struct addr *target, uint16_t port)
{
	return (struct packet){.protocol = protocol,
	    .source = *source,
	    .from_port = from_port,
	    .target = *target,
	    .port = port,
	    .meant = *target,
	    .meant_port = port,
	    .mark_known = UINT32_MAX,
	    .ct_mark_known = UINT32_MAX};
}

bool packet_is_v4(const struct packet *p)
{
	return addr_is_v4(&p->source);
}

uint8_t packet_family(const struct packet *p)
{
	return packet_is_v4(p) ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static struct value number_u8(uint8_t number)
{
	return value_of(&number, sizeof number);
}

static struct value number_u16(uint16_t number)
{
	return value_of(&number, sizeof number);
}

static struct value number_u32(uint32_t number)
{
	return value_of(&number, sizeof number);
}

static struct value number_bits(uint32_t number, uint32_t known)
{
	struct value v = number_u32(number & known);

	memcpy(v.known, &known, sizeof known);
	return v;
}

static struct value address_value(const struct packet *p, const struct addr *a)
{
	size_t size = packet_is_v4(p) ? 4 : ADDR_BYTES;

	return value_of(a->bytes + ADDR_BYTES - size, size);
}

static struct value device_name(const struct packet_device *device)
{
	return value_of(device->name, sizeof device->name);
}

bool packet_meta(const struct packet *p, uint32_t key, struct value *out)
{
	switch (key) {
	case NFT_META_PROTOCOL:
		*out = number_u16(htobe16(packet_is_v4(p) ? ETH_P_IP : ETH_P_IPV6));
		break;
	case NFT_META_NFPROTO:
		*out = number_u8(packet_family(p));
		break;
	case NFT_META_L4PROTO:
		*out = number_u8(p->protocol);
		break;
	case NFT_META_MARK:
		*out = number_bits(p->mark, p->mark_known);
		break;
	case NFT_META_IIF:
		*out = number_u32(p->in.index);
		break;
	case NFT_META_OIF:
		*out = number_u32(p->out.index);
		break;
	case NFT_META_IIFNAME:
		*out = device_name(&p->in);
		break;
	case NFT_META_OIFNAME:
		*out = device_name(&p->out);
		break;
	case NFT_META_PKTTYPE: /* PACKET_HOST */
	case NFT_META_SECPATH:
		*out = number_u8(0);
		break;
	default:
		*out = value_unknown(key == NFT_META_TIME_NS ? 8 : 16);
	}
	return true;
}

/* Source and destination as the connection began, or as its answers have them. */
static struct value tuple_address(const struct packet *p, bool of_source, bool reply)
{
	if (!reply)
		return address_value(p, of_source ? &p->source : &p->meant);
	if (p->lost)
		return value_unknown(packet_is_v4(p) ? 4 : ADDR_BYTES);
	return address_value(p, of_source ? &p->target : &p->source);
}

static struct value tuple_port(const struct packet *p, bool of_source, bool reply)
{
	uint16_t port = of_source == reply ? (reply ? p->port : p->meant_port) : p->from_port;

	return port == 0 || (reply && p->lost) ? value_unknown(2) : number_u16(htobe16(port));
}

static struct value ct_status(const struct packet *p)
{
	/* Of those that depend on which chains there are, only this one is told of. */
	uint32_t known = IPS_EXPECTED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | IPS_DYING;

	if (!p->lost)
		known |= IPS_DST_NAT;
	return number_bits(p->translated ? IPS_DST_NAT : 0, known);
}

/* Without a connection there is nothing but its state. */
static bool ct_state(const struct packet *p, struct value *out)
{
	switch (p->tracking) {
	case PACKET_NEW:
		*out = number_u32(NF_CT_STATE_BIT(IP_CT_NEW));
		break;
	case PACKET_UNTRACKED:
		*out = number_u32(NF_CT_STATE_UNTRACKED_BIT);
		break;
	case PACKET_NOT_YET:
		*out = number_u32(NF_CT_STATE_INVALID_BIT);
		break;
	case PACKET_PERHAPS_UNTRACKED:
		*out = number_bits(
		    0, ~(NF_CT_STATE_BIT(IP_CT_NEW) | (uint32_t)NF_CT_STATE_UNTRACKED_BIT));
	}
	return true;
}

bool packet_ct(const struct packet *p, uint32_t key, uint32_t direction, struct value *out)
{
	bool reply = direction == IP_CT_DIR_REPLY;

	if (key == NFT_CT_STATE)
		return ct_state(p, out);
	*out = value_unknown(16);
	if (p->tracking == PACKET_PERHAPS_UNTRACKED)
		return true;
	if (p->tracking != PACKET_NEW || key == NFT_CT_HELPER)
		return false;
	if (key == NFT_CT_DIRECTION)
		*out = number_u8(IP_CT_DIR_ORIGINAL);
	else if (key == NFT_CT_STATUS)
		*out = ct_status(p);
	else if (key == NFT_CT_MARK)
		*out = number_bits(p->ct_mark, p->ct_mark_known);
	else if (key == NFT_CT_L3PROTOCOL)
		*out = number_u8(packet_family(p));
	else if (key == NFT_CT_PROTOCOL)
		*out = number_u8(p->protocol);
	else if (key == NFT_CT_SRC || key == NFT_CT_SRC_IP || key == NFT_CT_SRC_IP6)
		*out = tuple_address(p, true, reply);
	else if (key == NFT_CT_DST || key == NFT_CT_DST_IP || key == NFT_CT_DST_IP6)
		*out = tuple_address(p, false, reply);
	else if (key == NFT_CT_PROTO_SRC || key == NFT_CT_PROTO_DST)
		*out = tuple_port(p, key == NFT_CT_PROTO_SRC, reply);
	return true;
}

static void put(struct value *header, size_t at, const void *bytes, size_t size)
{
	memcpy(header->bytes + at, bytes, size);
	memset(header->known + at, 0xff, size);
}

static void put_u8(struct value *header, size_t at, uint8_t byte, uint8_t known)
{
	header->bytes[at] = byte;
	header->known[at] = known;
}

static void network_header(const struct packet *p, struct value *header)
{
	struct value from = address_value(p, &p->source), to = address_value(p, &p->target);
	bool v4 = packet_is_v4(p);

	put_u8(header, 0, v4 ? 0x45 : 0x60, v4 ? 0xff : 0xf0);
	put_u8(header, v4 ? 9 : 6, p->protocol, 0xff);
	put(header, v4 ? 12 : 8, from.bytes, from.size);
	if (!p->lost)
		put(header, v4 ? 16 : 24, to.bytes, to.size);
	if (v4) { /* no fragment; whether it may become one is not known */
		put_u8(header, 6, 0, 0xbf);
		put_u8(header, 7, 0, 0xff);
	}
}

static void transport_header(const struct packet *p, struct value *header)
{
	uint16_t from = htobe16(p->from_port), to = htobe16(p->port);

	if (from != 0)
		put(header, 0, &from, sizeof from);
	if (!p->lost)
		put(header, 2, &to, sizeof to);
	if (p->protocol == IPPROTO_TCP)
		put_u8(header, 13, 0x02, 0x3f); /* SYN; ECN is asked for by some */
}

void packet_payload(const struct packet *p, uint32_t base, uint32_t offset, struct value *out)
{
	struct value header = value_unknown(HEADER_BYTES);

	if (base == NFT_PAYLOAD_NETWORK_HEADER && !p->changed)
		network_header(p, &header);
	else if (base == NFT_PAYLOAD_TRANSPORT_HEADER && !p->changed)
		transport_header(p, &header);
	for (size_t i = 0; i < out->size && offset < HEADER_BYTES - i; i++) {
		out->bytes[i] = header.bytes[offset + i];
		out->known[i] = header.known[offset + i];
	}
}

void packet_fib(const struct packet *p, uint32_t result, uint32_t flags, struct value *out)
{
	bool of_source = (flags & NFTA_FIB_F_SADDR) != 0;
	uint32_t type = of_source ? p->source_type : p->target_type;
	/* The way back leads by where it came in, so that looking there alone finds it, too. */
	bool returns = of_source && p->in.index != 0 && p->back.index == p->in.index;

	*out = value_unknown(result == NFT_FIB_RESULT_OIFNAME ? INTERFACE_NAME_BYTES : 4);
	if (result == NFT_FIB_RESULT_ADDRTYPE && type != 0 && !(p->lost && !of_source) &&
	    (flags & (NFTA_FIB_F_IIF | NFTA_FIB_F_OIF)) == 0)
		*out = number_u32(type);
	else if (result == NFT_FIB_RESULT_OIF && returns)
		*out = number_u32((flags & NFTA_FIB_F_PRESENT) != 0 ? 1 : p->in.index);
	else if (result == NFT_FIB_RESULT_OIFNAME && returns)
		*out = (flags & NFTA_FIB_F_PRESENT) != 0 ? number_u32(1) : device_name(&p->in);
}

bool packet_extension(const struct packet *p, uint32_t operation, bool present, struct value *out)
{
	if (operation == NFT_EXTHDR_OP_IPV6 && !p->changed) {
		*out = number_u8(0);
		return present; /* there is none, which only such a question can be told */
	}
	return true;
}

void packet_set_mark(uint32_t *mark, uint32_t *mark_known, const struct value *to, bool sure)
{
	uint32_t bits, known;

	memcpy(&bits, to->bytes, sizeof bits);
	memcpy(&known, to->known, sizeof known);
	/* Where it may not have been set, what is the same before and after is known. */
	if (!sure)
		known &= *mark_known & ~(bits ^ *mark);
	*mark = bits & known;
	*mark_known = known;
}
