/* What the files of the nft back-end share; nobody else includes it. Functions return 0 or a
 * negative errno unless said otherwise, and leave it to nft.c to log. */
#ifndef FW_NFT_H
#define FW_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fw/fw.h"
#include "fw/nft_link.h"

#define NFT_TABLE   "postern"
#define NFT_COMMENT 0 /* type of a comment in user data, as nft reads it */

/* nft_name.c: a policy is called by a hash of its ports, so that a later process with another
 * configuration recognises it. */
#define NFT_ID_BYTES 17
struct nft_sets {
	char id[NFT_ID_BYTES];
	char v4[24]; /* g_<id>_4 */
	char v6[24];
	char chain[24]; /* ports_<id> */
	bool twin;      /* has the ports of an earlier policy, whose sets and chain serve both */
};
struct nft_sets nft_policy_sets(const struct snapshot *s, uint32_t policy);
/* Made once, so that a change need not; the caller frees .sets, NULL when memory is short. */
struct nft_policies {
	struct nft_sets *sets;
	uint32_t count;
};
struct nft_policies nft_name_policies(const struct snapshot *s);
/* The same characters that the configuration allows, and no others: what fails is refused. */
bool nft_owner_fits(const char owner[static CLIENT_NAME_BYTES]);

/* "inet", "ip", "ip6"; "?" for others. */
const char *nft_family_name(uint8_t family);

/* nft_element.c: what stands in a set. The key is an address, and in some sets a protocol and a
 * port after it, each filled up to 4 bytes. */
#define NFT_SET_SIZE  65536 /* elements, the most in any one set */
#define NFT_KEY_BYTES (ADDR_BYTES + 4 + 4)
struct nft_element {
	uint8_t key[NFT_KEY_BYTES];
	size_t key_bytes;
	uint64_t timeout_ms;
	char owner[CLIENT_NAME_BYTES];
};
size_t nft_address_bytes(bool v4); /* at the start of a key */
/* With the address alone as its key. */
struct nft_element nft_element_of(
    const struct addr *address, uint64_t timeout_ms, const char owner[static CLIENT_NAME_BYTES]);
struct addr nft_element_address(const struct nft_element *e, bool v4);
/* Adds it to the transaction; it is not there yet. */
void nft_element_add(struct nft_link *l, const char *set, const struct nft_element *e);
/* The same, and the transaction fails with -EEXIST when it is there: the cheapest to open with. */
void nft_element_add_new(struct nft_link *l, const char *set, const struct nft_element *e);
/* Adds to the transaction what makes the element be there with its full time. */
void nft_element_refresh(struct nft_link *l, const char *set, const struct nft_element *e);
/* Adds what makes sure that there is none. */
void nft_element_delete(struct nft_link *l, const char *set, const struct nft_element *e);
struct nft_reading {
	/* Takes what was read; NULL: only count. */
	void (*store)(struct nft_reading *r, const struct nft_element *e);
	size_t key_bytes;
	size_t count;
};
/* Hands over every element that one of us has made. */
int nft_element_read(struct nft_link *l, const char *set, struct nft_reading *r);

/* nft_place.c: where an opening stands. That of a policy is an address in one of the policy's two
 * sets; a single port is (address, protocol, port) in one of two sets, a protocol without ports
 * (address, protocol) in one of two others; for ranges see nft_range.c. */
#define NFT_PORTS_4     "opened_ports_4"
#define NFT_PORTS_6     "opened_ports_6"
#define NFT_PROTOCOLS_4 "opened_protocols_4"
#define NFT_PROTOCOLS_6 "opened_protocols_6"
struct nft_place {
	char set[32];
	struct nft_element element; /* timeout_ms 0: its time is over */
};
/* Whether there is somebody who asks for ports; if not, there are no sets for them. */
bool nft_ports_wanted(const struct snapshot *s);
/* Whether what names its ports can be opened at all. */
bool nft_ports_possible(const struct opening *o);
/* False when there can be no such opening: policy, ports, owner, and that they go together. */
bool nft_place_of(struct nft_place *out, const struct nft_policies *policies,
    const struct fw_change *c, int64_t now_boot_ns);

/* nft_change.c: adds the changes to a transaction and commits it. `ranges` becomes what it is
 * afterwards; -ENOSPC when it is full. */
struct nft_ranges;
struct nft_change {
	struct nft_ranges *ranges;
	const struct nft_policies *policies;
	bool takes_ports;
};
int nft_change_commit(struct nft_link *l, const struct nft_change *how,
    const struct fw_change *changes, size_t count);

/* nft_adopt.c */
struct nft_adoption {
	void (*found)(void *context, const struct opening *o, const char *owner);
	void *context;
};
/* Openings of one policy, and those that name their ports. */
int nft_adopt_policy(struct nft_link *l, const struct nft_sets *sets, uint32_t policy,
    const struct nft_adoption *to);
int nft_adopt_ports(struct nft_link *l, const struct nft_adoption *to);

/* nft_range.c: each distinct range of ports that somebody has asked for has a set of addresses and
 * a rule of its own. */
