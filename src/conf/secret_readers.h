/* Secrets that more than their owner may read, and still nobody reads who should not: a package's
 * file for its service's group, and what is mounted into a container. */
#ifndef CONF_SECRET_READERS_H
#define CONF_SECRET_READERS_H

#include <stdbool.h>
#include <sys/stat.h>

#define READERS_TEXT_BYTES 640

/* `st` is that of the open file `fd`, which others may read and nobody else write. True: `text` is
 * what to warn of. False: it says what stands against it, or is "". */
bool secret_readers_fine(int fd, const struct stat *st, char text[static READERS_TEXT_BYTES]);

/* Whether an open file or folder is mounted into a container of ours: root's, read-only. False:
 * `why` says what stands against it, or is "" where it is not so mounted. */
bool secret_mounted_for_us(int fd, const struct stat *st, char why[static READERS_TEXT_BYTES]);

/* Whether this process is in a container where nobody but root, `self` and this daemon's own
 * processes runs, and no account of people is. False: `why` says what stands against it. */
bool secret_container_is_ours(uid_t self, char why[static READERS_TEXT_BYTES]);

#endif
