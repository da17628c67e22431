/* Whom a configuration would shut out: live connections to ports that it shuts and the one before
 * does not, from addresses without a grant. */
#ifndef CMD_SHUT_OUT_H
#define CMD_SHUT_OUT_H

#include "cmd/cli.h"
#include "cmd/login.h"
#include "cmd/shut_ports.h"

#define SHUT_OUT_PEERS 8 /* that are named */

struct shut_out {
	struct shut_ports before, next;
	size_t count; /* connections */
	bool own;     /* that of the caller's login is among them */
	bool cut;     /* they end at once; else they live on, and cannot be made anew */
	bool unknown; /* the kernel does not tell of connections */
	struct {
		struct addr peer;
		uint16_t port;
		size_t count;
	} peers[SHUT_OUT_PEERS];
	size_t peer_count;
};

struct conf;

/* The rules of a configuration whose interface is known (conf_find_interface), and what was
 * accepted last, as `state_dir` has it: without clients. snapshot_unmap them. False where that
 * cannot be had.
 */
bool shut_out_map(struct conf *conf, struct snapshot *out);
bool shut_out_map_accepted(const struct cli *cli, struct snapshot *out, const char *state_dir);
/* Compares the two; `before`: NULL for a host that shuts nothing. */
void shut_out_find(const struct cli *cli, struct shut_out *out, const struct snapshot *before,
    const struct snapshot *next);
/* Prints, for people, who would be shut out, to standard error; nothing where nobody would. */
void shut_out_warn(const struct cli *cli, const struct shut_out *s);
/* Before the daemon takes the configuration at cli->config over. Where that would shut somebody out
 * warns, and asks the question if a person is there. False with cli->status when the answer is not
 * yes, or cannot be read. What cannot be told is no reason to refuse: the daemon looks at the file
 * itself, and says what is wrong with it. */
bool shut_out_ask(struct cli *cli, const char *state_dir, const char *question);

#endif
