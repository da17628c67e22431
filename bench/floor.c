/* The floor under a knock: the bare crypto calls (libsodium), the bare netlink transaction that
 * refreshes a timed element of a hash set (libmnl, libnftnl), a wake-up of another process, and a
 * TCP handshake. Prints `name microseconds`. Run it in a network namespace of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sodium.h>

#define ROUNDS       4000
#define BATCH_BYTES  4096
#define TABLE        "floor"
#define SET          "granted"
#define TYPE_IPV6    8 /* nft's number for ipv6_addr */
#define TIMEOUT_MS   30000
#define SIGNED_BYTES 101
#define PLAIN_BYTES  40

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now_us(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Processor time of `rounds` calls, per call. */
static double cpu_us(void (*step)(void *), void *context, int rounds)
{
	double start;

	for (int i = 0; i < rounds / 10; i++)
		step(context);
	start = now_us(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < rounds; i++)
		step(context);
	return (now_us(CLOCK_PROCESS_CPUTIME_ID) - start) / rounds;
}

/* --- crypto */

struct knock {
	uint8_t secret[32], ephemeral[32], nonce[12];
	uint8_t sealed[PLAIN_BYTES + 16];
	uint8_t packet[SIGNED_BYTES], signature[64], signer[32];
};

static void derive(uint8_t key[static 32], const struct knock *k)
{
	static const uint8_t salt[32];
	static const uint8_t info[] = "openme-v1-chacha20poly1305\x01";
	uint8_t shared[32], extracted[32];

	if (crypto_scalarmult(shared, k->secret, k->ephemeral) != 0)
		fail("crypto_scalarmult");
	crypto_auth_hmacsha256(extracted, shared, sizeof shared, salt);
	crypto_auth_hmacsha256(key, info, sizeof info - 1, extracted);
}

static struct knock prepare(void)
{
	struct knock k;
	uint8_t key[32], other[32], plain[PLAIN_BYTES], signing[64];

	randombytes_buf(&k, sizeof k);
	randombytes_buf(other, sizeof other);
	randombytes_buf(plain, sizeof plain);
	crypto_scalarmult_base(k.ephemeral, other);
	derive(key, &k);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    k.sealed, NULL, plain, sizeof plain, NULL, 0, NULL, k.nonce, key);
	crypto_sign_keypair(k.signer, signing);
	crypto_sign_detached(k.signature, NULL, k.packet, sizeof k.packet, signing);
	return k;
}

static void open_knock(void *context)
{
	struct knock *k = context;
	uint8_t key[32], plain[PLAIN_BYTES];

	derive(key, k);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
	        plain, NULL, NULL, k->sealed, sizeof k->sealed, NULL, 0, k->nonce, key) != 0 ||
	    crypto_sign_verify_detached(k->signature, k->packet, sizeof k->packet, k->signer) != 0)
		fail("open_knock");
}

static void multiply(void *context)
{
	struct knock *k = context;
	uint8_t shared[32];

	if (crypto_scalarmult(shared, k->secret, k->ephemeral) != 0)
		fail("crypto_scalarmult");
}

/* --- netlink */

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buffer[BATCH_BYTES];
	struct mnl_nlmsg_batch *batch;
};

static void batch_start(struct netlink *n)
{
	n->batch = mnl_nlmsg_batch_start(n->buffer, sizeof n->buffer);
	nftnl_batch_begin(mnl_nlmsg_batch_current(n->batch), n->sequence++);
	mnl_nlmsg_batch_next(n->batch);
}

static struct nlmsghdr *batch_message(struct netlink *n, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(
	    mnl_nlmsg_batch_current(n->batch), type, NFPROTO_INET, flags, n->sequence++);
}

/* Sends the transaction; its last message asked for the answer. */
static void batch_commit(struct netlink *n)
{
	char answer[BATCH_BYTES];
	ssize_t size;

	nftnl_batch_end(mnl_nlmsg_batch_current(n->batch), n->sequence++);
	mnl_nlmsg_batch_next(n->batch);
	if (mnl_socket_sendto(
	        n->socket, mnl_nlmsg_batch_head(n->batch), mnl_nlmsg_batch_size(n->batch)) < 0)
		fail("netlink send");
	size = mnl_socket_recvfrom(n->socket, answer, sizeof answer);
	if (size < 0 ||
	    mnl_cb_run(answer, (size_t)size, 0, mnl_socket_get_portid(n->socket), NULL, NULL) < 0)
		fail("netlink answer");
	mnl_nlmsg_batch_stop(n->batch);
}

