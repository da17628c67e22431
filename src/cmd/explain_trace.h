/* `postern explain --trace`: what the kernel does with a real packet. */
#ifndef CMD_EXPLAIN_TRACE_H
#define CMD_EXPLAIN_TRACE_H

#include "cmd/cli.h"
#include "cmd/json.h"
#include "explain/packet.h"

/* Waits for one, and tells; as members of the object that is open in `j`, or with NULL as text. */
enum cli_exit explain_trace(
    const struct cli *cli, struct json *j, const struct packet *asked, int64_t timeout_ns);

#endif
