/* The main configuration file as it was when it was last accepted, kept in the state directory, so
 * that a reload that was not confirmed can be taken back. It holds the keys that the file holds,
 * and is as private. */
#ifndef SNAPSHOT_KEPT_CONFIG_H
#define SNAPSHOT_KEPT_CONFIG_H

#include <stdbool.h>
#include <sys/stat.h>

#define KEPT_CONFIG_FILE "config.accepted"
#define KEPT_CONFIG_MOST (4U << 20) /* bytes; a longer file is not kept */

/* What the file was like before it was read. */
struct kept_config {
	struct stat before;
	bool known;
};

/* Before the file is read. */
void kept_config_look(struct kept_config *k, const char *path);
/* After it was accepted: copies it, whole or not at all. Where it has changed since it was read, or
 * is too long, none is kept: rather none than another one. False with errno, ESTALE or EFBIG then.
 */
bool kept_config_save(const struct kept_config *k, const char *state_dir, const char *path);
/* A descriptor to read it by, the caller's; -1 with *why, a static text or that of errno. */
int kept_config_open(const char *state_dir, const char **why);
/* Whether what is kept is what stands in the file at `path` now. */
bool kept_config_is(const char *state_dir, const char *path);
/* All that is left of `from`, up to KEPT_CONFIG_MOST bytes, written to `to`. False with errno. */
bool kept_config_copy(int to, int from);

#endif
