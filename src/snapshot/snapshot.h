/* The configuration as the roles see it: one flat, immutable piece of memory. `main` builds it from
 * the checked files, puts it in a memory file that nobody can change, and every role maps that same
 * file read-only. It holds no secret. Arrays are reached through spans and the accessors below
 * only. */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/ports.h"

#define CLIENT_NAME_BYTES    128 /* of a label (conf/values.h), with the closing zero */
#define INTERFACE_NAME_BYTES 16
#define DEVICE_UUID_BYTES    16
#define CLIENT_KEY_BYTES     32
#define NEVER_NS             INT64_MAX

enum conf_firewall { CONF_FIREWALL_NFT, CONF_FIREWALL_NONE };
enum conf_guard { CONF_GUARD_PORTS, CONF_GUARD_ALL };
enum conf_hook { CONF_HOOK_INPUT, CONF_HOOK_PREROUTING, CONF_HOOK_FORWARD };
enum conf_established { CONF_ESTABLISHED_KEEP, CONF_ESTABLISHED_CUT };
enum conf_shield { CONF_SHIELD_OFF, CONF_SHIELD_PREFER, CONF_SHIELD_REQUIRE };
enum conf_shield_at {
	CONF_SHIELD_AT_AUTO,
	CONF_SHIELD_AT_XDP,
	CONF_SHIELD_AT_SOCKET,
	CONF_SHIELD_AT_USER
};
enum conf_shutdown { CONF_SHUTDOWN_REMOVE, CONF_SHUTDOWN_KEEP };
enum conf_sandbox { CONF_SANDBOX_STRICT, CONF_SANDBOX_BEST };
enum conf_intake { CONF_INTAKE_SOCKET, CONF_INTAKE_CAPTURE, CONF_INTAKE_XDP };
#define CONF_WORKERS_AUTO 0
#define CONF_WORKERS_MOST 16
enum conf_host_chains { CONF_HOST_CHAINS_AUTO, CONF_HOST_CHAINS_ALL, CONF_HOST_CHAINS_NONE };
enum conf_notrack { CONF_NOTRACK_NO, CONF_NOTRACK_AUTO, CONF_NOTRACK_YES };
enum conf_targets { CONF_TARGETS_ANY, CONF_TARGETS_SOURCE, CONF_TARGETS_LIST };

/* A run of elements in one of the arrays. */
struct span {
	uint32_t first;
	uint32_t count;
};

/* One distinct set of ports, sorted, overlaps merged: clients with the same ports share it.
 * The health port is in it unless the client has it disabled. */
struct policy {
	struct span ports; /* of struct ports */
};

struct client {
	char name[CLIENT_NAME_BYTES];
	uint8_t public_key[CLIENT_KEY_BYTES]; /* Ed25519 */
	int64_t expires_ns;                   /* since the Unix epoch; NEVER_NS */
	uint32_t policy;                      /* index of policy */
	struct span target_list;              /* of cidr, with CONF_TARGETS_LIST */
	uint8_t targets;                      /* enum conf_targets */
	bool wildcard;                        /* may ask for "the address this came from" */
	bool hint_only;                       /* its key is tried on no knock without a hint */
	bool revoked;
};

/* What an OpenSPA device may ask for: what is inside `ports` (protocol 0: anything), for so long.
 */
struct openspa_rule {
	struct ports ports;
	uint16_t duration_s; /* 1..65535 */
};

/* An OpenSPA client. Sorted by uuid. */
struct device {
	uint8_t uuid[DEVICE_UUID_BYTES];
	char name[CLIENT_NAME_BYTES]; /* as shown; the uuid in text where it has no other */
	uint8_t modulus[256];         /* RSA-2048, big-endian; all zeros: ask the directory */
	uint8_t exponent[8];          /* big-endian */
	int64_t expires_ns;           /* since the Unix epoch; NEVER_NS */
	struct span rules;            /* of openspa_rule; the first that fits decides */
	struct span target_list;      /* of cidr, with CONF_TARGETS_LIST */
	uint8_t targets;              /* enum conf_targets */
	bool revoked;
};

/* What is asked in process, of a script run for each question, or of a helper that stays. */
enum conf_asked { CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT, CONF_ASKED_HELPER };

enum conf_answer { CONF_ANSWER_ALWAYS, CONF_ANSWER_SOURCE_MATCHES, CONF_ANSWER_NEVER };

struct openspa_settings {
	bool enabled;
	uint8_t directory;     /* enum conf_asked: whose key a device has */
	uint8_t authorization; /* enum conf_asked: what it may */
	uint8_t firewall;      /* enum conf_asked: how ports are opened */
	uint8_t answer;        /* enum conf_answer */
	uint16_t port;
	struct addr bind; /* all zeros: every address */
	int64_t window_ns;
	uint8_t targets;              /* enum conf_targets; for a device that is in no row */
	struct span target_list;      /* of cidr, with CONF_TARGETS_LIST */
	struct span rules;            /* of openspa_rule; for a device that is in no row */
	struct span server_addresses; /* of cidr (single addresses); none: any is taken for ours */
};

