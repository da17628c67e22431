/* The audit log's files: audit.log, and audit.log.1 to .3, which are older. Lines are appended;
 * a file that is full steps back and the oldest goes, so that all of them together are bounded. */
#ifndef AUDIT_AUDIT_FILE_H
#define AUDIT_AUDIT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_FILE_NAME  "audit.log"
#define AUDIT_FILE_COUNT 4
#define AUDIT_FILE_BYTES (8U << 20)

/* --- Written */

struct audit_file {
	int folder; /* the caller's */
	int fd;     /* -1: not open */
	uint64_t size;
	uint64_t most; /* bytes of one file */
};

/* Opens nothing yet. */
struct audit_file audit_file_of(int folder, uint64_t most);
/* Appends a line, which ends with its newline, behind whatever stands there: a line that a
 * predecessor has left half written is closed first. All of it is written or nothing. False with
 * errno; the next call tries anew. */
bool audit_file_append(struct audit_file *f, const char *line, size_t size);
void audit_file_close(struct audit_file *f);

/* --- Read */

/* What was in the way of reading. */
struct audit_reading {
	unsigned int files; /* that there are */
	uint64_t lines;
	uint64_t damaged; /* lines longer than any of ours, and half ones */
	int error;        /* errno of a file that could not be read; 0 */
	char file[32];    /* its name */
};

/* Calls `line` with each line, without its newline, the oldest first; false from it ends the
 * reading. `folder` is an open folder. */
void audit_files_read(int folder, struct audit_reading *r,
    bool (*line)(void *context, const char *text, size_t size), void *context);

#endif
