/* Values of options that several commands take. Each returns true, or false with the complaint made
 * and cli->status set. `option` is written with its dashes. */
#ifndef CMD_OPTION_H
#define CMD_OPTION_H

#include <stdint.h>

#include "cmd/cli.h"

/* "OPTION "text": expected ...". Always false. */
bool option_refuse(struct cli *cli, const char *option, const char *text, const char *expected);
bool option_number(struct cli *cli, int64_t *out, const char *option, const char *text,
    int64_t least, int64_t most);
bool option_port(
    struct cli *cli, uint16_t *out, const char *option, const char *text, uint16_t least);
/* --timeout: more than nothing, and no more than `most`. */
bool option_timeout(struct cli *cli, int64_t *out_ns, const char *text, int64_t most_ns);

#endif
