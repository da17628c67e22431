/* What a value of each kind is in memory, and the tables that say which keys exist. Each table is
 * the one place for its section: the struct, the loader, the defaults, the ranges, `config show`
 * and the check of the manual page all come from it. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_TEXT_BYTES 256
#define CONF_KEY_BYTES  32
#define CONF_NOT_GIVEN                                                            \
	(-1) /* a SWITCH, WORD or INTEGER without default that is not in the file \
	      */

/* Where in its file something stands; counted from 1, 0 when it stands in none. */
struct conf_place {
	uint32_t line;
	uint32_t column;
};

struct conf_text {
	char text[CONF_TEXT_BYTES];
};

struct conf_key {
	uint8_t bytes[CONF_KEY_BYTES];
	bool given;
};

/* Locked memory; NULL when not given. */
struct conf_secret {
	uint8_t *bytes;
	size_t size;
};

struct conf_item {
	char *text;
	struct conf_place place;
};

/* Strings as written in the file, each checked when it was read. */
struct conf_list {
	struct conf_item *items;
	size_t count;
};

/* when_ns is 0 where the file says only `true`. A time yet to come revokes at once, too. */
struct conf_revoked {
	bool yes;
	int64_t when_ns;
};

/* A word and the number it stands for; tables end with a NULL word. */
struct conf_word {
	const char *word;
	int number;
};

/* What each kind may hold in the file, and its type in memory. */
#define CONF_TYPE_HOST      struct conf_text    /* a name or an address */
#define CONF_TYPE_INTERFACE struct conf_text    /* of the network, or empty */
#define CONF_TYPE_NAME      struct conf_text    /* of a client or profile */
#define CONF_TYPE_COMMAND   char *              /* for the shell; NULL when not given */
#define CONF_TYPE_INTEGER   int64_t             /* least..most; decimal or 0x */
#define CONF_TYPE_DURATION  int64_t             /* Go syntax, least..most nanoseconds */
#define CONF_TYPE_BOUNDED   int64_t             /* any of them, made the nearest of least..most */
#define CONF_TYPE_TIME      int64_t             /* RFC 3339 and shorter; ns since 1970, NEVER_NS */
#define CONF_TYPE_REVOKED   struct conf_revoked /* a time, or true or false */
#define CONF_TYPE_SWITCH    int                 /* true, yes, on: 1; false, no, off: 0 */
#define CONF_TYPE_WORD      int                 /* one of `words` */
#define CONF_TYPE_KEY       struct conf_key     /* public, 32 bytes in base64 */
#define CONF_TYPE_SECRET    struct conf_secret  /* least or most bytes in base64; never shown */
#define CONF_TYPE_PORTS     struct conf_list    /* port specs and names of port groups */
#define CONF_TYPE_ALLOW     struct conf_list    /* port specs and networks */
#define CONF_TYPE_TARGETS   struct conf_list    /* `source`, `any` or networks */
#define CONF_TYPE_ADDRESS   struct conf_text    /* one address */
#define CONF_TYPE_ADDRESSES struct conf_list    /* addresses */
#define CONF_TYPE_URL       struct conf_text    /* http or https */
#define CONF_TYPE_PATH      char *              /* of a file or folder; NULL when not given */
#define CONF_TYPE_RULES     struct conf_list    /* protocol, ports, duration */

enum conf_kind {
	CONF_KIND_HOST,
	CONF_KIND_INTERFACE,
	CONF_KIND_NAME,
	CONF_KIND_COMMAND,
	CONF_KIND_INTEGER,
	CONF_KIND_DURATION,
	CONF_KIND_BOUNDED,
	CONF_KIND_TIME,
	CONF_KIND_REVOKED,
	CONF_KIND_SWITCH,
	CONF_KIND_WORD,
	CONF_KIND_KEY,
	CONF_KIND_SECRET,
	CONF_KIND_PORTS,
	CONF_KIND_ALLOW,
	CONF_KIND_TARGETS,
	CONF_KIND_ADDRESS,
	CONF_KIND_ADDRESSES,
	CONF_KIND_URL,
	CONF_KIND_PATH,
	CONF_KIND_RULES,
};