struct settings {
	bool openme;            /* knocks are served; else udp_port and public_key mean nothing */
	uint8_t public_key[32]; /* the server's, X25519 */
	int64_t knock_timeout_ns;
	int64_t replay_window_ns;
	uint16_t udp_port;
	uint16_t health_port; /* TCP; 0: none */
	uint8_t firewall;     /* enum conf_firewall */
	uint8_t guard;        /* enum conf_guard */
	uint8_t hook;         /* enum conf_hook */
	uint8_t established;  /* enum conf_established */
	uint8_t shutdown;     /* enum conf_shutdown */
	uint8_t host_chains;  /* enum conf_host_chains */
	uint8_t sandbox;      /* enum conf_sandbox */
	uint8_t workers;      /* doormen; CONF_WORKERS_AUTO: as many as suit the machine */
	uint8_t shield;       /* enum conf_shield; OFF without a key */
	uint8_t shield_at;    /* enum conf_shield_at */
	uint8_t intake;       /* enum conf_intake */
	uint8_t notrack;      /* enum conf_notrack */
	bool drop_ports;
	bool open_knock_port;
	char interface[INTERFACE_NAME_BYTES]; /* "": every one */
	uint32_t mark;                        /* one bit, set on granted packets */
	int32_t priority;                     /* of our base chain */
	uint32_t client_quota;                /* addresses one client may hold open at once */
	uint32_t hint_only_clients;           /* how many there are */
	struct span managed_ports;        /* of struct ports: every port of any policy and group */
	struct span guard_allow_ports;    /* of struct ports: open to everyone under guard: all */
	struct span guard_allow_networks; /* of cidr: let through under either guard */
	struct span own_addresses;        /* of cidr: this host's, when the snapshot was made */
	struct openspa_settings openspa;
};

/* How many of each there are. */
struct snapshot_counts {
	uint32_t clients;
	uint32_t policies;
	uint32_t ports;
	uint32_t cidrs;
	uint32_t devices;
	uint32_t rules;
};

struct snapshot_header {
	uint32_t magic;
	uint32_t layout; /* sizeof everything, mixed: a role of another build refuses it */
	uint64_t generation;
	uint64_t size; /* of the whole, bytes */
	struct settings settings;
	struct snapshot_counts counts;
	/* client[], policy[], ports[], cidr[], device[], openspa_rule[], and the clients' numbers
	 * in the order of their keys follow, each aligned to 8 bytes */
};

/* A mapped snapshot. Pointers live until snapshot_unmap. */
struct snapshot {
	const struct snapshot_header *header;
	const struct settings *settings;
	const struct client *clients;
	const struct policy *policies;
	const struct ports *ports;
	const struct cidr *cidrs;
	const struct device *devices;
	const struct openspa_rule *rules;
	const uint32_t *by_key; /* the numbers of all clients, in the order of their keys */
	uint32_t client_count;
	uint32_t policy_count;
	uint32_t device_count;
	uint32_t checked; /* elements of each array, from the first on */
};

/* What a snapshot is made of; the arrays stay the caller's. */
struct snapshot_parts {
	uint64_t generation;
	struct settings settings;
	struct snapshot_counts counts;
	const struct client *clients;
	const struct policy *policies;
	const struct ports *ports;
	const struct cidr *cidrs;
	const struct device *devices;
	const struct openspa_rule *rules;
};

/* Lays the parts out in a memory file that nobody can change (F_SEAL_WRITE and the like). No two
 * clients have one key. Returns its descriptor, or -1 with errno. */
int snapshot_create(const struct snapshot_parts *parts);
/* Maps `fd` read-only and checks seals, layout, sizes and every index, so that what is reached
 * through the accessors is inside. False with errno; `fd` stays the caller's. */
bool snapshot_map(struct snapshot *out, int fd);
/* The same in slices, of which none takes long: snapshot_begin looks at all but the arrays, and
 * nothing may be reached before snapshot_check has looked at each element. */
bool snapshot_begin(struct snapshot *out, int fd);
/* Looks at up to `most` more elements of each array. 0 when there are none left, EAGAIN, or EBADMSG
 * when one is not sound, or for a zeroed snapshot. */
int snapshot_check(struct snapshot *s, uint32_t most);
/* Safe on a zeroed snapshot. */
void snapshot_unmap(struct snapshot *s);

/* First element of a span; the span was checked when the snapshot was mapped. */
const struct ports *snapshot_ports(const struct snapshot *s, struct span span);
const struct cidr *snapshot_cidrs(const struct snapshot *s, struct span span);
const struct openspa_rule *snapshot_rules(const struct snapshot *s, struct span span);
/* Index of the client with that key, or -1. */
int64_t snapshot_find_client(const struct snapshot *s, const uint8_t key[static CLIENT_KEY_BYTES]);
/* Index of the device with that uuid, or -1. */
int64_t snapshot_find_device(
    const struct snapshot *s, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* Holders of grants under one numbering: first the clients, then the devices. 0 for a zeroed
 * snapshot. */
uint32_t snapshot_holders(const struct snapshot *s);
/* CLIENT_NAME_BYTES of memory, closed by a zero. `holder` is below snapshot_holders. */
const char *snapshot_holder_name(const struct snapshot *s, uint32_t holder);

#endif
