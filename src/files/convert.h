/* Files that an original program reads and the daemon refuses, as files that both read and that
 * mean the same; and the way back. */
#ifndef FILES_CONVERT_H
#define FILES_CONVERT_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/tree.h"
#include "files/secret_text.h"

struct conf;

/* A server's file, one of clients.d, or a client's: aliases and merges resolved, openme's schema
 * until 0.4.0 as today's, unknown keys left out. `path` is where `from` was read, NULL: from a
 * pipe, and stands for it when it is read again to see that it is in order. `openme`: only what
 * openme knows, and all clients of a server in one file. One line for each thing that was left out
 * or changed goes to `notes`. False with *error filled, and nothing in `out`. */
bool convert_file(struct secret_text *out, const struct tree_source *from, const char *path,
    bool openme, FILE *notes, struct conf_error *error);

/* The server's configuration with all of its clients, as far as openme has keys for it, and with
 * its private key. What goes wrong with `to` is seen by ferror. */
void convert_to_openme(const struct conf *conf, FILE *to, FILE *notes);

#endif
