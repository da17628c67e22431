/* What knock and status share: a profile, a knock, a look at the port. */
#ifndef CMD_KNOCKING_H
#define CMD_KNOCKING_H

#include <postern.h>

#include "cmd/cli.h"
#include "cmd/host_port.h"
#include "cmd/json.h"
#include "cmd/option.h"
#include "cmd/probe.h"
#include "files/client_conf.h"

#define KNOCKING_TIMEOUT_NS (3LL * 1000000000)

/* What the user asked for. */
struct knocking {
	const struct client_profile *profile;
	int family;             /* AF_INET, AF_INET6, or AF_UNSPEC for both */
	struct addr target;     /* all zeros: the address that the knock comes from */
	bool own_address;       /* name the one that it leaves with; the profile can say so, too */
	int64_t timeout_ns;     /* of a look at the port */
	struct host_port check; /* port 0: the health port; host NULL: the server's own */
};

/* Where others can read the keys. */
void knocking_warn(const struct cli *cli, const struct client_conf *conf);
/* The profile of that name; `name` NULL: the default one. *conf is the caller's to free, whatever
 * comes of it. NULL with cli->status set. */
const struct client_profile *knocking_profile(
    struct cli *cli, const char *name, struct client_conf **conf);

/* Place: struct addr. */
option_fn knocking_take_target;

/* Sends one knock to each address; `report` says what became of it. Failures are reported. */
enum cli_exit knocking_send(
    const struct cli *cli, const struct knocking *k, struct postern_report *report);

/* For the person, where there were several: which of them. */
void knocking_tell_each(const struct postern_report *report);
/* The addresses that were knocked at, for knocking_look. */
void knocking_addresses(struct probe *probe, const struct postern_report *report);
/* The first address of each family that is wanted. Failures are reported. */
enum cli_exit knocking_resolve(
    const struct cli *cli, const struct knocking *k, struct probe *probe);
/* Where a profile was not found: what was meant for --check, and stands behind it as a second word.
 */
void knocking_hint(const struct cli *cli, const char *name);
/* For --check=[HOST:]PORT; place: struct host_port. */
option_fn knocking_take_check;
/* Whether the port that is to be looked at lets us in: the health port, TCP with the number of the
 * knock port, or another one. Says nothing unless it could not even try. CLI_DONE or CLI_CLOSED;
 * *open is the address that answered, and probe->result says how. */
enum cli_exit knocking_look(
    const struct cli *cli, const struct knocking *k, struct probe *probe, struct addr *open);
/* For a person: what came of it, and what a port that is not open tells. */
void knocking_tell(const struct cli *cli, const struct knocking *k, const struct probe *probe);

/* Members of an object that both commands print. */
void knocking_json(struct json *j, const struct knocking *k, const struct postern_report *report);
/* The port that was looked at, and what it answered. */
void knocking_check_json(struct json *j, const struct knocking *k, const struct probe *probe);

#endif
