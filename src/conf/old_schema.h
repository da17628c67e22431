/* openme's schema until its version 0.4.0: `defaults` with a host and ports, and a client's
 * `allowed_ports` as a map of mode and ports. It is read as what it says in today's. */
#ifndef CONF_OLD_SCHEMA_H
#define CONF_OLD_SCHEMA_H

#include "conf/schema.h"
#include "conf/tree.h"

/* The name of a group without ports, for a client whose mode is `only` and who names none: an empty
 * list would mean the group `default`. It need not be among the groups. */
#define OLD_NO_PORTS "no_ports"

struct old_source {
	const struct tree *tree;
	const char *path; /* of what is read, as in complaints */
	bool unknown_too; /* keys that are not known are passed over */
	struct conf_error *error;
};

#define OLD_KEYS 2
extern const char *const old_port_keys[OLD_KEYS];
extern const char *const old_client_keys[OLD_KEYS];
bool old_knows(const char *const keys[static OLD_KEYS], const char *key);

/* A list of {port, proto} as port specs. False with *error filled. */
bool old_ports(const struct old_source *s, struct conf_list *out, const struct node *ports);
/* A map {mode, ports}, as what a client of today has in its list. False with *error filled. */
bool old_allowed_ports(const struct old_source *s, struct conf_list *out, const struct node *map);
/* The section `defaults`: the server's host, and the group `default`. */
struct conf;
bool old_defaults_load(
    struct conf *conf, const struct tree *tree, const struct node *map, struct conf_error *error);

#endif
