/* A new file that appears whole or not at all: written beside its place, synced, then renamed.
 * Mode 0600. */
#ifndef CMD_OUTFILE_H
#define CMD_OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

struct outfile {
	FILE *file; /* write here */
	char *path;
	char *temporary; /* NULL: there is none (any more) */
	bool fresh;      /* set it, and an existing file is refused: outfile_commit, EEXIST */
};

/* False with errno: EEXIST when something stands there that is no plain file. */
bool outfile_open(struct outfile *out, const char *path);
/* Puts the file in its place; false with errno, and nothing is left behind. */
bool outfile_commit(struct outfile *out);
/* Frees what there is, and takes the temporary file away. Safe on a zeroed one, and after commit.
 */
void outfile_close(struct outfile *out);

#endif
