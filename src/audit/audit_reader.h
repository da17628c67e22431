/* Reads the lines of a set of the audit log's files (audit/audit_file.h), the oldest first. */
#ifndef AUDIT_AUDIT_READER_H
#define AUDIT_AUDIT_READER_H

#include "audit/audit_file.h"
#include "audit/audit_line.h"

#define AUDIT_READER_BYTES 16384

struct audit_reader {
	unsigned int files;          /* that there were when it was opened */
	uint64_t damaged;            /* lines longer than any of ours, and half ones; so far */
	int error;                   /* errno of a file that could not be read; 0 */
	char file[AUDIT_NAME_BYTES]; /* its name */

	enum audit_set set;
	int fds[AUDIT_FILE_COUNT]; /* by age; -1: none, or read to its end */
	char bytes[AUDIT_READER_BYTES];
	size_t at, end; /* of `bytes`: what has been read and not taken */
	char line[AUDIT_LINE_BYTES];
	size_t used;
	bool too_long; /* the rest of the line is skipped */
};

/* `folder` is an open folder, the caller's, and not needed any more behind this. What cannot be
 * opened is left out, and `error` says so. audit_reader_close it in any case. */
void audit_reader_open(struct audit_reader *r, int folder, enum audit_set set);
/* The next line, without its newline: `r->used` bytes at `r->line`, until the next call. False at
 * the end of all. */
bool audit_reader_next(struct audit_reader *r);
void audit_reader_close(struct audit_reader *r);

#endif