#define NFT_RANGES_CHAIN "opened_ranges"
struct nft_range {
	struct ports ports;
	bool v4;
};
struct nft_range_use {
	int64_t until_boot_ns; /* nobody holds it afterwards */
	bool closed;           /* for somebody, so perhaps nobody does before */
};
/* In the order of their rules. */
struct nft_ranges {
	struct nft_range list[FW_RANGES];
	uint64_t rules[FW_RANGES]; /* their handles; zero: not known */
	struct nft_range_use use[FW_RANGES];
	uint32_t count;
};
bool nft_is_range(const struct opening *o);
struct nft_range nft_range_of(const struct opening *o);
void nft_range_name(char set[static 32], const struct nft_range *r);
/* The place of its range in the list; `count` when it is not there, or no range. */
uint32_t nft_ranges_find(const struct nft_ranges *ranges, const struct opening *o);
/* Adds the range to the list, with nobody holding it; the caller has made sure that there is room.
 * Returns its place. */
uint32_t nft_ranges_append(struct nft_ranges *ranges, const struct nft_range *r);
void nft_range_hold(struct nft_range_use *use, int64_t until_boot_ns);
/* Commits a transaction, and learns from what the kernel sends back the handles of new rules. */
int nft_ranges_commit(struct nft_link *l, struct nft_ranges *ranges);
/* Adds set and rule to the transaction, and the range to the list. */
int nft_ranges_put(struct nft_link *l, struct nft_ranges *ranges, const struct nft_range *r);
/* Takes away those that nobody holds any more. */
int nft_ranges_sweep(struct nft_link *l, struct nft_ranges *ranges);
/* The ranges that have a set. Returns how many were stored. */
int nft_ranges_read(struct nft_link *l, struct nft_range *out, size_t most);

/* nft_table.c: the table, and the words that say of which boot it is. */
#define NFT_BOOT_BYTES 64
void nft_table_boot(char boot[static NFT_BOOT_BYTES], const char *boot_id);
/* Nobody else can change or flush the table; it stays when its owner ends, and is the next one's
 * who asks. Linux 6.9 and later: NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST. */
#define NFT_TABLE_OWNED 0x6U
struct nft_table {
	bool there;
	bool this_boot; /* by the words given */
	uint32_t owner; /* netlink port; 0: nobody */
};
int nft_table_look(struct nft_link *l, const char *boot, struct nft_table *out);
/* Until nobody but this link owns it; -EPERM, and logged, when somebody goes on to. */
int nft_table_wait(struct nft_link *l);
/* Adds the message to a transaction. `flags`: NFT_TABLE_F_*. */
void nft_table_delete(struct nft_link *l);
void nft_table_create(struct nft_link *l, uint32_t flags, const char *boot);

/* nft_host.c: a packet that we accept can still be dropped by another chain of the same hook. One
 * rule of ours at the head of such chains accepts what carries our mark. */
struct nft_host {
	uint32_t mark;
	int32_t priority; /* of our own chain */
	enum conf_host_chains which;
	bool warned; /* of chains that are not ours to change, and that are there still */
};
/* Gives exactly the chains that need the rule one. `more`, unless NULL, adds to a transaction that
 * comes after that. A chain whose table belongs to somebody else alone is left as it is, with a
 * warning, once. */
int nft_host_settle(struct nft_link *l, struct nft_host *host, void (*more)(struct nft_link *l));
/* What settle would do is told instead, rule by rule. Both names may hold any byte; they live
 * during the call. */
struct nft_host_change {
	uint8_t family;
	const char *table, *chain;
	uint64_t handle; /* of the rule to take away; 0: one is to be put in */
};
typedef void nft_host_told(void *context, const struct nft_host_change *change);
int nft_host_tell(
    struct nft_link *l, const struct nft_host *host, nft_host_told *each, void *context);
/* True when settle would put a rule in, or when that could not be found out. */
bool nft_host_lacks(struct nft_link *l, const struct nft_host *host);

/* nft_track.c: what comes to our ports is not tracked as a connection. */
struct nft_track {
	enum conf_notrack which;
	uint16_t knock_port, request_port; /* 0: none */
	char interface[INTERFACE_NAME_BYTES];
	uint16_t knocks, requests; /* ports that are in force; 0: none */
	bool settled;
	bool failed;
};
/* Makes it so where it makes no difference to rules of the host, and takes it back where it does
 * now. After the rule set was replaced, and when somebody has changed something. */
void nft_track_settle(struct nft_link *l, struct nft_track *t);

/* nft_pass.c: that rule, and what rules of others come to. */
enum nft_rule_verdict_kind {
	NFT_RULE_LITTLE,    /* looks at the packet first */
	NFT_RULE_DROP,      /* ends whatever reaches it */
	NFT_RULE_JUMP,      /* sends whatever reaches it to another chain */
	NFT_RULE_PASS,      /* ours, as it should be */
	NFT_RULE_PASS_STALE /* ours, with another mark or changed by somebody */
};
struct nft_rule_verdict {
	enum nft_rule_verdict_kind meaning;
	uint64_t handle;
	char chain[NFT_NAME_BYTES]; /* of NFT_RULE_JUMP */
};
#define NFT_PASS_COMMENT "postern: let granted packets by"
struct nft_rule_verdict nft_pass_read(const struct nlmsghdr *rule, uint32_t mark);
/* Adds the message that puts it at the head of a chain. */
void nft_pass_insert(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint32_t mark);

/* nft_watch.c: a socket that wakes for changes made through other netlink ports than `port`; or
 * -errno. */
int nft_watch_open(uint32_t port);
/* Reads what there is; true when one was, or may have been, of our table. */
bool nft_watch_read(int fd);

#endif
