/* The floor under the shield at the device: parses to UDP, compares the port, and drops. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u16 port = 0; /* in the order of the network */

SEC("xdp")
int floor_drop(struct xdp_md *frame)
{
	const void *at = (const void *)(long)frame->data,
	           *end = (const void *)(long)frame->data_end;
	const struct ethhdr *ethernet = at;
	const struct udphdr *udp;
	__u8 protocol;

	at = ethernet + 1;
	if (at > end)
		return XDP_PASS;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		const struct iphdr *four = at;

		if ((const void *)(four + 1) > end || four->ihl < 5)
			return XDP_PASS;
		protocol = four->protocol;
		at += four->ihl * 4;
	} else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *six = at;

		at = six + 1;
		if (at > end)
			return XDP_PASS;
		protocol = six->nexthdr;
	} else {
		return XDP_PASS;
	}
	udp = at;
	if (protocol != IPPROTO_UDP || (const void *)(udp + 1) > end || udp->dest != port)
		return XDP_PASS;
	return XDP_DROP;
}