extern const struct conf_word conf_firewall_words[];
extern const struct conf_word conf_guard_words[];
extern const struct conf_word conf_hook_words[];
extern const struct conf_word conf_established_words[];
extern const struct conf_word conf_shutdown_words[];
extern const struct conf_word conf_host_chains_words[];
extern const struct conf_word conf_sandbox_words[];
extern const struct conf_word conf_workers_words[];
extern const struct conf_word conf_shield_words[];
extern const struct conf_word conf_shield_at_words[];
extern const struct conf_word conf_intake_words[];
extern const struct conf_word conf_notrack_words[];
extern const struct conf_word conf_answer_words[];

#define CONF_FIREWALL_IPTABLES 2 /* in the file only: served through nftables, with a warning */

/* The defaults stand as they would in the file and are read by the same code; NULL: none. */

/* key               kind       default       least  most           words  what it is */
#define CONF_SERVER_KEYS(X)                                                                       \
	X(host, HOST, "", 0, 0, NULL, "name or address at which clients reach this server")       \
	X(udp_port, INTEGER, "54154", 1, 65535, NULL, "port that knocks arrive at")               \
	X(health_port, INTEGER, NULL, 0, 65535, NULL,                                             \
	    "TCP port opened with every grant; 0: none; as udp_port when not given")              \
	X(firewall, WORD, "nft", 0, 0, conf_firewall_words, "what rules are made with")           \
	X(knock_timeout, BOUNDED, "30s", NS_PER_SECOND, 86400 * NS_PER_SECOND, NULL,              \
	    "how long a knock opens the ports")                                                   \
	X(replay_window, DURATION, "60s", 1, INT64_MAX, NULL,                                     \
	    "how far a knock's timestamp may be from now")                                        \
	X(private_key, SECRET, NULL, 32, 32, NULL, "X25519, base64")                              \
	X(public_key, KEY, NULL, 0, 0, NULL, "X25519, base64; only compared with private_key")    \
	X(open_knock_port, SWITCH, "true", 0, 0, NULL, "let everybody send to udp_port")          \
	X(drop_ports, SWITCH, "false", 0, 0, NULL,                                                \
	    "drop what comes to the managed ports without a grant")                               \
	X(interface, INTERFACE, "", 0, 0, NULL, "only this network interface; empty: every one")  \
	X(default_profile, NAME, "default", 0, 0, NULL, "profile name that `postern add` prints") \
	X(guard, WORD, "ports", 0, 0, conf_guard_words,                                           \
	    "ports: guard the managed ports; all: the whole host goes dark")                      \
	X(guard_allow, ALLOW, NULL, 0, 0, NULL, "ports and networks let through regardless")      \
	X(hook, WORD, "prerouting", 0, 0, conf_hook_words,                                        \
	    "where packets are guarded: before translation, on arrival, for every destination")   \
	X(established, WORD, "keep", 0, 0, conf_established_words,                                \
	    "what becomes of connections when their grant ends")                                  \
	X(shutdown, WORD, "keep", 0, 0, conf_shutdown_words,                                      \
	    "what becomes of the rules when the daemon stops")                                    \
	X(host_chains, WORD, "auto", 0, 0, conf_host_chains_words,                                \
	    "which chains of the host get a rule that lets granted packets by")                   \
	X(intake, WORD, "socket", 0, 0, conf_intake_words, "how knocks are received")             \
	X(notrack, WORD, "auto", 0, 0, conf_notrack_words,                                        \
	    "whether knocks are kept out of the kernel's table of connections")                   \
	X(sandbox, WORD, "strict", 0, 0, conf_sandbox_words,                                      \
	    "what becomes of the start where a layer of the sandbox is missing")                  \
	X(workers, WORD, "auto", 0, 0, conf_workers_words,                                        \
	    "processes that receive: a number, or auto, by the processors")                       \
	X(mark, INTEGER, "0x40000000", 1, UINT32_MAX, NULL, "one bit, set on granted packets")    \
	X(priority, INTEGER, "-10", -1000, 1000, NULL, "of our chain in the input hook")          \
	X(client_quota, INTEGER, "256", 1, 65536, NULL,                                           \
	    "addresses that one client may hold open at once")                                    \
	X(targets, TARGETS, "any", 0, 0, NULL,                                                    \
	    "addresses a knock may open for, when the client does not say")                       \
	X(wildcard, SWITCH, "yes", 0, 0, NULL,                                                    \
	    "whether a knock may leave its address open, when the client does not say")           \
	X(legacy, SWITCH, "yes", 0, 0, NULL,                                                      \
	    "whether keys are tried on knocks without a hint, when the client does not say")      \
	X(shield, WORD, "prefer", 0, 0, conf_shield_words,                                        \
	    "what becomes of knocks without the tag of shield_key; off without one")              \
	X(shield_at, WORD, "auto", 0, 0, conf_shield_at_words,                                    \
	    "where junk is dropped before the daemon sees it")                                    \
	X(shield_key, SECRET, NULL, 32, 32, NULL, "base64; shared with clients")                  \
	X(shield_key_old, SECRET, NULL, 32, 32, NULL, "the one before it, which counts as well")

