/* A new file that appears whole or not at all: nameless (files/write_file.h) until it is in its
 * place. Mode 0600. */
#ifndef CMD_OUTFILE_H
#define CMD_OUTFILE_H

#include <stdio.h>

#include "files/write_file.h"

struct outfile {
	FILE *file; /* write here */
	struct new_file target;
	bool fresh; /* set it, and an existing file is refused: outfile_commit, EEXIST */
};

/* False with errno: EEXIST when something stands there that is no plain file. */
bool outfile_open(struct outfile *out, const char *path);
/* Puts the file in its place. False with errno; then outfile_close, and nothing is left behind. */
bool outfile_commit(struct outfile *out);
/* Frees what there is. Safe on a zeroed one, and after commit. */
void outfile_close(struct outfile *out);

#endif
