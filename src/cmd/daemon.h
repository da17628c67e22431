/* What the tool asks the running daemon. */
#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include <stddef.h>

#include "cmd/cli.h"
#include "ctl/ctl_client.h"

#define DAEMON_LAYERS_MOST 4

struct daemon_state {
	struct control_session *sessions; /* by client, then address */
	size_t session_count;
	struct control_last_seen *seen; /* by client */
	size_t seen_count;
	char without[DAEMON_LAYERS_MOST][CONTROL_NAME_BYTES]; /* layers of the daemon's sandbox */
	size_t without_count;
	enum control_guard guard;
	enum control_shield shield;
	enum control_intake intake;
	bool short_of_memory;
};

/* Asks for SESSIONS. daemon_state_free whatever comes of it. */
enum ctl_result daemon_state_ask(
    const struct cli *cli, struct daemon_state *state, struct control_error *error);
void daemon_state_free(struct daemon_state *state);
/* By label (conf/values.h), as it stands in the records. */
bool daemon_active(const struct daemon_state *state, const char *client);
/* By name; NULL when `client` was not seen. */
const struct control_last_seen *daemon_seen(const struct daemon_state *state, const char *client);

#define DAEMON_WHY_BYTES (4 * CONTROL_TEXT_BYTES + 32)
/* What went wrong, in words, "" for CTL_DONE, and the status to exit with. Reads errno for
 * CTL_FAILED. */
enum cli_exit daemon_explain(const struct cli *cli, enum ctl_result result,
    const struct control_error *error, char text[static DAEMON_WHY_BYTES]);
/* Reports what went wrong and returns the status to exit with; CLI_DONE for CTL_DONE. */
enum cli_exit daemon_report(
    const struct cli *cli, enum ctl_result result, const struct control_error *error);
/* After a change to the files of clients: has a running daemon take it over, and says so. A daemon
 * that is not running will read the files when it starts; that is no failure. */
enum cli_exit daemon_take_over(const struct cli *cli);
enum ctl_result daemon_reload(
    const struct cli *cli, ctl_reply_fn *reply, void *context, struct control_error *error);

#endif