/* key               kind       default       least  most           words  what it is */
#define CONF_CLIENT_KEYS(X)                                                                      \
	X(ed25519_pubkey, KEY, NULL, 0, 0, NULL, "the client's public key, base64")              \
	X(allowed_ports, PORTS, NULL, 0, 0, NULL,                                                \
	    "port specs and group names; the group `default` when not given")                    \
	X(expires, TIME, NULL, 0, 0, NULL, "from then on every knock is refused")                \
	X(disable_health_port, SWITCH, "false", 0, 0, NULL, "do not open health_port")           \
	X(targets, TARGETS, NULL, 0, 0, NULL, "addresses this client may open for")              \
	X(wildcard, SWITCH, NULL, 0, 0, NULL, "whether a knock may leave its address open")      \
	X(legacy, SWITCH, NULL, 0, 0, NULL, "whether its key is tried on knocks without a hint") \
	X(revoked, REVOKED, NULL, 0, 0, NULL, "when the client was revoked, or true")

/* The keys of OpenSPA are told apart as the original does: `privateKey` and `PrivateKey` are the
 * same key, and `private_key` is, too. */

/* key               kind       default       least  most           words  what it is */
#define CONF_OPENSPA_KEYS(X)                                                                       \
	X(bind, ADDRESS, "0.0.0.0", 0, 0, NULL, "address to listen at; 0.0.0.0 and ::: every one") \
	X(port, INTEGER, "22211", 1, 65535, NULL, "UDP port that requests arrive at")              \
	X(public_key, PATH, NULL, 0, 0, NULL, "PEM file; only compared with private_key")          \
	X(private_key, PATH, NULL, 0, 0, NULL, "PEM file of the server's RSA key")                 \
	X(server_ip, ADDRESSES, NULL, 0, 0, NULL, "addresses of ours that a request may name")     \
	X(echo_ipv4_server, URL, NULL, 0, 0, NULL, "Echo-IP service for IPv4")                     \
	X(echo_ipv6_server, URL, NULL, 0, 0, NULL, "Echo-IP service for IPv6")                     \
	X(devices, PATH, "devices.d", 0, 0, NULL, "folder of the devices' public keys")            \
	X(duration, DURATION, NULL, NS_PER_SECOND, 65535 * NS_PER_SECOND, NULL,                    \
	    "how long a request opens, where no rule says")                                        \
	X(window, DURATION, "5m", NS_PER_SECOND, INT64_MAX, NULL,                                  \
	    "how far a request's timestamp may be from now")                                       \
	X(answer, WORD, "always", 0, 0, conf_answer_words, "when a request is answered")           \
	X(targets, TARGETS, "any", 0, 0, NULL,                                                     \
	    "addresses a request may open for, when the device does not say")                      \
	X(script_user, NAME, NULL, 0, 0, NULL, "user that scripts and helpers run as")             \
	X(script_rule_user, NAME, NULL, 0, 0, NULL, "user that those for rules run as instead")    \
	X(script_deadline, DURATION, "5s", 10 * NS_PER_MS, 60 * NS_PER_SECOND, NULL,               \
	    "time that one answer may take")                                                       \
	X(script_limit, INTEGER, "4", 1, 64, NULL, "scripts that may run at the same time")        \
	X(script_queue, INTEGER, "64", 1, 4096, NULL, "questions that may wait")                   \
	X(script_output, INTEGER, "8192", 64, 65536, NULL, "bytes that one answer may have")       \
	X(script_writable, PATH, NULL, 0, 0, NULL, "the one folder or file they may write to")