static void put_element(struct netlink *n, struct nftnl_set *set, uint16_t type, bool ask)
{
	uint16_t flags =
	    (uint16_t)((type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0) | (ask ? NLM_F_ACK : 0));

	nftnl_set_elems_nlmsg_build_payload(batch_message(n, type, flags), set);
	mnl_nlmsg_batch_next(n->batch);
}

static struct nftnl_set *one_element(void)
{
	static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();

	if (set == NULL || element == NULL)
		fail("libnftnl");
	nftnl_set_set_str(set, NFTNL_SET_TABLE, TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, SET);
	nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, address, sizeof address);
	nftnl_set_elem_set_u64(element, NFTNL_SET_ELEM_TIMEOUT, TIMEOUT_MS);
	nftnl_set_elem_add(set, element);
	return set;
}

/* add, delete, add in one transaction: the timeout starts anew and no packet falls between. */
static void refresh(void *context)
{
	struct netlink *n = context;
	struct nftnl_set *set = one_element();

	batch_start(n);
	put_element(n, set, NFT_MSG_NEWSETELEM, false);
	put_element(n, set, NFT_MSG_DELSETELEM, false);
	put_element(n, set, NFT_MSG_NEWSETELEM, true);
	batch_commit(n);
	nftnl_set_free(set);
}

static void make_table(struct netlink *n)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nftnl_set *set = nftnl_set_alloc();

	if (table == NULL || set == NULL)
		fail("libnftnl");
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	nftnl_set_set_str(set, NFTNL_SET_TABLE, TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, SET);
	nftnl_set_set_u32(set, NFTNL_SET_ID, 1);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, TYPE_IPV6);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, 16);
	batch_start(n);
	nftnl_table_nlmsg_build_payload(batch_message(n, NFT_MSG_NEWTABLE, NLM_F_CREATE), table);
	mnl_nlmsg_batch_next(n->batch);
	nftnl_set_nlmsg_build_payload(
	    batch_message(n, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_ACK), set);
	mnl_nlmsg_batch_next(n->batch);
	batch_commit(n);
	nftnl_table_free(table);
	nftnl_set_free(set);
}

static void drop_table(struct netlink *n)
{
	struct nftnl_table *table = nftnl_table_alloc();

	nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
	batch_start(n);
	nftnl_table_nlmsg_build_payload(batch_message(n, NFT_MSG_DELTABLE, NLM_F_ACK), table);
	mnl_nlmsg_batch_next(n->batch);
	batch_commit(n);
	nftnl_table_free(table);
}

static double refresh_us(void)
{
	struct netlink n = {.sequence = 1};
	double us;

	n.socket = mnl_socket_open(NETLINK_NETFILTER);
	if (n.socket == NULL || mnl_socket_bind(n.socket, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("netlink socket");
	make_table(&n);
	us = cpu_us(refresh, &n, ROUNDS);
	drop_table(&n);
	mnl_socket_close(n.socket);
	return us;
}

/* --- the way between two processes, and a handshake */

/* Elapsed time of one message to another process that sleeps, by there and back. */
static double hop_us(void)
{
	int ends[2];
	char byte = 0;
	double start;
	pid_t child = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 || (child = fork()) < 0)
		fail("hop");
	if (child == 0) {
		close(ends[0]);
		while (recv(ends[1], &byte, 1, 0) == 1)
			send(ends[1], &byte, 1, 0);
		_exit(0);
	}
	close(ends[1]);
	start = now_us(CLOCK_MONOTONIC);
	for (int i = 0; i < ROUNDS; i++) {
		if (send(ends[0], &byte, 1, 0) != 1 || recv(ends[0], &byte, 1, 0) != 1)
			fail("hop");
	}
	start = (now_us(CLOCK_MONOTONIC) - start) / ROUNDS / 2;
	close(ends[0]);
	waitpid(child, NULL, 0);
	return start;
}

static double connect_us(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	double start;

	if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 128) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) != 0)
		fail("listen");
	start = now_us(CLOCK_MONOTONIC);
	for (int i = 0; i < ROUNDS / 10; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(s, (struct sockaddr *)&address, size) != 0)
			fail("connect");
		close(s);
		close(accept(listener, NULL, NULL));
	}
	start = (now_us(CLOCK_MONOTONIC) - start) / (ROUNDS / 10.0);
	close(listener);
	return start;
}

int main(void)
{
	struct knock k;

	if (sodium_init() < 0)
		fail("libsodium");
	k = prepare();
	printf("x25519 %.1f\n", cpu_us(multiply, &k, ROUNDS));
	printf("crypto %.1f\n", cpu_us(open_knock, &k, ROUNDS));
	printf("netlink %.1f\n", refresh_us());
	printf("hop %.1f\n", hop_us());
	printf("connect %.1f\n", connect_us());
	return 0;
}