/* key               kind       default       least  most           words  what it is */
#define CONF_SCRIPT_KEYS(X)                                                               \
	X(user_directory_service, PATH, NULL, 0, 0, NULL, "prints a device's public key") \
	X(authorization, PATH, NULL, 0, 0, NULL, "prints for how many seconds")           \
	X(rule_add, PATH, NULL, 0, 0, NULL, "opens")                                      \
	X(rule_remove, PATH, NULL, 0, 0, NULL, "shuts")                                   \
	X(server_start, PATH, NULL, 0, 0, NULL, "run before the server serves")           \
	X(server_stop, PATH, NULL, 0, 0, NULL, "run when it has stopped")

/* key               kind       default       least  most           words  what it is */
#define CONF_HELPER_KEYS(X)                                                                    \
	X(user_directory_service, PATH, NULL, 0, 0, NULL, "stays; tells devices' public keys") \
	X(authorization, PATH, NULL, 0, 0, NULL, "stays; tells for how many seconds")          \
	X(firewall, PATH, NULL, 0, 0, NULL, "stays; opens and shuts")

/* key               kind       default       least  most           words  what it is */
#define CONF_DEVICE_KEYS(X)                                                               \
	X(name, NAME, NULL, 0, 0, NULL, "as shown; the uuid when not given")              \
	X(rules, RULES, NULL, 0, 0, NULL, "what it may ask for; anything when not given") \
	X(duration, DURATION, NULL, NS_PER_SECOND, 65535 * NS_PER_SECOND, NULL,           \
	    "how long a request opens, where the rule does not say")                      \
	X(expires, TIME, NULL, 0, 0, NULL, "from then on every request is refused")       \
	X(targets, TARGETS, NULL, 0, 0, NULL, "addresses this device may open for")       \
	X(revoked, REVOKED, NULL, 0, 0, NULL, "when the device was revoked, or true")

/* A row of a table, at run time. */
struct conf_field {
	const char *key;
	enum conf_kind kind;
	size_t offset; /* of the member in its struct */
	const char *fallback;
	int64_t least;
	int64_t most;
	const struct conf_word *words;
	const char *what;
};

/* A row of a table, as a field of struct `owner`. */
#define CONF_FIELD(owner, key, kind, fallback, least, most, words, what) \
	{#key, CONF_KIND_##kind, offsetof(struct owner, key), fallback, least, most, words, what},

struct conf_section {
	const char *name;
	const struct conf_field *fields;
	size_t count;
	bool loose;                /* case and underscores of keys do not count */
	const char *const *nested; /* keys that hold sections of their own; NULL: none */
};

extern const struct conf_section conf_server_section;
extern const struct conf_section conf_client_section;
extern const struct conf_section conf_openspa_section;
extern const struct conf_section conf_script_section;
extern const struct conf_section conf_helper_section;
extern const struct conf_section conf_device_section;

#endif
